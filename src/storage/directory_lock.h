#pragma once

#include <filesystem>
#include <memory>

#include "base/error.h"
#include "storage/file_descriptor.h"

namespace zeolite::storage {

// Keeps a data directory (docs/storage-format.md) from every other opener, in this process or
// another, for as long as any owner of the lock lives. It can be had before there is a database:
// a node's own file, a checkpoint that is to be installed and the database opened afterwards share
// it, so that nobody comes in between.
// Thread: any; immutable.
class DirectoryLock {
 public:
  enum class Access {
    read,    // nothing is made; the directory was locked before
    write,   // the directory exists
    create,  // it is made when it is missing
  };

  // Errors: busy (another opener holds it; names its process), not_found, io_error.
  [[nodiscard]] static Result<std::shared_ptr<const DirectoryLock>> take(
      const std::filesystem::path& directory, Access access);

  // As the lock names it: absolute, without "." and "..".
  [[nodiscard]] static std::filesystem::path normalized(const std::filesystem::path& directory);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] bool may_write() const { return may_write_; }

 private:
  DirectoryLock(std::filesystem::path path, FileDescriptor file, bool may_write)
      : path_(std::move(path)), file_(std::move(file)), may_write_(may_write) {}

  const std::filesystem::path path_;
  const FileDescriptor file_;
  const bool may_write_;
};

// Makes the directory and those above it, durably and for the owner alone, if it is missing.
[[nodiscard]] Result<> make_private_directory(const std::filesystem::path& path);

}  // namespace zeolite::storage
