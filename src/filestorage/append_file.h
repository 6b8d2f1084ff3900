#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace zeolite::filestorage {

// A new file that grows at its end, written in large pieces, and that can be read back while it
// grows. What is written is handed to the disk on the way, so that finish() has little left to do.
//
// Memory: a buffer of 1 MiB. Thread: one at a time.
class AppendFile {
 public:
  // Makes `path`, or empties it, and locks it (flock) until this object is gone: two writers cannot
  // make one file. Errors: busy when another process is writing it; io_error.
  [[nodiscard]] static Result<AppendFile> create(const std::filesystem::path& path);
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&&) = delete;
  ~AppendFile();

  // What was appended, written or not.
  [[nodiscard]] std::uint64_t size() const { return written_ + buffer_.size(); }

  // Errors: out_of_space, io_error; the file is of no use after either.
  [[nodiscard]] Result<> append(ByteView bytes);

  // Fills `out` with what was appended at `offset`. Precondition: offset + count <= size().
  // Errors: io_error.
  [[nodiscard]] Result<> read_at(std::uint64_t offset, char* out, std::size_t count) const;

  // Writes what is buffered and syncs the file. Errors: as append.
  [[nodiscard]] Result<> finish();

 private:
  AppendFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  [[nodiscard]] Result<> write_out(ByteView bytes);
  [[nodiscard]] Result<> flush();
  [[nodiscard]] std::unexpected<Error> failure(int error_number) const;

  int fd_;
  std::string name_;
  std::uint64_t written_ = 0;
  std::uint64_t handed_over_ = 0;  // to the disk, of written_
  std::string buffer_;
};

}  // namespace zeolite::filestorage
