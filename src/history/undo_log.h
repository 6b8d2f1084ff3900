#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "storage/object_store.h"

namespace zeolite::history {

// One transaction that may be undone.
struct UndoLogEntry {
  Tid tid;
  TransactionMetadata metadata;
  std::uint64_t size = 0;  // bytes: as long as its record in a FileStorage would be
};

// Which transactions to list, newest first and counted from 0: those with first <= number < last.
// A negative `last` means at most -last entries. Only what passes the filter is counted.
struct UndoLogRange {
  std::int64_t first = 0;
  std::int64_t last = -20;
  std::function<bool(const UndoLogEntry&)> filter = {};  // empty: everything passes
  // The list ends with the entry that brings it to as many bytes of memory, about.
  std::size_t bytes_max = SIZE_MAX;
};

// The list of undoable transactions, as undoLog and undoInfo of ZODB have it: transactions at or
// below the line, newest first, down to the pack horizon or the first transaction with the status
// of a packed one; those with another status than ' ' are passed over.
//
// Reads the log backwards a page at a time, so that a search that finds nothing for long can be
// done in turns. Thread: one at a time.
class UndoLog {
 public:
  UndoLog(const storage::ObjectStore& store, Tid line, UndoLogRange range);

  // Reads one page of at most `limit` and adds what it has to entries(). True when the end was
  // reached, and from then on. Errors: as ObjectStore::read_log_back.
  [[nodiscard]] Result<bool> read_page(storage::LogLimit limit);

  [[nodiscard]] const std::vector<UndoLogEntry>& entries() const { return entries_; }
  // The same, and forgets them.
  [[nodiscard]] std::vector<UndoLogEntry> take_entries() { return std::exchange(entries_, {}); }

 private:
  const storage::ObjectStore& store_;
  const UndoLogRange range_;
  const std::int64_t last_;  // as the number it stands for
  Tid before_;               // what is still to be read is below this tid
  std::int64_t number_ = 0;  // of the next transaction found
  std::size_t bytes_ = 0;    // of what was found
  bool done_ = false;
  std::vector<UndoLogEntry> entries_;
};

}  // namespace zeolite::history
