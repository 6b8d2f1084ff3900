#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "maintenance/oid_set.h"
#include "maintenance/pack_report.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "pickle/references.h"
#include "storage/object_store.h"

namespace zeolite::maintenance {

// Finds the objects that a pack with garbage collection keeps. An object is marked when
//  - it is the root, oid 0;
//  - it was written after the horizon, whoever refers to it; or
//  - a record that is kept refers to it: the record of a marked object at the horizon, one written
//    after the horizon, or one that an undo after the horizon went back to.
// So whatever is kept finds all that it refers to, and can be undone.
//
// What is marked depends on the log alone, up to the last entry that was scanned; it is the same
// before, during and after the sweep. Memory: two OidSets and one record.
// Thread: the pack's.
class PackMarker {
 public:
  // Findings go to `report`, which outlives this.
  PackMarker(const storage::ObjectStore& store, Tid horizon, PackReport& report);

  // Scans the log entries after the horizon that were not scanned yet, at most `entries` of them.
  // False when there are no more now. Errors: as the store; damage is a finding, not an error.
  [[nodiscard]] Result<bool> scan_log(std::size_t entries);

  // Scans up to `count` marked objects that were not scanned yet, in oid order, and marks what they
  // refer to. False when there are no more. Errors as scan_log.
  [[nodiscard]] Result<bool> scan_marked(std::size_t count);

  // Whether all that is known to be kept was scanned, so that what is not marked is garbage.
  [[nodiscard]] bool certain() const {
    return report_.unreadable_count == 0 && !report_.root_missing;
  }
  [[nodiscard]] bool marked(Oid oid) const { return marked_.contains(oid); }
  [[nodiscard]] std::uint64_t marked_count() const { return marked_count_; }
  [[nodiscard]] std::uint64_t scanned_count() const { return scanned_count_; }
  [[nodiscard]] Tid scanned_to() const { return scanned_to_; }

 private:
  void mark(Oid oid);
  [[nodiscard]] Result<> scan_at_horizon(Oid oid);
  [[nodiscard]] Result<> scan_revision(Oid oid, Tid tid);
  void scan_record(Oid oid, Tid tid, ByteView record);
  [[nodiscard]] Result<> note_missing(Oid oid);
  void note_unreadable(Oid oid, Tid tid, std::string reason);

  const storage::ObjectStore& store_;
  const Tid horizon_;
  PackReport& report_;
  Tid scanned_to_;  // log entries up to here were scanned
  OidSet marked_;
  OidSet pending_;  // marked, not scanned
  Oid cursor_;      // where the walk over pending_ goes on; it starts again at the end
  std::uint64_t marked_count_ = 0;
  std::uint64_t scanned_count_ = 0;
  pickle::References references_;  // reused
};

}  // namespace zeolite::maintenance
