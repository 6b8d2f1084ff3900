#pragma once

#include <cstdint>
#include <span>

#include "base/error.h"
#include "model/transaction_record.h"

namespace zeolite::maintenance {

// Where the removals of a sweep go: records in the log that the pack record stands in, so that
// whoever follows the log removes the same in the same place. Made for one pack record.
// Thread: the pack's.
class RemovalLog {
 public:
  virtual ~RemovalLog() = default;

  // Appends the removal of these revisions, given as TransactionRecord::removed wants them, and
  // returns when it is done. How many blobs went with them. Errors: as ObjectStore::append; those
  // of the owner of the log, such as shutting_down.
  [[nodiscard]] virtual Result<std::uint64_t> remove(std::span<const RevisionKey> keys) = 0;

  // Appends that nothing is left to do for the pack record, and returns when that is so.
  [[nodiscard]] virtual Result<> complete() = 0;
};

}  // namespace zeolite::maintenance
