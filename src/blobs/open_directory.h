#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "storage/file_descriptor.h"

namespace zeolite::blobs {

// "cannot <action> <path>: <reason>", as out_of_space (disk full, quota), not_found or io_error.
[[nodiscard]] std::unexpected<Error> file_error(std::string_view action,
                                                const std::filesystem::path& path,
                                                int error_number);

// A directory that is held open, and what can be done in it. Others may write into a shared blob
// directory, so no name is ever followed through a symbolic link, and all is done relative to
// what was opened. Thread-safe: it holds nothing but the descriptor.
class OpenDirectory {
 public:
  // `path` itself may be a symbolic link. Errors: not_found, io_error.
  [[nodiscard]] static Result<OpenDirectory> open(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] int descriptor() const { return fd_.get(); }

  enum class IfMissing : std::uint8_t {
    fail,   // with not_found
    create  // with the mode that the umask gives; not synced
  };
  // The directory `relative` ("a/b/c") beneath this one.
  [[nodiscard]] Result<OpenDirectory> descend(std::string_view relative, IfMissing missing) const;

  // A regular file for reading. Errors: not_found, corruption (it is something else), io_error.
  [[nodiscard]] Result<storage::FileDescriptor> open_file(const std::string& name) const;
  // A new file for writing. Error: as file_error; io_error also when it exists.
  [[nodiscard]] Result<storage::FileDescriptor> create_file(const std::string& name,
                                                            mode_t mode) const;

  // Nothing when there is no such name. Does not follow a link.
  [[nodiscard]] Result<std::optional<struct stat>> status(const std::string& name) const;
  // All names but "." and "..", sorted.
  [[nodiscard]] Result<std::vector<std::string>> names() const;

  // Whether there was such a file.
  [[nodiscard]] Result<bool> unlink(const std::string& name) const;
  // Makes the names in this directory durable.
  [[nodiscard]] Result<> sync() const;
  // Makes all of the file system durable.
  [[nodiscard]] Result<> sync_file_system() const;

 private:
  OpenDirectory(std::filesystem::path path, storage::FileDescriptor fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}

  std::filesystem::path path_;
  storage::FileDescriptor fd_;
};

// Writes all of `bytes` at the descriptor's place.
[[nodiscard]] Result<> write_all(const storage::FileDescriptor& file, ByteView bytes,
                                 const std::filesystem::path& path);

}  // namespace zeolite::blobs
