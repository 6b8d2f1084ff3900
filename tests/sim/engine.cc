#include "sim/engine.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace zeolite::sim {
namespace {

commit::CommitCoordinator::Start start_of(const SimStore& store, Epoch epoch, Mutation mutation) {
  const storage::PackState pack = store.objects().pack_state();
  return {.epoch = epoch,
          .last_tid = mutation == Mutation::tids_by_clock_alone ? kNoTid : store.last().tid,
          .oid_mark = store.objects().oid_mark(),
          .pack_horizon = pack.horizon,
          .pack_record = pack.record,
          .pack_swept = pack.swept};
}

constexpr std::size_t kRemovedAtOnce = 5;
// So many of the first commits to one that leads alone bring their tids along.
constexpr std::uint64_t kRestored = 5;

Bytes encoded(std::int64_t balance) {
  std::string bytes;
  put_u64(bytes, static_cast<std::uint64_t>(balance));
  return Bytes::copy_of(bytes);
}

}  // namespace

Engine::Engine(SimStore& store, const Process& process, Epoch epoch, Outputs outputs,
               Mutation mutation)
    : store_(store),
      process_(process),
      outputs_(std::move(outputs)),
      mutation_(mutation),
      coordinator_({}, start_of(store, epoch, mutation), outputs_.now()) {}

void Engine::begin(const replication::action::Lead& lead) {
  using EpochTid = commit::CommitCoordinator::EpochTid;
  if (lead.alone) {
    alone_ = begun_ = true;
    coordinator_.begin_later(Oid(1));
    outputs_.begun(Position{});
    return;
  }
  coordinator_.begin_epoch(outputs_.now(), effects_,
                           lead.takeover ? EpochTid::clock : EpochTid::next);
  run();
}

void Engine::begin_log() {
  if (!std::exchange(alone_, false) || !coordinator_.begin().is_zero()) return;
  coordinator_.begin_epoch(outputs_.now(), effects_);
  run();
}

void Engine::serve(Tid visible) {
  serving_ = true;
  acknowledge(visible);
  if (!waiting_) acknowledge(store_.last().tid);
  sweep_next();
}

Tid Engine::set_waiting(bool on) {
  waiting_ = on && mutation_ != Mutation::never_waits;
  if (!waiting_ && serving_) acknowledge(store_.last().tid);
  return told_;
}

void Engine::acknowledge(Tid up_to) {
  if (!serving_ || up_to <= told_) return;
  told_ = up_to;
  // Readers see it before anybody is answered.
  outputs_.acknowledged(up_to);
  coordinator_.acknowledged(up_to, outputs_.now(), effects_);
  run();
  sweep_next();
}

void Engine::hold(std::function<void(Position)> held) {
  holding_ = true;
  held_ = std::move(held);
  tell_if_held();
}

void Engine::release() {
  holding_ = false;
  held_ = nullptr;
}

void Engine::tell_if_held() {
  if (holding_ && held_ && !appending_ && group_.empty()) {
    std::exchange(held_, nullptr)(store_.last());
  }
}

void Engine::tick() {
  coordinator_.tick(outputs_.now(), effects_);
  run();
  sweep_next();
}

// ---- packs --------------------------------------------------------------------------------------

void Engine::pack() {
  if (!takes_more()) return;
  coordinator_.append_pack(0, 0, visible(), false, outputs_.now(), effects_);
  run();
}

void Engine::sweep_next() {
  const storage::PackState pack = store_.objects().pack_state();
  if (!takes_more() || pack.swept || told_ < std::max(pack.record, removed_)) return;
  std::vector<RevisionKey> keys = removable(pack.horizon);
  const bool complete = keys.size() <= kRemovedAtOnce;
  if (!complete) keys.resize(kRemovedAtOnce);
  const std::optional<Tid> removal =
      coordinator_.append_removal(pack.record, std::move(keys), complete, outputs_.now(), effects_);
  if (removal) removed_ = *removal;
  run();
}

// All revisions but those that are current at the horizon, and those after it.
std::vector<RevisionKey> Engine::removable(Tid horizon) const {
  std::vector<RevisionKey> keys;
  for (std::size_t account = 0; account < kAccounts; ++account) {
    const Oid oid(account + 1);
    bool current = mutation_ != Mutation::current_removed;
    for (Tid before = kMaxTid;;) {
      const storage::Loaded loaded =
          store_.objects().load_before(oid, before, horizon, storage::ReadTier::disk).value();
      if (loaded.status != storage::LoadStatus::found) break;
      before = loaded.tid;
      if (!std::exchange(current, false)) keys.push_back({.oid = oid, .tid = loaded.tid});
    }
  }
  return keys;
}

commit::Ticket Engine::ticket_for(Caller caller) {
  callers_[next_ticket_] = caller;
  return next_ticket_++;
}

void Engine::refuse(Caller caller, ErrorCode error) {
  outputs_.reply(caller,
                 {.kind = CommitReply::Kind::failed, .tid = {}, .error = error, .leader = {}});
}

commit::Prefetched Engine::prefetch(const commit::StagedTransaction& staged) const {
  commit::Prefetched result;
  result.as_of = visible();
  std::vector<Oid> oids;
  for (const commit::StagedWrite& write : staged.writes) oids.push_back(write.oid);
  const auto tids = store_.objects().current_tids(oids, result.as_of);
  for (const Tid tid : *tids) result.writes.push_back({.current = tid});
  if (mutation_ == Mutation::conflicts_not_looked_up) {
    for (std::size_t at = 0; at < oids.size(); ++at) {
      result.writes[at].current = staged.writes[at].base;
    }
  }
  result.outcome_horizon = store_.objects().outcome_horizon();
  const auto outcome = store_.objects().find_outcome(staged.commit_id).value();
  const bool aborted = outcome && outcome->kind == storage::Outcome::Kind::aborted;
  if (aborted && mutation_ == Mutation::tombstone_not_looked_up) return result;
  if (outcome && outcome->tid <= result.as_of) {
    result.outcome = {.aborted = aborted, .tid = outcome->tid};
  }
  return result;
}

void Engine::commit(Caller caller, const CommitRequest& request) {
  if (!serving_) return refuse(caller, ErrorCode::not_primary);
  if (holding_) return refuse(caller, ErrorCode::unavailable);
  if (store_.full()) return refuse(caller, ErrorCode::out_of_space);
  commit::StagedTransaction staged;
  staged.commit_id = request.id;
  staged.begun = request.begun;
  for (const CommitRequest::Write& write : request.writes) {
    staged.writes.push_back(
        {.oid = Oid(write.account + 1), .base = write.base, .data = encoded(write.balance)});
  }
  if (alone_ && coordinator_.begin().is_zero() && restored_ < kRestored) {
    staged.fixed_tid = Tid(++restored_);
  }
  commit::Prefetched prefetched = prefetch(staged);
  coordinator_.submit(ticket_for(caller), caller.connection, std::move(staged),
                      std::move(prefetched), true, outputs_.now(), effects_);
  run();
}

void Engine::query(Caller caller, const OutcomeRequest& request) {
  if (!serving_) return refuse(caller, ErrorCode::not_primary);
  if (holding_) return refuse(caller, ErrorCode::unavailable);
  if (store_.full()) return refuse(caller, ErrorCode::out_of_space);
  commit::StagedTransaction asked;
  asked.commit_id = request.id;
  if (mutation_ == Mutation::tombstone_not_written && !prefetch(asked).outcome) {
    outputs_.reply(caller, {.kind = CommitReply::Kind::aborted});
    return;
  }
  coordinator_.query_outcome(ticket_for(caller), caller.connection, request.id, request.begun,
                             prefetch(asked), outputs_.now(), effects_);
  run();
}

void Engine::run() {
  while (!effects_.empty()) {
    commit::CommitEffects effects = std::exchange(effects_, {});
    for (TransactionRecord& record : effects.append) group_.push_back(std::move(record));
    for (const commit::Ticket ticket : effects.refetch) refetch(ticket);
    for (const auto& reply : effects.reply) answer(reply);
  }
  append_next();
  tell_if_held();
}

void Engine::refetch(commit::Ticket ticket) {
  const commit::StagedTransaction* const staged = coordinator_.staged(ticket);
  if (staged == nullptr) return;
  coordinator_.refetched(ticket, prefetch(*staged), outputs_.now(), effects_);
}

void Engine::append_next() {
  if (appending_ || group_.empty()) return;
  appending_ = true;
  store_.append(
      process_, std::exchange(group_, {}),
      [this](const Result<Position>& last) { on_durable(last.value()); }, SimStore::Room::reserve);
  if (begun_) outputs_.sequenced();
}

void Engine::on_durable(const Position& last) {
  appending_ = false;
  if (!begun_) {
    begun_ = true;
    outputs_.begun(last);
    outputs_.sequenced();
  } else {
    outputs_.durable(last);
  }
  if (!waiting_) acknowledge(last.tid);
  append_next();
  tell_if_held();
}

void Engine::answer(const commit::CommitEffects::Reply& reply) {
  using Kind = commit::CommitEffects::Reply::Kind;
  const auto caller = callers_.find(reply.ticket);
  if (caller == callers_.end()) return;
  CommitReply told{.tid = reply.tid, .leader = {}};
  if (reply.kind == Kind::committed) {
    told.kind = CommitReply::Kind::committed;
  } else if (reply.kind == Kind::conflicted) {
    told.kind = CommitReply::Kind::conflicted;
  } else if (reply.kind == Kind::aborted ||
             (reply.kind == Kind::failed && reply.error.code == ErrorCode::aborted)) {
    told.kind = CommitReply::Kind::aborted;
  } else {
    told.error = reply.error.code;
  }
  outputs_.reply(caller->second, std::move(told));
  callers_.erase(caller);
}

}  // namespace zeolite::sim
