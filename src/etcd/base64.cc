#include "etcd/base64.h"

#include <cstdint>

namespace zeolite::etcd {

namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// 64: not a digit.
std::uint32_t digit_value(char digit) {
  if (digit >= 'A' && digit <= 'Z') return static_cast<std::uint32_t>(digit - 'A');
  if (digit >= 'a' && digit <= 'z') return static_cast<std::uint32_t>(digit - 'a') + 26;
  if (digit >= '0' && digit <= '9') return static_cast<std::uint32_t>(digit - '0') + 52;
  return digit == '+' ? 62 : digit == '/' ? 63 : 64;
}

}  // namespace

std::string to_base64(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const ByteView part = bytes.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < part.size() ? static_cast<unsigned char>(part[i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= part.size() ? kDigits[bits >> (18 - 6 * i) & 63] : '=';
    }
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (; !text.empty(); text.remove_prefix(4)) {
    std::string_view part = text.substr(0, 4);
    if (text.size() == 4) {
      if (part.back() == '=') part.remove_suffix(1);
      if (part.back() == '=') part.remove_suffix(1);
    }
    std::uint32_t bits = 0;
    for (const char digit : part) {
      const std::uint32_t value = digit_value(digit);
      if (value == 64) return std::nullopt;
      bits = bits << 6 | value;
    }
    const auto left_over = 8 * (part.size() - 1);  // whole bytes, in bits
    bits <<= 6 * (4 - part.size());
    if ((bits & ((1U << (24 - left_over)) - 1)) != 0) return std::nullopt;
    for (std::size_t i = 0; i + 1 < part.size(); ++i) {
      out += static_cast<char>(bits >> (16 - 8 * i));
    }
  }
  return out;
}

}  // namespace zeolite::etcd
