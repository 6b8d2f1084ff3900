#pragma once

#include <memory>

#include "base/error.h"
#include "blobs/blob_directory.h"
#include "daemon/config.h"
#include "daemon/server.h"
#include "storage/rocks_object_store.h"

// What a server opens of each of its storages.
namespace zeolite::daemon {

// The database. `lock`: of its directory, when it is taken already; or null.
[[nodiscard]] Result<std::unique_ptr<storage::RocksObjectStore>> open_store(
    const ServerConfig& config, const StorageConfig& storage,
    std::shared_ptr<const storage::DirectoryLock> lock, const LogSink& log);

// The files of its blobs, brought to what its log says.
[[nodiscard]] Result<std::unique_ptr<blobs::BlobDirectory>> open_blobs(
    const ServerConfig& config, const StorageConfig& storage, const storage::ObjectStore& store,
    const LogSink& log);

}  // namespace zeolite::daemon
