#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"

namespace zeolite::storage {

// What load_before found.
enum class LoadStatus : std::uint8_t {
  found,    // data, tid and end are set
  unknown,  // no revision of this oid at or below the line
  not_yet,  // the object exists, but only from `before` on
  deleted,  // the newest revision below `before` is a deletion; tid and end are set
};

struct Loaded {
  LoadStatus status = LoadStatus::unknown;
  Bytes data;
  Tid tid;                 // when this revision was committed
  std::optional<Tid> end;  // the object's next revision at or below the line; nothing = current
};

// How far a read may go for its answer.
enum class ReadTier : std::uint8_t {
  memory,  // do not wait for the disk: answers ErrorCode::unavailable when it would have to
  disk,
};

// How an exactly-once commit ended. Stored in the same batch as its log entry.
struct Outcome {
  enum class Kind : std::uint8_t {
    committed = 1,
    aborted = 2
  };
  Kind kind = Kind::committed;
  Tid tid;  // of the transaction, or of the tombstone
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// A bound on a read of the log: reading stops after whichever is reached first, but at least one
// entry is returned when there is one.
struct LogLimit {
  std::size_t entries = 1000;
  std::size_t bytes = 1 << 20;  // encoded size of the entries
};

// One object as found when walking oids.
struct CurrentObject {
  Oid oid;
  Tid tid;
};

// The durable state of one database: the log, the revisions, the outcomes and the marks.
//
// The log is the truth; everything else is derived from it in the same atomic batch. Invariants:
//  - tids strictly increase along the log, epochs never decrease;
//  - chain(n) = H(chain(n-1), header(n), body(n)), so a position names a whole history;
//  - a revision exists for (oid, tid) iff the log entry at tid lists oid (until packed away);
//  - an append that returned is durable; one that failed has an unknown outcome and the store
//    accepts no further append.
//
// A reader passes the `line` it reads at: revisions above it do not exist for that read. The caller
// takes its line from the visible tid, never from last_position().
//
// Thread: reads from any thread at any time; append from one thread at a time.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // Made when the database was created; the same for all its nodes.
  [[nodiscard]] virtual Id128 cluster_id() const = 0;

  // The last appended entry's place; zero before the first.
  [[nodiscard]] virtual Position last_position() const = 0;
  // Tid of the last entry with kind transaction; kNoTid when there is none.
  [[nodiscard]] virtual Tid last_transaction() const = 0;
  // Every oid handed out or stored is below this.
  [[nodiscard]] virtual Oid oid_mark() const = 0;
  // Outcomes of transactions at or below this tid are pruned: find_outcome knows none of them.
  [[nodiscard]] virtual Tid outcome_horizon() const = 0;

  // Appends `group` in order as one atomic, synced batch. Preconditions (CHECKed): tids strictly
  // increase from last_position().tid, epochs do not decrease, no oid twice in one record.
  // Returns the position of the last record.
  // Errors: out_of_space before anything was written (may be retried); any other error means that
  // the outcome is unknown: the caller must stop answering, and every later append fails.
  [[nodiscard]] virtual Result<Position> append(std::span<const TransactionRecord> group) = 0;

  // Whether an append would be refused now for want of disk space; cheap, refreshed by a statvfs
  // at most every 100 ms. Error out_of_space says how much is free and how much is kept back; it
  // ends by itself when space returns. Any other error is the one every append would give.
  [[nodiscard]] virtual Result<> check_space() const = 0;

  // The newest revision of `oid` with tid < before and tid <= line, and when it ends. Follows
  // back-pointers. Errors: unavailable (tier memory only), corruption, io_error.
  [[nodiscard]] virtual Result<Loaded> load_before(Oid oid, Tid before, Tid line,
                                                   ReadTier tier) const = 0;

  // The revision of `oid` written exactly at `tid` (<= line): found, deleted or unknown. `end` is
  // not computed.
  [[nodiscard]] virtual Result<Loaded> load_serial(Oid oid, Tid tid, Tid line) const = 0;

  // For each oid, in order: the tid of its newest revision at or below `line`, kNoTid if there is
  // none or it is a deletion. Reads from the disk when it must.
  [[nodiscard]] virtual Result<std::vector<Tid>> current_tids(std::span<const Oid> oids,
                                                              Tid line) const = 0;

  // Revisions of `oid` at or below `line`, newest first, at most `count`: the object's summary in
  // each (previous is not filled in) paired with its tid.
  struct ObjectRevision {
    Tid tid;
    ObjectSummary summary;
  };
  [[nodiscard]] virtual Result<std::vector<ObjectRevision>> history(Oid oid, Tid line,
                                                                    std::size_t count) const = 0;

  // The first oid >= `from` that has a current (not deleted) revision at `line`; nothing at the
  // end. Walks all objects when called with the last oid + 1 each time.
  [[nodiscard]] virtual Result<std::optional<CurrentObject>> next_object(Oid from,
                                                                         Tid line) const = 0;

  // Log entries with after < tid <= until, of every kind, in order, within `limit`. Fewer than
  // asked and none beyond means the end was reached.
  [[nodiscard]] virtual Result<std::vector<LogEntry>> read_log(Tid after, Tid until,
                                                               LogLimit limit) const = 0;

  // The entry with exactly this tid; nothing when there is none.
  [[nodiscard]] virtual Result<std::optional<LogEntry>> log_entry(Tid tid) const = 0;

  // The log entry with its data, as it was appended: what replication, export and verify read.
  // The data is checked against the body hash. Errors: not_found when a revision was packed away,
  // corruption, io_error.
  [[nodiscard]] virtual Result<TransactionRecord> read_record(const LogEntry& entry) const = 0;

  // How the commit named `id` ended; nothing when it is not known (never seen, or pruned).
  [[nodiscard]] virtual Result<std::optional<Outcome>> find_outcome(const CommitId& id) const = 0;
};

}  // namespace zeolite::storage
