#pragma once

#include <cstdint>
#include <filesystem>

#include "base/error.h"
#include "replication/follower.h"
#include "storage/file_descriptor.h"
#include "storage/file_hash.h"
#include "wire/messages_replication.h"

namespace zeolite::daemon {

// The files of a copy that a standby is taking, in `incoming` of its data directory, with a file
// BEGIN that says what the copy is and a mark for each file that is whole. They outlive the
// connection and the process, so a copy that was cut off goes on. What is there counts only for
// who asks for a copy that it may become (Follower::may_replace), and is never installed from here
// (storage/checkpoint_install.h).
//
// Thread: one at a time; waits for the disk. Errors: io_error, protocol_error (a message that does
// not fit), corruption.
class IncomingCopy {
 public:
  explicit IncomingCopy(std::filesystem::path data);

  // What is to be asked for: the rest of what is there, if that is of use; else it is removed.
  [[nodiscard]] Result<wire::CheckpointRequest> resume(
      const replication::Follower::TakeCheckpoint& take);

  struct Progress {
    std::uint64_t present = 0;  // bytes of its files
    bool whole = false;
  };
  // The answer to the request; what is there of another copy is removed. Pieces may follow.
  [[nodiscard]] Result<Progress> begin(const wire::CheckpointBegin& begin);
  // True: all is there, checked and synced.
  [[nodiscard]] Result<bool> write(const wire::CheckpointChunk& chunk);

  // Of the copy that was begun.
  [[nodiscard]] const Id128& cluster() const { return begin_.cluster_id; }
  [[nodiscard]] const Position& position() const { return begin_.position; }

  // Before the database is opened, whose log has acknowledged everything up to `acknowledged`:
  // removes what can replace it no more.
  [[nodiscard]] static Result<> remove_outdated(const std::filesystem::path& data,
                                                const Position& acknowledged);

 private:
  [[nodiscard]] Result<wire::CheckpointBegin> read_begin() const;
  [[nodiscard]] std::filesystem::path path_of(std::size_t index) const;
  [[nodiscard]] std::filesystem::path done_mark(std::size_t index) const;
  [[nodiscard]] bool has_whole(std::size_t index) const;
  [[nodiscard]] std::size_t first_missing(std::size_t from) const;
  [[nodiscard]] Result<> clear();
  [[nodiscard]] Result<> open(std::uint32_t index);
  [[nodiscard]] Result<> append(ByteView data);
  [[nodiscard]] Result<> complete_file(const wire::CheckpointChunk& chunk);
  [[nodiscard]] Result<> check_space(std::uint64_t present) const;
  [[nodiscard]] Result<> sync_directories() const;

  const std::filesystem::path data_;
  const std::filesystem::path incoming_;
  replication::Follower::TakeCheckpoint take_;
  bool begun_ = false;  // by this one's request
  bool whole_ = false;  // nothing of it is touched any more
  wire::CheckpointBegin begin_;
  // The file that is being written.
  std::uint32_t index_ = 0;
  storage::FileDescriptor file_;
  storage::FileHash hash_;
  std::uint64_t written_ = 0;
};

}  // namespace zeolite::daemon
