#include "blobs/staging.h"

#include <fcntl.h>

#include <cerrno>

#include "base/check.h"
#include "storage/crash_point.h"

namespace zeolite::blobs {

namespace {

constexpr mode_t kUploadMode = 0600;
// The system begins to write after that much, so that seal() finds little left to wait for.
constexpr std::uint64_t kFlushBytes = std::uint64_t{8} << 20;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr mode_t kPermissions = 0777;
constexpr mode_t kWritePermissions = 0222;

int sync_file(int file) {
  if (!storage::fail_point("blob.sync")) return ::fsync(file);
  errno = EIO;
  return -1;
}

}  // namespace

Result<StagedBlob> StagedBlob::create(std::shared_ptr<Staging> staging) {
  std::string name = upload_name(staging->next_number.fetch_add(1));
  ASSIGN_OR_RETURN(storage::FileDescriptor file, staging->directory.create_file(name, kUploadMode));
  return StagedBlob(std::move(staging), std::move(name), std::move(file));
}

Result<StagedBlob> StagedBlob::take_over(std::shared_ptr<Staging> staging, std::string name,
                                         const std::optional<BlobInfo>& known,
                                         const std::atomic<bool>* abandoned) {
  StagedBlob blob(std::move(staging), std::move(name), {});
  ASSIGN_OR_RETURN(blob.file_, blob.staging_->directory.open_file(blob.name_));
  if (known) {
    blob.known_ = known;
  } else {
    RETURN_IF_ERROR(blob.hash_file(abandoned));
  }
  return blob;
}

StagedBlob& StagedBlob::operator=(StagedBlob&& other) noexcept {
  if (this == &other) return *this;
  abandon();
  staging_ = std::move(other.staging_);
  name_ = std::move(other.name_);
  file_ = std::move(other.file_);
  hash_ = std::move(other.hash_);
  known_ = other.known_;
  written_ = other.written_;
  flushing_ = other.flushing_;
  failed_ = other.failed_;
  info_ = other.info_;
  return *this;
}

StagedBlob::~StagedBlob() { abandon(); }

void StagedBlob::abandon() {
  // What cannot be removed now is an orphan for the next open.
  if (staging_) (void)staging_->directory.unlink(name_);
  staging_ = nullptr;
}

Result<> StagedBlob::hash_file(const std::atomic<bool>* abandoned) {
  std::string buffer(kReadBytes, '\0');
  while (true) {
    if (abandoned != nullptr && *abandoned) {
      return make_error(ErrorCode::aborted, "nobody waits for the blob any more");
    }
    const ssize_t got = ::read(file_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", staging_->directory.path() / name_, errno);
    if (got == 0) return {};
    hash_.update(ByteView(buffer).substr(0, static_cast<std::size_t>(got)));
  }
}

// As ZODB does with a committed blob: whoever may read the directory may read it, nobody write.
Result<> StagedBlob::make_read_only() {
  struct stat status{};
  if (::fstat(file_.get(), &status) != 0) {
    return file_error("read", staging_->directory.path() / name_, errno);
  }
  const mode_t mode = (status.st_mode & kPermissions & ~kWritePermissions) | staging_->read_mode;
  if (mode == (status.st_mode & kPermissions) || ::fchmod(file_.get(), mode) == 0) return {};
  // Another user's file, from a shared directory: its owner has seen to it.
  if (errno == EPERM) return {};
  return file_error("change the mode of", staging_->directory.path() / name_, errno);
}

Result<> StagedBlob::append(ByteView bytes) {
  CHECK(staging_ && file_.is_open(), "a complete blob takes no more bytes");
  if (failed_) {
    return make_error(ErrorCode::io_error, "the blob was not written completely before");
  }
  failed_ = true;
  RETURN_IF_ERROR(staging_->space.check(bytes.size()));
  if (storage::fail_point("blob.append")) {
    return file_error("write to", staging_->directory.path() / name_, EIO);
  }
  RETURN_IF_ERROR(write_all(file_, bytes, staging_->directory.path() / name_));
  failed_ = false;
  staging_->space.spent(bytes.size());
  hash_.update(bytes);
  written_ += bytes.size();
  if (written_ - flushing_ >= kFlushBytes) {
    // Only a hint; seal() finds out what could not be written.
    (void)::sync_file_range(file_.get(), static_cast<off64_t>(flushing_),
                            static_cast<off64_t>(written_ - flushing_), SYNC_FILE_RANGE_WRITE);
    flushing_ = written_;
  }
  return {};
}

Result<> StagedBlob::complete(Sync sync) {
  CHECK(staging_ && !info_, "a sealed blob was complete");
  if (failed_) {
    return make_error(ErrorCode::io_error, "the blob was not written completely before");
  }
  if (!file_.is_open()) return {};
  failed_ = true;
  if (!known_) known_ = hash_.finish();
  RETURN_IF_ERROR(make_read_only());
  storage::crash_point("blob.before_seal");
  if (sync == Sync::now && sync_file(file_.get()) != 0) {
    return file_error("sync", staging_->directory.path() / name_, errno);
  }
  file_ = storage::FileDescriptor();
  failed_ = false;
  return {};
}

Result<BlobInfo> StagedBlob::seal(Oid oid, Sync sync) {
  CHECK(staging_ && !info_, "a blob is sealed once");
  RETURN_IF_ERROR(complete(sync));
  const OpenDirectory& directory = staging_->directory;
  const BlobInfo info = *known_;
  failed_ = true;
  const std::string name = format_staged_name({oid, info, staging_->next_number.fetch_add(1)});
  if (::renameat(directory.descriptor(), name_.c_str(), directory.descriptor(), name.c_str()) !=
      0) {
    return file_error("rename", directory.path() / name_, errno);
  }
  name_ = name;
  storage::crash_point("blob.after_rename");
  if (sync == Sync::now) RETURN_IF_ERROR(directory.sync());
  storage::crash_point("blob.after_seal");
  failed_ = false;
  info_ = info;
  return info;
}

std::string StagedBlob::release() {
  CHECK(staging_ && info_, "only a sealed blob is released");
  staging_ = nullptr;
  return name_;
}

}  // namespace zeolite::blobs
