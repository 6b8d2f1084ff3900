#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "blobs/blob_directory.h"
#include "commit/commit_coordinator.h"
#include "daemon/calls_apart.h"
#include "daemon/delivery.h"
#include "daemon/log_observer.h"
#include "server/group_pacer.h"
#include "server/native_session.h"
#include "storage/object_store.h"

namespace zeolite::daemon {

// An append that found no space on the disk is tried again this often, leading and following.
inline constexpr Duration kSpaceRetry = std::chrono::milliseconds(200);

// Runs one storage: the commit coordinator, and the log writer that makes its groups durable.
//
// The coordinator is a single-threaded state machine; the engine's mutex makes it so. Shards enter
// it directly instead of through a thread of its own: that saves two thread hops on every commit
// (docs/decisions/0002). What the coordinator needs from the store is read before the mutex is
// taken; the only work done under it is in memory.
//
// The log writer is one thread: it takes the open group, appends it with one sync, reports it
// acknowledged, and handles the coordinator's timeouts. A lone client's group is written by the
// thread it came in on (GroupPacer::prefers_inline). One group is being written at a time.
//
// Thread: all public functions from any, except where said. Owner: the server.
class StorageEngine {
 public:
  struct Options {
    std::string name;
    commit::CommitOptions commit;
    Duration group_wait_max{};  // server/group_pacer.h tells both
    Duration inline_sync_max{};
    // A group that is written at once has at most this size (storage/append_size.h), unless one
    // transaction has more: the standbys take it as one message.
    std::uint64_t group_bytes_max = 256ULL << 20;
    std::size_t shards = 1;
    // The files beside the records; null: the storage keeps no blobs. Recovered already.
    std::shared_ptr<blobs::BlobDirectory> blobs = {};
    std::function<void(Error)> warn = {};  // what went wrong and costs nothing yet; any thread
    // False: it follows another's log until lead() is called, and answers commits with not_primary.
    bool leads = true;
    LogObserver* observer = nullptr;  // outlives the engine; null: nobody is told
    // Runs something on a thread that may wait for the disk; empty: everything is done by the
    // thread that calls. What it was given has ended, or is forgotten, before the engine ends.
    std::function<void(std::function<void()>)> run_apart = {};
  };
  // Transactions with more objects than this are looked up apart.
  static constexpr std::size_t kObjectsAtOnceMax = 256;

  // Counted since the process started.
  struct Counters {
    std::uint64_t commits = 0, conflicts = 0, aborts = 0;
    std::uint64_t stores = 0;  // objects written
  };

  // Begins a reign on `store` (appends its epoch record, waits for it) and starts the log writer,
  // unless options.leads is false. `wake_shard` as in delivery.h. `on_fatal` is called once, from
  // the thread that wrote, when an append failed: nothing is answered from then on, the process
  // must end.
  [[nodiscard]] static Result<std::unique_ptr<StorageEngine>> start(
      Options options, std::unique_ptr<storage::ObjectStore> store, const Clock& clock,
      WakeShard wake_shard, std::function<void(Error)> on_fatal);
  // Stops the log writer after the group it is writing.
  ~StorageEngine();

  // One call of a session on the coordinator, for connection `owner`. Answers are delivered.
  void call(commit::OwnerId owner, server::SessionEffects::EngineCall call);
  // The connection is gone: its unfinished transactions are aborted.
  void owner_lost(commit::OwnerId owner);

  // Appends the record after which what is not needed as of `horizon` may be removed, and waits
  // until it is visible; before that for voted transactions that go back to what it may remove, at
  // most as long as a vote stands. Nothing to do when there was a pack to the same time or a later
  // one. Not from a shard. Errors: shutting_down, out_of_space, unavailable, not_primary;
  // outcome_unknown.
  [[nodiscard]] Result<> append_pack(Tid horizon, bool collect_garbage);
  // Appends the removal of `keys` for the pack record at `pack_record`, or that it is complete
  // (CommitCoordinator::append_removal), and waits until that is visible. One caller at a time of
  // this and append_pack; its priority does not matter, the log writer does the work. Errors: as
  // append_pack; aborted: that is not the newest pack record, or complete already.
  [[nodiscard]] Result<> append_removal(Tid pack_record, std::vector<RevisionKey> keys,
                                        bool complete);
  // So many objects were packed away; for size().
  void objects_removed(std::uint64_t count);
  // Removes the files of the blobs of what a durable removal record removed, and warns of those
  // that cannot be; how many there were. For whoever made the record durable: leading, the packing
  // thread; following, the thread that appended it, before it appends again.
  std::uint64_t remove_blobs(std::span<const RevisionKey> removed);

  // Following: for the thread that appends what came.
  [[nodiscard]] storage::ObjectStore& mutable_store() { return *store_; }

  // ---- replication; all called by one thread ----

  // Begins a reign after following: appends its epoch record, durably. Nothing else writes to the
  // store meanwhile. `takeover`: the record's tid is by the clock. Nobody is served yet.
  [[nodiscard]] Result<Position> lead(Epoch epoch, bool takeover);
  // The same on an empty log, whose first record comes later (CommitCoordinator::begin_later).
  [[nodiscard]] Result<Position> lead_alone(Epoch epoch);
  // By any thread: it has come, visibly, when this returns. Errors: out_of_space, unavailable.
  [[nodiscard]] Result<> begin_log();
  // Makes what the reign begins with visible, and commits possible.
  void serve();
  // Following: these became visible, in tid order.
  void show(std::vector<commit::CommitEffects::Publish> published);
  // Appends them to the store and does what has to be done before they are shown: their blobs get
  // their names. Following: called by the thread that appends. Errors: as ObjectStore::append.
  [[nodiscard]] Result<Position> append_settled(std::span<const TransactionRecord> records);
  // Returns when what was appended before has been settled, too. Any thread.
  void wait_settled() const;
  // True: from now on what is durable waits for acknowledge(); returns what was acknowledged until
  // now. False: what is durable is acknowledged, at once.
  Tid set_waiting(bool on);
  [[nodiscard]] bool waits() const { return waiting_.load(std::memory_order_relaxed); }
  // Standbys are about to be told that everything up to here is visible; acknowledge() follows.
  void announce(Tid up_to) { announced_.store(up_to, std::memory_order_release); }
  // Readers of standbys may have seen everything up to here, though it is not visible yet.
  [[nodiscard]] Tid announced() const { return announced_.load(std::memory_order_acquire); }
  // While waiting: everything up to here, which is durable, is acknowledged.
  void acknowledge(Tid up_to);
  // Sequenced transactions are kept back; `held` is told the end of the log once nothing is being
  // appended, from any thread, once.
  void hold_commits(std::function<void(Position)> held);
  void release_commits();
  // Nobody is answered from now on: the reign has ended.
  void abandon();

  // Whether shard number `shard` has clients; see delivery.h.
  [[nodiscard]] bool set_attended(std::size_t shard, bool attended) {
    return board_.set_attended(shard, attended);
  }
  // What shard number `shard` has to be told; owner ids tell the shard: owner % number of shards.
  [[nodiscard]] std::vector<Delivery> take_deliveries(std::size_t shard) {
    return board_.take(shard);
  }

  // Refuses new transactions with shutting_down and waits until what is in flight is answered, at
  // most `timeout`. Then nobody waits in append_pack or append_removal any more either.
  void drain(Duration timeout);

  [[nodiscard]] const std::string& name() const { return options_.name; }
  [[nodiscard]] const storage::ObjectStore& store() const { return *store_; }
  // The end of the log, durable; leading: as far as acknowledge() may go.
  [[nodiscard]] Position durable_end() const;
  // Null when the storage keeps no blobs.
  [[nodiscard]] blobs::BlobDirectory* blobs() const { return options_.blobs.get(); }
  [[nodiscard]] std::shared_ptr<blobs::BlobDirectory> shared_blobs() const {
    return options_.blobs;
  }
  // Objects and bytes of the storage, about.
  struct Size {
    std::uint64_t objects = 0;
    std::uint64_t bytes = 0;
  };
  // Why no transaction at all is taken now: out_of_space, or what every append would say.
  [[nodiscard]] Result<> check_space() const;
  [[nodiscard]] Size size() const {
    return {objects_.load(std::memory_order_relaxed), bytes_.load(std::memory_order_relaxed)};
  }
  [[nodiscard]] Tid visible() const { return visible_.load(std::memory_order_acquire); }
  // Of the own reign; following: of the end of the log at the start.
  [[nodiscard]] Epoch epoch() const { return epoch_.load(std::memory_order_relaxed); }
  [[nodiscard]] commit::CommitCoordinator::Counts counts() const;
  [[nodiscard]] Counters counters() const;

 private:
  StorageEngine(Options options, std::unique_ptr<storage::ObjectStore> store, const Clock& clock,
                WakeShard wake_shard, std::function<void(Error)> on_fatal);

  void make_coordinator(Epoch epoch, Now now);
  void serve(bool tell_shards);
  void refuse(const server::SessionEffects::EngineCall& call);
  void carry_out(commit::OwnerId owner, server::SessionEffects::EngineCall call);
  void abort_all_of(commit::OwnerId owner);
  void work_off(commit::OwnerId owner);
  // What the store knows of a commit id, and of a transaction's objects at prefetched.as_of;
  // without the mutex.
  [[nodiscard]] Result<commit::Prefetched> prefetch_outcome(const CommitId& commit_id) const;
  [[nodiscard]] Result<> prefetch_tids(const commit::StagedTransaction& transaction,
                                       commit::Prefetched& prefetched) const;
  // After its record was queued.
  [[nodiscard]] Result<> wait_visible(Tid record);
  void wait_for_undos(std::unique_lock<std::mutex>& lock, Tid horizon);
  void submit(commit::OwnerId owner, server::SessionEffects::Submit submit);
  void query_outcome(commit::OwnerId owner, const server::SessionEffects::QueryOutcome& query);
  void reply_error(commit::Ticket ticket, Error error);

  // With the mutex held: queues appends for the writer, delivers the rest, and carries out
  // refetches, for which it lets go of the mutex in between.
  void run_effects(std::unique_lock<std::mutex>& lock);
  void deliver_effects();
  // Ends a call of `owner` (0: of the server itself): carries out its effects, lets go of the
  // mutex, and sees that the open group gets written, by the writer, or on this thread where that
  // is better.
  void end_call(std::unique_lock<std::mutex>& lock, commit::OwnerId owner = 0);
  // Lets go of the mutex, and then wakes the writer if there is something for it: woken before, it
  // would wait for the mutex and be woken twice.
  void wake_writer(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] bool writer_is_due();
  // Whether a new transaction may be sequenced; with the mutex.
  [[nodiscard]] Result<> accepts_more() const;
  // Whether nothing that was sequenced waits for space; with the mutex.
  [[nodiscard]] Result<> check_fed() const;
  void take_group();
  // Tells the pacer of a group with `commits`, begun at `began`, that is durable `now`; and of
  // those that are acknowledged after that.
  void pace(Tid last, std::size_t commits, Instant began, Instant now);
  void pace_confirmed(Tid up_to, Instant now);
  void group_durable(const Position& last, Now now);
  void set_durable(const Position& last);
  void settle(std::span<const TransactionRecord> records);
  void tell_held(std::unique_lock<std::mutex>& lock);

  void writer_main();
  // Waits for a group that is worth writing; false when the writer is to end.
  [[nodiscard]] bool wait_for_group(std::unique_lock<std::mutex>& lock);
  // Waits for something to do; handles the coordinator's timeouts.
  void wait_idle(std::unique_lock<std::mutex>& lock);
  // Takes the open group, appends it and reports it acknowledged; lets go of the mutex meanwhile.
  // out_of_space: nothing was written, the group is open again. Other errors: see fail().
  [[nodiscard]] Result<> append_group(std::unique_lock<std::mutex>& lock);
  // Nothing is answered from now on.
  void fail(std::unique_lock<std::mutex>& lock, Error why);

  Options options_;
  std::unique_ptr<storage::ObjectStore> store_;
  const Clock& clock_;
  WakeShard wake_shard_;
  DeliveryBoard board_;
  CallsApart apart_;
  std::function<void(Error)> on_fatal_;
  std::atomic<Epoch> epoch_{};
  std::atomic<bool> leading_ = false;  // commits are taken
  std::atomic<Tid> visible_{};
  std::atomic<Tid> announced_{};
  // Estimated at the start, counted since.
  std::atomic<std::uint64_t> objects_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<std::uint64_t> stores_ = 0;
  // Room for what is in the groups below (their sizes) or being submitted.
  std::atomic<std::uint64_t> claimed_ = 0;

  mutable std::mutex settling_;       // while records are appended and settled
  mutable std::mutex durable_mutex_;  // taken after mutex_, never held for long
  Position durable_;                  // of this reign; with durable_mutex_

  mutable std::mutex mutex_;
  std::condition_variable writer_wakes_;
  std::condition_variable drained_;
  // All below: with the mutex.
  std::unique_ptr<commit::CommitCoordinator> coordinator_;
  commit::CommitEffects effects_;                 // of the call in progress
  std::vector<TransactionRecord> open_group_;     // sequenced, not yet taken by the writer
  std::vector<TransactionRecord> writing_group_;  // being appended, without the mutex
  bool writing_ = false;                          // a thread is in append_group
  std::vector<Delivery> deliveries_;              // by shard; scratch of deliver_effects
  server::GroupPacer pacer_;
  struct Unconfirmed {
    Tid last;
    std::size_t commits = 0;
    Instant began{};
  };
  std::deque<Unconfirmed> unconfirmed_;  // durable here, and not acknowledged
  commit::OwnerId last_committer_ = 0;   // the last connection that added to the open group
  Counters counters_;
  std::size_t wake_writer_at_ = SIZE_MAX;  // group size that is worth waking the writer for
  std::optional<Instant> idle_until_;      // set while the writer sleeps with nothing to write
  std::uint64_t open_size_ = 0, writing_size_ = 0;  // of the groups (storage/append_size.h)
  bool starved_ = false;                            // the last append was refused for want of space
  bool stopping_ = false;
  bool draining_ = false;
  int awaited_ = 0;         // so many wait for drained_ to see what became visible
  bool alone_ = false;      // led alone, and the log is not begun as far as was looked
  bool abandoned_ = false;  // what is not written by now is not waited for
  bool failed_ = false;
  std::atomic<bool> waiting_ = false;   // what is durable waits for acknowledge(); set with mutex_
  bool held_back_ = false;              // groups are not written for now
  std::function<void(Position)> held_;  // to be told when the one being written is

  std::thread writer_;
};

}  // namespace zeolite::daemon
