#include "blobs/blob_directory.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/check.h"
#include "blobs/blob_hash.h"
#include "storage/crash_point.h"

namespace zeolite::blobs {

using storage::FileDescriptor;

namespace {

constexpr const char* kLayoutFile = ".layout";
constexpr const char* kTemporary = "tmp";  // of ZODB's clients
constexpr const char* kPrivate = ".zeolite";
constexpr const char* kLockFile = "LOCK";
constexpr const char* kOwnerFile = "OWNER";
constexpr std::string_view kOwnerPrefix = "cluster ";
constexpr mode_t kPrivateMode = 0700;
constexpr mode_t kReadPermissions = 0444;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr unsigned kLevels = 8;
constexpr unsigned kBitsPerLevel = 8;
// A directory can be removed between its making and its use, by pack or by clients; not that often.
constexpr unsigned kTriesMax = 100;
// From so many directories on, one sync of the file system is cheaper than one of each.
constexpr std::size_t kSyncEachMax = 64;

// The file system cannot, or will not for this file, have a second name for it.
bool cannot_link(int error_number) {
  return error_number == EPERM || error_number == EACCES || error_number == EMLINK ||
         error_number == EXDEV || error_number == EOPNOTSUPP || error_number == ENOSYS;
}

Result<> make_directory(const std::filesystem::path& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  return file_error("make the directory", path, errno);
}

// Makes it, if it is missing, with all above it.
Result<> make_base(const std::filesystem::path& path) {
  std::error_code failure;
  if (!std::filesystem::create_directories(path, failure)) {
    if (failure) return file_error("make the directory", path, failure.value());
    return {};
  }
  return storage::sync_directory(std::filesystem::absolute(path).parent_path());
}

// An unmarked directory is taken only when nobody has used it: ZODB takes it for "lawn" otherwise.
Result<> mark_layout(const OpenDirectory& base) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, base.names());
  for (const std::string& name : names) {
    if (name.starts_with('.') || name == kTemporary) continue;
    return make_error(ErrorCode::invalid_argument,
                      base.path().string() + " holds \"" + name +
                          "\" and has no .layout file: it is no blob directory in ZODB's layout "
                          "\"bushy\"");
  }
  return storage::replace_file(base.path() / kLayoutFile, to_string(Layout::bushy));
}

Result<> check_layout(const OpenDirectory& base, bool may_write) {
  ASSIGN_OR_RETURN(const auto marker, storage::read_small_file(base.path() / kLayoutFile));
  if (!marker) return may_write ? mark_layout(base) : Result<>();
  if (parse_layout(*marker) == Layout::bushy) return {};
  return make_error(ErrorCode::invalid_argument,
                    "the blob directory " + base.path().string() + " has the layout \"" +
                        marker->substr(0, marker->find_first_of("\r\n")) +
                        "\"; \"bushy\" is needed: import it into a new directory, or let ZODB's "
                        "migrateblobs change it");
}

// Whether both are the same file.
bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

Result<std::size_t> BlobFile::read(std::uint64_t offset, std::span<char> buffer) const {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t got = ::pread(file_.get(), buffer.data() + done, buffer.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", path_, errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

// --- Opening

Result<std::unique_ptr<BlobDirectory>> BlobDirectory::open(BlobDirectoryOptions options) {
  const bool may_write = !options.read_only;
  if (may_write && options.create_if_missing) RETURN_IF_ERROR(make_base(options.path));
  ASSIGN_OR_RETURN(OpenDirectory base, OpenDirectory::open(options.path));
  std::unique_ptr<BlobDirectory> blobs(new BlobDirectory(std::move(base), options.read_only));
  RETURN_IF_ERROR(check_layout(blobs->base_, may_write));
  if (may_write) RETURN_IF_ERROR(blobs->prepare(options));
  RETURN_IF_ERROR(blobs->open_staging(options));
  return blobs;
}

Result<> BlobDirectory::prepare(const BlobDirectoryOptions& options) {
  // With the umask's mode: clients of a shared directory keep their temporary files there.
  RETURN_IF_ERROR(make_directory(path() / kTemporary, 0777));
  RETURN_IF_ERROR(make_directory(path() / kPrivate, kPrivateMode));
  RETURN_IF_ERROR(claim(options));
  return base_.sync();
}

// Takes the lock and looks whose directory it is.
Result<> BlobDirectory::claim(const BlobDirectoryOptions& options) {
  const std::filesystem::path lock = path() / kPrivate / kLockFile;
  lock_ = FileDescriptor(::open(lock.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock_.is_open()) return file_error("open", lock, errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file_error("lock", lock, errno);
    return make_error(ErrorCode::busy, "the blob directory " + path().string() +
                                           " is in use by another zeolite process");
  }
  if (!options.cluster_id) return {};
  const std::filesystem::path owner_path = path() / kPrivate / kOwnerFile;
  const std::string ours = std::string(kOwnerPrefix) + to_hex(*options.cluster_id) + "\n";
  ASSIGN_OR_RETURN(const auto owner, storage::read_small_file(owner_path));
  if (!owner) return storage::replace_file(owner_path, ours);
  if (*owner == ours) return {};
  return make_error(ErrorCode::invalid_argument,
                    "the blob directory " + path().string() +
                        " belongs to another database; if that is no more, remove " +
                        owner_path.string());
}

Result<> BlobDirectory::open_staging(const BlobDirectoryOptions& options) {
  Result<OpenDirectory> directory = base_.descend(kPrivate, OpenDirectory::IfMissing::fail);
  if (!directory) {
    if (read_only_ && directory.error().code == ErrorCode::not_found) return {};
    return std::unexpected(std::move(directory).error());
  }
  struct stat status{};
  if (::fstat(base_.descriptor(), &status) != 0) return file_error("read", path(), errno);
  storage::DiskSpace::Probe probe = options.probe;
  if (!probe) probe = [place = directory->path()] { return storage::read_disk_usage(place); };
  staging_ = std::make_shared<Staging>(std::move(*directory), status.st_mode & kReadPermissions,
                                       std::move(probe), options.reserve_bytes);
  ASSIGN_OR_RETURN(const std::vector<std::string> names, staging_->directory.names());
  std::uint64_t next = 0;
  for (const std::string& name : names) {
    if (const auto staged = parse_staged_name(name)) next = std::max(next, staged->number + 1);
    const std::optional<std::uint64_t> upload = parse_upload_name(name);
    if (!upload) continue;
    next = std::max(next, *upload + 1);
    // Nobody can be writing it: we have the lock.
    // What cannot be removed does no harm.
    if (!read_only_) (void)staging_->directory.unlink(name);
  }
  staging_->next_number = next;
  return {};
}

std::filesystem::path BlobDirectory::path_of(Oid oid, Tid tid) const {
  return path() / object_directory(Layout::bushy, oid) / blob_file_name(tid);
}

Result<OpenDirectory> BlobDirectory::object(Oid oid) const {
  return base_.descend(object_directory(Layout::bushy, oid), OpenDirectory::IfMissing::fail);
}

// --- Staging

Result<> BlobDirectory::check_space(std::uint64_t bytes) { return staging_->space.check(bytes); }

Result<StagedBlob> BlobDirectory::stage() {
  CHECK(!read_only_, "opened read only");
  return StagedBlob::create(staging_);
}

struct BlobDirectory::SharedUpload {
  OpenDirectory directory;
  struct stat status;
};

Result<BlobDirectory::SharedUpload> BlobDirectory::find_shared(Oid oid,
                                                               const std::string& name) const {
  if (!is_shared_upload_name(name)) {
    return make_error(ErrorCode::invalid_argument, "a client named a file for the blob of object " +
                                                       to_hex(oid) +
                                                       " that is none of a shared blob directory");
  }
  ASSIGN_OR_RETURN(OpenDirectory directory, object(oid));
  ASSIGN_OR_RETURN(const auto status, directory.status(name));
  const std::filesystem::path path = directory.path() / name;
  if (!status) {
    return make_error(ErrorCode::not_found, "the client's blob file " + path.string() +
                                                " is not there: is the blob directory shared?");
  }
  // A file with a second name may be one that its owner did not mean to give away.
  if (!S_ISREG(status->st_mode) || status->st_nlink != 1) {
    return make_error(ErrorCode::invalid_argument,
                      path.string() + " is no plain file of one name: no blob can be made of it");
  }
  return SharedUpload{std::move(directory), *status};
}

Result<StagedBlob> BlobDirectory::adopt(Oid oid, std::string_view file_name,
                                        const std::atomic<bool>* abandoned) {
  CHECK(!read_only_, "opened read only");
  const std::string name(file_name);
  ASSIGN_OR_RETURN(const SharedUpload found, find_shared(oid, name));
  const std::filesystem::path path = found.directory.path() / name;
  std::string ours = upload_name(staging_->next_number.fetch_add(1));
  if (::renameat(found.directory.descriptor(), name.c_str(), staging_->directory.descriptor(),
                 ours.c_str()) != 0) {
    return file_error("take over", path, errno);
  }
  storage::crash_point("blob.after_adopt");
  // Now it is where clients cannot reach it; what it is now counts.
  ASSIGN_OR_RETURN(const auto moved, staging_->directory.status(ours));
  ASSIGN_OR_RETURN(StagedBlob blob,
                   StagedBlob::take_over(staging_, std::move(ours), std::nullopt, abandoned));
  if (!moved || moved->st_nlink != 1 || !same_file(*moved, found.status)) {
    return make_error(ErrorCode::corruption,
                      path.string() + " was changed while it was taken over");
  }
  RETURN_IF_ERROR(blob.seal(oid));
  return blob;
}

Result<> BlobDirectory::discard_shared(Oid oid, std::string_view file_name) {
  CHECK(!read_only_, "opened read only");
  const std::string name(file_name);
  ASSIGN_OR_RETURN(const SharedUpload found, find_shared(oid, name));
  RETURN_IF_ERROR(found.directory.unlink(name));
  return {};
}

Result<StagedBlob> BlobDirectory::restage(Oid oid, Tid tid, const BlobInfo& info) {
  CHECK(!read_only_, "opened read only");
  ASSIGN_OR_RETURN(const BlobFile file, open_for_reading(oid, tid));
  if (file.size() != info.size) {
    return make_error(ErrorCode::corruption, path_of(oid, tid).string() + " has " +
                                                 std::to_string(file.size()) + " bytes, not " +
                                                 std::to_string(info.size));
  }
  const Result<OpenDirectory> directory = object(oid);
  std::string ours = upload_name(staging_->next_number.fetch_add(1));
  if (directory && ::linkat(directory->descriptor(), blob_file_name(tid).c_str(),
                            staging_->directory.descriptor(), ours.c_str(), 0) == 0) {
    ASSIGN_OR_RETURN(StagedBlob blob, StagedBlob::take_over(staging_, std::move(ours), info));
    RETURN_IF_ERROR(blob.seal(oid));
    return blob;
  }
  ASSIGN_OR_RETURN(StagedBlob blob, stage());
  std::string buffer(kReadBytes, '\0');
  for (std::uint64_t offset = 0; offset < file.size();) {
    ASSIGN_OR_RETURN(const std::size_t got, file.read(offset, buffer));
    if (got == 0) break;
    RETURN_IF_ERROR(blob.append(ByteView(buffer).substr(0, got)));
    offset += got;
  }
  RETURN_IF_ERROR(blob.seal(oid));
  return blob;
}

Result<StagedBlob> BlobDirectory::take_in(Oid oid, const std::filesystem::path& file, Sync sync) {
  CHECK(!read_only_, "opened read only");
  std::string ours = upload_name(staging_->next_number.fetch_add(1));
  if (::linkat(AT_FDCWD, file.c_str(), staging_->directory.descriptor(), ours.c_str(),
               AT_SYMLINK_FOLLOW) == 0) {
    ASSIGN_OR_RETURN(StagedBlob blob,
                     StagedBlob::take_over(staging_, std::move(ours), std::nullopt));
    RETURN_IF_ERROR(blob.seal(oid, sync));
    return blob;
  }
  if (!cannot_link(errno)) return file_error("link", file, errno);
  const FileDescriptor source(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source.is_open()) return file_error("open", file, errno);
  ASSIGN_OR_RETURN(StagedBlob blob, stage());
  std::string buffer(kReadBytes, '\0');
  while (true) {
    const ssize_t got = ::read(source.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", file, errno);
    if (got == 0) break;
    RETURN_IF_ERROR(blob.append(ByteView(buffer).substr(0, static_cast<std::size_t>(got))));
  }
  RETURN_IF_ERROR(blob.seal(oid, sync));
  return blob;
}

Result<> BlobDirectory::sync_staged() { return base_.sync_file_system(); }

// --- Installing

Result<> BlobDirectory::install(const std::string& staged_name, Oid oid, Tid tid) {
  CHECK(!read_only_, "opened read only");
  storage::crash_point("blob.before_install");
  const Result<> placed = place(staged_name, oid, tid);
  {
    const std::lock_guard lock(mutex_);
    pending_.insert_or_assign(Key(oid, tid), Pending{staged_name, placed.has_value()});
  }
  storage::crash_point("blob.after_install");
  return placed;
}

// The second name is made before the first is removed (by settle), so that whatever a crash of the
// machine leaves of the directories, there is one.
Result<> BlobDirectory::place(const std::string& staged_name, Oid oid, Tid tid) {
  const std::string name = blob_file_name(tid);
  const int from = staging_->directory.descriptor();
  for (unsigned tries = 0; tries < kTriesMax; ++tries) {
    const Result<OpenDirectory> directory =
        base_.descend(object_directory(Layout::bushy, oid), OpenDirectory::IfMissing::create);
    if (!directory) {
      if (directory.error().code == ErrorCode::not_found) continue;
      return std::unexpected(directory.error());
    }
    const int to = directory->descriptor();
    if (::linkat(from, staged_name.c_str(), to, name.c_str(), 0) == 0) return {};
    const int failure = errno;
    ASSIGN_OR_RETURN(const auto staged, staging_->directory.status(staged_name));
    ASSIGN_OR_RETURN(const auto found, directory->status(name));
    if (!staged) {
      if (found) return {};  // installed and settled before
      return make_error(ErrorCode::not_found,
                        "there is no staged blob " + staged_name + " for object " + to_hex(oid));
    }
    if (found && same_file(*found, *staged)) return {};
    if (failure == ENOENT) continue;
    if (failure != EEXIST && !cannot_link(failure)) {
      return file_error("create", directory->path() / name, failure);
    }
    // No links here, or something else has the name: the log says whose it is.
    if (::renameat(from, staged_name.c_str(), to, name.c_str()) == 0) return {};
    if (errno != ENOENT) return file_error("create", directory->path() / name, errno);
  }
  return make_error(ErrorCode::unavailable,
                    "the directory of blob " + path_of(oid, tid).string() + " keeps vanishing");
}

Result<> BlobDirectory::settle() {
  const std::lock_guard structure(structure_);
  std::map<Key, Pending> batch;
  {
    const std::lock_guard lock(mutex_);
    batch = pending_;
  }
  if (batch.empty()) return {};
  Result<> result;
  std::vector<Key> placed;
  std::vector<Oid> objects;
  for (const auto& [key, pending] : batch) {
    // Also what has its final name: the staged one is given up for it.
    if (Result<> again = place(pending.staged_name, key.first, key.second); !again) {
      result = std::move(again);
      continue;
    }
    placed.push_back(key);
    objects.push_back(key.first);
  }
  RETURN_IF_ERROR(sync_objects(objects));
  storage::crash_point("blob.before_forget");
  for (const Key& key : placed) {
    RETURN_IF_ERROR(staging_->directory.unlink(batch.at(key).staged_name));
    const std::lock_guard lock(mutex_);
    pending_.erase(key);
  }
  storage::crash_point("blob.after_forget");
  return result;
}

std::size_t BlobDirectory::unsettled() const {
  const std::lock_guard lock(mutex_);
  return pending_.size();
}

// All directories on the way, as nobody knows which of them are new: clients make them, too.
Result<> BlobDirectory::sync_objects(std::span<const Oid> oids) const {
  std::vector<std::string> directories;
  for (const Oid oid : oids) {
    for (std::filesystem::path at = object_directory(Layout::bushy, oid); !at.empty();
         at = at.parent_path()) {
      directories.push_back(at.string());
    }
  }
  std::ranges::sort(directories);
  const auto repeated = std::ranges::unique(directories);
  directories.erase(repeated.begin(), repeated.end());
  if (directories.size() > kSyncEachMax) return base_.sync_file_system();
  for (const std::string& relative : directories) {
    const Result<OpenDirectory> directory = base_.descend(relative, OpenDirectory::IfMissing::fail);
    if (directory) {
      RETURN_IF_ERROR(directory->sync());
    } else if (directory.error().code != ErrorCode::not_found) {
      return std::unexpected(directory.error());
    }
  }
  return base_.sync();
}

// --- Reading

std::optional<std::string> BlobDirectory::unplaced(Oid oid, Tid tid) const {
  const std::lock_guard lock(mutex_);
  const auto found = pending_.find(Key(oid, tid));
  if (found == pending_.end() || found->second.placed) return std::nullopt;
  return found->second.staged_name;
}

Result<BlobFile> BlobDirectory::open_for_reading(Oid oid, Tid tid) const {
  std::filesystem::path path = path_of(oid, tid);
  const auto open_placed = [&]() -> Result<FileDescriptor> {
    ASSIGN_OR_RETURN(const OpenDirectory directory, object(oid));
    return directory.open_file(blob_file_name(tid));
  };
  Result<FileDescriptor> file = open_placed();
  if (!file && file.error().code == ErrorCode::not_found) {
    const std::optional<std::string> staged_name = unplaced(oid, tid);
    if (staged_name) file = staging_->directory.open_file(*staged_name);
    // It may have got its final name in between.
    if (!file) file = open_placed();
  }
  if (!file) {
    if (file.error().code != ErrorCode::not_found) return std::unexpected(std::move(file).error());
    return make_error(ErrorCode::not_found,
                      "there is no blob of object " + to_hex(oid) + " at " + to_hex(tid));
  }
  struct stat status{};
  if (::fstat(file->get(), &status) != 0) return file_error("read", path, errno);
  return BlobFile(std::move(path), std::move(*file), static_cast<std::uint64_t>(status.st_size));
}

Result<std::optional<std::uint64_t>> BlobDirectory::size_of(Oid oid, Tid tid) const {
  const Result<BlobFile> file = open_for_reading(oid, tid);
  if (file) return file->size();
  if (file.error().code == ErrorCode::not_found) return std::nullopt;
  return std::unexpected(file.error());
}

// A file that is longer is read no further than needed to know it.
Result<BlobInfo> BlobDirectory::hash_up_to(const BlobFile& file, std::uint64_t size,
                                           const std::atomic<bool>* cancelled) {
  BlobHash hash;
  std::string buffer(kReadBytes, '\0');
  for (std::uint64_t offset = 0; offset <= size;) {
    if (cancelled != nullptr && *cancelled) return make_error(ErrorCode::aborted, "cancelled");
    ASSIGN_OR_RETURN(const std::size_t got, file.read(offset, buffer));
    if (got == 0) break;
    hash.update(ByteView(buffer).substr(0, got));
    offset += got;
  }
  return hash.finish();
}

Result<> BlobDirectory::verify(Oid oid, Tid tid, const BlobInfo& info,
                               const std::atomic<bool>* cancelled) const {
  const Result<BlobFile> file = open_for_reading(oid, tid);
  if (!file) {
    if (read_only_ && file.error().code == ErrorCode::not_found) {
      ASSIGN_OR_RETURN(const bool recoverable, is_recoverable(oid, info));
      if (recoverable) return {};
    }
    return std::unexpected(file.error());
  }
  ASSIGN_OR_RETURN(const BlobInfo found, hash_up_to(*file, info.size, cancelled));
  if (found == info) return {};
  const std::string blob =
      "the blob of object " + to_hex(oid) + " at " + to_hex(tid) + " is damaged: ";
  if (file->size() != info.size) {
    return make_error(ErrorCode::corruption, blob + std::to_string(file->size()) +
                                                 " bytes long in place of " +
                                                 std::to_string(info.size));
  }
  return make_error(ErrorCode::corruption, blob + "its content has another hash");
}

Result<> BlobDirectory::walk(const Visitor& visit) const { return walk_level(base_, 0, 0, visit); }

Result<> BlobDirectory::walk_level(const OpenDirectory& directory, unsigned level,
                                   std::uint64_t prefix, const Visitor& visit) const {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.names());
  for (const std::string& name : names) {
    if (level == kLevels) {
      const std::optional<Tid> tid = parse_blob_file_name(name);
      if (tid) RETURN_IF_ERROR(visit(Oid(prefix), *tid));
      continue;
    }
    const std::optional<std::uint8_t> byte = parse_bushy_level(name);
    if (!byte) continue;
    const Result<OpenDirectory> below = directory.descend(name, OpenDirectory::IfMissing::fail);
    if (!below) {
      if (below.error().code == ErrorCode::not_found) continue;  // removed meanwhile
      return std::unexpected(below.error());
    }
    RETURN_IF_ERROR(walk_level(*below, level + 1, prefix << kBitsPerLevel | *byte, visit));
  }
  return {};
}

// --- Removing

Result<bool> BlobDirectory::remove(Oid oid, Tid tid) {
  CHECK(!read_only_, "opened read only");
  const std::lock_guard structure(structure_);
  std::optional<std::string> staged_name;
  {
    const std::lock_guard lock(mutex_);
    if (auto node = pending_.extract(Key(oid, tid))) staged_name = node.mapped().staged_name;
  }
  bool removed = false;
  if (staged_name) {
    ASSIGN_OR_RETURN(removed, staging_->directory.unlink(*staged_name));
  }
  const Result<OpenDirectory> directory = object(oid);
  if (!directory) {
    if (directory.error().code == ErrorCode::not_found) return removed;
    return std::unexpected(directory.error());
  }
  ASSIGN_OR_RETURN(const bool unlinked, directory->unlink(blob_file_name(tid)));
  storage::crash_point("blob.after_remove");
  // Up the tree, as long as they are empty. One that is filled again meanwhile stays.
  std::filesystem::path relative = object_directory(Layout::bushy, oid);
  for (; !relative.empty(); relative = relative.parent_path()) {
    if (::unlinkat(base_.descriptor(), relative.c_str(), AT_REMOVEDIR) != 0) break;
  }
  return removed || unlinked;
}

// --- For recovery

Result<std::vector<StagedName>> BlobDirectory::staged() const {
  std::vector<StagedName> found;
  if (!staging_) return found;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, staging_->directory.names());
  for (const std::string& name : names) {
    if (const auto staged = parse_staged_name(name)) found.push_back(*staged);
  }
  return found;
}

Result<> BlobDirectory::discard(const std::string& staged_name) {
  CHECK(!read_only_, "opened read only");
  RETURN_IF_ERROR(staging_->directory.unlink(staged_name));
  return {};
}

Result<bool> BlobDirectory::is_sound(const StagedName& staged) const {
  const std::string name = format_staged_name(staged);
  Result<FileDescriptor> file = staging_->directory.open_file(name);
  if (!file) {
    const ErrorCode code = file.error().code;
    if (code == ErrorCode::not_found || code == ErrorCode::corruption) return false;
    return std::unexpected(std::move(file).error());
  }
  const BlobFile blob(staging_->directory.path() / name, std::move(*file), staged.info.size);
  ASSIGN_OR_RETURN(const BlobInfo found, hash_up_to(blob, staged.info.size, nullptr));
  return found == staged.info;
}

Result<bool> BlobDirectory::is_recoverable(Oid oid, const BlobInfo& info) const {
  ASSIGN_OR_RETURN(const std::vector<StagedName> waiting, staged());
  for (const StagedName& name : waiting) {
    if (name.oid != oid || name.info != info) continue;
    ASSIGN_OR_RETURN(const bool sound, is_sound(name));
    if (sound) return true;
  }
  return false;
}

Result<> BlobDirectory::sync_object(Oid oid) const { return sync_objects(std::span(&oid, 1)); }

Result<bool> BlobDirectory::is_installed(const std::string& staged_name, Oid oid, Tid tid) const {
  ASSIGN_OR_RETURN(const auto staged, staging_->directory.status(staged_name));
  const Result<OpenDirectory> directory = object(oid);
  if (!directory) {
    if (directory.error().code == ErrorCode::not_found) return false;
    return std::unexpected(directory.error());
  }
  ASSIGN_OR_RETURN(const auto found, directory->status(blob_file_name(tid)));
  return staged && found && same_file(*staged, *found);
}

Result<> forget_owner(const std::filesystem::path& path) {
  const std::filesystem::path owner = path / kPrivate / kOwnerFile;
  if (::unlink(owner.c_str()) == 0) return storage::sync_directory(owner.parent_path());
  return errno == ENOENT ? Result<>() : file_error("remove", owner, errno);
}

}  // namespace zeolite::blobs
