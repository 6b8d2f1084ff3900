#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "blobs/blob_hash.h"
#include "blobs/blob_names.h"
#include "blobs/open_directory.h"
#include "model/transaction_record.h"
#include "storage/disk_space.h"

namespace zeolite::blobs {

// Where blobs wait for their transaction: a private directory in the blob directory, so that
// getting its final name moves no data. Thread-safe. Shared by BlobDirectory and its StagedBlobs.
struct Staging {
  Staging(OpenDirectory place, mode_t readers, storage::DiskSpace::Probe probe,
          std::optional<std::uint64_t> reserve)
      : directory(std::move(place)), read_mode(readers), space(std::move(probe), reserve, clock) {}

  const OpenDirectory directory;
  const mode_t read_mode;  // who may read the blob directory may read its files
  const SystemClock clock{};
  storage::DiskSpace space;
  std::atomic<std::uint64_t> next_number = 0;  // of the next staged file, above all that are there
};

// When what was staged becomes durable.
enum class Sync : std::uint8_t {
  now,    // when sealed
  later,  // by the caller, all at once: BlobDirectory::sync_staged
};

// A blob on its way in: a file in staging. Abandoned (destroyed before release), it is removed.
//
// Thread: one at a time, any; does file system calls. May outlive its BlobDirectory.
class StagedBlob {
 public:
  // A new, empty file. Errors: out_of_space, io_error.
  [[nodiscard]] static Result<StagedBlob> create(std::shared_ptr<Staging> staging);
  // Takes over the file `name` of the staging directory, written by someone else: reads and hashes
  // it, if its content is not known. To be sealed.
  // Errors: corruption (no regular file), io_error, aborted (`abandoned`, which may be null, turned
  // true); the file is then removed.
  [[nodiscard]] static Result<StagedBlob> take_over(std::shared_ptr<Staging> staging,
                                                    std::string name,
                                                    const std::optional<BlobInfo>& known,
                                                    const std::atomic<bool>* abandoned = nullptr);
  StagedBlob(StagedBlob&& other) noexcept = default;
  StagedBlob& operator=(StagedBlob&& other) noexcept;
  ~StagedBlob();

  // Writes `bytes` after what was written before. Not after complete() or seal().
  // Errors: out_of_space (the disk's reserve is kept, or it is full), io_error; the blob can then
  // only be abandoned.
  [[nodiscard]] Result<> append(ByteView bytes);

  // All of it was written: with Sync::now its bytes are durable when this returns, and no
  // descriptor is held any more. seal() does it, if it was not done before. Waits for the disk.
  // Errors: as append.
  [[nodiscard]] Result<> complete(Sync sync = Sync::now);

  // The blob is complete and is for `oid`: with Sync::now it is durable when this returns, and only
  // then may a vote for it be answered. Once. Waits for the disk. Errors: as append.
  [[nodiscard]] Result<BlobInfo> seal(Oid oid, Sync sync = Sync::now);

  [[nodiscard]] bool is_sealed() const { return info_.has_value(); }
  // After seal().
  [[nodiscard]] const BlobInfo& info() const { return *info_; }
  // Of the file in staging: what goes into ObjectWrite::staged_blob.
  [[nodiscard]] const std::string& name() const { return name_; }

  // Its transaction is about to be in the log: from now on the file is BlobDirectory::install's,
  // or, if that does not happen, recovery's at the next open. After seal(). Returns name().
  [[nodiscard]] std::string release();

 private:
  StagedBlob(std::shared_ptr<Staging> staging, std::string name, storage::FileDescriptor file)
      : staging_(std::move(staging)), name_(std::move(name)), file_(std::move(file)) {}
  void abandon();
  Result<> hash_file(const std::atomic<bool>* abandoned);
  Result<> make_read_only();

  std::shared_ptr<Staging> staging_;  // null: moved from, or released
  std::string name_;
  storage::FileDescriptor file_;  // open until complete
  BlobHash hash_;
  std::optional<BlobInfo> known_;  // not to be found out by hash_ any more
  std::uint64_t written_ = 0;
  std::uint64_t flushing_ = 0;  // of it, the system was asked to begin to write that much
  bool failed_ = false;
  std::optional<BlobInfo> info_;
};

}  // namespace zeolite::blobs
