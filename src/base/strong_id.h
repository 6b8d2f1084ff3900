#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace zeolite {

// An unsigned 64-bit number that is only comparable and assignable to its own kind: an Oid cannot
// be passed as a Tid, nor an integer as either.
template <typename Tag>
class StrongId {
 public:
  constexpr StrongId() = default;
  constexpr explicit StrongId(std::uint64_t value) : value_(value) {}
  [[nodiscard]] constexpr std::uint64_t value() const { return value_; }
  [[nodiscard]] constexpr bool is_zero() const { return value_ == 0; }
  [[nodiscard]] constexpr StrongId next() const { return StrongId(value_ + 1); }
  [[nodiscard]] constexpr StrongId previous() const { return StrongId(value_ - 1); }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;

 private:
  std::uint64_t value_ = 0;
};

}  // namespace zeolite

template <typename Tag>
struct std::hash<zeolite::StrongId<Tag>> {
  // Fibonacci hashing: ids are dense counters or timestamps, whose low bits alone hash badly.
  std::size_t operator()(zeolite::StrongId<Tag> id) const noexcept {
    return static_cast<std::size_t>((id.value() * 0x9E3779B97F4A7C15ULL) ^ (id.value() >> 32));
  }
};
