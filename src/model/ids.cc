#include "model/ids.h"

#include <cstring>

#include "base/check.h"

namespace zeolite {

namespace {

std::string hex_u64(std::uint64_t value) {
  std::string bytes;
  put_u64(bytes, value);
  return to_hex(ByteView(bytes));
}

}  // namespace

std::string to_hex(Oid oid) { return hex_u64(oid.value()); }
std::string to_hex(Tid tid) { return hex_u64(tid.value()); }
std::string to_hex(const Id128& id) { return to_hex(view_of(id)); }

std::optional<std::uint64_t> parse_hex_u64(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  if (text.empty() || text.size() > 16) return std::nullopt;
  const std::optional<std::string> bytes =
      from_hex(std::string(16 - text.size(), '0') + std::string(text));
  if (!bytes) return std::nullopt;
  return get_u64(bytes->data());
}

Id128 id128_from(ByteView bytes) {
  CHECK(bytes.size() == 16, "an Id128 is 16 bytes");
  Id128 id;
  std::memcpy(id.data(), bytes.data(), id.size());
  return id;
}

}  // namespace zeolite

std::size_t std::hash<zeolite::CommitId>::operator()(const zeolite::CommitId& id) const noexcept {
  // Session ids are random: any eight of their bytes are a good hash.
  std::uint64_t low;
  std::memcpy(&low, id.session.data(), sizeof low);
  return static_cast<std::size_t>(low ^ (id.number * 0x9E3779B97F4A7C15ULL));
}
