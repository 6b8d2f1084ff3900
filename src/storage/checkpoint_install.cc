#include "storage/checkpoint_install.h"

#include <array>
#include <memory>
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
constexpr std::string_view kFirstLine = "zeolite checkpoint 2\n";
constexpr std::string_view kTidWord = "tid ";
constexpr std::string_view kReplacesWord = "replaces ";
constexpr std::string_view kOldWord = "old ";
constexpr std::string_view kNowhere = "-";
// Of a database; FORMAT comes last, as when one is made: until it is there, nothing counts as one.
constexpr std::array<const char*, 3> kParts = {"records", "HWM", "FORMAT"};

Result<> rename_entry(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return system_error("rename", from, error.value());
  return {};
}

// Of the name itself, not of what a link leads to. not_found only for what is certainly missing:
// on that, other things are removed.
Result<fs::file_type> type_of(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::symlink_status(path, error).type();
  if (type == fs::file_type::none) return system_error("look at", path, error.value());
  return type;
}

Result<bool> is_there(const fs::path& path) {
  ASSIGN_OR_RETURN(const fs::file_type type, type_of(path));
  return type != fs::file_type::not_found;
}

// The content of COMPLETE. Once the installation has begun, it says where the former database goes.
struct Complete {
  std::string text;
  std::string tid;
  std::string replaces_tid;
  std::string replaces_chain;
  std::optional<std::string> old;  // a name in the data directory, or kNowhere
};

std::optional<std::string> line_after(const std::string& text, std::string_view word) {
  const std::size_t at = text.find("\n" + std::string(word));
  if (at == std::string::npos) return std::nullopt;
  const std::size_t begin = at + 1 + word.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

Result<std::optional<Complete>> read_complete(const fs::path& incoming) {
  const fs::path path = incoming / kComplete;
  ASSIGN_OR_RETURN(std::optional<std::string> text, read_small_file(path));
  if (!text) return std::nullopt;
  const std::optional<std::string> tid = line_after(*text, kTidWord);
  const std::optional<std::string> replaces = line_after(*text, kReplacesWord);
  const std::size_t space = replaces ? replaces->find(' ') : std::string::npos;
  if (!text->starts_with(kFirstLine) || !text->ends_with('\n') || !tid ||
      space == std::string::npos) {
    return make_error(ErrorCode::corruption, path.string() + " is damaged; remove " +
                                                 incoming.string() +
                                                 ", and the copy is taken again");
  }
  Complete complete;
  complete.tid = *tid;
  complete.replaces_tid = replaces->substr(0, space);
  complete.replaces_chain = replaces->substr(space + 1);
  complete.old = line_after(*text, kOldWord);
  complete.text = *std::move(text);
  return complete;
}

// Where the log ended that the database in `data` had acknowledged; nothing: it is damaged.
Result<std::optional<Position>> acknowledged_in(const fs::path& data) {
  ASSIGN_OR_RETURN(const bool any, is_there(data / "FORMAT"));
  if (!any) return Position{};
  const auto mark = HighWaterMark::open(data / "HWM", true);
  if (!mark) return std::nullopt;
  return (*mark)->position();
}

// The mark may be a little behind the log after a power cut, so less than the copy was to replace
// is as good.
bool has_gone_on(const Position& acknowledged, const Complete& complete) {
  const std::string tid = to_hex(acknowledged.tid);  // all are of one length
  if (tid != complete.replaces_tid) return tid > complete.replaces_tid;
  return to_hex(acknowledged.chain) != complete.replaces_chain;
}

// `name`, or with a number if that is there already.
Result<std::string> free_name(const fs::path& data, const std::string& name) {
  std::string free = name;
  for (int number = 2;; ++number) {
    ASSIGN_OR_RETURN(const bool taken, is_there(data / free));
    if (!taken) return free;
    free = name + "-" + std::to_string(number);
  }
}

// Decides where the former database goes, once: a call that goes on finds only parts of it. False:
// the copy is not to be installed.
Result<bool> begin(const fs::path& data, const fs::path& incoming, Complete& complete) {
  ASSIGN_OR_RETURN(const std::optional<Position> acknowledged, acknowledged_in(data));
  if (acknowledged && has_gone_on(*acknowledged, complete)) return false;
  std::string old(kNowhere);  // one that has acknowledged nothing is not worth keeping
  if (!acknowledged || !acknowledged->tid.is_zero()) {
    ASSIGN_OR_RETURN(old, free_name(data, kFormerPrefix + complete.tid));
  }
  RETURN_IF_ERROR(
      replace_file(incoming / kComplete, complete.text + std::string(kOldWord) + old + "\n"));
  complete.old = std::move(old);
  crash_point("install.begun");
  return true;
}

Result<> put_old_aside(const fs::path& data, const fs::path& incoming, const std::string& name) {
  const fs::path old = data / name;
  std::shared_ptr<const DirectoryLock> lock;  // made for who opens it later, and held meanwhile
  // FORMAT first: what is left of it then is no database any more.
  for (auto part = kParts.rbegin(); part != kParts.rend(); ++part) {
    ASSIGN_OR_RETURN(const bool has_new, is_there(incoming / *part));
    ASSIGN_OR_RETURN(const bool has_old, is_there(data / *part));
    if (!has_new || !has_old) continue;
    if (name == kNowhere) {
      std::error_code error;
      fs::remove_all(data / *part, error);
      if (error) return system_error("remove", data / *part, error.value());
      continue;
    }
    if (!lock) {
      ASSIGN_OR_RETURN(lock, DirectoryLock::take(old, DirectoryLock::Access::create));
    }
    RETURN_IF_ERROR(rename_entry(data / *part, old / *part));
    RETURN_IF_ERROR(sync_directory(old));
    crash_point("install.old_part_aside");
  }
  return sync_directory(data);
}

// What has the name already may be damaged, or another database's; what has come was checked.
Result<> move_file(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error == std::errc::cross_device_link) {
    const fs::path copy = to.string() + ".copy";
    error.clear();
    fs::copy_file(from, copy, fs::copy_options::overwrite_existing, error);
    if (!error) {
      RETURN_IF_ERROR(sync_file(copy));
      fs::rename(copy, to, error);
    }
  }
  if (error) return system_error("move", from, error.value());
  return {};
}

Result<> move_blobs(const fs::path& from, const fs::path& to) {
  ASSIGN_OR_RETURN(const bool any, is_there(from));
  if (!any) return {};
  std::error_code error;
  fs::create_directories(to, error);
  if (error) return system_error("create directory", to, error.value());
  using Walk = fs::directory_iterator;
  for (auto entry = Walk(from, error); !error && entry != Walk(); entry.increment(error)) {
    const fs::path path = entry->path();
    const fs::path target = to / path.filename();
    ASSIGN_OR_RETURN(const fs::file_type type, type_of(path));
    const bool folder = type == fs::file_type::directory;
    RETURN_IF_ERROR(folder ? move_blobs(path, target) : move_file(path, target));
  }
  if (error) return system_error("list", from, error.value());
  return sync_directory(to);
}

// From now on what is in `incoming` is not installed.
Result<> forget_complete(const fs::path& incoming) {
  std::error_code error;
  const bool was_there = fs::remove(incoming / kComplete, error);
  if (error) return system_error("remove", incoming / kComplete, error.value());
  if (!was_there) return {};
  RETURN_IF_ERROR(sync_directory(incoming));
  crash_point("install.forgotten");
  return {};
}

}  // namespace

Result<> complete_incoming(const fs::path& data_directory, const CompleteCopy& copy) {
  std::string text(kFirstLine);
  text += "cluster " + to_hex(copy.cluster) + "\n";
  text += "epoch " + std::to_string(copy.position.epoch.value()) + "\n";
  text += std::string(kTidWord) + to_hex(copy.position.tid) + "\n";
  text += std::string(kReplacesWord) + to_hex(copy.replaces.tid) + " " +
          to_hex(copy.replaces.chain) + "\n";
  return replace_file(data_directory / kIncomingFolder / kComplete, text);
}

Result<bool> has_complete_copy(const fs::path& data_directory) {
  return is_there(data_directory / kIncomingFolder / kComplete);
}

Result<> discard_incoming(const fs::path& data_directory) {
  const fs::path incoming = data_directory / kIncomingFolder;
  ASSIGN_OR_RETURN(const bool any, is_there(incoming));
  if (!any) return {};
  RETURN_IF_ERROR(forget_complete(incoming));
  std::error_code error;
  fs::remove_all(incoming, error);
  if (error) return system_error("remove", incoming, error.value());
  return sync_directory(data_directory);
}

FormerDatabases former_databases(const fs::path& data_directory) {
  FormerDatabases former;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(data_directory, error)) {
    if (!entry.path().filename().string().starts_with(kFormerPrefix)) continue;
    ++former.count;
    using Walk = fs::recursive_directory_iterator;
    for (auto file = Walk(entry.path(), error); !error && file != Walk(); file.increment(error)) {
      std::error_code gone;
      if (!file->is_regular_file(gone)) continue;
      const std::uintmax_t bytes = file->file_size(gone);
      if (!gone) former.bytes += bytes;
    }
  }
  return former;
}

Result<InstallOutcome> install_checkpoint(const DirectoryLock& lock, const fs::path& blobs) {
  const fs::path& data = lock.path();
  const fs::path incoming = data / kIncomingFolder;
  ASSIGN_OR_RETURN(std::optional<Complete> complete, read_complete(incoming));
  if (!complete) return InstallOutcome::nothing;
  if (!complete->old) {
    ASSIGN_OR_RETURN(const bool begun, begin(data, incoming, *complete));
    if (!begun) {
      RETURN_IF_ERROR(discard_incoming(data));
      return InstallOutcome::outdated;
    }
  }
  RETURN_IF_ERROR(move_blobs(incoming / "blobs", blobs));
  crash_point("install.after_blobs");
  RETURN_IF_ERROR(put_old_aside(data, incoming, *complete->old));
  for (const char* part : kParts) {
    ASSIGN_OR_RETURN(const bool waits, is_there(incoming / part));
    if (!waits) continue;  // moved by an earlier call
    crash_point("install.before_part");
    RETURN_IF_ERROR(rename_entry(incoming / part, data / part));
  }
  RETURN_IF_ERROR(sync_directory(data));
  crash_point("install.before_end");
  RETURN_IF_ERROR(forget_complete(incoming));
  std::error_code ignored;  // nothing of it is needed; if it stays, the next copy clears it
  fs::remove_all(incoming, ignored);
  return InstallOutcome::installed;
}

}  // namespace zeolite::storage
