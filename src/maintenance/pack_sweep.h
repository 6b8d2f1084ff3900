#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/error.h"
#include "maintenance/oid_set.h"
#include "maintenance/pack_report.h"
#include "maintenance/removal_log.h"
#include "model/ids.h"
#include "storage/object_store.h"

namespace zeolite::maintenance {

// Appends to `removable` what a pack removes of one object: all but
//  - revisions later than the horizon;
//  - the one that is current at the horizon, if the object is kept (it is, too, when it was written
//    after the horizon);
//  - revisions that a kept back-pointer points to.
// A deletion that is current at the horizon goes, unless an older revision stays beneath it, which
// it hides. `object`: all revisions of one object, newest first.
void select_removable(std::span<const storage::StoredRevision> object, Tid horizon, bool kept,
                      std::vector<RevisionKey>& removable);

// Walks all revisions in key order and removes what a pack removes, some at a time. Doing it again
// from the beginning is harmless, and names only what is still there. Thread: the pack's.
class PackSweep {
 public:
  // How many revisions go in one record: few enough that commits in the same group hardly wait for
  // it, enough that a record's own bytes do not count (docs/decisions/0012).
  static constexpr std::size_t kRemovalBatch = 500;

  // `log` null: counts only, blobs as well. Findings go to `report`. All outlive this.
  PackSweep(RemovalLog* log, const storage::ObjectStore& store, Tid horizon, PackReport& report);

  // When it counts only: reads the log entries up to the horizon that were not read yet, at most
  // `entries` of them, and notes which objects have blobs. False when there are no more.
  [[nodiscard]] Result<bool> find_blobs(std::size_t entries);

  // Goes on by about `count` revisions. `kept` says of an object whether it is kept as of the
  // horizon; what goes is in the log when this returns, so an answer is used at once or not at all.
  // False when the end was reached. Errors: as RemovalLog::remove.
  [[nodiscard]] Result<bool> step(std::size_t count, const std::function<bool(Oid)>& kept);

  [[nodiscard]] bool counts_only() const { return log_ == nullptr; }
  [[nodiscard]] Tid blobs_found_to() const { return blobs_found_to_; }
  // Objects before this one are done.
  [[nodiscard]] Oid next() const { return next_; }

 private:
  [[nodiscard]] Result<> take(std::span<const storage::StoredRevision> object);
  [[nodiscard]] Result<> take_long(std::span<const storage::StoredRevision> object);
  [[nodiscard]] Result<> remove(std::span<const RevisionKey> keys);
  [[nodiscard]] Result<> remove_pending();
  [[nodiscard]] Result<> count_bytes(std::span<const RevisionKey> object);
  [[nodiscard]] Result<> count_blobs(std::span<const RevisionKey> keys);

  RemovalLog* const log_;
  const storage::ObjectStore& store_;
  const Tid horizon_;
  PackReport& report_;
  OidSet with_blobs_;
  Tid blobs_found_to_;
  Oid next_;
  bool done_ = false;
  std::vector<RevisionKey> removable_;  // of one object
  std::vector<RevisionKey> pending_;    // of whole objects of this step, not in the log yet
};

}  // namespace zeolite::maintenance
