#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/time.h"

namespace zeolite::sim {

// Random numbers from a seed, the same on every machine.
//
// Whoever draws has a generator of its own, split off by name: so one more draw in one place does
// not change what is drawn in another, and a seed stays of use while the code changes.
class Random {
 public:
  explicit Random(std::uint64_t seed) : seed_(seed), state_(seed) {}

  // Depends on this one's seed and the name only, not on what was drawn.
  [[nodiscard]] Random split(std::string_view name, std::uint64_t number = 0) const {
    std::uint64_t mixed = mix(seed_ ^ mix(number + 1));
    for (const char letter : name) {
      mixed = mix(mixed ^ static_cast<unsigned char>(letter));
    }
    return Random(mixed);
  }

  std::uint64_t next() {  // splitmix64
    state_ += 0x9E3779B97F4A7C15ULL;
    return mix(state_);
  }
  // Below `end`, which is not 0.
  std::uint64_t below(std::uint64_t end) {
    CHECK(end > 0, "there is something to choose from");
    return next() % end;
  }
  std::size_t index(std::size_t size) { return static_cast<std::size_t>(below(size)); }
  // Once in `times` on average; never if that is 0.
  bool once_in(std::uint64_t times) { return times != 0 && below(times) == 0; }
  bool coin() { return below(2) == 0; }
  // Within [from, to].
  Duration between(Duration from, Duration to) {
    return from + Duration(static_cast<std::int64_t>(
                      below(static_cast<std::uint64_t>((to - from).count()) + 1)));
  }
  // Mostly near `usual`, now and then up to a hundred times as long: what disks and networks do.
  Duration delay(Duration usual) {
    const Duration base = between(usual / 2, usual * 3 / 2);
    if (!once_in(50)) return base;
    return base * static_cast<std::int64_t>(1 + below(once_in(10) ? 100 : 10));
  }

 private:
  static std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31U);
  }

  std::uint64_t seed_;
  std::uint64_t state_;
};

}  // namespace zeolite::sim
