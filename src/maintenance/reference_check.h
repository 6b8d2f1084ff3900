#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "maintenance/oid_set.h"
#include "model/ids.h"
#include "pickle/references.h"
#include "storage/object_store.h"

namespace zeolite::maintenance {

// A current record refers to an object that does not exist.
struct DanglingReference {
  Oid from;
  Oid to;
  friend bool operator==(const DanglingReference&, const DanglingReference&) = default;
};

struct ReferenceFindings {
  std::uint64_t dangling_count = 0;
  std::vector<DanglingReference> dangling;  // the first ones, by `from`
  std::uint64_t unscanned = 0;              // records that are no ZODB records, or unreadable
};

// Finds references from current records to objects that do not exist. Tell it of every object that
// exists at the line, then ask. Records are read as the objects are told; they are read a second
// time only when something dangles, to say whence. Memory: two OidSets and one record.
// Thread: one at a time.
class ReferenceCheck {
 public:
  // `store` and `cancelled` (may be null) outlive this.
  ReferenceCheck(const storage::ObjectStore& store, Tid line, const std::atomic<bool>* cancelled)
      : store_(store), line_(line), cancelled_(cancelled) {}

  // Errors: as the store; damage is counted, not an error.
  [[nodiscard]] Result<> add(Oid oid);

  // Describes `described_max` of them. Nothing may be added afterwards. Errors as add, and aborted.
  [[nodiscard]] Result<ReferenceFindings> finish(std::size_t described_max);

 private:
  [[nodiscard]] Result<bool> read_references(Oid oid);

  const storage::ObjectStore& store_;
  const Tid line_;
  const std::atomic<bool>* const cancelled_;
  OidSet existing_;
  OidSet named_;
  std::uint64_t unscanned_ = 0;
  pickle::References references_;  // of the record read last
};

}  // namespace zeolite::maintenance
