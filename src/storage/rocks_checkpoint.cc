// RocksObjectStore: a copy of the database for a standby or a backup.

#include <rocksdb/utilities/checkpoint.h>

#include <memory>
#include <utility>

#include "storage/crash_point.h"
#include "storage/rocks_database.h"
#include "storage/rocks_object_store.h"

namespace zeolite::storage {

namespace {

// Reading the end of the copy's log needs little.
constexpr std::size_t kCheckCacheBytes = 8 << 20;

Result<> sync_tree(const std::filesystem::path& directory) {
  std::error_code error;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (auto entry = Walk(directory, error); !error && entry != Walk(); entry.increment(error)) {
    if (entry->is_directory()) {
      RETURN_IF_ERROR(sync_directory(entry->path()));
    } else if (entry->is_regular_file()) {
      RETURN_IF_ERROR(sync_file(entry->path()));
    }
  }
  if (error) return system_error("list", directory, error.value());
  return sync_directory(directory);
}

}  // namespace

Result<Position> RocksObjectStore::make_checkpoint(const std::filesystem::path& directory) const {
  RETURN_IF_ERROR(make_private_directory(directory));
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(&records_->db(), &made);
  if (!status.ok()) return rocks_error("make a checkpoint", status);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // Everything in table files, which are linked: no part of a log file, whose end may not be
  // synced.
  status = checkpoint->CreateCheckpoint((directory / "records").string(), 0);
  if (!status.ok()) return rocks_error("make a checkpoint", status);
  RETURN_IF_ERROR(HighWaterMark::create(directory / "HWM"));
  RETURN_IF_ERROR(DataDirectory::write_format(directory, cluster_id()));
  Position position;
  {
    RocksStoreOptions options;
    options.directory = directory;
    options.read_only = true;
    options.create_if_missing = false;
    options.block_cache_bytes = kCheckCacheBytes;
    options.wal_file_bytes = 0;
    ASSIGN_OR_RETURN(options.lock, DirectoryLock::take(directory, DirectoryLock::Access::write));
    // Opening it checks the end of its chain.
    ASSIGN_OR_RETURN(const std::unique_ptr<RocksObjectStore> copy, open(options));
    position = copy->last_position();
  }
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<HighWaterMark> mark,
                     HighWaterMark::open(directory / "HWM", false));
    if (!position.tid.is_zero()) RETURN_IF_ERROR(mark->write(position));
    RETURN_IF_ERROR(mark->sync());
  }
  std::error_code ignored;
  std::filesystem::remove(directory / "LOCK", ignored);
  RETURN_IF_ERROR(sync_tree(directory));
  return position;
}

}  // namespace zeolite::storage
