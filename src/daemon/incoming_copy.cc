#include "daemon/incoming_copy.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "storage/checkpoint_install.h"
#include "wire/codec.h"

namespace zeolite::daemon {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::string_view kBeginFile = "BEGIN";
constexpr std::string_view kDoneFolder = "done";
// What stands beside the files of the copy.
constexpr std::array<std::string_view, 3> kOwnNames = {kBeginFile, kDoneFolder, "COMPLETE"};

std::uint64_t size_on_disk(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

bool has_own_name(const wire::CheckpointBegin::File& file) {
  const std::string_view name(file.name);
  return std::ranges::find(kOwnNames, name.substr(0, name.find('/'))) != kOwnNames.end();
}

}  // namespace

IncomingCopy::IncomingCopy(std::filesystem::path data)
    : data_(std::move(data)), incoming_(data_ / storage::kIncomingFolder) {}

Result<wire::CheckpointRequest> IncomingCopy::resume(
    const replication::Follower::TakeCheckpoint& take) {
  take_ = take;
  wire::CheckpointRequest request;
  request.from = take.from;
  Result<wire::CheckpointBegin> begin = read_begin();
  using replication::Follower;
  if (!begin || !Follower::may_replace(take, begin->cluster_id, begin->position)) {
    RETURN_IF_ERROR(clear());
    return request;
  }
  begin_ = *std::move(begin);
  request.id = begin_.id;
  request.file = static_cast<std::uint32_t>(first_missing(0));
  if (request.file < begin_.files.size()) {
    request.offset = size_on_disk(path_of(request.file));
    // Its last piece tells the hash, and comes again if it is whole but was not checked.
    if (request.offset >= begin_.files[request.file].size) request.offset = 0;
  }
  return request;
}

Result<IncomingCopy::Progress> IncomingCopy::begin(const wire::CheckpointBegin& begin) {
  using replication::Follower;
  if (begun_) return make_error(ErrorCode::protocol_error, "a copy was begun twice");
  if (!Follower::may_replace(take_, begin.cluster_id, begin.position)) {
    return make_error(ErrorCode::protocol_error, "the copy lacks what this node has");
  }
  if (std::ranges::any_of(begin.files, has_own_name)) {
    return make_error(ErrorCode::protocol_error, "a file of the copy has a name it may not have");
  }
  if (begin != begin_) {
    RETURN_IF_ERROR(clear());
    begin_ = begin;
    std::error_code error;
    std::filesystem::create_directories(incoming_, error);
    if (error) return make_error(ErrorCode::io_error, incoming_.string() + ": " + error.message());
    std::string frame;
    wire::encode(begin, 0, frame);
    RETURN_IF_ERROR(storage::replace_file(incoming_ / kBeginFile, frame));
  }
  begun_ = true;
  Progress progress;
  for (std::size_t i = 0; i < begin_.files.size(); ++i)
    progress.present += size_on_disk(path_of(i));
  // Cut off after the last piece.
  progress.whole = whole_ = first_missing(0) == begin_.files.size();
  RETURN_IF_ERROR(progress.whole ? sync_directories() : check_space(progress.present));
  return progress;
}

// A disk that it fills is of no use for anything else either.
Result<> IncomingCopy::check_space(std::uint64_t present) const {
  std::uint64_t total = 0;
  for (const wire::CheckpointBegin::File& file : begin_.files) total += file.size;
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(incoming_, error);
  const std::uint64_t missing = total - std::min(total, present);
  if (error || space.available >= missing) return {};
  return make_error(ErrorCode::io_error, "it needs " + std::to_string(missing >> 20U) +
                                             " MiB more, and " + incoming_.string() +
                                             " has space for " +
                                             std::to_string(space.available >> 20U));
}

Result<bool> IncomingCopy::write(const wire::CheckpointChunk& chunk) {
  if (!begun_ || whole_ || chunk.file >= begin_.files.size()) {
    return make_error(ErrorCode::protocol_error, "a piece of a file that is not in the copy");
  }
  if (!file_.is_open() || chunk.file != index_) RETURN_IF_ERROR(open(chunk.file));
  if (chunk.offset != written_ || chunk.data.size() > begin_.files[chunk.file].size - written_) {
    return make_error(ErrorCode::protocol_error, "a piece of the copy out of order");
  }
  RETURN_IF_ERROR(append(chunk.data.view()));
  if (!chunk.last) return false;
  RETURN_IF_ERROR(complete_file(chunk));
  if (first_missing(chunk.file + 1U) < begin_.files.size()) return false;
  // Pieces came in order; those before the first that was asked for were whole.
  if (first_missing(0) < begin_.files.size()) {
    return make_error(ErrorCode::protocol_error, "the copy ended before all of it was here");
  }
  RETURN_IF_ERROR(sync_directories());
  whole_ = true;
  return true;
}

Result<> IncomingCopy::remove_outdated(const std::filesystem::path& data,
                                       const Position& acknowledged) {
  const Result<wire::CheckpointBegin> begin = IncomingCopy(data).read_begin();
  if (begin && begin->position.tid > acknowledged.tid) return {};
  return storage::discard_incoming(data);
}

Result<wire::CheckpointBegin> IncomingCopy::read_begin() const {
  ASSIGN_OR_RETURN(std::optional<std::string> content,
                   storage::read_small_file(incoming_ / kBeginFile));
  if (!content) return make_error(ErrorCode::not_found, "no copy was begun");
  wire::FrameDecoder decoder(content->size());
  decoder.feed(Bytes(*std::move(content)));
  ASSIGN_OR_RETURN(std::optional<wire::Frame> frame, decoder.next());
  if (!frame) return make_error(ErrorCode::corruption, "BEGIN is damaged");
  ASSIGN_OR_RETURN(wire::Message message, wire::decode(*frame));
  if (auto* begin = std::get_if<wire::CheckpointBegin>(&message)) return std::move(*begin);
  return make_error(ErrorCode::corruption, "BEGIN is damaged");
}

std::filesystem::path IncomingCopy::path_of(std::size_t index) const {
  return incoming_ / begin_.files[index].name;
}

// Of this copy, whatever a crash brings back of what was there before.
std::filesystem::path IncomingCopy::done_mark(std::size_t index) const {
  return incoming_ / kDoneFolder / (to_hex(begin_.id) + "-" + std::to_string(index));
}

// Checked and synced. A mark may have outlived its file: their folders are synced at the end only.
bool IncomingCopy::has_whole(std::size_t index) const {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path_of(index), error);
  return !error && size == begin_.files[index].size &&
         std::filesystem::exists(done_mark(index), error);
}

std::size_t IncomingCopy::first_missing(std::size_t from) const {
  while (from < begin_.files.size() && has_whole(from)) ++from;
  return from;
}

Result<> IncomingCopy::clear() {
  file_ = {};
  begin_ = {};
  return storage::discard_incoming(data_);
}

Result<> IncomingCopy::open(std::uint32_t index) {
  const std::filesystem::path path = path_of(index);
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) {
    return make_error(ErrorCode::io_error, path.parent_path().string() + ": " + error.message());
  }
  file_ = storage::FileDescriptor(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file_.is_open()) return storage::system_error("open", path, errno);
  index_ = index;
  hash_ = {};
  written_ = 0;
  // What an earlier try has written counts, and is hashed again.
  std::uint64_t there = size_on_disk(path);
  if (there >= begin_.files[index].size) there = 0;
  std::string buffer(kReadBytes, '\0');
  while (written_ < there) {
    const ssize_t got =
        ::pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(written_));
    if (got <= 0) return storage::system_error("read", path, got < 0 ? errno : EIO);
    hash_.update(ByteView(buffer.data(), static_cast<std::size_t>(got)));
    written_ += static_cast<std::uint64_t>(got);
  }
  if (there == 0 && ::ftruncate(file_.get(), 0) != 0) {
    return storage::system_error("shorten", path, errno);
  }
  return {};
}

Result<> IncomingCopy::append(ByteView data) {
  hash_.update(data);
  while (!data.empty()) {
    const ssize_t put =
        ::pwrite(file_.get(), data.data(), data.size(), static_cast<off_t>(written_));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return storage::system_error("write", path_of(index_), put < 0 ? errno : EIO);
    written_ += static_cast<std::uint64_t>(put);
    data.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Result<> IncomingCopy::complete_file(const wire::CheckpointChunk& chunk) {
  const std::filesystem::path path = path_of(index_);
  if (written_ != begin_.files[index_].size || hash_.finish() != chunk.hash) {
    file_ = {};
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    return make_error(ErrorCode::corruption, path.string() +
                                                 " arrived with another content than it was sent "
                                                 "with; it is fetched again");
  }
  if (::fdatasync(file_.get()) != 0) return storage::system_error("sync", path, errno);
  file_ = {};
  std::error_code error;
  std::filesystem::create_directories(done_mark(index_).parent_path(), error);
  const storage::FileDescriptor mark(
      ::open(done_mark(index_).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!mark.is_open()) return storage::system_error("make", done_mark(index_), errno);
  return {};
}

Result<> IncomingCopy::sync_directories() const {
  std::error_code error;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (auto entry = Walk(incoming_, error); !error && entry != Walk(); entry.increment(error)) {
    if (entry->is_directory()) RETURN_IF_ERROR(storage::sync_directory(entry->path()));
  }
  if (error) return make_error(ErrorCode::io_error, incoming_.string() + ": " + error.message());
  return storage::sync_directory(incoming_);
}

}  // namespace zeolite::daemon
