// StorageEngine: its part in replication. What is being followed is appended by the
// StandbyApplier; here is how a reign begins, waits for standbys and ends.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "daemon/log_news.h"
#include "daemon/storage_engine.h"

namespace zeolite::daemon {

using commit::CommitEffects;
using server::GroupPacer;

namespace {

// How long somebody waits for the first record of a log.
constexpr auto kBeginTimeout = std::chrono::seconds(3);

}  // namespace

void StorageEngine::make_coordinator(Epoch epoch, Now now) {
  const storage::PackState pack = store_->pack_state();
  coordinator_ = std::make_unique<commit::CommitCoordinator>(
      options_.commit,
      commit::CommitCoordinator::Start{.epoch = epoch,
                                       .last_tid = store_->last_position().tid,
                                       .oid_mark = store_->oid_mark(),
                                       .pack_horizon = pack.horizon,
                                       .pack_record = pack.record,
                                       .pack_swept = pack.swept},
      now);
}

Result<Position> StorageEngine::lead(Epoch epoch, bool takeover) {
  const std::lock_guard lock(mutex_);
  CHECK(!coordinator_, "a reign begins once");
  CHECK(epoch > store_->last_position().epoch, "every reign has an epoch of its own");
  const Now now = clock_.now();
  make_coordinator(epoch, now);
  using EpochTid = commit::CommitCoordinator::EpochTid;
  coordinator_->begin_epoch(now, effects_, takeover ? EpochTid::clock : EpochTid::next);
  if (options_.observer != nullptr) {
    options_.observer->on_writing(store_->last_position(), effects_.append);
  }
  Result<Position> position = store_->append(effects_.append);
  effects_.clear();
  if (!position) return position;
  epoch_.store(epoch);
  set_durable(*position);
  if (options_.observer != nullptr) options_.observer->on_durable(*position);
  return position;
}

Result<Position> StorageEngine::lead_alone(Epoch epoch) {
  const std::lock_guard lock(mutex_);
  CHECK(!coordinator_ && store_->last_position() == Position{}, "the first reign of all");
  make_coordinator(epoch, clock_.now());
  const std::uint64_t lent = options_.commit.oid_reserve / 2;
  const Oid reserved(store_->oid_mark().value() + 1 + lent);
  RETURN_IF_ERROR(store_->reserve_oids(reserved));
  coordinator_->begin_later(reserved);
  epoch_.store(epoch);
  alone_ = true;
  return Position{};
}

Result<> StorageEngine::begin_log() {
  std::unique_lock lock(mutex_);
  if (!alone_ || failed_) return {};
  if (coordinator_->begin().is_zero()) {
    RETURN_IF_ERROR(accepts_more());
    RETURN_IF_ERROR(store_->check_space());
    coordinator_->begin_epoch(clock_.now(), effects_);
  }
  const Tid begin = coordinator_->begin();
  end_call(lock);
  if (!lock.owns_lock()) lock.lock();
  ++awaited_;
  drained_.wait_for(lock, kBeginTimeout, [&] { return failed_ || visible() >= begin; });
  --awaited_;
  if (visible() < begin) {
    return make_error(ErrorCode::unavailable, "the log could not be begun yet; ask again");
  }
  alone_ = false;
  return {};
}

void StorageEngine::serve() { serve(true); }

void StorageEngine::serve(bool tell_shards) {
  std::unique_lock lock(mutex_);
  CHECK(coordinator_ && !writer_.joinable(), "what was begun is served once");
  if (failed_) return;
  // The epoch record: with it all that the reign inherited.
  const Tid begin = store_->last_position().tid;
  if (tell_shards && !visible().is_zero()) {
    // For those who read before the reign and were not told of it.
    Result<std::vector<CommitEffects::Publish>> news = log_news(*store_, visible(), begin);
    if (!news) {
      fail(lock, std::move(news).error());
      return;
    }
    effects_.publish = *std::move(news);
    // Of the last the coordinator tells by itself.
    if (!effects_.publish.empty()) effects_.publish.pop_back();
  }
  coordinator_->acknowledged(begin, clock_.now(), effects_);
  if (tell_shards) {
    run_effects(lock);
  } else {
    effects_.clear();
    visible_.store(begin, std::memory_order_release);
  }
  leading_.store(true, std::memory_order_release);
  writer_ = std::thread([this] { writer_main(); });
}

void StorageEngine::show(std::vector<CommitEffects::Publish> published) {
  if (published.empty()) return;
  std::unique_lock lock(mutex_);
  if (failed_) return;
  CHECK(!leading_ && published.front().tid > visible(), "what is shown moves forward");
  effects_.publish = std::move(published);
  deliver_effects();
  effects_.clear();
}

// A call that only a primary carries out.
void StorageEngine::refuse(const server::SessionEffects::EngineCall& call) {
  using E = server::SessionEffects;
  const auto ticket = std::visit(
      [](const auto& request) -> commit::Ticket {
        using T = std::decay_t<decltype(request)>;
        if constexpr (std::is_same_v<T, E::Abort>) {
          return 0;
        } else if constexpr (std::is_same_v<T, E::Finish>) {
          return request.reply_to;
        } else {
          return request.ticket;
        }
      },
      call);
  if (ticket == 0) return;
  reply_error(ticket,
              Error{ErrorCode::not_primary, "this server is a standby; write to the primary"});
}

Result<Position> StorageEngine::append_settled(std::span<const TransactionRecord> records) {
  const std::lock_guard lock(settling_);
  Result<Position> last = store_->append(records);
  if (last) settle(records);
  return last;
}

void StorageEngine::wait_settled() const { const std::lock_guard lock(settling_); }

void StorageEngine::settle(std::span<const TransactionRecord> records) {
  std::uint64_t objects = 0;
  std::uint64_t stores = 0;
  std::uint64_t bytes = 0;
  for (const TransactionRecord& record : records) {
    stores += record.writes.size();
    for (const ObjectWrite& write : record.writes) {
      bytes += write.data.size();
      if (write.previous.is_zero() && write.kind != RevisionKind::deletion) ++objects;
      if (write.staged_blob.empty() || options_.blobs == nullptr) continue;
      // A blob that cannot be named now is readable under its old name, and named later.
      if (Result<> named = options_.blobs->install(write.staged_blob, write.oid, record.tid);
          !named && options_.warn) {
        options_.warn(std::move(named).error());
      }
    }
  }
  objects_.fetch_add(objects, std::memory_order_relaxed);
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  stores_.fetch_add(stores, std::memory_order_relaxed);
}

void StorageEngine::pace(Tid last, std::size_t commits, Instant began, Instant now) {
  if (waiting_) {
    unconfirmed_.push_back({last, commits, began});
    pacer_.written(commits, open_group_.size(), now - began, now);
    return;
  }
  pacer_.answered(commits, now - began, now);
  pacer_.start_waiting(open_group_.size());
}

void StorageEngine::pace_confirmed(Tid up_to, Instant now) {
  const std::size_t before = unconfirmed_.size();
  while (!unconfirmed_.empty() && unconfirmed_.front().last <= up_to) {
    const Unconfirmed group = unconfirmed_.front();
    unconfirmed_.pop_front();
    pacer_.confirmed(group.commits, now - group.began, unconfirmed_.empty(), now);
  }
  if (unconfirmed_.size() == before) return;
  const Instant held_until = pacer_.deadline();
  pacer_.start_waiting(open_group_.size());
  // The writer has waited for this answer; from now on it waits for those who got it.
  if (wake_writer_at_ == GroupPacer::kNoTarget) wake_writer_at_ = pacer_.target();
  if (pacer_.deadline() < held_until) writer_wakes_.notify_one();
}

void StorageEngine::group_durable(const Position& last, Now now) {
  set_durable(last);
  if (!waiting_) coordinator_->acknowledged(last.tid, now, effects_);
  if (options_.observer != nullptr) options_.observer->on_durable(last);
}

Position StorageEngine::durable_end() const {
  {
    const std::lock_guard lock(durable_mutex_);
    if (!durable_.tid.is_zero()) return durable_;
  }
  return store_->last_position();
}

void StorageEngine::set_durable(const Position& last) {
  const std::lock_guard lock(durable_mutex_);
  durable_ = last;
}

Tid StorageEngine::set_waiting(bool on) {
  std::unique_lock lock(mutex_);
  waiting_ = on;
  if (failed_ || !coordinator_) return visible();
  const Tid durable = durable_end().tid;
  if (!on && leading_ && durable > visible()) {
    const Now now = clock_.now();
    pace_confirmed(durable, now.instant);
    coordinator_->acknowledged(durable, now, effects_);
    run_effects(lock);
    if (draining_ || awaited_ > 0) drained_.notify_all();
  }
  return visible();
}

void StorageEngine::acknowledge(Tid up_to) {
  std::unique_lock lock(mutex_);
  if (failed_ || up_to <= visible()) return;
  CHECK(up_to <= durable_end().tid, "what is acknowledged is durable");
  const Now now = clock_.now();
  pace_confirmed(up_to, now.instant);
  coordinator_->acknowledged(up_to, now, effects_);
  const bool watched = draining_ || awaited_ > 0;
  end_call(lock);
  if (watched) drained_.notify_all();
}

void StorageEngine::hold_commits(std::function<void(Position)> held) {
  std::unique_lock lock(mutex_);
  held_back_ = true;
  held_ = std::move(held);
  tell_held(lock);
}

void StorageEngine::tell_held(std::unique_lock<std::mutex>& lock) {
  if (!held_back_ || writing_ || !held_) return;
  const std::function<void(Position)> held = std::exchange(held_, nullptr);
  lock.unlock();
  held(store_->last_position());
  lock.lock();
}

void StorageEngine::release_commits() {
  std::unique_lock lock(mutex_);
  held_back_ = false;
  held_ = nullptr;
  if (failed_) return;
  writer_wakes_.notify_one();
}

void StorageEngine::abandon() {
  const std::lock_guard lock(mutex_);
  failed_ = true;
  stopping_ = true;
  drained_.notify_all();
  writer_wakes_.notify_one();
}

}  // namespace zeolite::daemon
