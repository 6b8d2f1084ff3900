#pragma once

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "model/ids.h"
#include "storage/file_descriptor.h"

namespace zeolite::storage {

// Version of the directory's layout and of every encoding in it. Goes up with any change that an
// older program could not read.
inline constexpr unsigned kFormatVersion = 1;

// The directory that holds one database (layout: docs/storage-format.md), locked against every
// other opener, in this process or another, for as long as the object lives.
// Thread: any; immutable after opening.
class DataDirectory {
 public:
  struct Options {
    std::filesystem::path path;
    bool create_if_missing = true;
    bool read_only = false;
    // For a directory to be created: the cluster it joins; random when empty. For an existing one:
    // which it must belong to.
    std::optional<Id128> cluster_id = std::nullopt;
  };

  // Errors: busy (another opener holds it; names its process), too_new, not_found (missing and not
  // to be created), invalid_argument (something else is in it, or another cluster's database),
  // corruption (its FORMAT is damaged), io_error.
  [[nodiscard]] static Result<DataDirectory> open(const Options& options);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const Id128& cluster_id() const { return cluster_id_; }
  // RocksDB's directory; exists.
  [[nodiscard]] std::filesystem::path records_path() const;
  [[nodiscard]] std::filesystem::path high_water_mark_path() const;

 private:
  DataDirectory(std::filesystem::path path, FileDescriptor lock, const Id128& cluster_id)
      : path_(std::move(path)), lock_(std::move(lock)), cluster_id_(cluster_id) {}

  std::filesystem::path path_;
  FileDescriptor lock_;
  Id128 cluster_id_;
};

}  // namespace zeolite::storage
