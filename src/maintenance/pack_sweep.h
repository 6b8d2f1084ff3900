#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/error.h"
#include "maintenance/oid_set.h"
#include "maintenance/pack_report.h"
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
                      std::vector<storage::RevisionKey>& removable);

// Walks all revisions in key order and removes what a pack removes, some at a time. Doing it again
// from the beginning is harmless. Thread: the pack's.
class PackSweep {
 public:
  // Told of the blobs of revisions that were just removed. May be told of the same ones again after
  // a crash, or never, when the crash came in between; their files are then orphans.
  using BlobSink = std::function<void(std::span<const storage::RevisionKey>)>;

  // `store` null: counts only. `reads` is the same store. Findings go to `report`. All outlive
  // this.
  PackSweep(storage::ObjectStore* store, const storage::ObjectStore& reads, Tid horizon,
            PackReport& report, BlobSink sink);

  // Reads the log entries up to the horizon that were not read yet, at most `entries` of them, and
  // notes which objects have blobs. False when there are no more.
  [[nodiscard]] Result<bool> find_blobs(std::size_t entries);

  // Goes on by about `count` revisions. `kept` says of an object whether it is kept as of the
  // horizon. False when the end was reached. Errors: as ObjectStore::remove_revisions.
  [[nodiscard]] Result<bool> step(std::size_t count, const std::function<bool(Oid)>& kept);

  [[nodiscard]] bool counts_only() const { return store_ == nullptr; }
  [[nodiscard]] Tid blobs_found_to() const { return blobs_found_to_; }
  // Objects before this one are done.
  [[nodiscard]] Oid next() const { return next_; }

 private:
  [[nodiscard]] Result<> remove();
  [[nodiscard]] Result<> count_bytes(std::span<const storage::RevisionKey> object);
  [[nodiscard]] Result<> find_removed_blobs();

  storage::ObjectStore* const store_;
  const storage::ObjectStore& reads_;
  const Tid horizon_;
  PackReport& report_;
  const BlobSink sink_;
  OidSet with_blobs_;
  Tid blobs_found_to_;
  Oid next_;
  bool done_ = false;
  std::vector<storage::RevisionKey> removable_;      // of this step
  std::vector<storage::RevisionKey> removed_blobs_;  // of this step
};

}  // namespace zeolite::maintenance
