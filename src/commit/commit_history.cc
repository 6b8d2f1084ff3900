// The part of CommitCoordinator that touches history: what is restored, and what is packed.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "commit/commit_coordinator.h"

namespace zeolite::commit {
namespace {

using Reply = CommitEffects::Reply;

Reply packed_at(Ticket ticket, Tid record) {
  Reply reply;
  reply.ticket = ticket;
  reply.kind = Reply::Kind::committed;
  reply.tid = record;
  return reply;
}

}  // namespace

std::optional<Reply> CommitCoordinator::find_refusal(const Transaction& transaction) const {
  const StagedTransaction& staged = transaction.staged;
  if (staged.fixed_tid && !tids_.accepts(*staged.fixed_tid)) {
    return Reply::failure(0, ErrorCode::invalid_argument,
                          "The transaction's tid " + to_hex(*staged.fixed_tid) +
                              " cannot follow the last one, " + to_hex(tids_.last()) + ".");
  }
  if (pack_.swept && staged.swept_pack == pack_.record) return std::nullopt;
  for (const StagedWrite& write : staged.writes) {
    if (write.kind != RevisionKind::back_pointer || write.back > pack_.horizon) continue;
    return Reply::failure(0, ErrorCode::conflict,
                          "What object " + to_hex(write.oid) +
                              " is to be undone to may be packed away now; try again.");
  }
  return std::nullopt;
}

bool CommitCoordinator::goes_back_to(Tid horizon) const {
  if (counts_.voted == 0) return false;
  return std::ranges::any_of(transactions_, [&](const auto& item) {
    const Transaction& transaction = item.second;
    return transaction.state == State::voted &&
           std::ranges::any_of(transaction.staged.writes, [&](const StagedWrite& write) {
             return write.kind == RevisionKind::back_pointer && write.back <= horizon;
           });
  });
}

void CommitCoordinator::append_pack(Ticket ticket, OwnerId owner, Tid horizon, bool collect_garbage,
                                    Now now, CommitEffects& effects) {
  // Whatever comes later is not packed; nor are a pack's own records worth another one.
  const Tid last = tids_.last();
  const bool only_packed = last == pack_.end && !last.is_zero();
  horizon = std::min(horizon, only_packed ? pack_.record.previous() : last);
  if (horizon <= pack_.horizon) {
    const auto found = std::ranges::find(in_flight_, pack_.record, &Sequenced::tid);
    if (ticket == 0) return;
    if (found != in_flight_.end()) {
      found->waiters.push_back({.ticket = ticket, .owner = owner});
    } else {
      effects.reply.push_back(packed_at(ticket, pack_.record));
    }
    return;
  }
  TransactionRecord record;
  record.kind = RecordKind::pack;
  record.pack_horizon = horizon;
  record.collect_garbage = collect_garbage;
  Sequenced& sequenced = append_own(std::move(record), now, effects);
  if (ticket != 0) sequenced.waiters.push_back({.ticket = ticket, .owner = owner});
  pack_ = {.horizon = horizon,
           .record = sequenced.tid,
           .swept = false,
           .complete = false,
           .end = sequenced.tid};
}

std::optional<Tid> CommitCoordinator::append_removal(Tid pack_record, std::vector<RevisionKey> keys,
                                                     bool complete, Now now,
                                                     CommitEffects& effects) {
  if (pack_record != pack_.record || pack_.complete) return std::nullopt;
  CHECK(pack_record <= visible_, "what is not visible is not carried out");
  const bool follows = tids_.last() == pack_.end;
  TransactionRecord record;
  record.kind = RecordKind::removal;
  record.pack_record = pack_record;
  record.pack_complete = complete;
  record.removed = std::move(keys);
  const Tid tid = append_own(std::move(record), now, effects).tid;
  pack_.complete = complete;
  if (follows) pack_.end = tid;
  return tid;
}

void CommitCoordinator::publish_removal(const Sequenced& record) {
  // An object that was packed away is there no more, whoever read or wrote it before.
  if (record.removes) recent_writes_.forget(record.tid);
  if (!record.swept_pack.is_zero() && record.swept_pack == pack_.record) pack_.swept = true;
}

void CommitCoordinator::publish_pack(const Sequenced& record, CommitEffects& effects) {
  for (const Waiter& waiter : record.waiters) {
    effects.reply.push_back(packed_at(waiter.ticket, record.tid));
  }
}

}  // namespace zeolite::commit
