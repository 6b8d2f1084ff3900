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
  friend bool operator==(const CurrentObject&, const CurrentObject&) = default;
};

// One revision as found when walking all of them.
struct StoredRevision {
  RevisionKey key;
  RevisionKind kind = RevisionKind::data;
  Tid back{};  // kind back_pointer: the revision that has the data; else kNoTid
  friend bool operator==(const StoredRevision&, const StoredRevision&) = default;
};

// What the log says of packing. The sweep appends removals of what the newest pack record allows;
// one that was interrupted is to be made again from its beginning.
struct PackState {
  Tid horizon;  // of the newest pack record; kNoTid when there is none
  Tid record;   // that record's tid
  bool collect_garbage = false;
  bool swept = true;  // nothing is left to do for it
  friend bool operator==(const PackState&, const PackState&) = default;
};

// How much there is, about.
struct StoreSize {
  std::uint64_t revisions = 0;
  std::uint64_t bytes = 0;  // on disk and in memory that goes there
};

// The durable state of one database: the log, the revisions, the outcomes and the marks.
//
// The log is the truth; everything else is derived from it in the same atomic batch. Invariants:
//  - tids strictly increase along the log, epochs never decrease;
//  - chain(n) = H(chain(n-1), header(n), body(n)), so a position names a whole history;
//  - a revision exists for (oid, tid) iff the log entry at tid lists oid, unless it was removed,
//    by a later entry of kind removal, at or below the pack horizon only. Log entries stay. So
//    `previous` in an entry may name a revision that is gone, and two stores with equal positions
//    have equal revisions;
//  - an append that returned is durable (in a store that is only filled: after the next sync());
//    one that failed has an unknown outcome and the store accepts no further append.
//
// A reader passes the `line` it reads at: revisions above it do not exist for that read. The caller
// takes its line from the visible tid, never from last_position().
//
// Thread: reads from any thread at any time; append and rollback from one thread at a time.
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
  [[nodiscard]] virtual PackState pack_state() const = 0;
  // History up to this tid may be incomplete; kNoTid when nothing was ever packed.
  [[nodiscard]] Tid pack_horizon() const { return pack_state().horizon; }

  // Appends `group` in order as one atomic, synced batch. Preconditions (CHECKed): tids strictly
  // increase from last_position().tid, epochs do not decrease, no oid twice in one record, a pack
  // record's horizon is below its tid and above the horizon before, a removal is for the newest
  // pack record while that is not complete, with keys in order and at or below its horizon. Whoever
  // makes a removal sees to it that no back-pointer is left that points to what goes.
  // Returns the position of the last record.
  // Errors: out_of_space before anything was written (may be retried); any other error means that
  // the outcome is unknown: the caller must stop answering, and every later append fails.
  [[nodiscard]] virtual Result<Position> append(std::span<const TransactionRecord> group) = 0;

  // The same by a caller that has hashed the records meanwhile, on another thread: body_hashes[i]
  // is that of group[i]'s writes (storage/log_chain.h). A store may use it as it is.
  [[nodiscard]] virtual Result<Position> append_hashed(std::span<const TransactionRecord> group,
                                                       std::span<const ChainHash> body_hashes);

  // Oids below `mark` may be handed out though the log does not say so: from now on oid_mark() is
  // at least that, durably. The log is empty (CHECKed): one that is not says so itself. Errors are
  // final, as of append.
  [[nodiscard]] virtual Result<> reserve_oids(Oid mark) = 0;

  // What was appended before is durable when it returns; only a store that was opened to be filled
  // (RocksStoreOptions::bulk_load) has to do something for that. An error is final, as of append,
  // and leaves open how much of what was appended since the last sync is there.
  [[nodiscard]] virtual Result<> sync() { return {}; }

  // Undoes all entries after `to`, a position of the log, or zero for all: they, their revisions
  // and their outcomes are gone, the marks are those of a log that ends at `to` (but oids stay
  // handed out, and what was forgotten of outcomes stays forgotten: storage/log_rollback.h), and
  // append goes on from there. A killed process leaves a shorter log, which may be anything
  // between. Preconditions: no append runs; no reader has a line above `to`, or comes to
  // it before it is reached again. Errors, with nothing changed: invalid_argument (`to` is not in
  // the log), conflict (revisions were removed by what would be undone). out_of_space: the log is
  // shorter or as it was; may be repeated. Any other is final, as of append.
  [[nodiscard]] virtual Result<> rollback(const Position& to) = 0;

  // Whether an append of `bytes` (storage/append_size.h) would be refused now for want of disk
  // space; cheap, refreshed by a statvfs at most every 100 ms. Error out_of_space says how much is
  // free and how much is kept back; it ends by itself when space returns. Any other error is the
  // one every append would give.
  [[nodiscard]] virtual Result<> check_room(std::uint64_t bytes) const = 0;
  // Whether every append would be.
  [[nodiscard]] Result<> check_space() const { return check_room(0); }

  // The newest revision of `oid` with tid < before and tid <= line, and when it ends. Follows
  // back-pointers. Errors: unavailable (tier memory only), corruption, io_error.
  [[nodiscard]] virtual Result<Loaded> load_before(Oid oid, Tid before, Tid line,
                                                   ReadTier tier) const = 0;

  // The revision of `oid` written exactly at `tid` (<= line): found, deleted or unknown. `end` is
  // not computed.
  [[nodiscard]] virtual Result<Loaded> load_serial(Oid oid, Tid tid, Tid line) const = 0;

  // For each oid, in order: the tid of its newest revision at or below `line`, kNoTid if there is
  // none or it is a deletion (or it was removed). Reads from the disk when it must.
  [[nodiscard]] virtual Result<std::vector<Tid>> current_tids(std::span<const Oid> oids,
                                                              Tid line) const = 0;

  // Revisions of `oid` at or below `line`, newest first, at most `count`: the object's summary in
  // each (previous and blob are not filled in) paired with its tid.
  struct ObjectRevision {
    Tid tid;
    ObjectSummary summary;
  };
  [[nodiscard]] virtual Result<std::vector<ObjectRevision>> history(Oid oid, Tid line,
                                                                    std::size_t count) const = 0;

  // The first `count` oids >= `from` that have a current (not deleted) revision at `line`, in
  // order. Fewer than asked for means the end was reached. Walks all objects when called with the
  // last oid + 1 each time (unless that is 0: then the last object there can be was found).
  [[nodiscard]] virtual Result<std::vector<CurrentObject>> next_objects(
      Oid from, Tid line, std::size_t count) const = 0;

  // Log entries with after < tid <= until, of every kind, in order, within `limit`. Fewer than
  // asked and none beyond means the end was reached.
  [[nodiscard]] virtual Result<std::vector<LogEntry>> read_log(Tid after, Tid until,
                                                               LogLimit limit) const = 0;

  // Log entries with tid < before, of every kind, newest first, within `limit`. None means the
  // beginning was reached.
  [[nodiscard]] virtual Result<std::vector<LogEntry>> read_log_back(Tid before,
                                                                    LogLimit limit) const = 0;

  // The entry with exactly this tid; nothing when there is none.
  [[nodiscard]] virtual Result<std::optional<LogEntry>> log_entry(Tid tid) const = 0;

  // The log entry with its data, as it was appended: what replication, export and verify read.
  // The data is checked against the body hash. Errors: not_found when a revision was packed away,
  // corruption, io_error.
  [[nodiscard]] virtual Result<TransactionRecord> read_record(const LogEntry& entry) const = 0;

  // What read_record answers for each of the entries, in their order; quicker than one by one, as
  // revisions that lie together are looked up together. All of it is in memory at once: bounding
  // that is up to the caller (entries_within).
  [[nodiscard]] virtual std::vector<Result<TransactionRecord>> read_records(
      std::span<const LogEntry> entries) const;

  // Which of the entry's objects still have their revision, in its order.
  [[nodiscard]] virtual Result<std::vector<bool>> present(const LogEntry& entry) const = 0;

  // The log entry with what is left of its objects: the writes whose revisions are still there, in
  // its order, with their data. Each is checked against its own hash; the body hash, which is over
  // all of them, is not. Errors: corruption (also when a back-pointer is left without the data it
  // points to), io_error.
  [[nodiscard]] virtual Result<TransactionRecord> read_surviving(const LogEntry& entry) const = 0;

  // All revisions of the objects from `from` on, deleted objects included, whatever their tids:
  // oids ascending, each object's newest first. Whole objects only: at most `count_max` (at least
  // 1) revisions, but all of the first object's even if that is more. Empty means the end was
  // reached; go on with the last oid + 1 (unless that is 0: then there is no more).
  [[nodiscard]] virtual Result<std::vector<StoredRevision>> revisions_from(
      Oid from, std::size_t count_max) const = 0;

  // An estimate; cheap, but not for every request.
  [[nodiscard]] virtual StoreSize size() const = 0;

  // How the commit named `id` ended; nothing when it is not known (never seen, or pruned).
  [[nodiscard]] virtual Result<std::optional<Outcome>> find_outcome(const CommitId& id) const = 0;
};

// How many of the entries, from the first on, have together at most `bytes` of data and overhead;
// at least one when there is one.
[[nodiscard]] std::size_t entries_within(std::span<const LogEntry> entries, std::size_t bytes);

}  // namespace zeolite::storage
