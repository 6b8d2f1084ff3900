#pragma once

#include <rocksdb/file_system.h>

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace zeolite::storage {

// Gives RocksDB write-ahead log files whose blocks are already written, full of zeros. Syncing an
// append that overwrites written blocks needs no change of the filesystem's own metadata, hence no
// journal commit: one write to the disk instead of two. RocksDB knows nothing of it; its log reader
// skips zeros, so the tail of such a file reads as the end of the log.
//
// A thread of its own keeps one spare file ready (docs/storage-format.md: "spare"). When there is
// none, because the disk is nearly full or the thread is late, RocksDB gets an ordinary file.
//
// Also marks the crash points of the write-ahead log, and makes it fail where a test wants it to.
// Thread: any.
class WalFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  // `directory` holds the log files. Spares are `file_size` bytes, made only while
  // `has_room(file_size)`; 0 makes none. The first spare is made here, before returning.
  WalFileSystem(const std::shared_ptr<rocksdb::FileSystem>& target,
                const std::filesystem::path& directory, std::uint64_t file_size,
                std::function<bool(std::uint64_t)> has_room);
  ~WalFileSystem() override;

  [[nodiscard]] const char* Name() const override { return "ZeoliteWalFileSystem"; }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;

 private:
  [[nodiscard]] bool make_spare(const std::stop_token& stop) const;
  void run(const std::stop_token& stop);

  const std::filesystem::path spare_;
  const std::uint64_t file_size_;
  const std::function<bool(std::uint64_t)> has_room_;

  std::mutex mutex_;  // guards the two below
  std::condition_variable_any wake_;
  bool spare_ready_ = false;
  bool spare_wanted_ = false;
  std::jthread maker_;  // last: ends before what it uses
};

}  // namespace zeolite::storage
