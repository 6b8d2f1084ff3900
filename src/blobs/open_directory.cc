#include "blobs/open_directory.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace zeolite::blobs {

using storage::FileDescriptor;

namespace {

constexpr mode_t kDirectoryMode = 0777;  // less the umask, as ZODB makes them
constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

std::unexpected<Error> file_error(std::string_view action, const std::filesystem::path& path,
                                  int error_number) {
  auto error = storage::system_error(action, path, error_number);
  if (error_number == ENOSPC || error_number == EDQUOT) {
    error.error().code = ErrorCode::out_of_space;
  } else if (error_number == ENOENT) {
    error.error().code = ErrorCode::not_found;
  }
  return error;
}

Result<OpenDirectory> OpenDirectory::open(const std::filesystem::path& path) {
  FileDescriptor fd(::open(path.c_str(), kOpenDirectory));
  if (!fd.is_open()) return file_error("open the directory", path, errno);
  return OpenDirectory(path, std::move(fd));
}

Result<OpenDirectory> OpenDirectory::descend(std::string_view relative, IfMissing missing) const {
  FileDescriptor at;
  std::filesystem::path path = path_;
  while (!relative.empty()) {
    const std::size_t end = std::min(relative.find('/'), relative.size());
    const std::string name(relative.substr(0, end));
    relative.remove_prefix(std::min(end + 1, relative.size()));
    path /= name;
    const int parent = at.is_open() ? at.get() : fd_.get();
    FileDescriptor next(::openat(parent, name.c_str(), kOpenDirectory | O_NOFOLLOW));
    if (!next.is_open() && errno == ENOENT && missing == IfMissing::create) {
      if (::mkdirat(parent, name.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
        return file_error("make the directory", path, errno);
      }
      next = FileDescriptor(::openat(parent, name.c_str(), kOpenDirectory | O_NOFOLLOW));
    }
    if (!next.is_open()) return file_error("open the directory", path, errno);
    at = std::move(next);
  }
  return OpenDirectory(std::move(path), std::move(at));
}

Result<FileDescriptor> OpenDirectory::open_file(const std::string& name) const {
  // Non-blocking, so that a pipe in a file's place does not hold us up.
  FileDescriptor file(
      ::openat(fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno != ELOOP) return file_error("open", path_ / name, errno);
    return make_error(ErrorCode::corruption,
                      (path_ / name).string() + " is a symbolic link in place of a file");
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return file_error("read", path_ / name, errno);
  if (!S_ISREG(status.st_mode)) {
    return make_error(ErrorCode::corruption,
                      (path_ / name).string() + " is in place of a file, but is none");
  }
  return file;
}

Result<FileDescriptor> OpenDirectory::create_file(const std::string& name, mode_t mode) const {
  FileDescriptor file(
      ::openat(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!file.is_open()) return file_error("create", path_ / name, errno);
  return file;
}

Result<std::optional<struct stat>> OpenDirectory::status(const std::string& name) const {
  struct stat status{};
  if (::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  if (errno == ENOENT) return std::nullopt;
  return file_error("read", path_ / name, errno);
}

Result<std::vector<std::string>> OpenDirectory::names() const {
  // A descriptor of its own: reading moves it.
  const int fd = ::openat(fd_.get(), ".", kOpenDirectory);
  const std::unique_ptr<DIR, CloseDirectory> directory(fd < 0 ? nullptr : ::fdopendir(fd));
  if (!directory) return file_error("read the directory", path_, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return file_error("read the directory", path_, errno);
  std::ranges::sort(names);
  return names;
}

Result<bool> OpenDirectory::unlink(const std::string& name) const {
  if (::unlinkat(fd_.get(), name.c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  return file_error("remove", path_ / name, errno);
}

Result<> OpenDirectory::sync() const {
  if (::fsync(fd_.get()) != 0) return file_error("sync", path_, errno);
  return {};
}

Result<> OpenDirectory::sync_file_system() const {
  if (::syncfs(fd_.get()) != 0) return file_error("sync the file system of", path_, errno);
  return {};
}

Result<> write_all(const FileDescriptor& file, ByteView bytes, const std::filesystem::path& path) {
  const int failed = storage::write_bytes(file, bytes);
  return failed == 0 ? Result<>() : file_error("write", path, failed);
}

}  // namespace zeolite::blobs
