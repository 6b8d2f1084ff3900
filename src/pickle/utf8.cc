#include "pickle/utf8.h"

#include <cstdint>
#include <cstring>

namespace zeolite::pickle {
namespace {

constexpr char32_t kCodePointMax = 0x10FFFF;

bool is_surrogate(char32_t c) { return c >= 0xD800 && c <= 0xDFFF; }

// The length of the sequence that begins with `lead`; 0 when none does.
std::size_t sequence_length(std::uint8_t lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

// The length of the sequence at the front of `rest`, which does not begin with ASCII; 0 when it is
// not valid.
std::size_t valid_sequence(ByteView rest, Surrogates surrogates) {
  const auto lead = static_cast<std::uint8_t>(rest[0]);
  const std::size_t length = sequence_length(lead);
  if (length == 0 || rest.size() < length) return 0;
  char32_t code_point = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<std::uint8_t>(rest[i]);
    if ((next & 0xC0U) != 0x80U) return 0;
    code_point = (code_point << 6) | (next & 0x3FU);
  }
  if (length == 3 && code_point < 0x800) return 0;
  if (length == 4 && (code_point < 0x10000 || code_point > kCodePointMax)) return 0;
  if (surrogates == Surrogates::refused && is_surrogate(code_point)) return 0;
  return length;
}

}  // namespace

bool is_utf8(ByteView bytes, Surrogates surrogates) {
  while (!bytes.empty()) {
    while (bytes.size() >= 8) {
      std::uint64_t eight;
      std::memcpy(&eight, bytes.data(), sizeof eight);
      if ((eight & 0x8080808080808080ULL) != 0) break;
      bytes.remove_prefix(8);
    }
    if (bytes.empty()) break;
    if (static_cast<std::uint8_t>(bytes[0]) < 0x80) {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t length = valid_sequence(bytes, surrogates);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
    return;
  }
  if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
  }
  put(0x80 | (code_point & 0x3F));
}

std::optional<std::string> latin1_from_utf8(ByteView utf8) {
  std::string out;
  out.reserve(utf8.size());
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto lead = static_cast<std::uint8_t>(utf8[i]);
    if (lead < 0x80) {
      out.push_back(utf8[i]);
      continue;
    }
    if ((lead != 0xC2 && lead != 0xC3) || i + 1 == utf8.size()) return std::nullopt;
    const auto next = static_cast<std::uint8_t>(utf8[++i]);
    out.push_back(static_cast<char>(((lead & 0x03U) << 6) | (next & 0x3FU)));
  }
  return out;
}

}  // namespace zeolite::pickle
