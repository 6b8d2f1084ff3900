#include "zeo/undo_id.h"

#include <string_view>

namespace zeolite::zeo {

namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kLength = 12;  // of 8 bytes: 11 digits and one '='

}  // namespace

std::string undo_id(Tid tid) {
  // 64 bits make ten digits of 6 bits, one of 4, and the padding.
  std::string id;
  id.reserve(kLength);
  for (int shift = 58; shift >= 4; shift -= 6) {
    id.push_back(kDigits[(tid.value() >> shift) & 63]);
  }
  id.push_back(kDigits[(tid.value() << 2) & 63]);
  id.push_back('=');
  return id;
}

std::optional<Tid> parse_undo_id(ByteView id) {
  if (id.size() == 8) return Tid(get_u64(id.data()));
  if (id.ends_with('\n')) id.remove_suffix(1);
  if (id.size() != kLength || id.back() != '=') return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i + 1 < kLength; ++i) {
    const std::size_t digit = kDigits.find(id[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    value = i + 2 < kLength ? (value << 6) | digit : (value << 4) | (digit >> 2);
  }
  return Tid(value);
}

}  // namespace zeolite::zeo
