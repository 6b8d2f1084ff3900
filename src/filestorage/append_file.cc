#include "filestorage/append_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/check.h"

namespace zeolite::filestorage {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
// Dirty pages are handed to the disk in pieces of this size, as they come.
constexpr std::uint64_t kHandOverBytes = std::uint64_t{8} << 20;

std::string reason_of(int error_number) {
  return std::error_code(error_number, std::generic_category()).message();
}

}  // namespace

Result<AppendFile> AppendFile::create(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  if (fd < 0) {
    return make_error(ErrorCode::io_error,
                      "cannot create " + path.string() + ": " + reason_of(errno));
  }
  AppendFile file(fd, path.string());
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return make_error(ErrorCode::busy, path.string() + " is being written by another process");
  }
  // Emptied only now that it is ours.
  struct stat status{};
  if (::fstat(fd, &status) != 0 || (status.st_size > 0 && ::ftruncate(fd, 0) != 0)) {
    return file.failure(errno);
  }
  file.buffer_.reserve(kBufferBytes);
  return file;
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      name_(std::move(other.name_)),
      written_(other.written_),
      handed_over_(other.handed_over_),
      buffer_(std::move(other.buffer_)) {}

AppendFile::~AppendFile() {
  if (fd_ >= 0) ::close(fd_);
}

std::unexpected<Error> AppendFile::failure(int error_number) const {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  return make_error(full ? ErrorCode::out_of_space : ErrorCode::io_error,
                    "cannot write " + name_ + ": " + reason_of(error_number));
}

Result<> AppendFile::append(ByteView bytes) {
  if (buffer_.size() + bytes.size() > kBufferBytes) {
    RETURN_IF_ERROR(flush());
    if (bytes.size() >= kBufferBytes) return write_out(bytes);
  }
  buffer_.append(bytes);
  return {};
}

Result<> AppendFile::flush() {
  RETURN_IF_ERROR(write_out(buffer_));
  buffer_.clear();
  return {};
}

Result<> AppendFile::write_out(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(written_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure(errno);
    written_ += static_cast<std::uint64_t>(count);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  if (written_ - handed_over_ >= kHandOverBytes) {
    // Only begins to write; whether it could is asked by finish().
    ::sync_file_range(fd_, static_cast<off_t>(handed_over_),
                      static_cast<off_t>(written_ - handed_over_), SYNC_FILE_RANGE_WRITE);
    handed_over_ = written_;
  }
  return {};
}

Result<> AppendFile::read_at(std::uint64_t offset, char* out, std::size_t count) const {
  CHECK(offset <= size() && count <= size() - offset, "read beyond the end of a file");
  while (count > 0 && offset < written_) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(count, written_ - offset));
    const ssize_t got = ::pread(fd_, out, wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return make_error(ErrorCode::io_error,
                        "cannot read " + name_ + " back: " +
                            (got < 0 ? reason_of(errno) : "it became shorter meanwhile"));
    }
    offset += static_cast<std::uint64_t>(got);
    out += got;
    count -= static_cast<std::size_t>(got);
  }
  if (count > 0) buffer_.copy(out, count, static_cast<std::size_t>(offset - written_));
  return {};
}

Result<> AppendFile::finish() {
  RETURN_IF_ERROR(flush());
  if (::fsync(fd_) != 0) return failure(errno);
  return {};
}

}  // namespace zeolite::filestorage
