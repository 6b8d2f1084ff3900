#include "daemon/divergence_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "blobs/blob_names.h"
#include "daemon/record_bytes.h"
#include "storage/file_descriptor.h"
#include "wire/codec.h"

namespace zeolite::daemon {
namespace {

// Of one frame, of entries and of data; its last record may be larger.
constexpr std::size_t kGroupBytes = 1 << 20;
constexpr std::size_t kCompressFrom = 16 * 1024;
constexpr std::size_t kBodyMax = std::size_t{1} << 30;

// Groups from `from` to the end of the log, one frame each.
Result<> write_groups(const storage::ObjectStore& store, const Position& from,
                      const storage::FileDescriptor& file, const std::filesystem::path& path) {
  Position previous = from;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries,
                     store.read_log(previous.tid, kMaxTid, {.bytes = kGroupBytes}));
    if (entries.empty()) return {};
    std::vector<TransactionRecord> records;
    std::size_t bytes = 0;
    for (const LogEntry& entry : entries) {
      // What a pack has removed of it is gone in any case.
      ASSIGN_OR_RETURN(TransactionRecord record, store.read_surviving(entry));
      bytes += data_bytes(record);
      records.push_back(std::move(record));
      if (bytes < kGroupBytes && &entry != &entries.back()) continue;
      std::string frame;
      wire::encode_append(records.back().epoch, previous, records, frame, kCompressFrom);
      if (const int failed = storage::write_bytes(file, frame); failed != 0) {
        return storage::system_error("write", path, failed);
      }
      previous = entry.position;
      records.clear();
      bytes = 0;
    }
  }
}

std::unexpected<Error> damaged(const std::filesystem::path& file, std::size_t group,
                               const std::string& why) {
  return make_error(ErrorCode::corruption, file.string() +
                                               " is damaged, or no divergence file: group " +
                                               std::to_string(group) + ": " + why);
}

}  // namespace

Result<std::filesystem::path> write_divergence_file(const storage::ObjectStore& store,
                                                    const std::filesystem::path& data,
                                                    const Position& ancestor) {
  const Position last = store.last_position();
  const std::filesystem::path folder = data / kDivergenceFolder;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return storage::system_error("create directory", folder, error.value());
  const std::filesystem::path path =
      folder / (std::to_string(last.epoch.value()) + "-" + to_hex(ancestor.tid) + "-" +
                to_hex(last.tid) + ".zdiv");
  const std::filesystem::path unfinished = path.string() + ".new";
  {
    const storage::FileDescriptor file(
        ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file.is_open()) return storage::system_error("make", unfinished, errno);
    RETURN_IF_ERROR(write_groups(store, ancestor, file, unfinished));
    if (::fsync(file.get()) != 0) return storage::system_error("sync", unfinished, errno);
  }
  std::filesystem::rename(unfinished, path, error);
  if (error) return storage::system_error("rename", unfinished, error.value());
  RETURN_IF_ERROR(storage::sync_directory(folder));
  RETURN_IF_ERROR(storage::sync_directory(data));
  return path;
}

std::filesystem::path blobs_beside(const std::filesystem::path& file) {
  std::filesystem::path beside = file;
  return beside.replace_extension(".blobs");
}

std::filesystem::path blob_beside(const std::filesystem::path& file, Oid oid, Tid tid) {
  return blobs_beside(file) / blobs::object_directory(blobs::Layout::bushy, oid) /
         blobs::blob_file_name(tid);
}

Result<Divergence> read_divergence_file(const std::filesystem::path& file) {
  ASSIGN_OR_RETURN(std::optional<std::string> content, storage::read_small_file(file));
  if (!content) return make_error(ErrorCode::not_found, "there is no file " + file.string());
  wire::FrameDecoder decoder(kBodyMax);
  decoder.feed(Bytes(*std::move(content)));
  Divergence divergence;
  std::size_t groups = 0;
  while (true) {
    Result<std::optional<wire::Frame>> frame = decoder.next();
    if (frame && !*frame) break;
    ++groups;
    if (!frame) return damaged(file, groups, frame.error().detail);
    Result<wire::Message> message = wire::decode(**frame);
    if (!message) return damaged(file, groups, message.error().detail);
    auto* group = std::get_if<wire::ReplicaAppend>(&*message);
    if (group == nullptr) return damaged(file, groups, "it is no group of a log");
    if (groups == 1) {
      divergence.ancestor = group->previous;
    } else if (group->previous.tid != divergence.records.back().tid) {
      return damaged(file, groups, "what comes before it is missing");
    }
    for (TransactionRecord& record : group->records) {
      divergence.records.push_back(std::move(record));
    }
  }
  if (decoder.buffered() > 0) return damaged(file, groups + 1, "the file ends within it");
  if (groups == 0) return make_error(ErrorCode::corruption, file.string() + " is empty");
  return divergence;
}

}  // namespace zeolite::daemon
