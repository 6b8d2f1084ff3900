#include "storage/checkpoint_install.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "storage/crash_point.h"
#include "storage/file_descriptor.h"
#include "storage/high_water_mark.h"

namespace zeolite::storage {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kComplete = "COMPLETE";
constexpr std::string_view kFirstLine = "zeolite checkpoint 1\n";
constexpr std::string_view kTidWord = "tid ";
// Of a database; FORMAT comes last, as when one is made: until it is there, nothing counts as one.
constexpr std::array<const char*, 3> kParts = {"records", "HWM", "FORMAT"};

Result<> rename_entry(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return system_error("rename", from, error.value());
  return {};
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

Result<std::optional<std::string>> read_complete(const fs::path& incoming) {
  const fs::path path = incoming / kComplete;
  ASSIGN_OR_RETURN(const std::optional<std::string> text, read_small_file(path));
  if (!text) return std::nullopt;
  const std::size_t at = text->find("\n" + std::string(kTidWord));
  if (!text->starts_with(kFirstLine) || at == std::string::npos || !text->ends_with('\n')) {
    return make_error(ErrorCode::corruption, path.string() + " is damaged; remove " +
                                                 incoming.string() +
                                                 ", and the copy is taken again");
  }
  const std::size_t begin = at + 1 + kTidWord.size();
  return text->substr(begin, text->find('\n', begin) - begin);
}

// What the database that is replaced had acknowledged; one that had nothing is not worth keeping.
bool had_acknowledged(const fs::path& directory) {
  const auto mark = HighWaterMark::open(directory / "HWM", true);
  return mark && !(*mark)->position().tid.is_zero();
}

Result<> put_old_aside(const fs::path& data, const fs::path& incoming, const std::string& tid) {
  const fs::path old = data / ("old-" + tid);
  // FORMAT first: what is left of it then is no database any more.
  for (auto part = kParts.rbegin(); part != kParts.rend(); ++part) {
    if (!is_there(incoming / *part) || !is_there(data / *part)) continue;
    if (!is_there(old) && !had_acknowledged(data)) {
      std::error_code error;
      fs::remove_all(data / *part, error);
      if (error) return system_error("remove", data / *part, error.value());
      continue;
    }
    RETURN_IF_ERROR(make_private_directory(old));
    RETURN_IF_ERROR(rename_entry(data / *part, old / *part));
    RETURN_IF_ERROR(sync_directory(old));
    crash_point("install.old_part_aside");
  }
  return sync_directory(data);
}

Result<> move_blobs(const fs::path& from, const fs::path& to) {
  if (!is_there(from)) return {};
  std::error_code error;
  fs::create_directories(to, error);
  if (error) return system_error("create directory", to, error.value());
  for (const auto& entry : fs::directory_iterator(from, error)) {
    const fs::path target = to / entry.path().filename();
    if (entry.is_directory() && !entry.is_symlink()) {
      RETURN_IF_ERROR(move_blobs(entry.path(), target));
      continue;
    }
    if (is_there(target)) continue;  // its name says what is in it
    fs::rename(entry.path(), target, error);
    if (error == std::errc::cross_device_link) {
      const fs::path copy = target.string() + ".copy";
      error.clear();
      fs::copy_file(entry.path(), copy, fs::copy_options::overwrite_existing, error);
      if (!error) {
        RETURN_IF_ERROR(sync_file(copy));
        fs::rename(copy, target, error);
      }
    }
    if (error) return system_error("move", entry.path(), error.value());
  }
  if (error) return system_error("list", from, error.value());
  return sync_directory(to);
}

}  // namespace

Result<> complete_incoming(const fs::path& data_directory, const Id128& cluster_id,
                           const Position& position) {
  std::string text(kFirstLine);
  text += "cluster " + to_hex(cluster_id) + "\n";
  text += "epoch " + std::to_string(position.epoch.value()) + "\n";
  text += std::string(kTidWord) + to_hex(position.tid) + "\n";
  return replace_file(data_directory / kIncomingFolder / kComplete, text);
}

Result<bool> install_checkpoint(const DirectoryLock& lock, const fs::path& blobs) {
  const fs::path& data = lock.path();
  const fs::path incoming = data / kIncomingFolder;
  ASSIGN_OR_RETURN(const std::optional<std::string> tid, read_complete(incoming));
  if (!tid) return false;
  RETURN_IF_ERROR(move_blobs(incoming / "blobs", blobs));
  crash_point("install.after_blobs");
  RETURN_IF_ERROR(put_old_aside(data, incoming, *tid));
  for (const char* part : kParts) {
    if (!is_there(incoming / part)) continue;  // moved by an earlier call
    crash_point("install.before_part");
    RETURN_IF_ERROR(rename_entry(incoming / part, data / part));
  }
  RETURN_IF_ERROR(sync_directory(data));
  crash_point("install.before_end");
  std::error_code error;
  fs::remove(incoming / kComplete, error);
  if (error) return system_error("remove", incoming / kComplete, error.value());
  RETURN_IF_ERROR(sync_directory(incoming));
  fs::remove_all(incoming, error);  // nothing of it is needed; if it stays, the next copy clears it
  return true;
}

}  // namespace zeolite::storage
