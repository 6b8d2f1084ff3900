#include "daemon/storage_start.h"

#include <string>
#include <utility>

#include "blobs/blob_location.h"
#include "blobs/recovery.h"
#include "blobs/undone_blobs.h"
#include "daemon/divergence_file.h"

namespace zeolite::daemon {

Result<std::unique_ptr<storage::RocksObjectStore>> open_store(
    const ServerConfig& config, const StorageConfig& storage,
    std::shared_ptr<const storage::DirectoryLock> lock, const LogSink& log) {
  storage::RocksStoreOptions options;
  options.lock = std::move(lock);
  options.directory = storage.directory;
  options.block_cache_bytes = config.block_cache_bytes / config.storages.size();
  options.memtable_bytes = config.memtable_bytes;
  options.reserve_bytes = config.disk_reserve_bytes;
  options.wal_file_bytes = config.memtable_bytes + config.memtable_bytes / 8;
  options.log_sink = [log, name = storage.name](int level, std::string_view text) {
    log(level <= 2 ? LogLevel::warning : LogLevel::error,
        "storage " + name + ": " + std::string(text));
  };
  if (config.replication.resume.cluster) options.cluster_id = config.replication.resume.cluster;
  return storage::RocksObjectStore::open(options);
}

Result<std::unique_ptr<blobs::BlobDirectory>> open_blobs(const ServerConfig& config,
                                                         const StorageConfig& storage,
                                                         const storage::ObjectStore& store,
                                                         const LogSink& log) {
  blobs::BlobDirectoryOptions options;
  ASSIGN_OR_RETURN(options.path, blobs::locate_blobs(storage.directory, storage.blobs));
  options.cluster_id = store.cluster_id();
  options.reserve_bytes = config.disk_reserve_bytes;
  ASSIGN_OR_RETURN(std::unique_ptr<blobs::BlobDirectory> blobs,
                   blobs::BlobDirectory::open(std::move(options)));
  ASSIGN_OR_RETURN(const blobs::RecoveryReport report, blobs::recover(*blobs, store));
  RETURN_IF_ERROR(blobs::remove_undone(*blobs, store, storage.directory / kDivergenceFolder));
  if (report.installed + report.removed > 0) {
    log(LogLevel::info, "storage " + storage.name + ": " + std::to_string(report.installed) +
                            " blobs of the last run were put in place, " +
                            std::to_string(report.removed) + " unfinished ones removed");
  }
  return blobs;
}

}  // namespace zeolite::daemon
