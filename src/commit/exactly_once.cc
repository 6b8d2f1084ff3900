// The part of CommitCoordinator that knows commits by their id: repeats, outcomes, tombstones.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "commit/commit_coordinator.h"

namespace zeolite::commit {
namespace {

using Reply = CommitEffects::Reply;

// How a commit that ended at `tid` is answered to who asks for it (query) or submits it again.
Reply ended(Ticket ticket, bool aborted, Tid tid, bool query) {
  if (aborted && !query) {
    return Reply::failure(
        ticket, ErrorCode::aborted,
        "This commit was given up when its outcome was asked for; begin a new one.");
  }
  Reply reply;
  reply.ticket = ticket;
  reply.kind = aborted ? Reply::Kind::aborted : Reply::Kind::committed;
  reply.tid = tid;
  return reply;
}

Reply pending(Ticket ticket) {
  return Reply::failure(ticket, ErrorCode::unavailable,
                        "This commit is not decided yet; ask again.");
}

// To a request whose answer a later request with the same commit id will get.
Reply taken_over(Ticket ticket) {
  return Reply::failure(ticket, ErrorCode::outcome_unknown,
                        "The same commit was sent again; that request is told the outcome.");
}

bool same_objects(const StagedTransaction& a, const StagedTransaction& b) {
  return std::ranges::equal(a.writes, b.writes, {}, &StagedWrite::oid, &StagedWrite::oid) &&
         std::ranges::equal(a.reads, b.reads, {}, &ReadCheck::oid, &ReadCheck::oid);
}

}  // namespace

std::optional<Reply> CommitCoordinator::known_outcome(Ticket ticket, const CommitId& id, Tid begun,
                                                      const Prefetched& prefetched,
                                                      bool query) const {
  if (const auto recent = recent_outcomes_.find(id)) {
    return ended(ticket, recent->value, recent->tid, query);
  }
  if (const auto& stored = prefetched.outcome) {
    return ended(ticket, stored->aborted, stored->tid, query);
  }
  if (begun < prefetched.outcome_horizon) {
    return Reply::failure(
        ticket, ErrorCode::expired,
        "This commit is older than the outcomes that are kept; it may have happened.");
  }
  return std::nullopt;
}

bool CommitCoordinator::repeat_of_attempt(Ticket ticket, OwnerId owner,
                                          const StagedTransaction& staged, Prefetched& prefetched,
                                          bool one_request, Now now, CommitEffects& effects) {
  const auto found = attempts_.find(staged.commit_id);
  if (found == attempts_.end()) return false;
  Transaction* transaction = found->second.transaction;
  if (transaction == nullptr) {
    found->second.record->waiters.push_back({.ticket = ticket, .owner = owner});
    return true;
  }
  switch (transaction->state) {
    case State::voted:
      effects.reply.push_back(pending(ticket));
      break;
    case State::sequenced:
      if (transaction->reply_to != 0) effects.reply.push_back(taken_over(transaction->reply_to));
      transaction->reply_to = ticket;
      transaction->owner = owner;
      break;
    case State::waiting:
    case State::refetching:
      if (same_objects(transaction->staged, staged)) {
        take_over(*transaction, ticket, owner, std::move(prefetched), one_request, now, effects);
      } else {
        effects.reply.push_back(Reply::failure(ticket, ErrorCode::invalid_argument,
                                               "This commit id is in use for other objects."));
      }
      break;
  }
  return true;
}

void CommitCoordinator::take_over(Transaction& transaction, Ticket ticket, OwnerId owner,
                                  Prefetched prefetched, bool one_request, Now now,
                                  CommitEffects& effects) {
  effects.reply.push_back(taken_over(transaction.reply_to));
  const auto deadline = transaction.deadline;
  set_deadline(transaction, std::nullopt);
  auto node = transactions_.extract(transaction.ticket);
  node.key() = ticket;
  const auto placed = transactions_.insert(std::move(node));
  CHECK(placed.inserted, "a ticket names one transaction");
  transaction.ticket = transaction.reply_to = ticket;
  transaction.locks.tag = ticket;
  transaction.owner = owner;
  transaction.one_request = one_request;
  set_deadline(transaction, deadline);
  if (prefetched.as_of >= transaction.prefetched.as_of) {
    transaction.prefetched = std::move(prefetched);
  }
  // Nobody will answer the refetch that the earlier ticket was to get.
  if (transaction.state == State::refetching) judge(transaction, now, effects);
  judge_granted(now, effects);
}

void CommitCoordinator::publish_outcome(const Sequenced& record, CommitEffects& effects) {
  const bool aborted = record.kind == RecordKind::tombstone;
  recent_outcomes_.record(record.tid, record.commit_id, aborted);
  attempts_.erase(record.commit_id);
  for (const Waiter& waiter : record.waiters) {
    effects.reply.push_back(ended(waiter.ticket, aborted, record.tid, waiter.query));
  }
}

bool CommitCoordinator::may_be_known(const CommitId& commit_id, Tid begun,
                                     const Prefetched& prefetched) const {
  if (commit_id.empty()) return false;
  return attempts_.contains(commit_id) || !recent_outcomes_.covers(prefetched.as_of) ||
         known_outcome(0, commit_id, begun, prefetched, true).has_value();
}

void CommitCoordinator::query_outcome(Ticket ticket, OwnerId owner, const CommitId& commit_id,
                                      Tid begun, const Prefetched& prefetched, Now now,
                                      CommitEffects& effects) {
  if (commit_id.empty()) {
    effects.reply.push_back(Reply::failure(ticket, ErrorCode::invalid_argument,
                                           "The outcome of a commit without an id."));
    return;
  }
  if (const auto found = attempts_.find(commit_id); found != attempts_.end()) {
    if (Sequenced* record = found->second.record) {
      record->waiters.push_back({.ticket = ticket, .owner = owner, .query = true});
    } else {
      effects.reply.push_back(pending(ticket));
    }
    return;
  }
  if (auto known = known_outcome(ticket, commit_id, begun, prefetched, true)) {
    effects.reply.push_back(*std::move(known));
    return;
  }
  if (!recent_outcomes_.covers(prefetched.as_of)) {
    effects.reply.push_back(pending(ticket));
    return;
  }
  TransactionRecord tombstone;
  tombstone.kind = RecordKind::tombstone;
  tombstone.commit_id = commit_id;
  Sequenced& record = append_own(std::move(tombstone), now, effects);
  record.waiters.push_back({.ticket = ticket, .owner = owner, .query = true});
  attempts_[commit_id] = {.record = &record};
}

}  // namespace zeolite::commit
