#include "history/transaction_iteration.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::history {
namespace {

std::size_t memory_of(const std::vector<LogEntry>& entries) {
  std::size_t bytes = entries.capacity() * sizeof(LogEntry);
  for (const LogEntry& entry : entries) {
    bytes += entry.objects.capacity() * sizeof(ObjectSummary) + entry.metadata.user.size() +
             entry.metadata.description.size() + entry.metadata.extension.size();
  }
  return bytes;
}

}  // namespace

Result<TransactionRecord> read_beside_pack(const storage::ObjectStore& store,
                                           const LogEntry& entry) {
  ASSIGN_OR_RETURN(std::vector<bool> before, store.present(entry));
  while (true) {
    Result<TransactionRecord> record = store.read_surviving(entry);
    if (record || record.error().code != ErrorCode::corruption) return record;
    // Revisions only ever go, so this ends.
    ASSIGN_OR_RETURN(std::vector<bool> now, store.present(entry));
    if (now == before) return record;
    before = std::move(now);
  }
}

TransactionIteration::TransactionIteration(const storage::ObjectStore& store, Tid line, Range range)
    : store_(store),
      line_(line),
      until_(std::min(line, range.stop)),
      horizon_(store.pack_horizon()),
      after_(range.start.is_zero() ? kNoTid : range.start.previous()) {}

Result<const LogEntry*> TransactionIteration::next() {
  ASSIGN_OR_RETURN(const bool there, advance(SIZE_MAX));
  CHECK(there, "nothing else stops it");
  return current_;
}

Result<bool> TransactionIteration::advance(std::size_t entries) {
  current_ = nullptr;
  for (; entries > 0; --entries) {
    if (at_ == batch_.size()) {
      if (after_ >= until_) return true;
      ASSIGN_OR_RETURN(batch_, store_.read_log(after_, until_, {}));
      at_ = 0;
      held_bytes_ = memory_of(batch_);
      if (batch_.empty()) after_ = until_;
      if (batch_.empty()) return true;
    }
    LogEntry& entry = batch_[at_++];
    after_ = entry.position.tid;
    ASSIGN_OR_RETURN(const bool taken, take(entry));
    if (!taken) continue;
    current_ = &entry;
    return true;
  }
  return false;
}

void TransactionIteration::trim() {
  std::vector<LogEntry> kept;
  if (current_ != nullptr) kept.push_back(std::move(batch_[at_ - 1]));
  batch_ = std::move(kept);
  at_ = batch_.size();
  if (current_ != nullptr) current_ = &batch_.front();
  held_bytes_ = memory_of(batch_);
}

// Whether a client can see this one; gives it the status it is seen with.
Result<bool> TransactionIteration::take(LogEntry& entry) const {
  if (entry.kind != RecordKind::transaction) return false;
  if (entry.position.tid > horizon_) return true;
  ASSIGN_OR_RETURN(const std::vector<bool> present, store_.present(entry));
  entry.status = kStatusPacked;
  return std::ranges::find(present, true) != present.end();
}

Result<TransactionRecord> TransactionIteration::read_current() const {
  CHECK(current_ != nullptr, "there is no current transaction");
  return read_beside_pack(store_, *current_);
}

Result<std::vector<IteratedRecord>> TransactionIteration::read_records() const {
  ASSIGN_OR_RETURN(TransactionRecord transaction, read_current());
  std::vector<IteratedRecord> records;
  records.reserve(transaction.writes.size());
  for (ObjectWrite& write : transaction.writes) {
    IteratedRecord record{write.oid, transaction.tid, std::nullopt, std::nullopt, write.blob};
    if (write.kind == RevisionKind::data) record.data = std::move(write.data);
    if (write.kind == RevisionKind::back_pointer) {
      ASSIGN_OR_RETURN(storage::Loaded target, store_.load_serial(write.oid, write.back, line_));
      if (target.status != storage::LoadStatus::found) {
        ASSIGN_OR_RETURN(const storage::Loaded now,
                         store_.load_serial(write.oid, transaction.tid, line_));
        if (now.status == storage::LoadStatus::unknown) continue;  // both were packed away
        return make_error(ErrorCode::corruption,
                          "object " + to_hex(write.oid) + " as of transaction " +
                              to_hex(transaction.tid) + " points back to transaction " +
                              to_hex(write.back) + ", which is not stored");
      }
      record.data = std::move(target.data);
    }
    ASSIGN_OR_RETURN(record.data_tid, repeated_by(write));
    records.push_back(std::move(record));
  }
  return records;
}

Result<std::optional<Tid>> TransactionIteration::repeated_by(const ObjectWrite& write) const {
  if (!write.via.is_zero()) {
    ASSIGN_OR_RETURN(const auto found, store_.history(write.oid, write.via, 1));
    if (!found.empty() && found[0].tid == write.via) return write.via;
  }
  if (write.kind == RevisionKind::back_pointer) return write.back;
  return std::nullopt;
}

}  // namespace zeolite::history
