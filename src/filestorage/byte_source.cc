#include "filestorage/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "base/check.h"

namespace zeolite::filestorage {
namespace {

std::string reason_of(int error_number) {
  return std::error_code(error_number, std::generic_category()).message();
}

class FileSource final : public ByteSource {
 public:
  FileSource(int fd, std::uint64_t size, std::string name)
      : fd_(fd), size_(size), name_(std::move(name)) {}
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;
  ~FileSource() override { ::close(fd_); }

  std::uint64_t size() const override { return size_; }

  Result<> read_at(std::uint64_t offset, char* out, std::size_t count) const override {
    CHECK(offset <= size_ && count <= size_ - offset, "read beyond the end of a file");
    while (count > 0) {
      const ssize_t got = ::pread(fd_, out, count, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        return make_error(
            ErrorCode::io_error,
            name_ + " cannot be read at byte " + std::to_string(offset) + ": " + reason_of(errno));
      }
      if (got == 0) {
        return make_error(ErrorCode::io_error,
                          name_ + " became shorter than " + std::to_string(size_) +
                              " bytes while it was read (it ends at byte " +
                              std::to_string(offset) + "): make sure that nothing packs it");
      }
      const auto step = static_cast<std::size_t>(got);
      offset += step;
      out += step;
      count -= step;
    }
    return {};
  }

 private:
  int fd_;
  std::uint64_t size_;
  std::string name_;
};

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(ByteView bytes) : bytes_(bytes) {}

  std::uint64_t size() const override { return bytes_.size(); }

  Result<> read_at(std::uint64_t offset, char* out, std::size_t count) const override {
    CHECK(offset <= bytes_.size() && count <= bytes_.size() - offset, "read beyond the end");
    if (count > 0) std::memcpy(out, bytes_.data() + offset, count);
    return {};
  }

 private:
  ByteView bytes_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_file_source(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer; it is refused below.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const int error_number = errno;
    return make_error(error_number == ENOENT ? ErrorCode::not_found : ErrorCode::io_error,
                      path.string() + " cannot be opened: " + reason_of(error_number));
  }
  struct stat status{};
  const int failed = ::fstat(fd, &status);
  if (failed != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    return make_error(ErrorCode::invalid_argument, path.string() + " is not a regular file");
  }
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return std::make_unique<FileSource>(fd, static_cast<std::uint64_t>(status.st_size),
                                      path.string());
}

std::unique_ptr<ByteSource> make_memory_source(ByteView bytes) {
  return std::make_unique<MemorySource>(bytes);
}

}  // namespace zeolite::filestorage
