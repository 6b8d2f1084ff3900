#include "commit/recent_writes.h"

namespace zeolite::commit {

void RecentWrites::record(Tid tid, Oid oid, bool deleted) { writes_.record(tid, oid, deleted); }

ObjectState RecentWrites::state(Oid oid, ObjectState stored, Tid as_of) const {
  const auto newest = writes_.find(oid);
  return newest && newest->tid > as_of ? *recall(oid) : stored;
}

std::optional<ObjectState> RecentWrites::recall(Oid oid) const {
  const auto newest = writes_.find(oid);
  if (!newest) return std::nullopt;
  if (newest->value) return ObjectState{.current = kNoTid, .deleted = newest->tid};
  return ObjectState{.current = newest->tid};
}

}  // namespace zeolite::commit
