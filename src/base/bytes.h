#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace zeolite {

// Borrowed bytes (not text; may hold zeros). Valid as long as what they point into.
using ByteView = std::string_view;

// Immutable bytes with shared ownership: a slice of a buffer that lives as long as any slice of
// it. Copying is cheap and safe across threads. Lets a record travel from the network frame it
// arrived in to the storage batch without being copied.
class Bytes {
 public:
  Bytes() = default;

  // Takes over `buffer`.
  explicit Bytes(std::string buffer) {
    auto owner = std::make_shared<const std::string>(std::move(buffer));
    view_ = *owner;
    owner_ = std::move(owner);
  }

  // `view` must point into memory that `owner` keeps alive.
  Bytes(std::shared_ptr<const void> owner, ByteView view) : owner_(std::move(owner)), view_(view) {}

  [[nodiscard]] static Bytes copy_of(ByteView view) { return Bytes(std::string(view)); }

  [[nodiscard]] ByteView view() const { return view_; }
  [[nodiscard]] std::size_t size() const { return view_.size(); }
  [[nodiscard]] bool empty() const { return view_.empty(); }
  // The part of these bytes that starts at `offset` and is `length` long; shares the owner.
  [[nodiscard]] Bytes slice(std::size_t offset, std::size_t length) const {
    return {owner_, view_.substr(offset, length)};
  }

  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view_ == b.view_; }

 private:
  std::shared_ptr<const void> owner_;
  ByteView view_;
};

// Big-endian integers, the byte order of keys and of ZODB.
inline void put_u16(std::string& out, std::uint16_t v) {
  out.push_back(static_cast<char>(v >> 8));
  out.push_back(static_cast<char>(v));
}
inline void put_u32(std::string& out, std::uint32_t v) {
  const std::uint32_t big = __builtin_bswap32(v);
  out.append(reinterpret_cast<const char*>(&big), sizeof big);
}
inline void put_u64(std::string& out, std::uint64_t v) {
  const std::uint64_t big = __builtin_bswap64(v);
  out.append(reinterpret_cast<const char*>(&big), sizeof big);
}
[[nodiscard]] inline std::uint16_t get_u16(const char* p) {
  std::uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap16(v);
}
[[nodiscard]] inline std::uint32_t get_u32(const char* p) {
  std::uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap32(v);
}
[[nodiscard]] inline std::uint64_t get_u64(const char* p) {
  std::uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap64(v);
}

// Lower-case hexadecimal, two digits a byte.
[[nodiscard]] std::string to_hex(ByteView bytes);
// The reverse; nothing when the length is odd or a digit is not hexadecimal.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view hex);

// Takes fixed and length-prefixed fields from the front of a buffer. Every take is checked: after
// the first that does not fit, ok() is false and all further takes return empty or zero values.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }

  [[nodiscard]] ByteView take(std::size_t n) {
    if (!ok_ || rest_.size() < n) {
      ok_ = false;
      return {};
    }
    const ByteView front = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return front;
  }
  [[nodiscard]] std::uint8_t take_u8() {
    const ByteView b = take(1);
    return ok_ ? static_cast<std::uint8_t>(b[0]) : std::uint8_t{0};
  }
  [[nodiscard]] std::uint16_t take_u16() {
    const ByteView b = take(2);
    return ok_ ? get_u16(b.data()) : std::uint16_t{0};
  }
  [[nodiscard]] std::uint32_t take_u32() {
    const ByteView b = take(4);
    return ok_ ? get_u32(b.data()) : std::uint32_t{0};
  }
  [[nodiscard]] std::uint64_t take_u64() {
    const ByteView b = take(8);
    return ok_ ? get_u64(b.data()) : std::uint64_t{0};
  }

 private:
  ByteView rest_;
  bool ok_ = true;
};

}  // namespace zeolite
