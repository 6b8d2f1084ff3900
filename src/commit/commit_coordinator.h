#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "commit/commit_effects.h"
#include "commit/lock_table.h"
#include "commit/oid_allocator.h"
#include "commit/recent_map.h"
#include "commit/recent_writes.h"
#include "commit/staged_transaction.h"
#include "commit/tid_generator.h"
#include "model/ids.h"
#include "model/transaction_record.h"

namespace zeolite::commit {

struct CommitOptions {
  Duration vote_timeout = std::chrono::seconds(60);  // from vote to finish
  Duration lock_timeout = std::chrono::seconds(30);  // waiting for objects held by others
  std::uint32_t oid_reserve = 100'000;               // oids per log record of kind oids
  std::size_t recent_writes_max = 200'000;           // objects remembered to judge old prefetches
  std::size_t recent_outcomes_max = 100'000;         // commit ids remembered for the same
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
// the reply, the earlier is answered `outcome_unknown`), one that ended is answered from its
// outcome. What two-phase holds voted belongs to a connection that lives, so a repeat of that is
// answered `unavailable`.
//
// The server's own records (epoch, oids, tombstone, pack, removal) take the tid after the last one
// instead of the time: a fresh database must accept an older history that is restored into it
// record by record. Nobody is shown their tids as times.
//
// A transaction without writes appends nothing and leaves no outcome, unless it is to be logged
// when empty: its reads are checked, and it is committed at the visible tid.
//
// Does no I/O, reads no clock, owns no thread. Deterministic.
// Thread: one at a time (the engine's owner serialises all calls).
class CommitCoordinator {
 public:
  // State as the store holds it. The caller appends the EPOCH record by calling begin_epoch().
  struct Start {
    Epoch epoch{};   // the epoch that new records carry
    Tid last_tid{};  // last entry in the log
    Oid oid_mark{};  // oids from here on are free
    // The newest pack record's horizon and tid, kNoTid when there is none; whether it was swept.
    Tid pack_horizon{};
    Tid pack_record{};
    bool pack_swept = true;
  };
  CommitCoordinator(const CommitOptions& options, const Start& start, Now now);
  ~CommitCoordinator();  // whatever is undecided is forgotten, as in a crash
  CommitCoordinator(const CommitCoordinator&) = delete;
  CommitCoordinator& operator=(const CommitCoordinator&) = delete;

  // Appends the first record of this reign. Call once, before anything else. Its tid: `next` is the
  // one after the last, as for all records of the server's own; `clock` the time, for a reign that
  // takes over, so that what the one before may have written last lies below it.
  enum class EpochTid : std::uint8_t {
    next,
    clock
  };
  void begin_epoch(Now now, CommitEffects& effects, EpochTid tid = EpochTid::next);
  // Instead: the first reign on an empty log, which nobody else looks at. Its first record is
  // appended by begin_epoch later, at the latest before the first one that gets its tid here (not
  // by fixed_tid): until then a history may be restored whatever its tids are. Oids below
  // `reserved`, which is durable elsewhere, may be handed out meanwhile.
  void begin_later(Oid reserved);
  // Tid of the first record of this reign; kNoTid while it is to come.
  [[nodiscard]] Tid begin() const { return begin_; }

  // A complete transaction asks to vote (and with `one_request` to finish at once). Replies voted
  // (unless one_request), committed, conflicted or failed: aborted (a tombstone was there first),
  // expired (`begun` below the horizon and nothing known), timeout (waited for locks), unavailable
  // (ask again later), invalid_argument (the commit id names a transaction on other objects, or
  // fixed_tid is not above the last tid, or an oid is too high: as_file_storage and unchecked
  // writes may have any, others see OidAllocator::may_be_written), conflict (a back-pointer may
  // point to what a pack removes: choose its target again; once the sweep is complete, if it is
  // under way).
  void submit(Ticket ticket, OwnerId owner, StagedTransaction transaction, Prefetched prefetched,
              bool one_request, Now now, CommitEffects& effects);
  // Fills in the tids of `prefetched` from memory, when every object of the transaction was written
  // lately; else leaves it as it is: read them from the store, at as_of. Saves the reads of objects
  // that are written again and again.
  [[nodiscard]] bool recall_tids(const StagedTransaction& transaction,
                                 Prefetched& prefetched) const;
  // Answer to effects.refetch; ignored when the transaction has ended meanwhile.
  void refetched(Ticket ticket, Prefetched prefetched, Now now, CommitEffects& effects);
  // What the waiting or voted transaction `ticket` wants, to know what to read again; valid until
  // the next call. Null when there is none.
  [[nodiscard]] const StagedTransaction* staged(Ticket ticket) const;
  // The voted transaction `ticket` commits; `reply_to` takes its place in the reply. A ticket that
  // is not voted (any more) is answered failed: aborted. Fails as submit does when since the vote a
  // tid at or above fixed_tid was given away, or a pack was begun.
  void finish(Ticket ticket, Ticket reply_to, Now now, CommitEffects& effects);
  // Ends a transaction that is waiting or voted; unknown or sequenced tickets are ignored (what
  // was sequenced commits). No reply is made.
  void abort(Ticket ticket, Now now, CommitEffects& effects);
  // Aborts what `owner` has waiting or voted; what is sequenced goes on, its reply is dropped.
  void owner_lost(OwnerId owner, Now now, CommitEffects& effects);

  // What became of commit_id? Committed if it is (now or when it becomes visible); a voted or
  // waiting one is answered `unavailable` (pending: ask again); else a tombstone is appended and
  // once it is durable the reply is `aborted`. `begun` below the horizon: `expired`. (A commit
  // has a tid above its `begun`, so at the horizon itself nothing of it can have been pruned.)
  // A Prefetched too old to tell is answered `unavailable`: read and ask again.
  void query_outcome(Ticket ticket, OwnerId owner, const CommitId& commit_id, Tid begun,
                     const Prefetched& prefetched, Now now, CommitEffects& effects);

  // Whether this id may be known already, under way or as an outcome: then a transaction or query
  // with it is told what became of the first one, and takes no room in the log.
  [[nodiscard]] bool may_be_known(const CommitId& commit_id, Tid begun,
                                  const Prefetched& prefetched) const;

  // Hands out `count` (1 to 10,000) fresh oids. Replies at once while the durable reserve lasts,
  // else after the record that moves the mark is acknowledged. Fails with invalid_argument when
  // no oids are left. A client may also write oids of its own choice: later ones lie above them.
  void allocate_oids(Ticket ticket, OwnerId owner, std::uint32_t count, Now now,
                     CommitEffects& effects);

  // Appends the record after which what is not needed as of `horizon` may be removed (nothing is
  // removed here). A horizon in the future is cut to the newest tid. Replies committed at the
  // record's tid once it is acknowledged. At or below the horizon of an earlier pack there is
  // nothing to do, as in FileStorage: the reply is committed at that one's record, as soon as that
  // is visible (kNoTid when nothing was ever packed and there is nothing to pack). Ticket 0 is not
  // replied to.
  void append_pack(Ticket ticket, OwnerId owner, Tid horizon, bool collect_garbage, Now now,
                   CommitEffects& effects);
  // Whether a voted transaction goes back to what a pack at `horizon` may remove: it was promised
  // that it may finish, so the pack should wait.
  [[nodiscard]] bool goes_back_to(Tid horizon) const;
  // Appends a record that removes `keys` (as TransactionRecord::removed wants them) for the visible
  // pack record at `pack_record`. `complete`: nothing is left to do for that; once this is visible,
  // back-pointers to old revisions are accepted again. Returns its tid; nothing, and appends
  // nothing, when `pack_record` is not the newest one or is complete already.
  std::optional<Tid> append_removal(Tid pack_record, std::vector<RevisionKey> keys, bool complete,
                                    Now now, CommitEffects& effects);

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

  // The wall clock jumped and is not followed for now; see TidGenerator.
  [[nodiscard]] bool distrusts_clock() const { return tids_.distrusts_clock(); }

  // Walks every structure and CHECKs that they agree; for tests and the simulator.
  void check_invariants() const;

 private:
  using Reply = CommitEffects::Reply;
  enum class State : std::uint8_t {
    waiting,     // for its locks
    refetching,  // holds its locks; its current tids are being read again
    voted,       // holds its locks; may finish
    sequenced,   // has a tid and is in in_flight_; it commits
  };
  struct Transaction {
    Ticket ticket = 0;    // its key in transactions_
    Ticket reply_to = 0;  // 0: the one who asked has gone
    OwnerId owner = 0;
    bool one_request = false;
    // No outcome of this commit id can have escaped us when it was submitted.
    bool outcome_checked = false;
    State state = State::waiting;
    Tid granted_at{};  // visible tid when it got its locks
    StagedTransaction staged{};
    Prefetched prefetched{};  // once judged: true to the present
    std::optional<Instant> deadline{};
    LockTable::Request locks;
  };
  // Somebody else who wants to know how a sequenced record ends.
  struct Waiter {
    Ticket ticket = 0;
    OwnerId owner = 0;
    bool query = false;  // asked for the outcome; else submitted the commit again
  };
  // A record that was appended and not acknowledged yet.
  struct Sequenced {
    Tid tid{};
    RecordKind kind = RecordKind::transaction;
    CommitId commit_id{};
    Oid oid_mark{};
    Tid swept_pack{};                    // kind removal only: the pack record that it completes
    bool removes = false;                // the same: it removes revisions
    Transaction* transaction = nullptr;  // kind transaction only
    std::vector<Waiter> waiters{};
  };
  // A commit id in flight: as a transaction, a sequenced record, or both.
  struct Attempt {
    Transaction* transaction = nullptr;
    Sequenced* record = nullptr;
  };

  // Exactly once (exactly_once.cc).
  std::optional<Reply> known_outcome(Ticket ticket, const CommitId& id, Tid begun,
                                     const Prefetched& prefetched, bool query) const;
  bool repeat_of_attempt(Ticket ticket, OwnerId owner, const StagedTransaction& staged,
                         Prefetched& prefetched, bool one_request, Now now, CommitEffects& effects);
  void take_over(Transaction& transaction, Ticket ticket, OwnerId owner, Prefetched prefetched,
                 bool one_request, Now now, CommitEffects& effects);
  void publish_outcome(const Sequenced& record, CommitEffects& effects);

  // History (commit_history.cc).
  // Why it must not be sequenced now, whatever its objects' state.
  [[nodiscard]] std::optional<Reply> find_refusal(const Transaction& transaction) const;
  void publish_pack(const Sequenced& record, CommitEffects& effects);
  void publish_removal(const Sequenced& record);

  // The life of a transaction.
  void judge(Transaction& transaction, Now now, CommitEffects& effects);
  [[nodiscard]] bool is_fresh(const Transaction& transaction) const;
  [[nodiscard]] std::vector<Conflict> find_conflicts(Transaction& transaction) const;
  void commit(Transaction& transaction, Now now, CommitEffects& effects);
  void begin_at_last(Now now, CommitEffects& effects);
  // The record gets its tid from append_own, or has it.
  Sequenced& append(TransactionRecord record, CommitEffects& effects);
  Sequenced& append_own(TransactionRecord record, Now now, CommitEffects& effects);
  void publish(Sequenced& record, CommitEffects& effects);
  // Ends it: `reply` (if any) is sent to whoever waits for it; its locks go to the next.
  void end(Transaction& transaction, std::optional<Reply> reply, CommitEffects& effects);
  void judge_granted(Now now, CommitEffects& effects);
  std::size_t& count_of(State state);
  void set_state(Transaction& transaction, State state);
  void set_deadline(Transaction& transaction, std::optional<Instant> deadline);
  Transaction* find(Ticket ticket);
  void answer_oids(Now now, CommitEffects& effects);

  CommitOptions options_;
  Epoch epoch_;
  Tid begin_;
  bool begins_later_ = false;
  Tid visible_;
  TidGenerator tids_;
  OidAllocator oids_;
  LockTable locks_;
  RecentWrites recent_writes_;
  RecentMap<CommitId, bool> recent_outcomes_;  // whether it was aborted
  struct Pack {
    Tid horizon{};
    Tid record{};
    bool swept = true;     // visibly
    bool complete = true;  // the record that says so is sequenced
    Tid end{};             // of it and its removals, as long as nothing else follows them
  };
  Pack pack_;  // of the newest pack record, from when it is sequenced

  std::map<Ticket, Transaction> transactions_;  // all that are not over
  std::unordered_map<CommitId, Attempt> attempts_;
  std::deque<Sequenced> in_flight_;  // in tid order; elements never move
  std::set<std::pair<Instant, Ticket>> deadlines_;
  Counts counts_;
  std::vector<LockTable::Request*> granted_;  // hold their locks and are to be judged
  std::vector<OidAllocator::Answer> oid_answers_;
};

}  // namespace zeolite::commit
