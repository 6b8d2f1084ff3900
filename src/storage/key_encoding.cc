#include "storage/key_encoding.h"

#include <cstring>

namespace zeolite::storage {

namespace {

void store_u64(char* to, std::uint64_t value) {
  const std::uint64_t big = __builtin_bswap64(value);
  std::memcpy(to, &big, sizeof big);
}

}  // namespace

FixedKey<8> log_key(Tid tid) {
  FixedKey<8> key;
  store_u64(key.data(), tid.value());
  return key;
}

FixedKey<16> revision_key(Oid oid, Tid tid) {
  FixedKey<16> key;
  store_u64(key.data(), oid.value());
  store_u64(key.data() + 8, ~tid.value());
  return key;
}

FixedKey<24> outcome_key(const CommitId& id) {
  FixedKey<24> key;
  std::memcpy(key.data(), id.session.data(), id.session.size());
  store_u64(key.data() + 16, id.number);
  return key;
}

std::optional<Tid> parse_log_key(ByteView key) {
  if (key.size() != 8) return std::nullopt;
  return Tid(get_u64(key.data()));
}

std::optional<RevisionKey> parse_revision_key(ByteView key) {
  if (key.size() != 16) return std::nullopt;
  return RevisionKey{Oid(get_u64(key.data())), Tid(~get_u64(key.data() + 8))};
}

}  // namespace zeolite::storage
