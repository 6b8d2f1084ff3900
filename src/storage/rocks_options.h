#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_buffer_manager.h>

#include <memory>
#include <vector>

#include "storage/rocks_object_store.h"
#include "storage/rocks_outcome_filter.h"

namespace zeolite::storage {

// How we run RocksDB 7.8; each setting that keeps data safe says so where it is made.
struct RocksSettings {
  rocksdb::DBOptions database;
  // In the order meta, log, revisions, outcomes.
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  // Counts memtables against the one block cache.
  std::shared_ptr<rocksdb::WriteBufferManager> memtables;
};

// `env` and `listener` belong to the caller; env must outlive the database.
[[nodiscard]] RocksSettings make_rocks_settings(
    const RocksStoreOptions& options, rocksdb::Env* env,
    const std::shared_ptr<rocksdb::EventListener>& listener, const SharedHorizon& horizon);

}  // namespace zeolite::storage
