#include "history/undo_log.h"

#include <limits>
#include <utility>

namespace zeolite::history {
namespace {

// Of a FileStorage's transaction and record headers, and of what a record without data holds.
constexpr std::uint64_t kTransactionHeaderBytes = 23;
constexpr std::uint64_t kRecordHeaderBytes = 42;
constexpr std::uint64_t kBackPointerBytes = 8;

std::uint64_t file_storage_size(const LogEntry& entry) {
  std::uint64_t size = kTransactionHeaderBytes + entry.metadata.user.size() +
                       entry.metadata.description.size() + entry.metadata.extension.size();
  for (const ObjectSummary& object : entry.objects) {
    size += kRecordHeaderBytes + (object.size == 0 ? kBackPointerBytes : object.size);
  }
  return size;
}

std::size_t memory_of(const UndoLogEntry& entry) {
  const TransactionMetadata& metadata = entry.metadata;
  return sizeof(entry) + metadata.user.size() + metadata.description.size() +
         metadata.extension.size();
}

std::int64_t last_number(const UndoLogRange& range) {
  if (range.last >= 0) return range.last;
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  // last < 0, so this does not overflow unless the sum would.
  return range.first > kMax + range.last ? kMax : range.first - range.last;
}

}  // namespace

UndoLog::UndoLog(const storage::ObjectStore& store, Tid line, UndoLogRange range)
    : store_(store),
      range_(std::move(range)),
      last_(last_number(range_)),
      before_(line.next()),
      done_(last_ <= 0) {}

Result<bool> UndoLog::read_page(storage::LogLimit limit) {
  if (done_) return true;
  ASSIGN_OR_RETURN(std::vector<LogEntry> page, store_.read_log_back(before_, limit));
  if (page.empty()) done_ = true;
  const Tid horizon = store_.pack_horizon();
  for (LogEntry& entry : page) {
    before_ = entry.position.tid;
    if (entry.kind != RecordKind::transaction) continue;
    if (before_ <= horizon || entry.status == kStatusPacked) {
      done_ = true;
      break;
    }
    if (entry.status != kStatusNormal) continue;
    UndoLogEntry found{before_, {}, file_storage_size(entry)};
    found.metadata = std::move(entry.metadata);
    if (range_.filter && !range_.filter(found)) continue;
    if (number_ >= range_.first) {
      bytes_ += memory_of(found);
      entries_.push_back(std::move(found));
    }
    if (++number_ < last_ && bytes_ < range_.bytes_max) continue;
    done_ = true;
    break;
  }
  return done_;
}

}  // namespace zeolite::history
