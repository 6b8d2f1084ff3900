#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.h"
#include "model/ids.h"
#include "storage/file_descriptor.h"

namespace zeolite::storage {

// The last acknowledged position, kept in a file beside the records (docs/storage-format.md). A
// write-ahead log that lost its end opens without complaint; this file is the witness that says
// what it must still contain.
//
// Two slots are written in turn, so a torn write costs one group's news and never the mark. A mark
// is in the page cache when write() returns (a killed process keeps it) and on the disk at most
// 100 ms later, by a thread of its own, so that no commit waits for a second sync.
//
// Thread: write from one thread at a time. Owned by the store that owns the records.
class HighWaterMark {
 public:
  // Makes a new file that says "nothing acknowledged", durably, in place of any other.
  [[nodiscard]] static Result<> create(const std::filesystem::path& path);

  // Opens the file. Errors: corruption when it is missing or neither slot is whole.
  [[nodiscard]] static Result<std::unique_ptr<HighWaterMark>> open(
      const std::filesystem::path& path, bool read_only);

  HighWaterMark(const HighWaterMark&) = delete;
  HighWaterMark& operator=(const HighWaterMark&) = delete;
  // Syncs what was written.
  ~HighWaterMark();

  // What was written last; zero when nothing was ever acknowledged.
  [[nodiscard]] const Position& position() const { return position_; }

  // Records that `position` is acknowledged. Any error (also one of an earlier sync) is final: the
  // caller must stop acknowledging.
  [[nodiscard]] Result<> write(const Position& position);

  // The log is about to end at `position`, which is not beyond position(): from now on what was
  // acknowledged after it is not missed. On the disk when it returns. Errors as write.
  [[nodiscard]] Result<> lower(const Position& position);

  // Waits until all that was written is on the disk.
  [[nodiscard]] Result<> sync();

 private:
  HighWaterMark(std::filesystem::path path, FileDescriptor file);
  [[nodiscard]] Result<> read();
  void run(const std::stop_token& stop);

  const std::filesystem::path path_;
  const FileDescriptor file_;
  Position position_;
  std::uint64_t sequence_ = 0;  // of the slot written last

  std::mutex mutex_;  // guards the two below
  std::condition_variable_any wake_;
  bool dirty_ = false;               // written and not yet synced
  std::optional<Error> sync_error_;  // first failure of the thread
  std::jthread syncer_;              // last: ends before what it uses
};

}  // namespace zeolite::storage
