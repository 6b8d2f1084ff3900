#pragma once

#include <rocksdb/db.h>

#include <array>
#include <cstddef>
#include <vector>

#include "model/transaction_record.h"
#include "storage/key_encoding.h"
#include "storage/rocks_database.h"

namespace zeolite::storage {

// A revision to be looked up, and about how many bytes it will take. Callers may have their own
// with more in it.
struct WantedRevision {
  RevisionKey key;
  std::size_t bytes = 0;
};

// Looks up many revisions, some together: blocks and filters that several of them need are looked
// at once. Calls found(index, status, value) for each, in their order; the value is valid during
// the call. `wanted` is in the order of a walk over all revisions (in_removal_order, but a key may
// be there twice), or else costs a sort more. Returns the first error that `found` returns.
//
// Memory: at most about 1 MiB of values at a time, or one value.
template <typename Wanted, typename Found>
[[nodiscard]] Result<> look_up(const RocksDatabase& records, const std::vector<Wanted>& wanted,
                               bool in_order, const Found& found) {
  static constexpr std::size_t kTogether = 64;
  static constexpr std::size_t kBytesTogether = 1 << 20;
  std::array<FixedKey<16>, kTogether> keys;
  std::array<rocksdb::Slice, kTogether> slices;
  std::array<rocksdb::PinnableSlice, kTogether> values;
  std::array<rocksdb::Status, kTogether> statuses;
  for (std::size_t begin = 0; begin < wanted.size();) {
    std::size_t count = 0;
    for (std::size_t bytes = 0; count < kTogether && begin + count < wanted.size(); ++count) {
      const Wanted& next = wanted[begin + count];
      bytes += next.bytes;
      if (count > 0 && bytes > kBytesTogether) break;
      keys[count] = revision_key(next.key.oid, next.key.tid);
      slices[count] = to_slice(keys[count].view());
      values[count].Reset();
    }
    records.db().MultiGet(rocksdb::ReadOptions(), records.revisions(), count, slices.data(),
                          values.data(), statuses.data(), in_order);
    for (std::size_t i = 0; i < count; ++i) {
      RETURN_IF_ERROR(found(begin + i, statuses[i], to_view(values[i])));
    }
    begin += count;
  }
  return {};
}

}  // namespace zeolite::storage
