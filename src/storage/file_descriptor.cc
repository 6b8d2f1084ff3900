#include "storage/file_descriptor.h"

#include <fcntl.h>

#include <array>

#include "storage/crash_point.h"

namespace zeolite::storage {
namespace {

// Of a step before which nothing was changed that counts.
std::unexpected<Error> nothing_changed(std::string_view action, const std::filesystem::path& path,
                                       int error_number) {
  std::unexpected<Error> failed = system_error(action, path, error_number);
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  if (full) failed.error().code = ErrorCode::out_of_space;
  return failed;
}

}  // namespace

Result<std::optional<std::string>> read_small_file(const std::filesystem::path& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT) return std::nullopt;
    return system_error("open", path, errno);
  }
  std::array<char, 4096> buffer{};
  std::string content;
  while (true) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("read", path, errno);
    if (got == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

int write_bytes(const FileDescriptor& file, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return put < 0 ? errno : EIO;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return 0;
}

Result<> replace_file(const std::filesystem::path& path, ByteView content) {
  std::filesystem::path temporary = path;
  temporary += ".new";
  {
    const FileDescriptor file(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.is_open()) return nothing_changed("create", temporary, errno);
    if (const int failed = write_bytes(file, content); failed != 0) {
      return nothing_changed("write", temporary, failed);
    }
    if (::fsync(file.get()) != 0) return nothing_changed("sync", temporary, errno);
  }
  crash_point("replace.before_rename");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return system_error("create", path, errno);
  crash_point("replace.after_rename");
  return sync_directory(path.parent_path());
}

Result<> sync_file(const std::filesystem::path& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return system_error("open", path, errno);
  if (::fsync(file.get()) != 0) return system_error("sync", path, errno);
  return {};
}

Result<> sync_directory(const std::filesystem::path& directory) {
  const FileDescriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.is_open()) return system_error("open", directory, errno);
  if (::fsync(file.get()) != 0) return system_error("sync", directory, errno);
  return {};
}

}  // namespace zeolite::storage
