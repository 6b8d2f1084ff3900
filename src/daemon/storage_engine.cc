#include "daemon/storage_engine.h"

#include <pthread.h>
#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::daemon {

namespace {

using commit::CommitEffects;

// A refused append is tried again this often until there is space.
constexpr auto kSpaceRetry = std::chrono::milliseconds(200);
// Later than any deadline.
constexpr Instant kForever{Duration::max()};
// How long the idle writer sleeps at a time.
constexpr Duration kIdleWaitMax = std::chrono::hours(1);
// The owner of a ticket; see server/native_session.h.
commit::OwnerId owner_of(commit::Ticket ticket) { return ticket >> 32; }

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

}  // namespace

Result<std::unique_ptr<StorageEngine>> StorageEngine::start(
    Options options, std::unique_ptr<storage::ObjectStore> store, const Clock& clock,
    Deliver deliver, std::function<void(Error)> on_fatal) {
  std::unique_ptr<StorageEngine> engine(new StorageEngine(
      std::move(options), std::move(store), clock, std::move(deliver), std::move(on_fatal)));
  RETURN_IF_ERROR(engine->begin_epoch());
  engine->writer_ = std::thread([raw = engine.get()] { raw->writer_main(); });
  return engine;
}

StorageEngine::StorageEngine(Options options, std::unique_ptr<storage::ObjectStore> store,
                             const Clock& clock, Deliver deliver,
                             std::function<void(Error)> on_fatal)
    : options_(std::move(options)),
      store_(std::move(store)),
      clock_(clock),
      deliver_(std::move(deliver)),
      on_fatal_(std::move(on_fatal)),
      deliveries_(options_.shards),
      pacer_(options_.group_wait_max) {}

StorageEngine::~StorageEngine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    writer_wakes_.notify_one();
  }
  if (writer_.joinable()) writer_.join();
}

Result<> StorageEngine::begin_epoch() {
  const Position last = store_->last_position();
  epoch_ = last.epoch.next();  // a process start never resumes an epoch
  const Now now = clock_.now();
  coordinator_ = std::make_unique<commit::CommitCoordinator>(
      options_.commit, commit::CommitCoordinator::Start{epoch_, last.tid, store_->oid_mark()}, now);
  coordinator_->begin_epoch(now, effects_);
  ASSIGN_OR_RETURN(const Position position, store_->append(effects_.append));
  effects_.clear();
  coordinator_->acknowledged(position.tid, now, effects_);
  effects_.clear();
  visible_.store(position.tid, std::memory_order_release);
  return {};
}

Result<commit::Prefetched> StorageEngine::prefetch(const commit::StagedTransaction& transaction,
                                                   const CommitId& commit_id) const {
  commit::Prefetched result;
  result.as_of = visible();
  std::vector<Oid> oids;
  oids.reserve(transaction.writes.size() + transaction.reads.size());
  for (const commit::StagedWrite& write : transaction.writes) oids.push_back(write.oid);
  for (const commit::ReadCheck& read : transaction.reads) oids.push_back(read.oid);
  ASSIGN_OR_RETURN(std::vector<Tid> tids, store_->current_tids(oids, result.as_of));
  const auto split = tids.begin() + static_cast<std::ptrdiff_t>(transaction.writes.size());
  result.read_tids.assign(split, tids.end());
  tids.erase(split, tids.end());
  result.write_tids = std::move(tids);
  if (!commit_id.empty()) {
    ASSIGN_OR_RETURN(const std::optional<storage::Outcome> outcome,
                     store_->find_outcome(commit_id));
    if (outcome && outcome->tid <= result.as_of) {
      result.outcome = {.aborted = outcome->kind == storage::Outcome::Kind::aborted,
                        .tid = outcome->tid};
    }
    result.outcome_horizon = store_->outcome_horizon();
  }
  return result;
}

void StorageEngine::call(commit::OwnerId owner, server::SessionEffects::EngineCall call) {
  using E = server::SessionEffects;
  std::visit(Overloaded{
                 [&](E::Submit& submit_call) { submit(owner, std::move(submit_call)); },
                 [&](E::QueryOutcome& query) { query_outcome(owner, query); },
                 [&](E::Finish& finish) {
                   std::unique_lock lock(mutex_);
                   if (failed_) return;
                   coordinator_->finish(finish.ticket, finish.reply_to, clock_.now(), effects_);
                   run_effects(lock);
                 },
                 [&](E::Abort& abort) {
                   std::unique_lock lock(mutex_);
                   if (failed_) return;
                   ++counters_.aborts;
                   coordinator_->abort(abort.ticket, clock_.now(), effects_);
                   run_effects(lock);
                 },
                 [&](E::AllocateOids& allocate) {
                   std::unique_lock lock(mutex_);
                   if (failed_) return;
                   coordinator_->allocate_oids(allocate.ticket, owner, allocate.count, clock_.now(),
                                               effects_);
                   run_effects(lock);
                 },
             },
             call);
}

void StorageEngine::submit(commit::OwnerId owner, server::SessionEffects::Submit submit) {
  if (Result<> space = store_->check_space(); !space) {
    reply_error(submit.ticket, std::move(space).error());
    return;
  }
  Result<commit::Prefetched> prefetched =
      prefetch(submit.transaction, submit.transaction.commit_id);
  if (!prefetched) {
    reply_error(submit.ticket, std::move(prefetched).error());
    return;
  }
  std::unique_lock lock(mutex_);
  if (failed_) return;
  if (draining_) {
    lock.unlock();
    reply_error(submit.ticket, Error{ErrorCode::shutting_down, "the server is stopping"});
    return;
  }
  coordinator_->submit(submit.ticket, owner, std::move(submit.transaction), std::move(*prefetched),
                       submit.one_request, clock_.now(), effects_);
  run_effects(lock);
}

void StorageEngine::query_outcome(commit::OwnerId owner,
                                  const server::SessionEffects::QueryOutcome& query) {
  Result<commit::Prefetched> prefetched = prefetch({}, query.commit_id);
  if (!prefetched) {
    reply_error(query.ticket, std::move(prefetched).error());
    return;
  }
  std::unique_lock lock(mutex_);
  if (failed_) return;
  coordinator_->query_outcome(query.ticket, owner, query.commit_id, query.begun, *prefetched,
                              clock_.now(), effects_);
  run_effects(lock);
}

void StorageEngine::reply_error(commit::Ticket ticket, Error error) {
  std::unique_lock lock(mutex_);
  if (failed_) return;
  effects_.reply.push_back(
      {.ticket = ticket, .kind = CommitEffects::Reply::Kind::failed, .error = std::move(error)});
  run_effects(lock);
}

void StorageEngine::owner_lost(commit::OwnerId owner) {
  std::unique_lock lock(mutex_);
  if (failed_) return;
  coordinator_->owner_lost(owner, clock_.now(), effects_);
  run_effects(lock);
}

void StorageEngine::run_effects(std::unique_lock<std::mutex>& lock) {
  while (true) {
    for (TransactionRecord& record : effects_.append) open_group_.push_back(std::move(record));
    const std::vector<commit::Ticket> refetch = std::exchange(effects_.refetch, {});
    deliver_effects();
    effects_.clear();
    wake_writer();
    if (refetch.empty()) return;
    for (const commit::Ticket ticket : refetch) {
      const commit::StagedTransaction* staged = coordinator_->staged(ticket);
      if (staged == nullptr) continue;  // ended while the mutex was free
      commit::StagedTransaction wanted;
      wanted.commit_id = staged->commit_id;
      for (const auto& write : staged->writes) wanted.writes.push_back({.oid = write.oid});
      wanted.reads = staged->reads;
      lock.unlock();
      Result<commit::Prefetched> prefetched = prefetch(wanted, wanted.commit_id);
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
  for (std::size_t shard = 0; shard < options_.shards; ++shard) {
    Delivery& delivery = deliveries_[shard];
    delivery.published = published;
    if (!delivery.published && delivery.replies.empty() && delivery.close.empty()) continue;
    deliver_(shard, std::exchange(delivery, {}));
  }
}

void StorageEngine::wake_writer() {
  const bool group_is_worth_it = open_group_.size() >= wake_writer_at_;
  // A deadline before the one that the idle writer waits for: a vote was taken, or waits for locks.
  const bool deadline_moved =
      idle_until_ && coordinator_->next_deadline().value_or(kForever) < *idle_until_;
  if (!group_is_worth_it && !deadline_moved) return;
  wake_writer_at_ = SIZE_MAX;
  idle_until_.reset();
  writer_wakes_.notify_one();
}

void StorageEngine::drain(Duration timeout) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  drained_.wait_for(lock, timeout, [this] {
    return failed_ || (open_group_.empty() && coordinator_->counts().in_flight == 0);
  });
}

commit::CommitCoordinator::Counts StorageEngine::counts() const {
  const std::lock_guard lock(mutex_);
  return coordinator_->counts();
}

StorageEngine::Counters StorageEngine::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

// ---- the log writer
// ------------------------------------------------------------------------------

void StorageEngine::writer_main() {
  pthread_setname_np(pthread_self(), "log-writer");
  prctl(PR_SET_TIMERSLACK, 1000UL);  // group waits are tens of microseconds long
  std::unique_lock lock(mutex_);
  while (wait_for_group(lock)) {
    if (Result<> appended = append_group(lock); !appended) {
      failed_ = true;
      drained_.notify_all();
      lock.unlock();
      on_fatal_(std::move(appended).error());
      return;
    }
    if (draining_) drained_.notify_all();
  }
}

bool StorageEngine::wait_for_group(std::unique_lock<std::mutex>& lock) {
  while (open_group_.empty()) {
    if (stopping_) return false;
    const Now now = clock_.now();
    idle_until_ = coordinator_->next_deadline().value_or(kForever);
    if (now.instant >= *idle_until_) {
      idle_until_.reset();
      coordinator_->tick(now, effects_);
      run_effects(lock);
      continue;
    }
    wake_writer_at_ = 1;
    writer_wakes_.wait_for(lock, std::min(*idle_until_ - now.instant, kIdleWaitMax));
    idle_until_.reset();
  }
  // A group is there; see whether it is worth waiting for more (server/group_pacer.h).
  while (open_group_.size() < pacer_.target() && !stopping_) {
    const Instant now = clock_.now().instant;
    if (now >= pacer_.deadline()) break;
    wake_writer_at_ = pacer_.target();
    writer_wakes_.wait_for(lock, pacer_.deadline() - now);
  }
  wake_writer_at_ = SIZE_MAX;
  pacer_.started(open_group_.size(), clock_.now().instant);
  return true;
}

Result<> StorageEngine::append_group(std::unique_lock<std::mutex>& lock) {
  writing_group_.clear();
  writing_group_.swap(open_group_);
  lock.unlock();
  const Instant began = clock_.now().instant;
  Result<Position> position = store_->append(writing_group_);
  while (!position && position.error().code == ErrorCode::out_of_space) {
    // Nothing was written and nobody was answered: keep the order and wait for space. New
    // transactions are refused meanwhile (submit).
    lock.lock();
    const bool give_up = stopping_;
    lock.unlock();
    if (give_up) break;
    std::this_thread::sleep_for(kSpaceRetry);
    position = store_->append(writing_group_);
  }
  const Now now = clock_.now();
  lock.lock();
  if (!position) return std::unexpected(std::move(position).error());
  coordinator_->acknowledged(position->tid, now, effects_);
  run_effects(lock);
  pacer_.answered(writing_group_.size(), now.instant - began, now.instant);
  pacer_.start_waiting(open_group_.size());
  coordinator_->tick(now, effects_);
  run_effects(lock);
  return {};
}

}  // namespace zeolite::daemon
