#include "daemon/read_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "daemon/answer_bytes.h"

namespace zeolite::daemon {

namespace {

// What the log says of a revision's blob.
Result<std::optional<BlobInfo>> blob_of(const storage::ObjectStore& store, Oid oid, Tid tid) {
  ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store.log_entry(tid));
  if (!entry) return std::nullopt;
  const auto object = std::ranges::find(entry->objects, oid, &ObjectSummary::oid);
  return object == entry->objects.end() ? std::nullopt : object->blob;
}

}  // namespace

wire::Loaded to_wire(storage::Loaded loaded) {
  wire::Loaded result;
  switch (loaded.status) {
    case storage::LoadStatus::found:
      result.status = wire::LoadedStatus::found;
      break;
    case storage::LoadStatus::unknown:
      result.status = wire::LoadedStatus::unknown;
      break;
    case storage::LoadStatus::not_yet:
      result.status = wire::LoadedStatus::not_yet;
      break;
    case storage::LoadStatus::deleted:
      result.status = wire::LoadedStatus::deleted;
      break;
  }
  result.data = std::move(loaded.data);
  result.tid = loaded.tid;
  result.end = loaded.end.value_or(kNoTid);
  return result;
}

Result<wire::LoadedMany> to_wire(const Result<std::vector<storage::Loaded>>& items) {
  if (!items) return std::unexpected(items.error());
  wire::LoadedMany answer;
  answer.items.reserve(items->size());
  for (const storage::Loaded& loaded : *items) answer.items.push_back(to_wire(loaded));
  return answer;
}

Result<wire::Loaded> read_load_serial(const storage::ObjectStore& store,
                                      const wire::LoadSerial& request, Tid line) {
  ASSIGN_OR_RETURN(storage::Loaded loaded, store.load_serial(request.oid, request.tid, line));
  return to_wire(std::move(loaded));
}

Result<bool> LoadManyRead::advance(const storage::ObjectStore& store, Tid line, std::size_t count) {
  for (; count > 0 && items_.size() < request_.oids.size(); --count) {
    ASSIGN_OR_RETURN(storage::Loaded loaded,
                     store.load_before(request_.oids[items_.size()], request_.before, line, tier_));
    bytes_ += data_item_bytes(loaded);
    if (bytes_ > bytes_max_ && !items_.empty()) return true;
    items_.push_back(std::move(loaded));
  }
  return items_.size() == request_.oids.size();
}

Result<std::vector<storage::Loaded>> read_load_many(const storage::ObjectStore& store,
                                                    const wire::LoadMany& request, Tid line,
                                                    std::size_t bytes_max, storage::ReadTier tier) {
  LoadManyRead read(request, bytes_max, tier);
  ASSIGN_OR_RETURN([[maybe_unused]] const bool done, read.advance(store, line, SIZE_MAX));
  return read.take_items();
}

Result<wire::Walked> read_walk(const storage::ObjectStore& store, const wire::Walk& request,
                               Tid line) {
  wire::Walked answer;
  const std::size_t count = request.count;
  // One more than asked for: where to go on.
  ASSIGN_OR_RETURN(const std::vector<storage::CurrentObject> found,
                   store.next_objects(request.from, line, count + 1));
  for (const storage::CurrentObject& object : found) {
    if (answer.items.size() == count) {
      answer.next = object.oid;
      break;
    }
    answer.items.push_back({object.oid, object.tid});
  }
  return answer;
}

Result<wire::LogReply> read_log(const storage::ObjectStore& store, const wire::ReadLog& request,
                                Tid line, std::size_t bytes_max) {
  wire::LogReply answer;
  const Tid until = std::min(request.until, line);
  const Tid horizon = store.pack_horizon();
  Tid after = request.after;
  std::size_t bytes = 0;
  while (true) {
    if (after >= until) break;
    ASSIGN_OR_RETURN(std::vector<LogEntry> entries,
                     store.read_log(after, until, {.entries = request.count}));
    if (entries.empty()) break;
    for (LogEntry& entry : entries) {
      // As a pack leaves them; see also history/transaction_iteration.h. What an import brought as
      // packed was not packed here, and stays.
      const bool packed = entry.position.tid <= horizon;
      const bool nothing_left = packed && entry.objects.empty();
      if (entry.kind == RecordKind::transaction && !nothing_left) {
        bytes += log_item_bytes(entry);
        const bool full = answer.items.size() >= request.count || bytes > bytes_max;
        if (full && !answer.items.empty()) {
          answer.next_after = after;
          return answer;
        }
        const char status = packed ? kStatusPacked : entry.status;
        answer.items.push_back(
            {entry.position.tid, std::move(entry.metadata), status, std::move(entry.objects)});
      }
      after = entry.position.tid;
    }
  }
  answer.next_after = std::max(after, request.after);
  answer.end = true;
  return answer;
}

Result<wire::BlobPart> read_blob(const storage::ObjectStore& store,
                                 const blobs::BlobDirectory* blobs, const wire::LoadBlob& request,
                                 Tid line, std::size_t bytes_max) {
  ASSIGN_OR_RETURN(const std::optional<BlobInfo> blob,
                   request.tid <= line ? blob_of(store, request.oid, request.tid)
                                       : Result<std::optional<BlobInfo>>());
  const auto name = [&request] {
    return "object " + to_hex(request.oid) + " as of transaction " + to_hex(request.tid);
  };
  if (!blob || blobs == nullptr) return make_error(ErrorCode::not_found, name() + " has no blob");
  if (request.offset > blob->size) {
    return make_error(ErrorCode::invalid_argument,
                      "the blob of " + name() + " has " + std::to_string(blob->size) + " bytes");
  }
  ASSIGN_OR_RETURN(const blobs::BlobFile file, blobs->open_for_reading(request.oid, request.tid));
  const std::size_t room = std::max(bytes_max, 2 * kItemOverhead) - kItemOverhead;
  const std::uint64_t wanted =
      std::min<std::uint64_t>({request.length, room, blob->size - request.offset});
  std::string data(wanted, '\0');
  ASSIGN_OR_RETURN(const std::size_t got, file.read(request.offset, data));
  if (got != wanted || file.size() != blob->size) {
    return make_error(ErrorCode::corruption, "the file of the blob of " + name() + " has " +
                                                 std::to_string(file.size()) + " bytes, not " +
                                                 std::to_string(blob->size));
  }
  return wire::BlobPart{*blob, Bytes(std::move(data))};
}

wire::VerifyReport to_wire(maintenance::VerifyReport report) {
  wire::VerifyReport result{.transactions = report.transactions,
                            .revisions = report.revisions,
                            .blobs = report.blobs,
                            .digest = std::move(report.digest),
                            .problems = std::move(report.problems),
                            .dangling_count = report.references.dangling_count,
                            .dangling = {},
                            .unscanned = report.references.unscanned};
  if (report.problem_count > result.problems.size()) {
    result.problems.push_back(
        "and " + std::to_string(report.problem_count - result.problems.size()) + " more");
  }
  for (const maintenance::DanglingReference& reference : report.references.dangling) {
    result.dangling.push_back({reference.from, reference.to});
  }
  return result;
}

Result<wire::VerifyReport> read_verify(const storage::ObjectStore& store,
                                       const blobs::BlobDirectory* blobs, Tid line,
                                       const std::atomic<bool>* cancelled) {
  maintenance::VerifyOptions options;
  options.line = line;
  options.cancelled = cancelled;
  if (blobs != nullptr) {
    options.check_blob = [=](Oid oid, Tid tid, const BlobInfo& info) {
      return blobs->verify(oid, tid, info, cancelled);
    };
  }
  ASSIGN_OR_RETURN(maintenance::VerifyReport report, maintenance::verify_store(store, options));
  return to_wire(std::move(report));
}

Result<bool> is_in_history(const storage::ObjectStore& store, const Position& position) {
  ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store.log_entry(position.tid));
  if (!entry) return false;
  // Two reigns may each have given the tid to a transaction of its own.
  if (!position.epoch.is_zero() && position.epoch != entry->position.epoch) return false;
  return position.chain == ChainHash{} || position.chain == entry->position.chain;
}

}  // namespace zeolite::daemon
