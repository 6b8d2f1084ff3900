#include "storage/log_tail.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/check.h"
#include "model/tid_time.h"
#include "storage/log_chain.h"

namespace zeolite::storage {

namespace {

void check_writes(const TransactionRecord& record) {
  std::vector<Oid> oids;
  oids.reserve(record.writes.size());
  for (const ObjectWrite& write : record.writes) {
    CHECK(write.kind == RevisionKind::data || write.data.empty(), "only kind data has data");
    CHECK(write.kind != RevisionKind::deletion || !write.blob, "a deletion has no blob");
    oids.push_back(write.oid);
  }
  std::ranges::sort(oids);
  CHECK(std::ranges::adjacent_find(oids) == oids.end(), "an oid twice in one record");
}

Position next_position(const Position& last, const TransactionRecord& record,
                       const std::string& covered) {
  return {record.epoch, record.tid, next_chain(last.chain, covered)};
}

void check_removal(const TransactionRecord& record, const Marks& marks) {
  CHECK(record.writes.empty(), "a removal writes nothing");
  CHECK(record.pack_record == marks.pack_record && !marks.pack_swept,
        "a removal is for the newest pack while that is not complete");
  CHECK(in_removal_order(record.removed), "removed revisions are in order, each once");
  for (const RevisionKey& key : record.removed) {
    CHECK(key.tid <= marks.pack_horizon, "only what was packed is removed");
  }
}

}  // namespace

Position position_after(const Position& last, const TransactionRecord& record) {
  return next_position(last, record, encode_log_entry(record, last.tid, body_hash(record.writes)));
}

PackState LogTail::pack_state() const {
  return {marks_.pack_horizon, marks_.pack_record, marks_.collect_garbage,
          marks_.pack_swept || marks_.pack_record.is_zero()};
}

std::string LogTail::extend(const TransactionRecord& record) {
  return extend(record, body_hash(record.writes));
}

std::string LogTail::extend(const TransactionRecord& record, const ChainHash& body_hash) {
  CHECK(record.tid > last_.tid, "tids strictly increase along the log");
  CHECK(record.tid <= kMaxTid, "a tid beyond the greatest");
  CHECK(record.epoch >= last_.epoch, "epochs never decrease along the log");
  CHECK(record.kind != RecordKind::pack ||
            (record.pack_horizon < record.tid && record.pack_horizon > marks_.pack_horizon),
        "pack horizons increase, each below its record");
  if (record.kind == RecordKind::removal) check_removal(record, marks_);
  check_writes(record);
  std::string value = encode_log_entry(record, last_.tid, body_hash);
  last_ = next_position(last_, record, value);
  put_id128(value, last_.chain);

  if (record.kind == RecordKind::transaction) marks_.last_transaction = record.tid;
  if (record.kind == RecordKind::oids) marks_.oid_mark = std::max(marks_.oid_mark, record.oid_mark);
  if (record.kind == RecordKind::pack) {
    marks_.pack_horizon = record.pack_horizon;
    marks_.pack_record = record.tid;
    marks_.collect_garbage = record.collect_garbage;
    marks_.pack_swept = false;
  }
  if (record.kind == RecordKind::removal) marks_.pack_swept = record.pack_complete;
  for (const ObjectWrite& write : record.writes) {
    // The last oid there is has no next; nothing can be handed out beyond it anyway.
    const Oid above = write.oid.next().is_zero() ? write.oid : write.oid.next();
    marks_.oid_mark = std::max(marks_.oid_mark, above);
  }
  advance_horizon();
  return value;
}

// The horizon only ever is the tid of an entry, and what is forgotten lies at or below it. Were it
// a mere time, it would move into the gap after a quiet day, and who began before the gap would be
// told that his commit may be forgotten, when nothing was there to forget.
void LogTail::advance_horizon() {
  const std::int64_t retention_us =
      std::chrono::duration_cast<std::chrono::microseconds>(outcome_retention_).count();
  const WallTime now = time_of_tid(last_.tid);
  const WallTime next = time_of_tid(marks_.next_horizon);
  if (!marks_.next_horizon.is_zero() && now.unix_us - next.unix_us < retention_us) return;
  marks_.outcome_horizon = marks_.next_horizon;
  marks_.next_horizon = last_.tid;
}

}  // namespace zeolite::storage
