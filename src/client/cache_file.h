#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "client/connection_view.h"
#include "client/object_cache.h"
#include "model/ids.h"

namespace zeolite::client_core {

// Keeps an ObjectCache on disk across restarts: one file, written whole beside the old one, synced
// and renamed over it, so that there is always one complete file or none. What it holds is right as
// of the position that stands in it; the server tells what changed since, or that it does not know
// the position.
//
// Format, integers big-endian:
//   "ZEOCACH1", cluster id 16, epoch 8, tid 8, chain 16, u16 length and name of the storage,
//   u32 CRC-32C of all that;
//   blocks: u32 length (not 0), the entries, u32 CRC-32C of the block's entries and number;
//   u32 0, u64 number of entries, u32 CRC-32C of those 12 bytes.
//   An entry: oid 8, tid 8, end 8, u32 length, record. Least worth keeping first.
//
// While one of these exists, no other process can use the same file (a lock on FILE.lock).
// Thread: one at a time. Owner: the client.
class CacheFile {
 public:
  // Takes the lock. Errors: busy when another process has it; io_error.
  [[nodiscard]] static Result<CacheFile> open(std::string path, std::string storage);
  CacheFile(CacheFile&& other) noexcept = default;
  CacheFile& operator=(CacheFile&&) = delete;

  // Fills the (empty) cache. Nothing when there is no file. Any error leaves the cache empty:
  // corruption (damaged, or not ours), invalid_argument (of another storage), io_error.
  [[nodiscard]] Result<std::optional<ConnectionView::Place>> load(ObjectCache& cache) const;

  // Replaces the file by what the cache holds as of view's place. May run while the cache is used.
  // Nothing is written when the client was never connected. Errors: unavailable when a new history
  // began meanwhile (try later); io_error. The old file is still there then.
  [[nodiscard]] Result<> save(ObjectCache& cache, const ConnectionView& view) const;

 private:
  CacheFile(std::string path, std::string storage, FileDescriptor lock)
      : path_(std::move(path)), storage_(std::move(storage)), lock_(std::move(lock)) {}

  std::string path_;
  std::string storage_;
  FileDescriptor lock_;
};

}  // namespace zeolite::client_core
