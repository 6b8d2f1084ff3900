#pragma once

#include <rocksdb/db.h>

#include <memory>
#include <string>

#include "model/ids.h"
#include "storage/object_store.h"
#include "storage/rocks_database.h"

namespace zeolite::storage {

// How the reading parts of RocksObjectStore look at the families. Thread: any; an iterator sees the
// records as they were when it was made, and must end before the database.

using IteratorPtr = std::unique_ptr<rocksdb::Iterator>;

[[nodiscard]] inline rocksdb::ReadOptions read_options(ReadTier tier) {
  rocksdb::ReadOptions options;
  if (tier == ReadTier::memory) options.read_tier = rocksdb::kBlockCacheTier;
  return options;
}

// For a seek within one object's revisions, forward only: tables without the object are skipped by
// their filters.
[[nodiscard]] inline IteratorPtr object_iterator(const RocksDatabase& records, ReadTier tier) {
  rocksdb::ReadOptions options = read_options(tier);
  options.prefix_same_as_start = true;
  return IteratorPtr(records.db().NewIterator(options, records.revisions()));
}

// For steps back and across objects, which filters would lead astray.
[[nodiscard]] inline IteratorPtr ordered_iterator(const RocksDatabase& records, ReadTier tier) {
  rocksdb::ReadOptions options = read_options(tier);
  options.total_order_seek = true;
  return IteratorPtr(records.db().NewIterator(options, records.revisions()));
}

// For a walk over everything, which must not push out what clients read.
[[nodiscard]] inline IteratorPtr walking_iterator(const RocksDatabase& records) {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  options.fill_cache = false;
  return IteratorPtr(records.db().NewIterator(options, records.revisions()));
}

// Of a revision's key that is none.
[[nodiscard]] inline std::unexpected<Error> damaged_key(const rocksdb::Iterator& at) {
  return make_error(ErrorCode::corruption,
                    "a revision has a key of a wrong size: " + to_hex(to_view(at.key())));
}

// What an error says that we were about.
[[nodiscard]] inline std::string reading(Oid oid) { return "read object " + to_hex(oid); }

}  // namespace zeolite::storage
