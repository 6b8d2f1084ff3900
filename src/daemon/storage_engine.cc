#include "daemon/storage_engine.h"

#include <pthread.h>
#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/overloaded.h"
#include "blobs/recovery.h"
#include "daemon/room_claim.h"
#include "storage/append_size.h"

namespace zeolite::daemon {

namespace {

using commit::CommitEffects;

// Later than any deadline.
constexpr Instant kForever{Duration::max()};
// How long the idle writer sleeps at a time. It looks for deadlines whenever it wakes, so one that
// is farther away when it is set, as that of nearly every vote, is not worth waking it.
constexpr Duration kIdleWaitMax = std::chrono::seconds(10);
// How often a pack looks whether an undo that it waits for is over.
constexpr auto kUndoPoll = std::chrono::milliseconds(10);
// Sequenced and not yet written; more is refused until the disk has caught up.
constexpr std::uint64_t kOpenGroupBytesMax = 256ULL << 20;
// A transaction is taken when there is room for this more: for small ones that were voted earlier,
// and for what the store's own files are larger than what is in them.
constexpr std::uint64_t kRoomMargin = 512 << 10;

std::size_t removals_in(const std::vector<TransactionRecord>& group) {
  return static_cast<std::size_t>(
      std::ranges::count(group, RecordKind::removal, &TransactionRecord::kind));
}

// The owner of a ticket; see server/native_session.h.
commit::OwnerId owner_of(commit::Ticket ticket) { return ticket >> 32; }

bool is_large(const server::SessionEffects::EngineCall& call) {
  const auto* const submit = std::get_if<server::SessionEffects::Submit>(&call);
  return submit != nullptr && submit->transaction.writes.size() + submit->transaction.reads.size() >
                                  StorageEngine::kObjectsAtOnceMax;
}

}  // namespace

Result<std::unique_ptr<StorageEngine>> StorageEngine::start(
    Options options, std::unique_ptr<storage::ObjectStore> store, const Clock& clock,
    WakeShard wake_shard, std::function<void(Error)> on_fatal) {
  std::unique_ptr<StorageEngine> engine(new StorageEngine(
      std::move(options), std::move(store), clock, std::move(wake_shard), std::move(on_fatal)));
  const storage::StoreSize size = engine->store_->size();
  engine->objects_.store(size.revisions);
  engine->bytes_.store(size.bytes);
  const Epoch last = engine->store_->last_position().epoch;
  engine->epoch_.store(last);
  if (engine->options_.leads) {
    // A process start never resumes an epoch.
    ASSIGN_OR_RETURN([[maybe_unused]] const Position begin, engine->lead(last.next(), false));
    engine->serve(false);  // shards begin at what is visible then
  }
  return engine;
}

StorageEngine::StorageEngine(Options options, std::unique_ptr<storage::ObjectStore> store,
                             const Clock& clock, WakeShard wake_shard,
                             std::function<void(Error)> on_fatal)
    : options_(std::move(options)),
      store_(std::move(store)),
      clock_(clock),
      wake_shard_(std::move(wake_shard)),
      board_(options_.shards),
      on_fatal_(std::move(on_fatal)),
      deliveries_(options_.shards),
      pacer_(options_.group_wait_max, options_.inline_sync_max) {}

StorageEngine::~StorageEngine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    writer_wakes_.notify_one();
  }
  if (writer_.joinable()) writer_.join();
}

Result<commit::Prefetched> StorageEngine::prefetch_outcome(const CommitId& commit_id) const {
  commit::Prefetched result;
  result.as_of = visible();
  if (commit_id.empty()) return result;
  ASSIGN_OR_RETURN(const std::optional<storage::Outcome> outcome, store_->find_outcome(commit_id));
  if (outcome && outcome->tid <= result.as_of) {
    result.outcome = {.aborted = outcome->kind == storage::Outcome::Kind::aborted,
                      .tid = outcome->tid};
  }
  result.outcome_horizon = store_->outcome_horizon();
  return result;
}

Result<> StorageEngine::prefetch_tids(const commit::StagedTransaction& transaction,
                                      commit::Prefetched& prefetched) const {
  std::vector<Oid> oids;
  oids.reserve(transaction.writes.size() + transaction.reads.size());
  for (const commit::StagedWrite& write : transaction.writes) oids.push_back(write.oid);
  for (const commit::ReadCheck& read : transaction.reads) oids.push_back(read.oid);
  ASSIGN_OR_RETURN(const std::vector<Tid> tids, store_->current_tids(oids, prefetched.as_of));
  const std::size_t writes = transaction.writes.size();
  prefetched.read_tids.assign(tids.begin() + static_cast<std::ptrdiff_t>(writes), tids.end());
  prefetched.writes.resize(writes);
  for (std::size_t i = 0; i < writes; ++i) {
    prefetched.writes[i] = {.current = tids[i]};
    if (!tids[i].is_zero() || !transaction.writes[i].as_file_storage) continue;
    ASSIGN_OR_RETURN(const auto newest, store_->history(oids[i], prefetched.as_of, 1));
    // Between the two reads a pack may have taken the deletion away.
    if (newest.empty() || newest[0].summary.kind != RevisionKind::deletion) continue;
    prefetched.writes[i].deleted = newest[0].tid;
  }
  return {};
}

void StorageEngine::call(commit::OwnerId owner, server::SessionEffects::EngineCall call) {
  if (apart_.keep(owner, call)) return;
  if (options_.run_apart && is_large(call)) {
    apart_.begin(owner, std::move(call));
    options_.run_apart([this, owner] { work_off(owner); });
  } else {
    carry_out(owner, std::move(call));
  }
}

void StorageEngine::work_off(commit::OwnerId owner) {
  while (std::optional<CallsApart::Step> step = apart_.next(owner)) {
    std::visit(Overloaded{[&](server::SessionEffects::EngineCall& call) {
                            carry_out(owner, std::move(call));
                          },
                          [&](const CallsApart::Lost&) { abort_all_of(owner); }},
               *step);
  }
}

void StorageEngine::carry_out(commit::OwnerId owner, server::SessionEffects::EngineCall call) {
  using E = server::SessionEffects;
  if (!leading_.load(std::memory_order_acquire)) {
    refuse(call);
    return;
  }
  std::visit(Overloaded{
                 [&](E::Submit& submit_call) { submit(owner, std::move(submit_call)); },
                 [&](E::QueryOutcome& query) { query_outcome(owner, query); },
                 [&](E::Finish& finish) {
                   std::unique_lock lock(mutex_);
                   if (failed_) return;
                   coordinator_->finish(finish.ticket, finish.reply_to, clock_.now(), effects_);
                   end_call(lock, owner);
                 },
                 [&](E::Abort& abort) {
                   std::unique_lock lock(mutex_);
                   if (failed_) return;
                   ++counters_.aborts;
                   coordinator_->abort(abort.ticket, clock_.now(), effects_);
                   end_call(lock, owner);
                 },
                 [&](E::AllocateOids& allocate) {
                   std::unique_lock lock(mutex_);
                   if (failed_) return;
                   if (Result<> more = accepts_more(); !more) {
                     lock.unlock();
                     reply_error(allocate.ticket, std::move(more).error());
                     return;
                   }
                   coordinator_->allocate_oids(allocate.ticket, owner, allocate.count, clock_.now(),
                                               effects_);
                   end_call(lock, owner);
                 },
             },
             call);
}

Result<> StorageEngine::accepts_more() const {
  if (draining_) return make_error(ErrorCode::shutting_down, "the server is stopping");
  RETURN_IF_ERROR(check_fed());
  if (open_size_ > kOpenGroupBytesMax) {
    return make_error(ErrorCode::unavailable, "the disk is behind; try again later");
  }
  return {};
}

Result<> StorageEngine::check_fed() const {
  if (!starved_) return {};
  return make_error(ErrorCode::out_of_space,
                    "commits wait for disk space; free some and try again");
}

Result<> StorageEngine::check_space() const {
  {
    const std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(check_fed());
  }
  return store_->check_room(kRoomMargin);
}

void StorageEngine::submit(commit::OwnerId owner, server::SessionEffects::Submit submit) {
  // What has its place in the log and finds no room keeps it, and all others wait: so only what
  // fits is taken, after all that was taken before.
  const RoomClaim claim(
      claimed_, storage::append_size(submit.transaction.metadata, submit.transaction.writes));
  Result<> more = store_->check_room(claimed_ + kRoomMargin);
  // A store that has failed may say so before the append under way does; after that nobody is
  // answered, so this is left to an append to tell.
  if (!more && more.error().code == ErrorCode::io_error) more = {};
  Result<commit::Prefetched> prefetched = prefetch_outcome(submit.transaction.commit_id);
  if (!prefetched) {
    reply_error(submit.ticket, std::move(prefetched).error());
    return;
  }
  std::unique_lock lock(mutex_);
  if (!coordinator_->recall_tids(submit.transaction, *prefetched)) {
    lock.unlock();
    if (Result<> read = prefetch_tids(submit.transaction, *prefetched); !read) {
      reply_error(submit.ticket, std::move(read).error());
      return;
    }
    lock.lock();
  }
  if (failed_) return;
  if (more) more = accepts_more();
  const commit::StagedTransaction& staged = submit.transaction;
  if (!more && !coordinator_->may_be_known(staged.commit_id, staged.begun, *prefetched)) {
    lock.unlock();
    reply_error(submit.ticket, std::move(more).error());
    return;
  }
  coordinator_->submit(submit.ticket, owner, std::move(submit.transaction), std::move(*prefetched),
                       submit.one_request, clock_.now(), effects_);
  end_call(lock, owner);
}

Result<> StorageEngine::append_pack(Tid horizon, bool collect_garbage) {
  RETURN_IF_ERROR(store_->check_space());
  std::unique_lock lock(mutex_);
  if (failed_) return make_error(ErrorCode::outcome_unknown, "the storage has failed");
  if (!coordinator_) return make_error(ErrorCode::not_primary, "only a primary packs");
  RETURN_IF_ERROR(accepts_more());
  wait_for_undos(lock, horizon);
  if (failed_) return make_error(ErrorCode::outcome_unknown, "the storage has failed");
  RETURN_IF_ERROR(accepts_more());
  coordinator_->append_pack(0, 0, horizon, collect_garbage, clock_.now(), effects_);
  std::optional<Tid> record;
  for (const TransactionRecord& appended : effects_.append) {
    if (appended.kind == RecordKind::pack) record = appended.tid;
  }
  end_call(lock);
  return record ? wait_visible(*record) : Result<>();
}

// Voted undos have their time to finish; those that come meanwhile do not prolong it.
void StorageEngine::wait_for_undos(std::unique_lock<std::mutex>& lock, Tid horizon) {
  const auto deadline = std::chrono::steady_clock::now() + options_.commit.vote_timeout;
  while (coordinator_->goes_back_to(horizon) && std::chrono::steady_clock::now() < deadline) {
    if (failed_ || !accepts_more()) return;
    drained_.wait_for(lock, kUndoPoll);
  }
}

Result<> StorageEngine::append_removal(Tid pack_record, std::vector<RevisionKey> keys,
                                       bool complete) {
  RETURN_IF_ERROR(store_->check_space());
  std::unique_lock lock(mutex_);
  if (failed_) return make_error(ErrorCode::outcome_unknown, "the storage has failed");
  if (!coordinator_) return make_error(ErrorCode::not_primary, "only a primary packs");
  RETURN_IF_ERROR(accepts_more());
  const std::optional<Tid> record =
      coordinator_->append_removal(pack_record, std::move(keys), complete, clock_.now(), effects_);
  if (!record) return make_error(ErrorCode::aborted, "there is nothing to remove for this pack");
  // Not end_call: commits would wait for a group that this thread writes, and it may be slow.
  run_effects(lock);
  wake_writer(lock);
  return wait_visible(*record);
}

Result<> StorageEngine::wait_visible(Tid record) {
  std::unique_lock lock(mutex_);
  ++awaited_;
  drained_.wait(lock, [&] { return failed_ || abandoned_ || visible() >= record; });
  --awaited_;
  if (visible() >= record) return {};
  if (!failed_) return make_error(ErrorCode::shutting_down, "the server is stopping");
  return make_error(ErrorCode::outcome_unknown,
                    "the storage ended before it had a record of the pack");
}

void StorageEngine::objects_removed(std::uint64_t count) {
  std::uint64_t before = objects_.load(std::memory_order_relaxed);
  while (!objects_.compare_exchange_weak(before, before - std::min(before, count),
                                         std::memory_order_relaxed)) {
  }
}

std::uint64_t StorageEngine::remove_blobs(std::span<const RevisionKey> removed) {
  std::uint64_t count = 0;
  if (options_.blobs == nullptr) return count;
  Result<> all = blobs::remove_packed(*options_.blobs, removed, count);
  if (!all && options_.warn) options_.warn(std::move(all).error());
  return count;
}

void StorageEngine::query_outcome(commit::OwnerId owner,
                                  const server::SessionEffects::QueryOutcome& query) {
  Result<commit::Prefetched> prefetched = prefetch_outcome(query.commit_id);
  if (!prefetched) {
    reply_error(query.ticket, std::move(prefetched).error());
    return;
  }
  std::unique_lock lock(mutex_);
  if (failed_) return;
  if (starved_ && !coordinator_->may_be_known(query.commit_id, query.begun, *prefetched)) {
    // It needs a tombstone.
    lock.unlock();
    reply_error(query.ticket, Error{ErrorCode::unavailable, "the disk is full; ask again later"});
    return;
  }
  coordinator_->query_outcome(query.ticket, owner, query.commit_id, query.begun, *prefetched,
                              clock_.now(), effects_);
  end_call(lock);
}

void StorageEngine::reply_error(commit::Ticket ticket, Error error) {
  std::unique_lock lock(mutex_);
  if (failed_) return;
  effects_.reply.push_back(
      {.ticket = ticket, .kind = CommitEffects::Reply::Kind::failed, .error = std::move(error)});
  end_call(lock);
}

void StorageEngine::owner_lost(commit::OwnerId owner) {
  CallsApart::Lost lost;
  if (!apart_.keep(owner, lost)) abort_all_of(owner);
}

void StorageEngine::abort_all_of(commit::OwnerId owner) {
  std::unique_lock lock(mutex_);
  if (failed_ || !coordinator_) return;
  coordinator_->owner_lost(owner, clock_.now(), effects_);
  end_call(lock);
}

void StorageEngine::run_effects(std::unique_lock<std::mutex>& lock) {
  while (true) {
    const std::uint64_t size = storage::append_size(effects_.append);
    open_size_ += size;
    claimed_ += size;
    for (TransactionRecord& record : effects_.append) open_group_.push_back(std::move(record));
    const std::vector<commit::Ticket> refetch = std::exchange(effects_.refetch, {});
    deliver_effects();
    effects_.clear();
    if (refetch.empty()) return;
    for (const commit::Ticket ticket : refetch) {
      const commit::StagedTransaction* staged = coordinator_->staged(ticket);
      if (staged == nullptr) continue;  // ended while the mutex was free
      commit::StagedTransaction wanted;
      wanted.commit_id = staged->commit_id;
      for (const auto& write : staged->writes) {
        wanted.writes.push_back({.oid = write.oid, .as_file_storage = write.as_file_storage});
      }
      wanted.reads = staged->reads;
      lock.unlock();
      Result<commit::Prefetched> prefetched = prefetch_outcome(wanted.commit_id);
      Result<> read;
      if (prefetched) read = prefetch_tids(wanted, *prefetched);
      if (!read) prefetched = std::unexpected(std::move(read).error());
      lock.lock();
      if (failed_) return;
      if (prefetched) {
        coordinator_->refetched(ticket, std::move(*prefetched), clock_.now(), effects_);
      } else {
        coordinator_->abort(ticket, clock_.now(), effects_);
        effects_.reply.push_back({.ticket = ticket,
                                  .kind = CommitEffects::Reply::Kind::failed,
                                  .error = std::move(prefetched).error()});
      }
    }
  }
}

void StorageEngine::deliver_effects() {
  std::shared_ptr<const std::vector<CommitEffects::Publish>> published;
  if (!effects_.publish.empty()) {
    visible_.store(effects_.publish.back().tid, std::memory_order_release);
    published = std::make_shared<const std::vector<CommitEffects::Publish>>(
        std::exchange(effects_.publish, {}));
  }
  if (!published && effects_.reply.empty() && effects_.close.empty()) return;
  for (CommitEffects::Reply& reply : effects_.reply) {
    if (reply.kind == CommitEffects::Reply::Kind::committed) ++counters_.commits;
    if (reply.kind == CommitEffects::Reply::Kind::conflicted) ++counters_.conflicts;
    deliveries_[owner_of(reply.ticket) % options_.shards].replies.push_back(std::move(reply));
  }
  for (const commit::OwnerId owner : effects_.close) {
    deliveries_[owner % options_.shards].close.push_back(owner);
  }
  if (published) {
    for (Delivery& delivery : deliveries_) delivery.published = published;
  }
  for (const std::size_t shard : board_.post(deliveries_)) wake_shard_(shard);
}

void StorageEngine::wake_writer(std::unique_lock<std::mutex>& lock) {
  const bool due = writer_is_due();
  lock.unlock();
  if (due) writer_wakes_.notify_one();
}

bool StorageEngine::writer_is_due() {
  // Who writes looks again when it is done.
  if (failed_ || writing_ || !coordinator_) return false;
  const bool group_is_worth_it = open_group_.size() >= wake_writer_at_;
  // A deadline before the one that the idle writer waits for: a vote was taken, or waits for locks.
  const bool deadline_moved =
      idle_until_ && coordinator_->next_deadline().value_or(kForever) < *idle_until_;
  if (!group_is_worth_it && !deadline_moved) return false;
  wake_writer_at_ = SIZE_MAX;
  idle_until_.reset();  // so that it is woken once
  return true;
}

void StorageEngine::drain(Duration timeout) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  drained_.wait_for(lock, timeout, [this] {
    return failed_ || !coordinator_ ||
           (open_group_.empty() && coordinator_->counts().in_flight == 0);
  });
  abandoned_ = true;
  drained_.notify_all();
}

commit::CommitCoordinator::Counts StorageEngine::counts() const {
  const std::lock_guard lock(mutex_);
  if (!coordinator_) return {};
  return coordinator_->counts();
}

StorageEngine::Counters StorageEngine::counters() const {
  const std::lock_guard lock(mutex_);
  Counters counters = counters_;
  counters.stores = stores_.load(std::memory_order_relaxed);
  return counters;
}

// ---- the log writer ----

void StorageEngine::end_call(std::unique_lock<std::mutex>& lock, commit::OwnerId owner) {
  const bool commits = !effects_.append.empty() && owner != 0;
  run_effects(lock);
  if (failed_) return;
  // Were there others on this thread, they would wait for the sync, and then be written one by one.
  const bool alone = !commits || std::exchange(last_committer_, owner) == owner;
  const bool writer_is_idle = idle_until_.has_value() && !writing_;
  if (writer_is_idle && !open_group_.empty() && !held_back_ && !waiting_ && alone &&
      pacer_.prefers_inline()) {
    const Result<> appended = append_group(lock);
    if (!appended && appended.error().code != ErrorCode::out_of_space) {
      fail(lock, appended.error());
      return;
    }
  }
  wake_writer(lock);
}

void StorageEngine::fail(std::unique_lock<std::mutex>& lock, Error why) {
  failed_ = true;
  stopping_ = true;
  drained_.notify_all();
  writer_wakes_.notify_one();
  lock.unlock();
  on_fatal_(std::move(why));
  lock.lock();
}

void StorageEngine::writer_main() {
  pthread_setname_np(pthread_self(), "log-writer");
  prctl(PR_SET_TIMERSLACK, 1000UL);  // group waits are tens of microseconds long
  std::unique_lock lock(mutex_);
  while (wait_for_group(lock)) {
    const Result<> appended = append_group(lock);
    if (appended) continue;
    if (appended.error().code != ErrorCode::out_of_space) {
      fail(lock, appended.error());
      return;
    }
    // Keep the order and wait for space. Whoever asks for more meanwhile is refused.
    coordinator_->tick(clock_.now(), effects_);
    run_effects(lock);
    writer_wakes_.wait_for(lock, kSpaceRetry, [this] { return stopping_; });
    if (stopping_) return;
  }
}

bool StorageEngine::wait_for_group(std::unique_lock<std::mutex>& lock) {
  while (!stopping_) {
    const Instant now = clock_.now().instant;
    // Whether it is worth waiting for more (server/group_pacer.h).
    const bool gathers = open_group_.size() < pacer_.target() && now < pacer_.deadline();
    if (writing_ || held_back_ || (open_group_.empty() && !gathers)) {
      wait_idle(lock);
      continue;
    }
    if (gathers) {
      wake_writer_at_ = pacer_.target();
      writer_wakes_.wait_for(lock, pacer_.deadline() - now);
      wake_writer_at_ = SIZE_MAX;
      continue;
    }
    pacer_.started(open_group_.size(), now);
    return true;
  }
  // What was sequenced is written before the end, if it can be.
  return !open_group_.empty() && !writing_ && !failed_ && !held_back_;
}

void StorageEngine::wait_idle(std::unique_lock<std::mutex>& lock) {
  const Now now = clock_.now();
  const Instant deadline = coordinator_->next_deadline().value_or(kForever);
  idle_until_ = std::min(deadline, now.instant + kIdleWaitMax);
  if (now.instant < deadline) {
    wake_writer_at_ = 1;
    writer_wakes_.wait_for(lock, *idle_until_ - now.instant);
    wake_writer_at_ = SIZE_MAX;
    idle_until_.reset();
    return;
  }
  idle_until_.reset();
  coordinator_->tick(now, effects_);
  run_effects(lock);
}

void StorageEngine::take_group() {
  writing_group_.clear();
  // Starved, one by one: what fits goes out.
  const std::uint64_t most = starved_ ? 0 : options_.group_bytes_max;
  if (open_size_ <= most) {
    writing_group_.swap(open_group_);
    writing_size_ = std::exchange(open_size_, 0);
    return;
  }
  writing_size_ = 0;
  const auto end = std::ranges::find_if(open_group_, [&](const TransactionRecord& record) {
    const std::uint64_t size = storage::append_size(std::span(&record, 1));
    const bool fits = &record == &open_group_.front() || writing_size_ + size <= most;
    if (fits) writing_size_ += size;
    return !fits;
  });
  writing_group_.assign(std::make_move_iterator(open_group_.begin()), std::make_move_iterator(end));
  open_group_.erase(open_group_.begin(), end);
  open_size_ -= writing_size_;
}

Result<> StorageEngine::append_group(std::unique_lock<std::mutex>& lock) {
  CHECK(!failed_ && !writing_, "one group is written at a time, none after a failure");
  writing_ = true;
  take_group();
  lock.unlock();
  const Instant began = clock_.now().instant;
  if (options_.observer != nullptr) {
    options_.observer->on_writing(store_->last_position(), writing_group_);
  }
  Result<Position> position = append_settled(writing_group_);
  if (position) claimed_ -= writing_size_;
  const Now now = clock_.now();
  lock.lock();
  writing_ = false;
  starved_ = !position && position.error().code == ErrorCode::out_of_space;
  if (!position) {
    if (position.error().code == ErrorCode::out_of_space) {
      // Nothing was written and nobody was answered: ahead of what came in meanwhile.
      open_group_.insert(open_group_.begin(), std::make_move_iterator(writing_group_.begin()),
                         std::make_move_iterator(writing_group_.end()));
      open_size_ += writing_size_;
      tell_held(lock);
    }
    return std::unexpected(std::move(position).error());
  }
  // Removals are no clients', who come back.
  if (const std::size_t commits = writing_group_.size() - removals_in(writing_group_)) {
    pace(position->tid, commits, began, now.instant);
  }
  if (failed_) return {};  // the reign has ended meanwhile
  group_durable(*position, now);
  coordinator_->tick(now, effects_);
  run_effects(lock);
  if (draining_ || awaited_ > 0) drained_.notify_all();
  tell_held(lock);
  return {};
}

}  // namespace zeolite::daemon
