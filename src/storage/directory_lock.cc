#include "storage/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <array>
#include <cerrno>
#include <string>

namespace zeolite::storage {

namespace {

constexpr std::string_view kLockFile = "LOCK";

// As system_error(), with what to do about a directory that is not for us.
std::unexpected<Error> not_usable(std::string_view action, const std::filesystem::path& path,
                                  int error_number) {
  std::unexpected<Error> failed = system_error(action, path, error_number);
  if (error_number != ENOSPC) {
    failed.error().detail += "; give a directory in which this user may create files";
  }
  return failed;
}

Result<FileDescriptor> lock_file(const std::filesystem::path& directory, bool may_write) {
  const std::filesystem::path path = directory / kLockFile;
  FileDescriptor lock(may_write ? ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)
                                : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock.is_open() && errno == ENOENT) {
    return make_error(ErrorCode::not_found, "there is no database in " + directory.string());
  }
  if (!lock.is_open()) return not_usable("open", path, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error("lock", path, errno);
    std::array<char, 32> holder{};
    const ssize_t size = ::pread(lock.get(), holder.data(), holder.size() - 1, 0);
    const std::string pid = size > 0 ? std::string(holder.data()) : "unknown\n";
    return make_error(ErrorCode::busy, directory.string() + " is in use by process " +
                                           pid.substr(0, pid.find('\n')) +
                                           "; stop it, or give another directory");
  }
  if (!may_write) return lock;
  const std::string pid = std::to_string(::getpid()) + "\n";
  // Only for the message above; the lock itself does not depend on it.
  if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0) {
    return system_error("write", path, errno);
  }
  return lock;
}

}  // namespace

Result<> make_private_directory(const std::filesystem::path& path) {
  std::error_code error;
  const bool created = std::filesystem::create_directories(path, error);
  if (error) return not_usable("create directory", path, error.value());
  if (!created) return {};
  // The records are for whoever runs the server; others ask it.
  std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  if (error) return system_error("set the permissions of directory", path, error.value());
  if (path.has_parent_path()) return sync_directory(path.parent_path());
  return {};
}

std::filesystem::path DirectoryLock::normalized(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(directory, error).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

Result<std::shared_ptr<const DirectoryLock>> DirectoryLock::take(
    const std::filesystem::path& directory, Access access) {
  std::filesystem::path path = normalized(directory);
  if (access == Access::create) RETURN_IF_ERROR(make_private_directory(path));
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    return make_error(ErrorCode::not_found, "there is no directory " + path.string());
  }
  const bool may_write = access != Access::read;
  ASSIGN_OR_RETURN(FileDescriptor file, lock_file(path, may_write));
  return std::unique_ptr<DirectoryLock>(
      new DirectoryLock(std::move(path), std::move(file), may_write));
}

}  // namespace zeolite::storage
