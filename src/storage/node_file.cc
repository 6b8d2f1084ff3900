#include "storage/node_file.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "storage/crash_point.h"
#include "storage/data_directory.h"
#include "storage/random_id.h"

namespace zeolite::storage {

namespace {

constexpr std::string_view kNodeFile = "NODE";
constexpr std::string_view kVersionWord = "zeolite-node ";
constexpr std::string_view kIdWord = "\nid ";
constexpr std::string_view kPromisedWord = "\npromised ";
constexpr std::string_view kHeardWord = "\nheard ";
constexpr std::string_view kCheckWord = "\ncheck ";
// Programs that know nothing of what was heard go on reading a file that does not say it.
constexpr unsigned kVersion = 1;
constexpr unsigned kVersionWithHeard = 2;

std::string encode(const NodeIdentity& identity) {
  const bool with_heard = identity.heard > identity.promised;
  std::string text(kVersionWord);
  text += std::to_string(with_heard ? kVersionWithHeard : kVersion);
  text.append(kIdWord).append(to_hex(identity.id));
  text.append(kPromisedWord).append(std::to_string(identity.promised.value()));
  if (with_heard) text.append(kHeardWord).append(std::to_string(identity.heard.value()));
  std::string check;
  put_u64(check, XXH3_64bits(text.data(), text.size()));
  return text.append(kCheckWord).append(to_hex(check)) + "\n";
}

std::unexpected<Error> damaged(const std::filesystem::path& path) {
  return make_error(ErrorCode::corruption,
                    path.string() +
                        " is damaged, so nothing tells what this node has promised; if it is "
                        "surely no member of a cluster any more, remove the file: the directory "
                        "is a new node then");
}

// The number that follows `word` at the front of `text`, which both go.
std::optional<std::uint64_t> take_number(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return std::nullopt;
  text.remove_prefix(word.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

Result<NodeIdentity> decode(const std::filesystem::path& path, std::string_view text) {
  std::string_view rest = text;
  const auto version = take_number(rest, kVersionWord);
  if (!version || *version == 0) return damaged(path);
  if (*version > kVersionWithHeard) {
    return make_error(ErrorCode::too_new,
                      path.string() + " was written by a newer version: use the newer program");
  }
  if (!rest.starts_with(kIdWord)) return damaged(path);
  rest.remove_prefix(kIdWord.size());
  static constexpr std::size_t kIdDigits = 2 * sizeof(Id128);
  const std::optional<std::string> id = from_hex(rest.substr(0, kIdDigits));
  if (!id || id->size() != sizeof(Id128)) return damaged(path);
  rest.remove_prefix(kIdDigits);
  const auto promised = take_number(rest, kPromisedWord);
  if (!promised) return damaged(path);
  const auto heard = take_number(rest, kHeardWord).value_or(*promised);
  const NodeIdentity identity{id128_from(*id), Epoch(*promised), Epoch(heard)};
  // The checksum, the version and every byte between the fields.
  if (text != encode(identity)) return damaged(path);
  return identity;
}

}  // namespace

Result<std::optional<NodeIdentity>> read_node_file(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kNodeFile;
  ASSIGN_OR_RETURN(const std::optional<std::string> text, read_small_file(path));
  if (!text) return std::nullopt;
  return decode(path, *text);
}

Result<std::unique_ptr<NodeFile>> NodeFile::open(std::shared_ptr<const DirectoryLock> lock) {
  CHECK(lock->may_write(), "the lock is one for writing");
  ASSIGN_OR_RETURN(std::optional<NodeIdentity> identity, read_node_file(lock->path()));
  if (identity) {
    // Killed after the rename, its name may not be durable yet: what is read here counts.
    RETURN_IF_ERROR(sync_directory(lock->path()));
  } else {
    // Not into a directory of something else.
    RETURN_IF_ERROR(DataDirectory::check_usable(lock->path()));
    identity.emplace();
    ASSIGN_OR_RETURN(identity->id, random_id());
    crash_point("node.before_create");
    RETURN_IF_ERROR(replace_file(lock->path() / kNodeFile, encode(*identity)));
  }
  return std::unique_ptr<NodeFile>(new NodeFile(std::move(lock), *identity));
}

Epoch NodeFile::promised() const {
  const std::lock_guard lock(mutex_);
  return promised_;
}

Epoch NodeFile::heard() const {
  const std::lock_guard lock(mutex_);
  return heard_;
}

Result<> NodeFile::promise(Epoch epoch) {
  const std::lock_guard lock(mutex_);
  CHECK(epoch >= promised_, "a promised epoch never goes down");
  if (epoch == promised_) return {};
  crash_point("node.before_promise");
  RETURN_IF_ERROR(replace(epoch, std::max(epoch, heard_)));
  crash_point("node.after_promise");
  return {};
}

Result<> NodeFile::hear(Epoch epoch) {
  const std::lock_guard lock(mutex_);
  if (epoch <= heard_) return {};
  return replace(promised_, epoch);
}

Result<> NodeFile::replace(Epoch promised, Epoch heard) {
  RETURN_IF_ERROR(replace_file(lock_->path() / kNodeFile, encode({id_, promised, heard})));
  promised_ = promised;
  heard_ = heard;
  return {};
}

}  // namespace zeolite::storage
