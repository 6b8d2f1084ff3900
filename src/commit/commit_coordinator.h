#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "commit/lock_table.h"
#include "commit/recent_writes.h"
#include "commit/tid_generator.h"
#include "model/ids.h"
#include "model/transaction_record.h"

namespace zeolite::commit {

// Names one transaction within the coordinator. Chosen by the caller, never reused.
using Ticket = std::uint64_t;
// Names the connection a transaction belongs to.
using OwnerId = std::uint64_t;

// A read that must still be true when the transaction commits (`readCurrent`).
struct ReadCheck {
  Oid oid;
  Tid tid;  // the revision that was read
};

// A write: the object's new state and the revision it was made from.
struct StagedWrite {
  Oid oid;
  Tid base;  // kNoTid: the client believes the object to be new
  RevisionKind kind = RevisionKind::data;
  Bytes data;
  Tid back;
};

// All that a transaction wants; complete when it reaches the coordinator.
// Each oid at most once in `writes` and at most once in `reads` (validated by the caller).
struct StagedTransaction {
  CommitId commit_id;
  Tid begun;  // visible tid the client had when it first sent this commit; for `expired` answers
  TransactionMetadata metadata;
  char status = ' ';
  std::vector<StagedWrite> writes;
  std::vector<ReadCheck> reads;
};

// What the store said about a transaction before it was submitted. Read at one line `as_of` (the
// visible tid when reading began); the coordinator knows what happened since.
struct Prefetched {
  Tid as_of;
  std::vector<Tid> write_tids;  // current tid of writes[i].oid, kNoTid if none
  std::vector<Tid> read_tids;   // current tid of reads[i].oid
  // The stored outcome of commit_id, if there is one: `aborted` false means committed at `tid`.
  struct KnownOutcome {
    bool aborted = false;
    Tid tid;
  };
  std::optional<KnownOutcome> outcome;
  Tid outcome_horizon;  // outcomes at or below it may have been pruned
};

// One object that stands in the way of a commit.
struct Conflict {
  Oid oid;
  Tid current;  // committed revision now
  Tid base;     // revision the transaction was made from
  bool read = false;  // a ReadCheck failed, not a write
  friend bool operator==(const Conflict&, const Conflict&) = default;
};

// What the caller must carry out, in the order of the lists below; each list in its own order.
struct CommitEffects {
  // The new entries of the log, in tid order. Append them as a group, then call acknowledged().
  std::vector<TransactionRecord> append;

  // Transactions whose Prefetched is too old to judge them: read again (now) and call refetched().
  std::vector<Ticket> refetch;

  // Became visible: in tid order. Queue the invalidation (oids) to every connection but `owner`
  // before any reply below is sent. oids is empty for the server's own records.
  struct Publish {
    Tid tid;
    RecordKind kind = RecordKind::transaction;
    std::vector<Oid> oids;
    OwnerId owner = 0;  // 0: nobody's
  };
  std::vector<Publish> publish;

  struct Reply {
    Ticket ticket = 0;
    enum class Kind : std::uint8_t {
      voted,       // locks are held until finish, abort, timeout or disconnection
      committed,   // tid is visible
      conflicted,  // conflicts is not empty; the transaction is over, nothing is held
      failed,      // error; the transaction is over, nothing is held
      oids,        // oid range [first_oid, first_oid + oid_count)
      aborted,     // answer to an outcome query: this commit will never happen
    } kind = Kind::failed;
    Tid tid;
    std::vector<Conflict> conflicts;
    Error error{ErrorCode::aborted, {}};
    Oid first_oid;
    std::uint32_t oid_count = 0;
  };
  std::vector<Reply> reply;

  // Connections to close: their voted transaction was not finished in time.
  std::vector<OwnerId> close;

  void clear();
  [[nodiscard]] bool empty() const;
};

struct CommitOptions {
  Duration vote_timeout = std::chrono::seconds(60);   // from vote to finish
  Duration lock_timeout = std::chrono::seconds(30);   // waiting for objects held by others
  std::uint32_t oid_reserve = 100'000;                // oids per log record of kind oids
  std::size_t recent_writes_max = 200'000;            // objects remembered to judge old prefetches
};

// Decides the fate of transactions of one database, and their order.
//
// Life of a transaction: submit -> (wait for locks, FIFO) -> base tids checked -> voted, or
// conflicted -> finish -> sequenced (tid given, in `append`) -> acknowledged -> published, locks
// released, replied. With `one_request` vote and finish are one step.
//
// Locks are taken all together (writes exclusive, reads shared) and held until the transaction is
// visible, over, or timed out; so whoever gets a lock next has been sent what the holder did.
// Transactions on disjoint objects never wait for each other.
//
// Exactly once: a CommitId that is in flight is not started twice (the later request takes over
// the reply), one that ended is answered from its outcome.
//
// Does no I/O, reads no clock, owns no thread. Deterministic.
// Thread: one at a time (the engine's owner serialises all calls).
class CommitCoordinator {
 public:
  // State as the store holds it. The caller appends the EPOCH record by calling begin_epoch().
  struct Start {
    Epoch epoch;        // the epoch that new records carry
    Tid last_tid;       // last entry in the log
    Oid oid_mark;       // oids from here on are free
  };
  CommitCoordinator(const CommitOptions& options, const Start& start, Now now);

  // Appends the first record of this reign. Call once, before anything else.
  void begin_epoch(Now now, CommitEffects& effects);

  // A complete transaction asks to vote (and with `one_request` to finish at once).
  void submit(Ticket ticket, OwnerId owner, StagedTransaction transaction, Prefetched prefetched,
              bool one_request, Now now, CommitEffects& effects);
  // Answer to effects.refetch.
  void refetched(Ticket ticket, Prefetched prefetched, Now now, CommitEffects& effects);
  // The voted transaction `ticket` commits; `reply_to` takes its place in the reply.
  void finish(Ticket ticket, Ticket reply_to, Now now, CommitEffects& effects);
  // Ends a transaction that is waiting or voted; unknown or sequenced tickets are ignored (what
  // was sequenced commits). No reply is made.
  void abort(Ticket ticket, Now now, CommitEffects& effects);
  // Aborts what `owner` has waiting or voted; what is sequenced goes on, its reply is dropped.
  void owner_lost(OwnerId owner, Now now, CommitEffects& effects);

  // What became of commit_id? Committed if it is (now or when it becomes visible); a voted or
  // waiting one is answered `unavailable` (pending: ask again); else a tombstone is appended and
  // once it is durable the reply is `aborted`. `begun` at or below the horizon: `expired`.
  void query_outcome(Ticket ticket, OwnerId owner, const CommitId& commit_id, Tid begun,
                     const Prefetched& prefetched, Now now, CommitEffects& effects);

  // Hands out `count` (1 to 10,000) fresh oids. Replies at once while the durable reserve lasts,
  // else after the record that moves the mark is acknowledged.
  void allocate_oids(Ticket ticket, OwnerId owner, std::uint32_t count, Now now,
                     CommitEffects& effects);

  // Everything in the log up to `up_to` is durable as the durability mode demands.
  void acknowledged(Tid up_to, Now now, CommitEffects& effects);

  // Handles timeouts that are due. next_deadline: nothing when none is pending.
  void tick(Now now, CommitEffects& effects);
  [[nodiscard]] std::optional<Instant> next_deadline() const;

  [[nodiscard]] Tid visible_tid() const;
  [[nodiscard]] Epoch epoch() const;
  // For status: transactions voted, waiting for locks, and sequenced but not yet acknowledged.
  struct Counts {
    std::size_t voted = 0, waiting = 0, in_flight = 0;
  };
  [[nodiscard]] Counts counts() const;

  // Walks every structure and CHECKs that they agree; for tests and the simulator.
  void check_invariants() const;
};

}  // namespace zeolite::commit
