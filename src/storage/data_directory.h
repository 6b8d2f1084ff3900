#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "base/error.h"
#include "model/ids.h"
#include "storage/directory_lock.h"

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
    // Of this directory, when the caller has it already; else it is taken.
    std::shared_ptr<const DirectoryLock> lock = nullptr;
  };

  // Errors: busy (another opener holds it; names its process), too_new, not_found (missing and not
  // to be created), invalid_argument (something else is in it, another cluster's database, or a
  // checkpoint that is not installed yet), corruption (its FORMAT is damaged), io_error.
  [[nodiscard]] static Result<DataDirectory> open(const Options& options);

  // The cluster of the database in `path`, without locking it; nothing when there is none (yet).
  // Errors: too_new, corruption, io_error.
  [[nodiscard]] static Result<std::optional<Id128>> read_cluster_id(
      const std::filesystem::path& path);
  // Makes `path` the directory of a database whose records are there already. Error: io_error.
  [[nodiscard]] static Result<> write_format(const std::filesystem::path& path,
                                             const Id128& cluster_id);
  // Removes the database in the directory and leaves what stands beside it. For one that nothing
  // depends on: a kill in between leaves an empty database, or none. Error: io_error.
  [[nodiscard]] static Result<> forget_database(const DirectoryLock& lock);
  // Whether a database is in `path`, or can be made there: else invalid_argument, as of open().
  [[nodiscard]] static Result<> check_usable(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const { return lock_->path(); }
  [[nodiscard]] const Id128& cluster_id() const { return cluster_id_; }
  // RocksDB's directory; exists.
  [[nodiscard]] std::filesystem::path records_path() const;
  [[nodiscard]] std::filesystem::path high_water_mark_path() const;

 private:
  DataDirectory(std::shared_ptr<const DirectoryLock> lock, const Id128& cluster_id)
      : lock_(std::move(lock)), cluster_id_(cluster_id) {}

  std::shared_ptr<const DirectoryLock> lock_;
  Id128 cluster_id_;
};

}  // namespace zeolite::storage
