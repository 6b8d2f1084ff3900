#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "storage/object_store.h"

namespace zeolite::history {

// ObjectStore::read_surviving beside a pack that may be removing the entry's revisions: one that
// goes while it is read is left out, and is no damage.
[[nodiscard]] Result<TransactionRecord> read_beside_pack(const storage::ObjectStore& store,
                                                         const LogEntry& entry);

// One object's part in a transaction, as iterators tell it.
struct IteratedRecord {
  Oid oid;
  Tid tid;
  std::optional<Bytes> data;  // nothing: the object is gone (deleted, or its creation undone)
  // An undo: the transaction whose record of the object this one repeats, which may be one that
  // repeats another; it is there.
  std::optional<Tid> data_tid;
  std::optional<BlobInfo> blob{};
};

// Walks the transactions a client can read, in tid order, with a batch of log entries in memory at
// a time. The server's own records are passed over, and so are transactions of which nothing is
// left after a pack. What is at or below the pack horizon has the status of a packed transaction,
// whatever it was written with. Thread: one at a time.
class TransactionIteration {
 public:
  struct Range {
    Tid start = kNoTid;  // both ends belong to it
    Tid stop = kMaxTid;
  };

  // At or below `line`. `store` outlives this. The horizon is the one at this moment.
  TransactionIteration(const storage::ObjectStore& store, Tid line, Range range);
  // All of it, up to the store's last entry at this moment.
  explicit TransactionIteration(const storage::ObjectStore& store)
      : TransactionIteration(store, store.last_position().tid, Range{}) {}

  // The next transaction's entry, valid until the next call; null at the end, and from then on. It
  // lists all objects that were written, also those that were packed away. Errors: as
  // ObjectStore::read_log and present.
  [[nodiscard]] Result<const LogEntry*> next();

  // The same in turns: goes on by at most about `entries` entries of the log. True when it stands
  // at the next transaction or at the end (current() is null).
  [[nodiscard]] Result<bool> advance(std::size_t entries);
  [[nodiscard]] const LogEntry* current() const { return current_; }

  // Lets go of its part of the log but for the entry that next() gave last, which moves; it is read
  // again when it goes on.
  void trim();
  // Memory that its part of the log takes, about.
  [[nodiscard]] std::size_t held_bytes() const { return held_bytes_; }

  // What is left of the transaction that next() gave last. Reads all its data. Errors: as
  // ObjectStore::read_surviving. Precondition: next() gave one.
  [[nodiscard]] Result<TransactionRecord> read_current() const;

  // The same as iterators tell it, back-pointers followed.
  [[nodiscard]] Result<std::vector<IteratedRecord>> read_records() const;

 private:
  [[nodiscard]] Result<bool> take(LogEntry& entry) const;
  [[nodiscard]] Result<std::optional<Tid>> repeated_by(const ObjectWrite& write) const;

  const storage::ObjectStore& store_;
  const Tid line_;
  const Tid until_;
  const Tid horizon_;
  Tid after_;
  std::vector<LogEntry> batch_;
  std::size_t at_ = 0;
  std::size_t held_bytes_ = 0;
  const LogEntry* current_ = nullptr;
};

}  // namespace zeolite::history
