#include "pickle/text_arguments.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <vector>

#include "pickle/utf8.h"

namespace zeolite::pickle {
namespace {

constexpr std::size_t kDigitsMax = 2466;  // of a number of kIntegerBytesMax bytes

// The number that `digits`, at most kDigitsMax, stand for, in limbs, least significant first.
std::vector<std::uint32_t> limbs_of(ByteView digits) {
  std::vector<std::uint32_t> limbs;
  while (!digits.empty()) {
    const ByteView chunk = digits.substr(0, std::min<std::size_t>(9, digits.size()));
    digits.remove_prefix(chunk.size());
    std::uint32_t carry = 0;
    std::uint32_t scale = 1;
    std::from_chars(chunk.data(), chunk.data() + chunk.size(), carry);
    for (std::size_t i = 0; i < chunk.size(); ++i) scale *= 10;
    for (std::uint32_t& limb : limbs) {
      const std::uint64_t product = std::uint64_t{limb} * scale + carry;
      limb = static_cast<std::uint32_t>(product);
      carry = static_cast<std::uint32_t>(product >> 32);
    }
    if (carry != 0) limbs.push_back(carry);
  }
  return limbs;
}

std::string twos_complement(const std::vector<std::uint32_t>& limbs, bool negative) {
  std::string bytes(limbs.size() * sizeof(std::uint32_t) + 1, '\0');
  std::memcpy(bytes.data(), limbs.data(), bytes.size() - 1);
  if (!negative) return bytes;
  unsigned carry = 1;
  for (char& byte : bytes) {
    const unsigned sum = static_cast<std::uint8_t>(~static_cast<unsigned>(byte)) + carry;
    byte = static_cast<char>(sum);
    carry = sum >> 8;
  }
  return bytes;
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

// Reads exactly `count` hexadecimal digits from the front of `text`.
std::optional<std::uint32_t> take_hex(ByteView& text, std::size_t count) {
  std::uint32_t value = 0;
  if (text.size() < count) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + count, value, 16);
  if (error != std::errc{} || end != text.data() + count) return std::nullopt;
  text.remove_prefix(count);
  return value;
}

std::optional<char> simple_escape(char c) {
  switch (c) {
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case '\\':
    case '\'':
    case '"':
      return c;
    default:
      return std::nullopt;
  }
}

// What stands after a backslash; false when it is broken.
bool take_escape(ByteView& rest, std::string& out) {
  if (rest.empty()) return false;
  const char c = rest[0];
  if (is_octal(c)) {
    unsigned value = 0;
    for (int i = 0; i < 3 && !rest.empty() && is_octal(rest[0]); ++i) {
      value = value * 8 + static_cast<unsigned>(rest[0] - '0');
      rest.remove_prefix(1);
    }
    out.push_back(static_cast<char>(value));
    return true;
  }
  rest.remove_prefix(1);
  if (c == 'x') {
    const auto value = take_hex(rest, 2);
    if (value) out.push_back(static_cast<char>(*value));
    return value.has_value();
  }
  if (const auto byte = simple_escape(c)) {
    out.push_back(*byte);
  } else {
    out.push_back('\\');
    out.push_back(c);
  }
  return true;
}

}  // namespace

std::optional<Value> integer_from_bytes(ByteView bytes) {
  // The shortest form: no byte at the end that only repeats the sign.
  while (bytes.size() > 1) {
    const auto last = static_cast<std::uint8_t>(bytes.back());
    const bool next_is_negative = (static_cast<std::uint8_t>(bytes[bytes.size() - 2]) & 0x80U) != 0;
    if (last != (next_is_negative ? 0xFF : 0x00)) break;
    bytes.remove_suffix(1);
  }
  if (bytes.size() > kIntegerBytesMax) return std::nullopt;
  if (bytes.size() > sizeof(std::int64_t)) return Value(BigInteger{std::string(bytes)});
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    number = (number << 8) | static_cast<std::uint8_t>(bytes[i]);
  }
  if (!bytes.empty() && bytes.size() < sizeof number &&
      (static_cast<std::uint8_t>(bytes.back()) & 0x80U) != 0) {
    number |= ~std::uint64_t{0} << (8 * bytes.size());
  }
  return Value(static_cast<std::int64_t>(number));
}

std::optional<Value> integer_from_decimal(ByteView digits) {
  std::int64_t number = 0;
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, number);
  if (end != last || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc{}) return Value(number);
  const bool negative = digits[0] == '-';
  if (negative) digits.remove_prefix(1);
  if (digits.size() > kDigitsMax) return std::nullopt;
  return integer_from_bytes(twos_complement(limbs_of(digits), negative));
}

std::optional<double> float_from_text(ByteView text) {
  double number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc{} || end != last) return std::nullopt;
  return number;
}

std::optional<std::string> string_from_literal(ByteView literal) {
  if (literal.size() < 2) return std::nullopt;
  const char quote = literal.front();
  if ((quote != '\'' && quote != '"') || literal.back() != quote) return std::nullopt;
  ByteView rest = literal.substr(1, literal.size() - 2);
  std::string out;
  while (!rest.empty()) {
    const std::size_t plain = std::min(rest.find('\\'), rest.size());
    out.append(rest.substr(0, plain));
    rest.remove_prefix(plain);
    if (rest.empty()) break;
    rest.remove_prefix(1);
    if (!take_escape(rest, out)) return std::nullopt;
  }
  return out;
}

std::optional<std::string> utf8_from_raw_escapes(ByteView text) {
  std::string out;
  // A backslash is plain but for an odd one before u or U.
  while (!text.empty()) {
    const char c = text[0];
    text.remove_prefix(1);
    if (c != '\\' || text.empty() || (text[0] != 'u' && text[0] != 'U')) {
      append_utf8(out, static_cast<std::uint8_t>(c));
      if (c == '\\' && !text.empty() && text[0] == '\\') {
        out.push_back('\\');
        text.remove_prefix(1);
      }
      continue;
    }
    const std::size_t digits = text[0] == 'u' ? 4 : 8;
    text.remove_prefix(1);
    const auto code_point = take_hex(text, digits);
    if (!code_point || *code_point > 0x10FFFF) return std::nullopt;
    append_utf8(out, *code_point);
  }
  return out;
}

}  // namespace zeolite::pickle
