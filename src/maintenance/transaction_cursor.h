#pragma once

#include <cstddef>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "storage/object_store.h"

namespace zeolite::maintenance {

// Walks a store's transactions in order, a batch of log entries in memory at a time. Entries that
// keep the server's own state are passed over. Thread: one at a time.
class TransactionCursor {
 public:
  // Up to the store's last entry at this moment. `store` outlives the cursor.
  explicit TransactionCursor(const storage::ObjectStore& store)
      : store_(store), until_(store.last_position().tid) {}

  // The next transaction's entry, valid until the next call; null at the end, and from then on.
  // Errors: as ObjectStore::read_log.
  [[nodiscard]] Result<const LogEntry*> next();

 private:
  const storage::ObjectStore& store_;
  const Tid until_;
  Tid after_ = kNoTid;
  std::vector<LogEntry> batch_;
  std::size_t at_ = 0;
};

}  // namespace zeolite::maintenance
