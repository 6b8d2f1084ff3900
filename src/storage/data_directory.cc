#include "storage/data_directory.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"
#include "storage/checkpoint_install.h"
#include "storage/crash_point.h"
#include "storage/high_water_mark.h"
#include "storage/random_id.h"

namespace zeolite::storage {

namespace {

constexpr std::string_view kFormatFile = "FORMAT";
constexpr std::string_view kHighWaterMarkFile = "HWM";
constexpr std::string_view kRecordsDirectory = "records";
// The records of a database that is being forgotten, or was.
constexpr std::string_view kForgottenRecords = "records.gone";
constexpr std::string_view kFormatWord = "zeolite ";
constexpr std::string_view kClusterWord = "cluster ";

struct Format {
  unsigned version = 0;
  Id128 cluster_id{};
};

std::string encode_format(const Format& format) {
  return std::string(kFormatWord) + std::to_string(format.version) + "\n" +
         std::string(kClusterWord) + to_hex(format.cluster_id) + "\n";
}

std::unexpected<Error> damaged_format(const std::filesystem::path& path) {
  return make_error(
      ErrorCode::corruption,
      path.string() + " is damaged; restore this database from a backup or a standby");
}

Result<Format> decode_format(const std::filesystem::path& path, std::string_view text) {
  Format format;
  if (!text.starts_with(kFormatWord)) return damaged_format(path);
  text.remove_prefix(kFormatWord.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), format.version);
  if (error != std::errc() || format.version == 0) return damaged_format(path);
  if (format.version > kFormatVersion) {
    return make_error(ErrorCode::too_new,
                      path.parent_path().string() + " was written by a newer version " +
                          std::to_string(format.version) + "; this one reads up to " +
                          std::to_string(kFormatVersion) +
                          ": use the newer program, or give another directory");
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  const std::string before_id = "\n" + std::string(kClusterWord);
  if (!text.starts_with(before_id) || !text.ends_with('\n')) return damaged_format(path);
  text.remove_prefix(before_id.size());
  text.remove_suffix(1);
  const std::optional<std::string> id = from_hex(text);
  if (!id || id->size() != sizeof(Id128)) return damaged_format(path);
  format.cluster_id = id128_from(*id);
  return format;
}

Result<> remove_entry(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return system_error("remove", path, error.value());
  return {};
}

// Refuses to build a database among files that are not one's leftovers.
Result<> check_nothing_else(const std::filesystem::path& directory) {
  static constexpr std::array<std::string_view, 15> kOurs = {
      "LOCK",     kHighWaterMarkFile, "HWM.new", "FORMAT.new", kRecordsDirectory,
      "NODE",     "NODE.new",         "ROLE",    "ROLE.new",   "divergence",
      "incoming", "outgoing",         "blobs",   "lost+found", kForgottenRecords};
  std::error_code error;
  for (const auto& item : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = item.path().filename().string();
    const bool records = name == kRecordsDirectory;
    if (name.starts_with(kFormerPrefix)) continue;
    if (std::ranges::find(kOurs, name) == kOurs.end() ||
        (records && !std::filesystem::is_empty(item.path(), error))) {
      return make_error(ErrorCode::invalid_argument,
                        directory.string() + " has no FORMAT file, but holds " + name +
                            ": not a database of ours; give an empty or a new directory");
    }
  }
  if (error == std::errc::not_a_directory) {
    return make_error(ErrorCode::invalid_argument,
                      directory.string() + " is a file; give a directory, empty or new");
  }
  if (error) return system_error("list", directory, error.value());
  return {};
}

// The FORMAT file comes last: until it is there, the directory counts as empty.
Result<Id128> create_database(const DataDirectory::Options& options) {
  ASSIGN_OR_RETURN(const bool waits, has_complete_copy(options.path));
  if (waits) {
    return make_error(ErrorCode::invalid_argument,
                      "the copy of a database in " + (options.path / "incoming").string() +
                          " is not installed yet: start the server, which does it");
  }
  RETURN_IF_ERROR(check_nothing_else(options.path));
  Format format{kFormatVersion, {}};
  if (options.cluster_id) {
    format.cluster_id = *options.cluster_id;
  } else {
    ASSIGN_OR_RETURN(format.cluster_id, random_id());
  }
  RETURN_IF_ERROR(make_private_directory(options.path / kRecordsDirectory));
  RETURN_IF_ERROR(HighWaterMark::create(options.path / kHighWaterMarkFile));
  crash_point("create.before_format");
  RETURN_IF_ERROR(replace_file(options.path / kFormatFile, encode_format(format)));
  crash_point("create.after_format");
  return format.cluster_id;
}

}  // namespace

Result<std::optional<Id128>> DataDirectory::read_cluster_id(const std::filesystem::path& path) {
  const std::filesystem::path format_path = DirectoryLock::normalized(path) / kFormatFile;
  ASSIGN_OR_RETURN(const std::optional<std::string> text, read_small_file(format_path));
  if (!text) return std::nullopt;
  ASSIGN_OR_RETURN(const Format format, decode_format(format_path, *text));
  return format.cluster_id;
}

Result<> DataDirectory::write_format(const std::filesystem::path& path, const Id128& cluster_id) {
  return replace_file(path / kFormatFile, encode_format({kFormatVersion, cluster_id}));
}

// The records first, and aside at one blow: without FORMAT they would be taken for somebody else's,
// while FORMAT without them is a database that has just been made.
Result<> DataDirectory::forget_database(const DirectoryLock& lock) {
  CHECK(lock.may_write(), "the lock is one for writing");
  const std::filesystem::path& path = lock.path();
  const std::filesystem::path forgotten = path / kForgottenRecords;
  RETURN_IF_ERROR(remove_entry(forgotten));
  std::error_code error;
  std::filesystem::rename(path / kRecordsDirectory, forgotten, error);
  if (error && error != std::errc::no_such_file_or_directory) {
    return system_error("rename", path / kRecordsDirectory, error.value());
  }
  RETURN_IF_ERROR(sync_directory(path));
  crash_point("forget.records_aside");
  RETURN_IF_ERROR(remove_entry(path / kFormatFile));
  RETURN_IF_ERROR(sync_directory(path));
  crash_point("forget.format_gone");
  RETURN_IF_ERROR(remove_entry(path / kHighWaterMarkFile));
  crash_point("forget.before_end");
  return remove_entry(forgotten);
}

Result<> DataDirectory::check_usable(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};  // it will be made
  if (std::filesystem::exists(path / kFormatFile, error)) return {};
  ASSIGN_OR_RETURN(const bool waits, has_complete_copy(path));
  return waits ? Result<>() : check_nothing_else(path);
}

Result<DataDirectory> DataDirectory::open(const Options& given) {
  Options options = given;
  options.path = DirectoryLock::normalized(given.path);
  const bool may_create = options.create_if_missing && !options.read_only;
  std::error_code error;
  if (!may_create && std::filesystem::is_directory(options.path, error) &&
      !std::filesystem::exists(options.path / kFormatFile, error)) {
    return make_error(ErrorCode::not_found, "there is no database in " + options.path.string());
  }
  if (options.lock == nullptr) {
    using Access = DirectoryLock::Access;
    const Access access = may_create ? Access::create : Access::write;
    ASSIGN_OR_RETURN(options.lock,
                     DirectoryLock::take(options.path, options.read_only ? Access::read : access));
  }
  CHECK(options.lock->path() == options.path, "the lock is that of the directory");
  CHECK(options.read_only || options.lock->may_write(), "the lock is one for writing");
  if (!options.read_only) RETURN_IF_ERROR(remove_entry(options.path / kForgottenRecords));
  ASSIGN_OR_RETURN(std::optional<Id128> cluster_id, read_cluster_id(options.path));
  if (!cluster_id) {
    ASSIGN_OR_RETURN(cluster_id, create_database(options));
  }
  if (options.cluster_id && *options.cluster_id != *cluster_id) {
    return make_error(ErrorCode::invalid_argument, options.path.string() + " belongs to cluster " +
                                                       to_hex(*cluster_id) + ", not to " +
                                                       to_hex(*options.cluster_id));
  }
  return DataDirectory(std::move(options.lock), *cluster_id);
}

std::filesystem::path DataDirectory::records_path() const { return path() / kRecordsDirectory; }

std::filesystem::path DataDirectory::high_water_mark_path() const {
  return path() / kHighWaterMarkFile;
}

}  // namespace zeolite::storage
