#pragma once

#include <cstddef>

#include "commit/recent_map.h"
#include "commit/staged_transaction.h"
#include "model/ids.h"

namespace zeolite::commit {

// Which objects were changed by what became visible lately: brings tids that were read from the
// store at an older line up to the present.
//
// Thread: one at a time. Owned by the coordinator.
class RecentWrites {
 public:
  // Nothing after `floor` has been published yet. Remembers at most `objects_max` writes.
  RecentWrites(Tid floor, std::size_t objects_max) : writes_(floor, objects_max) {}

  // The transaction `tid` became visible and wrote or deleted `oid`. In tid order.
  void record(Tid tid, Oid oid, bool deleted);

  // What became visible at `tid` removed revisions, perhaps the newest ones of objects: what was
  // read before has to be read again.
  void forget(Tid tid) { writes_.forget(tid); }

  // Whether tids read at the line `as_of` can be brought up to date.
  [[nodiscard]] bool covers(Tid as_of) const { return writes_.covers(as_of); }

  // What `oid` is, given what the store said at `as_of`. True to the present if covers(as_of), or
  // if nobody could write `oid` since `as_of`.
  [[nodiscard]] ObjectState state(Oid oid, ObjectState stored, Tid as_of) const;

  // What `oid` is when its last write is remembered.
  [[nodiscard]] std::optional<ObjectState> recall(Oid oid) const;

  [[nodiscard]] Tid floor() const { return writes_.floor(); }
  [[nodiscard]] std::size_t size() const { return writes_.size(); }
  void check_invariants() const { writes_.check_invariants(); }

 private:
  RecentMap<Oid, bool> writes_;  // whether the newest write deleted the object
};

}  // namespace zeolite::commit
