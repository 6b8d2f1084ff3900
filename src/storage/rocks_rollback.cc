// The part of RocksObjectStore that undoes the end of the log.

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "storage/crash_point.h"
#include "storage/key_encoding.h"
#include "storage/log_rollback.h"
#include "storage/record_codec.h"
#include "storage/rocks_database.h"
#include "storage/rocks_object_store.h"

namespace zeolite::storage {

namespace {

// What is undone in one batch, unless a single entry has more.
constexpr LogLimit kEntriesMax{.entries = 500, .bytes = 1 << 20};
constexpr std::size_t kKeysMax = 10'000;
// What a removal takes in a batch and in the memtable, about.
constexpr std::size_t kRemovalSize = 64;

// The entry, its revisions, its outcome.
std::size_t count_keys(const LogEntry& entry) { return 2 + entry.objects.size(); }

}  // namespace

Result<> RocksObjectStore::rollback(const Position& to) {
  if (options_.read_only) return make_error(ErrorCode::read_only, "opened for reading only");
  RETURN_IF_ERROR(check_undoable(*this, to));
  if (last_position() == to) return {};
  RETURN_IF_ERROR(check_undo(kKeysMax * kRemovalSize));
  crash_point("rollback.before_mark");
  // First the mark: from here on, nothing that goes is missed.
  if (Result<> lowered = mark_->lower(to); !lowered) {
    broken_ = true;
    return lowered;
  }
  crash_point("rollback.after_mark");
  while (last_position() != to) RETURN_IF_ERROR(undo_newest(to));
  return {};
}

Result<> RocksObjectStore::check_undo(std::uint64_t bytes) {
  Result<> writable = check_writable(2 * bytes);
  // As with append: any other error promises that nothing is written from now on.
  if (!writable && writable.error().code != ErrorCode::out_of_space) broken_ = true;
  return writable;
}

Result<> RocksObjectStore::undo_newest(const Position& to) {
  ASSIGN_OR_RETURN(const std::vector<LogEntry> entries,
                   read_log_back(last_position().tid.next(), kEntriesMax));
  rocksdb::WriteBatch batch(0, 0, kProtectionBytesPerKey, 0);
  std::size_t keys = 0;
  Tid end_tid = last_position().tid;
  for (const LogEntry& entry : entries) {
    if (entry.position.tid <= to.tid) break;
    if (keys > 0 && keys + count_keys(entry) > kKeysMax) break;
    keys += count_keys(entry);
    delete_entry(batch, entry);
    end_tid = entry.previous_tid;
  }
  Position end;
  if (!end_tid.is_zero()) {
    ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, log_entry(end_tid));
    if (!entry) {
      return make_error(ErrorCode::corruption,
                        "the log has no entry of transaction " + to_hex(end_tid));
    }
    end = entry->position;
  }
  CHECK(keys > 0 && end.tid >= to.tid, "what is undone lies after what is kept");
  RETURN_IF_ERROR(check_undo(keys * kRemovalSize));
  ASSIGN_OR_RETURN(const Marks marks, marks_at(*this, end, tail_.marks()));
  const rocksdb::Status put = batch.Put(records_->meta(), to_slice(kMarksKey), encode_marks(marks));
  CHECK(put.ok(), "a batch of removals is well formed");
  crash_point("rollback.before_write");
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const rocksdb::Status status = records_->db().Write(synced, &batch);
  if (!status.ok()) {
    broken_ = true;
    // Never out_of_space, which would promise that nothing was written.
    return make_error(ErrorCode::io_error, "cannot undo the end of the log: " + status.ToString());
  }
  space_.spent(batch.GetDataSize());
  crash_point("rollback.after_write");
  publish(LogTail(options_.outcome_retention, end, marks));
  return {};
}

void RocksObjectStore::delete_entry(rocksdb::WriteBatch& batch, const LogEntry& entry) const {
  const Tid tid = entry.position.tid;
  rocksdb::Status status = batch.Delete(records_->log(), to_slice(log_key(tid).view()));
  for (const ObjectSummary& object : entry.objects) {
    if (!status.ok()) break;
    status = batch.Delete(records_->revisions(), to_slice(revision_key(object.oid, tid).view()));
  }
  if (status.ok() && !entry.commit_id.empty()) {
    status = batch.Delete(records_->outcomes(), to_slice(outcome_key(entry.commit_id).view()));
  }
  CHECK(status.ok(), "a batch of removals is well formed");
}

}  // namespace zeolite::storage
