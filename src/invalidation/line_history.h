#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "invalidation/invalidation_batch.h"
#include "model/ids.h"

namespace zeolite::invalidation {

// What was published on one I/O shard while reads are in progress: corrects the answer of a read
// that was made at a line which its connection has left behind.
//
// A read is made at the line L of its connection and takes time; meanwhile the connection may be
// sent the invalidation of the same object. An answer "current" would then be kept for ever by the
// client's cache. So: pin(L) when the read starts, and when it ends look up end_after(oid, L, L2)
// with the line L2 that the connection has by then, put that into the answer, and unpin(L).
//
// Only what a pin may ask for is kept: with no read in progress, nothing.
//
// Thread: its shard's. Owned by the shard.
class LineHistory {
 public:
  // The next record became visible and changed `oids` (may be empty). Tids strictly increase.
  void add(Tid tid, std::span<const Oid> oids);
  void add(BatchPtr batch);

  // Keeps what comes after `line` until unpin(line), called once for each pin. `line` is not below
  // what is known: the newest that was added, or the lowest that is pinned. So a connection that
  // lags behind its shard and may read keeps a pin at its own line, and moves it along.
  void pin(Tid line);
  void unpin(Tid line);

  // The first tid in (after, until] whose batch names `oid`; nothing when there is none. `after` is
  // not below the lowest pin. `until` is the connection's line, where that may be behind the
  // shard's.
  [[nodiscard]] std::optional<Tid> end_after(Oid oid, Tid after, Tid until = kMaxTid) const;

  // Adds to `oids` what all batches after `after` name, as often as they do; how many these are.
  // `after` as for end_after().
  std::size_t collect_after(Tid after, std::vector<Oid>& oids) const;

  // Batches that are kept.
  [[nodiscard]] std::size_t size() const { return batches_.size(); }

 private:
  [[nodiscard]] bool is_known_after(Tid line) const;
  void advance(Tid tid);
  void drop_unpinned();

  Tid line_;                         // newest that was added
  std::deque<BatchPtr> batches_;     // tids strictly increase; all above the lowest pin
  std::map<Tid, std::size_t> pins_;  // line -> how many
};

}  // namespace zeolite::invalidation
