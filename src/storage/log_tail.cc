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

Result<> check_removal(const PackState& packs, const TransactionRecord& record) {
  const auto require = [](bool condition, const char* what) -> Result<> {
    if (condition) return {};
    return make_error(ErrorCode::corruption, what);
  };
  RETURN_IF_ERROR(require(record.writes.empty(), "a removal writes"));
  RETURN_IF_ERROR(require(record.pack_record == packs.record && !packs.swept,
                          "a removal that is not for the newest pack, or after its completion"));
  RETURN_IF_ERROR(require(in_removal_order(record.removed), "removed revisions out of order"));
  const auto was_packed = [&](const RevisionKey& key) { return key.tid <= packs.horizon; };
  return require(std::ranges::all_of(record.removed, was_packed),
                 "a removal of what was not packed");
}

}  // namespace

Result<> advance_packs(PackState& packs, const TransactionRecord& record) {
  if (record.kind == RecordKind::pack) {
    if (record.pack_horizon >= record.tid || record.pack_horizon <= packs.horizon) {
      return make_error(ErrorCode::corruption,
                        "a pack whose horizon is not above the one before, and below its record");
    }
    packs = {record.pack_horizon, record.tid, record.collect_garbage, false};
  }
  if (record.kind == RecordKind::removal) {
    RETURN_IF_ERROR(check_removal(packs, record));
    packs.swept = record.pack_complete;
  }
  return {};
}

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
  PackState packs = pack_state();
  const Result<> fits = advance_packs(packs, record);
  CHECK(fits, fits.error().detail);
  check_writes(record);
  std::string value = encode_log_entry(record, last_.tid, body_hash);
  last_ = next_position(last_, record, value);
  put_id128(value, last_.chain);

  if (record.kind == RecordKind::transaction) marks_.last_transaction = record.tid;
  if (record.kind == RecordKind::oids) marks_.oid_mark = std::max(marks_.oid_mark, record.oid_mark);
  if (record.kind == RecordKind::pack || record.kind == RecordKind::removal) {
    marks_.pack_horizon = packs.horizon;
    marks_.pack_record = packs.record;
    marks_.collect_garbage = packs.collect_garbage;
    marks_.pack_swept = packs.swept;
  }
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
