#include "storage/removal_codec.h"

#include <cstdint>
#include <limits>

#include "base/check.h"

namespace zeolite::storage {

namespace {

// Of an oid and of a tid, a byte each.
constexpr std::size_t kKeySizeMin = 2;

// Seven bits a byte, the lowest first; bit 7 says that more follow.
void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

// False when it is too long, or longer than needed.
bool take_varint(ByteReader& reader, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint64_t byte = reader.take_u8();
    if (!reader.ok()) return false;
    const std::uint64_t bits = byte & 0x7F;
    if (shift == 63 && bits > 1) return false;
    value |= bits << shift;
    if ((byte & 0x80) == 0) return bits != 0 || shift == 0;
  }
  return false;
}

// Signed numbers with the sign in the lowest bit, so that those near zero are short.
std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (0 - (value & 1)));
}

std::int64_t as_signed(Tid tid) { return static_cast<std::int64_t>(tid.value()); }

// The next key after `key`, which is changed into it.
bool take_key(ByteReader& reader, bool first, RevisionKey& key) {
  std::uint64_t oid_step = 0;
  std::uint64_t tid_step = 0;
  if (!take_varint(reader, oid_step) || !take_varint(reader, tid_step)) return false;
  if (!first && oid_step == 0) {
    if (tid_step == 0 || tid_step >= key.tid.value()) return false;
    key.tid = Tid(key.tid.value() - tid_step);
    return true;
  }
  std::int64_t tid = 0;
  if (oid_step > ~std::uint64_t{0} - key.oid.value() ||
      __builtin_add_overflow(as_signed(key.tid), unzigzag(tid_step), &tid) || tid <= 0) {
    return false;
  }
  key = {Oid(key.oid.value() + oid_step), Tid(static_cast<std::uint64_t>(tid))};
  return true;
}

}  // namespace

void put_removed(std::string& out, std::span<const RevisionKey> keys, Tid pack_record) {
  CHECK(keys.size() <= std::numeric_limits<std::uint32_t>::max(),
        "a record removes fewer than 2^32 revisions");
  CHECK(pack_record <= kMaxTid, "a tid beyond the greatest");
  CHECK(in_removal_order(keys), "removed revisions are in order, each once");
  put_u32(out, static_cast<std::uint32_t>(keys.size()));
  RevisionKey last{.oid = Oid{}, .tid = pack_record};
  bool first = true;
  for (const RevisionKey& key : keys) {
    CHECK(!key.tid.is_zero() && key.tid < pack_record, "what a pack removes was there before it");
    put_varint(out, key.oid.value() - last.oid.value());
    if (!first && key.oid == last.oid) {
      put_varint(out, last.tid.value() - key.tid.value());
    } else {
      put_varint(out, zigzag(as_signed(key.tid) - as_signed(last.tid)));
    }
    last = key;
    first = false;
  }
}

bool take_removed(ByteReader& reader, Tid pack_record, std::vector<RevisionKey>& keys) {
  const std::uint32_t count = reader.take_u32();
  if (!reader.ok() || count > reader.remaining() / kKeySizeMin) return false;
  if (pack_record > kMaxTid) return false;
  keys.reserve(count);
  RevisionKey key{.oid = Oid{}, .tid = pack_record};
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!take_key(reader, i == 0, key) || key.tid >= pack_record) return false;
    keys.push_back(key);
  }
  return true;
}

}  // namespace zeolite::storage
