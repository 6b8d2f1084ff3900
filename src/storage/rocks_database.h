#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/write_buffer_manager.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "storage/rocks_object_store.h"
#include "storage/rocks_outcome_filter.h"

namespace zeolite::storage {

[[nodiscard]] inline rocksdb::Slice to_slice(ByteView view) { return {view.data(), view.size()}; }
[[nodiscard]] inline ByteView to_view(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

// Guards each key and value of a batch on its way from us to the memtable. RocksDB joins batches of
// several threads, so all of ours have it.
inline constexpr std::size_t kProtectionBytesPerKey = 8;

// "cannot <action>: <what RocksDB says>". Incomplete becomes unavailable, damage corruption.
[[nodiscard]] std::unexpected<Error> rocks_error(std::string_view action,
                                                 const rocksdb::Status& status);

// An open RocksDB with our column families, and what must live as long as it. Knows nothing of
// what the records mean. Thread: any.
class RocksDatabase {
 public:
  // `path` exists. `create` says whether an empty directory is right. `has_room(bytes)` says
  // whether the disk has room for a spare log file.
  [[nodiscard]] static Result<std::unique_ptr<RocksDatabase>> open(
      const RocksStoreOptions& options, const std::filesystem::path& path, bool create,
      std::function<bool(std::uint64_t)> has_room);

  RocksDatabase(const RocksDatabase&) = delete;
  RocksDatabase& operator=(const RocksDatabase&) = delete;
  ~RocksDatabase();

  // For the calling thread, which from now on does not count its comparisons and the like for
  // RocksDB's PerfContext: nobody reads that, and it takes a tenth of an append.
  [[nodiscard]] rocksdb::DB& db() const {
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
    return *db_;
  }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* meta() const { return families_[0]; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* log() const { return families_[1]; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* revisions() const { return families_[2]; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* outcomes() const { return families_[3]; }

  // Outcomes at or below it are dropped in passing; set it when it is durable.
  void set_outcome_horizon(Tid horizon) { horizon_->store(horizon.value()); }

  // Bytes that are only in memory and the write-ahead log, and still need room in tables.
  [[nodiscard]] std::uint64_t unflushed_bytes() const { return memtables_->memory_usage(); }

  enum class Health : std::uint8_t {
    good,
    starved,  // a flush or compaction met a full disk; resume() succeeds once there is space
    broken,   // any other background error; only opening anew helps
    damaged,  // a stored file is damaged; opening anew does not help
  };
  [[nodiscard]] Health health() const;
  // Tries to get from starved to good; may take some seconds of calls after space returned.
  [[nodiscard]] Result<> resume();

 private:
  class Listener;
  RocksDatabase();

  // Destroyed in reverse order: first the handles (in the destructor), then db_, env_ last.
  std::shared_ptr<Listener> listener_;
  SharedHorizon horizon_;
  std::unique_ptr<rocksdb::Env> env_;
  std::shared_ptr<rocksdb::WriteBufferManager> memtables_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
};

}  // namespace zeolite::storage
