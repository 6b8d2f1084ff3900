#include "commit/recent_writes.h"

namespace zeolite::commit {

void RecentWrites::record(Tid tid, Oid oid, bool deleted) { writes_.record(tid, oid, deleted); }

Tid RecentWrites::current_tid(Oid oid, Tid stored, Tid as_of) const {
  const auto newest = writes_.find(oid);
  if (!newest || newest->tid <= as_of) return stored;
  return newest->value ? kNoTid : newest->tid;
}

std::optional<Tid> RecentWrites::recall(Oid oid) const {
  const auto newest = writes_.find(oid);
  if (!newest) return std::nullopt;
  return newest->value ? kNoTid : newest->tid;
}

}  // namespace zeolite::commit
