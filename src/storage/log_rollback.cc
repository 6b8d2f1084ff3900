#include "storage/log_rollback.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace zeolite::storage {

namespace {

// Kinds that are known to change nothing below their own tid.
bool can_be_undone(RecordKind kind) {
  switch (kind) {
    case RecordKind::transaction:
    case RecordKind::epoch:
    case RecordKind::oids:
    case RecordKind::tombstone:
    case RecordKind::pack:
      return true;
    case RecordKind::removal:
      return false;
  }
  return false;
}

std::unexpected<Error> removed_after(const Position& to, Tid removal) {
  return make_error(ErrorCode::conflict,
                    "the log cannot be undone back to transaction " + to_hex(to.tid) +
                        ": revisions were packed away at " + to_hex(removal) +
                        ", after it; take a copy of the primary's database instead");
}

// The newest entry at or below `tid` that is `wanted`.
template <typename Wanted>
Result<std::optional<LogEntry>> newest_of(const ObjectStore& store, Tid tid, const Wanted& wanted) {
  Tid before = tid.next();
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries, store.read_log_back(before, {}));
    if (entries.empty()) return std::nullopt;
    const auto found = std::ranges::find_if(entries, wanted);
    if (found != entries.end()) return *found;
    before = entries.back().position.tid;
  }
}

// The removals of a pack follow it, before the next one: the newest of all these tells.
Result<> set_pack(const ObjectStore& store, Tid tid, Marks& marks) {
  ASSIGN_OR_RETURN(std::optional<LogEntry> newest, newest_of(store, tid, [](const LogEntry& entry) {
                     return entry.kind == RecordKind::pack || entry.kind == RecordKind::removal;
                   }));
  marks.pack_swept = newest && newest->kind == RecordKind::removal && newest->pack_complete;
  if (newest && newest->kind == RecordKind::removal) {
    ASSIGN_OR_RETURN(newest, store.log_entry(newest->pack_record));
    if (!newest) return make_error(ErrorCode::corruption, "a removal is for no pack in the log");
  }
  marks.pack_horizon = newest ? newest->pack_horizon : kNoTid;
  marks.pack_record = newest ? newest->position.tid : kNoTid;
  marks.collect_garbage = newest && newest->collect_garbage;
  return {};
}

}  // namespace

Result<> check_undoable(const ObjectStore& store, const Position& to) {
  if (to != Position{}) {
    ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store.log_entry(to.tid));
    if (!entry || entry->position != to) {
      return make_error(ErrorCode::invalid_argument, "the log has no position at transaction " +
                                                         to_hex(to.tid) +
                                                         " that it could be undone to");
    }
  }
  Tid before = store.last_position().tid.next();
  while (before > to.tid.next()) {
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries, store.read_log_back(before, {}));
    if (entries.empty()) break;
    for (const LogEntry& entry : entries) {
      if (entry.position.tid <= to.tid) return {};
      if (!can_be_undone(entry.kind)) return removed_after(to, entry.position.tid);
    }
    before = entries.back().position.tid;
  }
  return {};
}

Result<Marks> marks_at(const ObjectStore& store, const Position& to, Marks marks) {
  if (marks.last_transaction > to.tid) {
    ASSIGN_OR_RETURN(const std::optional<LogEntry> transaction,
                     newest_of(store, to.tid, [](const LogEntry& entry) {
                       return entry.kind == RecordKind::transaction;
                     }));
    marks.last_transaction = transaction ? transaction->position.tid : kNoTid;
  }
  if (marks.pack_record > to.tid) RETURN_IF_ERROR(set_pack(store, to.tid, marks));
  marks.outcome_horizon = std::min(marks.outcome_horizon, to.tid);
  // The horizon moves to where the next one was, so that is where the next one came from. Waiting
  // for it once more keeps outcomes longer, never shorter.
  if (marks.next_horizon > to.tid) marks.next_horizon = marks.outcome_horizon;
  return marks;
}

}  // namespace zeolite::storage
