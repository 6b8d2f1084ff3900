#include "storage/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "storage/crash_point.h"
#include "storage/high_water_mark.h"

namespace zeolite::storage {

namespace {

constexpr std::string_view kFormatFile = "FORMAT";
constexpr std::string_view kLockFile = "LOCK";
constexpr std::string_view kHighWaterMarkFile = "HWM";
constexpr std::string_view kRecordsDirectory = "records";
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
                          std::to_string(kFormatVersion));
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

Result<Id128> random_id() {
  Id128 id;
  if (::getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return make_error(ErrorCode::io_error, "the operating system gives no random numbers");
  }
  return id;
}

Result<> make_directory(const std::filesystem::path& path) {
  std::error_code error;
  const bool created = std::filesystem::create_directories(path, error);
  if (error) return system_error("create directory", path, error.value());
  if (!created) return {};
  // The records are for whoever runs the server; others ask it.
  std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  if (error) return system_error("set the permissions of directory", path, error.value());
  if (path.has_parent_path()) return sync_directory(path.parent_path());
  return {};
}

Result<FileDescriptor> take_lock(const std::filesystem::path& directory, bool read_only) {
  const std::filesystem::path path = directory / kLockFile;
  FileDescriptor lock(read_only ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC)
                                : ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock.is_open() && errno == ENOENT) {
    return make_error(ErrorCode::not_found, "there is no database in " + directory.string());
  }
  if (!lock.is_open()) return system_error("open", path, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error("lock", path, errno);
    std::array<char, 32> holder{};
    const ssize_t size = ::pread(lock.get(), holder.data(), holder.size() - 1, 0);
    const std::string pid = size > 0 ? std::string(holder.data()) : "unknown\n";
    return make_error(ErrorCode::busy, directory.string() + " is in use by process " +
                                           pid.substr(0, pid.find('\n')) +
                                           "; stop it, or give another directory");
  }
  if (read_only) return lock;
  const std::string pid = std::to_string(::getpid()) + "\n";
  // Only for the message above; the lock itself does not depend on it.
  if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0) {
    return system_error("write", path, errno);
  }
  return lock;
}

// Refuses to build a database among files that are not one's leftovers.
Result<> check_nothing_else(const std::filesystem::path& directory) {
  static constexpr std::array<std::string_view, 6> kOurs = {
      kLockFile, kHighWaterMarkFile, "HWM.new", "FORMAT.new", kRecordsDirectory, "lost+found"};
  std::error_code error;
  for (const auto& item : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = item.path().filename().string();
    const bool records = name == kRecordsDirectory;
    if (std::ranges::find(kOurs, name) == kOurs.end() ||
        (records && !std::filesystem::is_empty(item.path(), error))) {
      return make_error(ErrorCode::invalid_argument,
                        directory.string() + " has no FORMAT file, but holds " + name +
                            ": not a database of ours; give an empty or a new directory");
    }
  }
  if (error) return system_error("list", directory, error.value());
  return {};
}

// The FORMAT file comes last: until it is there, the directory counts as empty.
Result<Format> create_database(const DataDirectory::Options& options) {
  RETURN_IF_ERROR(check_nothing_else(options.path));
  Format format{kFormatVersion, {}};
  if (options.cluster_id) {
    format.cluster_id = *options.cluster_id;
  } else {
    ASSIGN_OR_RETURN(format.cluster_id, random_id());
  }
  RETURN_IF_ERROR(make_directory(options.path / kRecordsDirectory));
  RETURN_IF_ERROR(HighWaterMark::create(options.path / kHighWaterMarkFile));
  crash_point("create.before_format");
  RETURN_IF_ERROR(replace_file(options.path / kFormatFile, encode_format(format)));
  crash_point("create.after_format");
  return format;
}

}  // namespace

Result<DataDirectory> DataDirectory::open(const Options& given) {
  Options options = given;
  std::error_code error;
  options.path = std::filesystem::absolute(given.path, error).lexically_normal();
  if (!options.path.has_filename()) options.path = options.path.parent_path();
  const bool may_create = options.create_if_missing && !options.read_only;
  if (may_create) RETURN_IF_ERROR(make_directory(options.path));
  if (!std::filesystem::is_directory(options.path, error)) {
    return make_error(ErrorCode::not_found, "there is no directory " + options.path.string());
  }
  const std::filesystem::path format_path = options.path / kFormatFile;
  if (!may_create && !std::filesystem::exists(format_path, error)) {
    return make_error(ErrorCode::not_found, "there is no database in " + options.path.string());
  }
  ASSIGN_OR_RETURN(FileDescriptor lock, take_lock(options.path, options.read_only));
  ASSIGN_OR_RETURN(const std::optional<std::string> text, read_small_file(format_path));
  Format format;
  if (text) {
    ASSIGN_OR_RETURN(format, decode_format(format_path, *text));
  } else {
    ASSIGN_OR_RETURN(format, create_database(options));
  }
  if (options.cluster_id && *options.cluster_id != format.cluster_id) {
    return make_error(ErrorCode::invalid_argument, options.path.string() + " belongs to cluster " +
                                                       to_hex(format.cluster_id) + ", not to " +
                                                       to_hex(*options.cluster_id));
  }
  return DataDirectory(options.path, std::move(lock), format.cluster_id);
}

std::filesystem::path DataDirectory::records_path() const { return path_ / kRecordsDirectory; }

std::filesystem::path DataDirectory::high_water_mark_path() const {
  return path_ / kHighWaterMarkFile;
}

}  // namespace zeolite::storage
