#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "blobs/blob_names.h"
#include "blobs/open_directory.h"
#include "blobs/staging.h"
#include "model/ids.h"
#include "storage/disk_space.h"
#include "storage/file_descriptor.h"

namespace zeolite::blobs {

struct BlobDirectoryOptions {
  std::filesystem::path path = {};  // may be a symbolic link to a directory
  bool create_if_missing = true;
  // Nothing is made, changed or locked; only the reading functions may be called.
  bool read_only = false;
  // The database it belongs to. A directory that is marked as another's is refused.
  std::optional<Id128> cluster_id = std::nullopt;
  // Kept free on its disk; see storage/disk_space.h.
  std::optional<std::uint64_t> reserve_bytes = std::nullopt;
  storage::DiskSpace::Probe probe = {};  // instead of asking the file system
};

// A committed blob, open for reading. It stays readable when it is packed away meanwhile.
// Thread: any.
class BlobFile {
 public:
  BlobFile(std::filesystem::path path, storage::FileDescriptor file, std::uint64_t size)
      : path_(std::move(path)), file_(std::move(file)), size_(size) {}

  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Fills `buffer` from `offset` on, less at the end only; how much. Errors: io_error.
  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset, std::span<char> buffer) const;

 private:
  std::filesystem::path path_;
  storage::FileDescriptor file_;
  std::uint64_t size_;
};

// The files of a storage's blobs, in ZODB's bushy layout, so that clients on the same machine can
// share the directory. Decides where a file is at each moment, so that whatever the log names is
// found after any crash, and nothing else stays (docs/blobs.md):
//
//   stage -> seal (durable) -> vote -> log entry durable -> install -> visible -> settle
//
// One process at a time may have it open for writing. What a client sends never names a file
// outside the directory.
//
// Thread: any, but install() from one at a time. Owned by the daemon, or a maintenance run.
class BlobDirectory {
 public:
  // Makes the directory, or opens one that ZODB or we made, and removes unfinished uploads.
  // recover() (blobs/recovery.h) is called before it is used.
  // Errors: busy (another process has it), invalid_argument (another layout, not a blob directory,
  // another database's), not_found (missing, not to be made), out_of_space, io_error.
  [[nodiscard]] static Result<std::unique_ptr<BlobDirectory>> open(BlobDirectoryOptions options);
  BlobDirectory(const BlobDirectory&) = delete;
  BlobDirectory& operator=(const BlobDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return base_.path(); }
  // Of the committed file; it need not exist.
  [[nodiscard]] std::filesystem::path path_of(Oid oid, Tid tid) const;

  // --- Staging. Errors of all: out_of_space, io_error.

  // Whether `bytes` more can be written with the disk's reserve left. What is appended to a staged
  // blob without that ends the blob.
  [[nodiscard]] Result<> check_space(std::uint64_t bytes);
  // A new blob, to be written and sealed.
  [[nodiscard]] Result<StagedBlob> stage();
  // A blob that a client put into the object's directory itself. Hashes it and seals it. The file
  // is ours then: whatever the error, but for the two named first, it is gone.
  // Errors: invalid_argument (not a name that a client may use, or no plain file of one name),
  // not_found; corruption (it was changed under us), aborted (`abandoned`, which may be null,
  // turned true).
  [[nodiscard]] Result<StagedBlob> adopt(Oid oid, std::string_view file_name,
                                         const std::atomic<bool>* abandoned = nullptr);
  // Removes such a blob, which nobody wants any more. Errors: as adopt, for the same files.
  [[nodiscard]] Result<> discard_shared(Oid oid, std::string_view file_name);
  // The blob of the revision (oid, tid) once more, for another revision of the object (undo).
  // Needs no disk space, where the file system has hard links. Sealed. Error: not_found.
  [[nodiscard]] Result<StagedBlob> restage(Oid oid, Tid tid, const BlobInfo& info);
  // A file from elsewhere (import), linked or copied and hashed. Sealed. Error: not_found.
  [[nodiscard]] Result<StagedBlob> take_in(Oid oid, const std::filesystem::path& file, Sync sync);
  // Makes durable what was sealed with Sync::later, and what was removed.
  [[nodiscard]] Result<> sync_staged();

  // --- Committed blobs.

  // The transaction `tid` is durable in the log: gives a released staged blob its final name. To
  // be called before the commit becomes visible. Repeating it does no harm.
  // An error costs nothing: the blob is readable here nonetheless, and settle() tries again.
  [[nodiscard]] Result<> install(const std::string& staged_name, Oid oid, Tid tid);
  // Makes the final names durable and forgets the staged ones, of all that was installed before.
  // To be called now and then, from a thread that may wait for the disk; needed for nothing but
  // tidiness: what is not settled when the process ends is settled at the next open.
  [[nodiscard]] Result<> settle();
  [[nodiscard]] std::size_t unsettled() const;

  // Errors: not_found, corruption (no regular file), io_error.
  [[nodiscard]] Result<BlobFile> open_for_reading(Oid oid, Tid tid) const;
  // The size of the committed file; nothing when there is none.
  [[nodiscard]] Result<std::optional<std::uint64_t>> size_of(Oid oid, Tid tid) const;
  // Reads and hashes the blob. Opened read only, a blob that recovery would install counts as
  // there. Errors: not_found, corruption (another size or content), aborted (`cancelled` turned
  // true; may be null), io_error.
  [[nodiscard]] Result<> verify(Oid oid, Tid tid, const BlobInfo& info,
                                const std::atomic<bool>* cancelled) const;
  // Removes the blob of a revision that is gone from the store, and the directories that are empty
  // then. Whether there was one. Repeating it does no harm.
  [[nodiscard]] Result<bool> remove(Oid oid, Tid tid);

  // Calls `visit` for each committed file, by oid and tid; ends with its first error. Memory: the
  // names of one directory. What is added or removed meanwhile may be passed over.
  using Visitor = std::function<Result<>(Oid oid, Tid tid)>;
  [[nodiscard]] Result<> walk(const Visitor& visit) const;

  // --- For recovery.

  // The folder that is ours alone. Not of one that was opened read only.
  [[nodiscard]] const std::filesystem::path& private_path() const {
    return staging_->directory.path();
  }
  // What is sealed and not yet forgotten.
  [[nodiscard]] Result<std::vector<StagedName>> staged() const;
  // Removes a staged file that belongs to no transaction.
  [[nodiscard]] Result<> discard(const std::string& staged_name);
  // Whether the staged file has the content that its name says. Reads it.
  [[nodiscard]] Result<bool> is_sound(const StagedName& staged) const;
  // Makes the names of the object's committed files durable.
  [[nodiscard]] Result<> sync_object(Oid oid) const;
  // Whether the staged file and the committed one are the same file under two names.
  [[nodiscard]] Result<bool> is_installed(const std::string& staged_name, Oid oid, Tid tid) const;

 private:
  struct Pending {
    std::string staged_name;
    bool placed = false;  // it has its final name, though perhaps not durably
  };
  using Key = std::pair<Oid, Tid>;

  BlobDirectory(OpenDirectory base, bool read_only)
      : base_(std::move(base)), read_only_(read_only) {}
  Result<> prepare(const BlobDirectoryOptions& options);
  Result<> claim(const BlobDirectoryOptions& options);
  Result<> open_staging(const BlobDirectoryOptions& options);
  // Gives the staged file its final name, if it has not got it.
  Result<> place(const std::string& staged_name, Oid oid, Tid tid);
  Result<> sync_objects(std::span<const Oid> oids) const;
  Result<> walk_level(const OpenDirectory& directory, unsigned level, std::uint64_t prefix,
                      const Visitor& visit) const;
  static Result<BlobInfo> hash_up_to(const BlobFile& file, std::uint64_t size,
                                     const std::atomic<bool>* cancelled);
  Result<bool> is_recoverable(Oid oid, const BlobInfo& info) const;
  Result<OpenDirectory> object(Oid oid) const;
  // A file that a client made: its directory, and what it is.
  struct SharedUpload;
  Result<SharedUpload> find_shared(Oid oid, const std::string& name) const;
  std::optional<std::string> unplaced(Oid oid, Tid tid) const;

  const OpenDirectory base_;
  const bool read_only_;
  storage::FileDescriptor lock_;
  std::shared_ptr<Staging> staging_;  // null only when read only and there is none

  std::mutex structure_;            // held while files or directories are removed, and by settle()
  mutable std::mutex mutex_;        // guards pending_; taken after structure_, never held for long
  std::map<Key, Pending> pending_;  // installed, not settled
};

// The directory at `path`, which nobody has open, belongs to no database any more: whoever opens it
// next claims it. For a node whose database is replaced. Durable. Nothing to do when there is none.
[[nodiscard]] Result<> forget_owner(const std::filesystem::path& path);

}  // namespace zeolite::blobs
