#include "storage/log_rollback.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace zeolite::storage {

namespace {

// Kinds that are known to change nothing below their own tid, and pack, which is looked at closer.
bool can_be_undone(RecordKind kind) {
  switch (kind) {
    case RecordKind::transaction:
    case RecordKind::epoch:
    case RecordKind::oids:
    case RecordKind::tombstone:
    case RecordKind::pack:
      return true;
  }
  return false;
}

std::unexpected<Error> removed_after(const Position& to, Tid removal) {
  return make_error(ErrorCode::conflict,
                    "the log cannot be undone back to transaction " + to_hex(to.tid) +
                        ": revisions were packed away at " + to_hex(removal) +
                        ", after it; take a copy of the primary's database instead");
}

// The newest entry of this kind at or below `tid`.
Result<std::optional<LogEntry>> newest_of(const ObjectStore& store, Tid tid, RecordKind kind) {
  Tid before = tid.next();
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries, store.read_log_back(before, {}));
    if (entries.empty()) return std::nullopt;
    const auto found = std::ranges::find(entries, kind, &LogEntry::kind);
    if (found != entries.end()) return *found;
    before = entries.back().position.tid;
  }
}

}  // namespace

Result<> check_undoable(const ObjectStore& store, const Position& to, Tid newest_removal) {
  if (to != Position{}) {
    ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store.log_entry(to.tid));
    if (!entry || entry->position != to) {
      return make_error(ErrorCode::invalid_argument, "the log has no position at transaction " +
                                                         to_hex(to.tid) +
                                                         " that it could be undone to");
    }
  }
  if (newest_removal > to.tid) return removed_after(to, newest_removal);
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
                     newest_of(store, to.tid, RecordKind::transaction));
    marks.last_transaction = transaction ? transaction->position.tid : kNoTid;
  }
  if (marks.pack_record > to.tid) {
    ASSIGN_OR_RETURN(const std::optional<LogEntry> pack,
                     newest_of(store, to.tid, RecordKind::pack));
    marks.pack_horizon = pack ? pack->pack_horizon : kNoTid;
    marks.pack_record = pack ? pack->position.tid : kNoTid;
    marks.collect_garbage = pack && pack->collect_garbage;
  }
  marks.outcome_horizon = std::min(marks.outcome_horizon, to.tid);
  // The horizon moves to where the next one was, so that is where the next one came from. Waiting
  // for it once more keeps outcomes longer, never shorter.
  if (marks.next_horizon > to.tid) marks.next_horizon = marks.outcome_horizon;
  return marks;
}

}  // namespace zeolite::storage
