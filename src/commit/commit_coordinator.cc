#include "commit/commit_coordinator.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::commit {
namespace {

using Reply = CommitEffects::Reply;

Reply committed_at(Tid tid) {
  Reply reply;
  reply.kind = Reply::Kind::committed;
  reply.tid = tid;
  return reply;
}

// Writes exclusive, reads shared; an object that is both is written.
void name_objects(const StagedTransaction& staged, LockTable::Request& locks) {
  locks.reserve(staged.writes.size() + staged.reads.size());
  for (const StagedWrite& write : staged.writes) locks.add(write.oid, LockMode::exclusive);
  if (staged.reads.empty()) return;
  std::vector<Oid> written;
  written.reserve(staged.writes.size());
  for (const StagedWrite& write : staged.writes) written.push_back(write.oid);
  std::ranges::sort(written);
  for (const ReadCheck& read : staged.reads) {
    if (!std::ranges::binary_search(written, read.oid)) locks.add(read.oid, LockMode::shared);
  }
}

void check_sizes(const StagedTransaction& staged, const Prefetched& prefetched) {
  CHECK(prefetched.writes.size() == staged.writes.size() &&
            prefetched.read_tids.size() == staged.reads.size(),
        "a tid is prefetched for every object of the transaction");
}

// Whether `current`, the newest revision that counts for `write`, is not what it can be made from.
bool stands_in_the_way(const StagedWrite& write, Tid current) {
  if (current.is_zero()) {
    const bool any_base = write.base.is_zero() || write.as_file_storage;
    return write.kind == RevisionKind::deletion || !any_base;
  }
  return write.base != current;
}

// The write that would use up the oids, if there is one. Clients of ZODB choose as they like, as
// FileStorage lets them: what is copied from another database may have any oid.
const StagedWrite* find_too_high(const StagedTransaction& staged, const OidAllocator& oids) {
  const auto wrong = std::ranges::find_if(staged.writes, [&oids](const StagedWrite& write) {
    return !write.as_file_storage && !write.unchecked && !oids.may_be_written(write.oid);
  });
  return wrong == staged.writes.end() ? nullptr : &*wrong;
}

}  // namespace

CommitCoordinator::CommitCoordinator(const CommitOptions& options, const Start& start, Now now)
    : options_(options),
      epoch_(start.epoch),
      visible_(start.last_tid),
      tids_(start.last_tid, now),
      oids_(start.oid_mark, options.oid_reserve),
      recent_writes_(start.last_tid, options.recent_writes_max),
      recent_outcomes_(start.last_tid, options.recent_outcomes_max),
      pack_{.horizon = start.pack_horizon,
            .record = start.pack_record,
            .swept = start.pack_swept,
            .complete = start.pack_swept} {}

CommitCoordinator::~CommitCoordinator() {
  std::vector<LockTable::Request*> nobody;
  for (auto& [ticket, transaction] : transactions_) locks_.release(transaction.locks, nobody);
}

void CommitCoordinator::begin_epoch(Now now, CommitEffects& effects, EpochTid tid) {
  TransactionRecord record;
  record.kind = RecordKind::epoch;
  record.tid = tid == EpochTid::clock ? tids_.next(now) : tids_.step(now);
  begin_ = record.tid;
  append(std::move(record), effects);
  // Who reads the log from now on finds in it which oids were handed out.
  if (std::exchange(begins_later_, false) && oids_.end_lending()) answer_oids(now, effects);
}

void CommitCoordinator::begin_later(Oid reserved) {
  CHECK(tids_.last().is_zero(), "only an empty log begins later");
  begins_later_ = true;
  oids_.lend(reserved);
}

void CommitCoordinator::begin_at_last(Now now, CommitEffects& effects) {
  if (begins_later_) begin_epoch(now, effects);
}

void CommitCoordinator::submit(Ticket ticket, OwnerId owner, StagedTransaction transaction,
                               Prefetched prefetched, bool one_request, Now now,
                               CommitEffects& effects) {
  CHECK(ticket != 0, "tickets are not 0");
  CHECK(prefetched.as_of <= visible_, "reads are made at a visible line");
  check_sizes(transaction, prefetched);
  const CommitId id = transaction.commit_id;
  if (!id.empty()) {
    if (repeat_of_attempt(ticket, owner, transaction, prefetched, one_request, now, effects)) {
      return;
    }
    if (auto known = known_outcome(ticket, id, transaction.begun, prefetched, false)) {
      effects.reply.push_back(*std::move(known));
      return;
    }
  }
  if (const StagedWrite* const wrong = find_too_high(transaction, oids_)) {
    effects.reply.push_back(Reply::failure(ticket, ErrorCode::invalid_argument,
                                           "object id " + to_hex(wrong->oid) +
                                               " is above the highest that is allowed; use ids "
                                               "that the server handed out"));
    return;
  }
  const auto [place, inserted] = transactions_.try_emplace(ticket);
  CHECK(inserted, "a ticket names one transaction");
  Transaction& added = place->second;
  added.ticket = added.reply_to = ticket;
  added.owner = owner;
  added.one_request = one_request;
  added.outcome_checked = id.empty() || recent_outcomes_.covers(prefetched.as_of);
  added.staged = std::move(transaction);
  added.prefetched = std::move(prefetched);
  added.locks.tag = ticket;
  ++counts_.waiting;
  if (!id.empty()) attempts_[id] = {.transaction = &added};

  name_objects(added.staged, added.locks);
  if (locks_.enqueue(added.locks)) {
    granted_.push_back(&added.locks);
    judge_granted(now, effects);
  } else {
    set_deadline(added, now.instant + options_.lock_timeout);
  }
}

bool CommitCoordinator::recall_tids(const StagedTransaction& transaction,
                                    Prefetched& prefetched) const {
  std::vector<ObjectState> states;
  states.reserve(transaction.writes.size() + transaction.reads.size());
  const auto recall = [&](const auto& entry) {
    const std::optional<ObjectState> state = recent_writes_.recall(entry.oid);
    if (state) states.push_back(*state);
    return state.has_value();
  };
  if (!std::ranges::all_of(transaction.writes, recall)) return false;
  if (!std::ranges::all_of(transaction.reads, recall)) return false;
  const auto split = states.begin() + static_cast<std::ptrdiff_t>(transaction.writes.size());
  prefetched.read_tids.clear();
  for (auto read = split; read != states.end(); ++read) {
    prefetched.read_tids.push_back(read->current);
  }
  states.erase(split, states.end());
  prefetched.writes = std::move(states);
  return true;
}

void CommitCoordinator::refetched(Ticket ticket, Prefetched prefetched, Now now,
                                  CommitEffects& effects) {
  Transaction* transaction = find(ticket);
  if (transaction == nullptr || transaction->state != State::refetching) return;
  CHECK(prefetched.as_of <= visible_, "reads are made at a visible line");
  check_sizes(transaction->staged, prefetched);
  transaction->prefetched = std::move(prefetched);
  judge(*transaction, now, effects);
  judge_granted(now, effects);
}

const StagedTransaction* CommitCoordinator::staged(Ticket ticket) const {
  const auto found = transactions_.find(ticket);
  if (found == transactions_.end() || found->second.state == State::sequenced) return nullptr;
  return &found->second.staged;
}

void CommitCoordinator::finish(Ticket ticket, Ticket reply_to, Now now, CommitEffects& effects) {
  Transaction* transaction = find(ticket);
  if (transaction == nullptr || transaction->state != State::voted) {
    effects.reply.push_back(
        Reply::failure(reply_to, ErrorCode::aborted,
                       "The transaction is not voted: it was never, it timed out, "
                       "or it was finished before."));
    return;
  }
  transaction->reply_to = reply_to;
  commit(*transaction, now, effects);
  judge_granted(now, effects);
}

void CommitCoordinator::abort(Ticket ticket, Now now, CommitEffects& effects) {
  Transaction* transaction = find(ticket);
  if (transaction == nullptr || transaction->state == State::sequenced) return;
  end(*transaction, std::nullopt, effects);
  judge_granted(now, effects);
}

void CommitCoordinator::owner_lost(OwnerId owner, Now now, CommitEffects& effects) {
  CHECK(owner != 0, "owner 0 is nobody");
  for (auto next = transactions_.begin(); next != transactions_.end();) {
    Transaction& transaction = next++->second;
    if (transaction.owner != owner) continue;
    if (transaction.state == State::sequenced) {
      transaction.owner = 0;
      transaction.reply_to = 0;
    } else {
      end(transaction, std::nullopt, effects);
    }
  }
  for (Sequenced& record : in_flight_) {
    std::erase_if(record.waiters, [owner](const Waiter& w) { return w.owner == owner; });
  }
  oids_.cancel_owner(owner);
  judge_granted(now, effects);
}

void CommitCoordinator::allocate_oids(Ticket ticket, OwnerId owner, std::uint32_t count, Now now,
                                      CommitEffects& effects) {
  oids_.request({.ticket = ticket, .owner = owner, .count = count});
  answer_oids(now, effects);
}

void CommitCoordinator::acknowledged(Tid up_to, Now now, CommitEffects& effects) {
  bool mark_moved = false;
  while (!in_flight_.empty() && in_flight_.front().tid <= up_to) {
    Sequenced& record = in_flight_.front();
    publish(record, effects);
    if (record.kind == RecordKind::oids) mark_moved = true;
    in_flight_.pop_front();
  }
  if (mark_moved) answer_oids(now, effects);
  judge_granted(now, effects);
}

void CommitCoordinator::tick(Now now, CommitEffects& effects) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now.instant) {
    Transaction* transaction = find(deadlines_.begin()->second);
    CHECK(transaction != nullptr, "a deadline belongs to a transaction");
    if (transaction->state == State::voted) {
      const OwnerId owner = transaction->owner;
      if (owner != 0 && std::ranges::find(effects.close, owner) == effects.close.end()) {
        effects.close.push_back(owner);
      }
      end(*transaction, std::nullopt, effects);
      continue;
    }
    std::string detail = "The transaction waited too long for ";
    detail += transaction->locks.granted()
                  ? "its objects to be read again"
                  : "object " + to_hex(transaction->locks.waits_for()) + ", held by another one";
    end(*transaction, Reply::failure(0, ErrorCode::timeout, detail + "; retry it."), effects);
  }
  judge_granted(now, effects);
}

std::optional<Instant> CommitCoordinator::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

Tid CommitCoordinator::visible_tid() const { return visible_; }
Epoch CommitCoordinator::epoch() const { return epoch_; }
CommitCoordinator::Counts CommitCoordinator::counts() const { return counts_; }

// The life of a transaction.

void CommitCoordinator::judge_granted(Now now, CommitEffects& effects) {
  // Judging can end a transaction, which lets others in at the end of the list.
  for (std::size_t i = 0; i < granted_.size(); ++i) {
    if (granted_[i] == nullptr) continue;
    Transaction* transaction = find(std::exchange(granted_[i], nullptr)->tag);
    CHECK(transaction != nullptr, "a lock request belongs to a transaction");
    transaction->granted_at = visible_;
    judge(*transaction, now, effects);
  }
  granted_.clear();
}

bool CommitCoordinator::is_fresh(const Transaction& transaction) const {
  // What was read with the locks held cannot have changed, however long ago that was.
  const Tid as_of = transaction.prefetched.as_of;
  return as_of >= transaction.granted_at ||
         (transaction.outcome_checked && recent_writes_.covers(as_of));
}

void CommitCoordinator::judge(Transaction& transaction, Now now, CommitEffects& effects) {
  if (!is_fresh(transaction)) {
    if (transaction.state != State::refetching) {
      set_deadline(transaction, now.instant + options_.lock_timeout);
    }
    set_state(transaction, State::refetching);
    effects.refetch.push_back(transaction.ticket);
    return;
  }
  if (!transaction.outcome_checked) {
    transaction.outcome_checked = true;
    const StagedTransaction& staged = transaction.staged;
    if (auto known =
            known_outcome(0, staged.commit_id, staged.begun, transaction.prefetched, false)) {
      end(transaction, std::move(known), effects);
      return;
    }
  }
  if (auto refusal = find_refusal(transaction)) {
    end(transaction, std::move(refusal), effects);
    return;
  }
  if (auto conflicts = find_conflicts(transaction); !conflicts.empty()) {
    Reply reply;
    reply.kind = Reply::Kind::conflicted;
    reply.conflicts = std::move(conflicts);
    end(transaction, std::move(reply), effects);
    return;
  }
  if (transaction.one_request) {
    commit(transaction, now, effects);
    return;
  }
  set_state(transaction, State::voted);
  set_deadline(transaction, now.instant + options_.vote_timeout);
  Reply reply;
  reply.ticket = transaction.reply_to;
  reply.kind = Reply::Kind::voted;
  effects.reply.push_back(std::move(reply));
}

std::vector<Conflict> CommitCoordinator::find_conflicts(Transaction& transaction) const {
  const StagedTransaction& staged = transaction.staged;
  Prefetched& prefetched = transaction.prefetched;
  std::vector<Conflict> conflicts;
  for (std::size_t i = 0; i < staged.writes.size(); ++i) {
    const StagedWrite& write = staged.writes[i];
    ObjectState& state = prefetched.writes[i];
    state = recent_writes_.state(write.oid, state, prefetched.as_of);
    // A deletion that was packed is forgotten, whoever still remembers it.
    if (state.deleted <= pack_.horizon) state.deleted = kNoTid;
    const Tid current = write.as_file_storage ? state.newest() : state.current;
    if (!write.unchecked && stands_in_the_way(write, current)) {
      conflicts.push_back({.oid = write.oid,
                           .current = current,
                           .base = write.base,
                           .deleted = !current.is_zero() && current == state.deleted});
    }
  }
  for (std::size_t i = 0; i < staged.reads.size(); ++i) {
    const ReadCheck& read = staged.reads[i];
    const ObjectState stored{.current = prefetched.read_tids[i]};
    const Tid current = recent_writes_.state(read.oid, stored, prefetched.as_of).current;
    if (read.tid != current) {
      conflicts.push_back({.oid = read.oid, .current = current, .base = read.tid, .read = true});
    }
  }
  return conflicts;
}

void CommitCoordinator::commit(Transaction& transaction, Now now, CommitEffects& effects) {
  StagedTransaction& staged = transaction.staged;
  if (staged.writes.empty() && !staged.logged_when_empty) {
    end(transaction, committed_at(visible_), effects);
    return;
  }
  if (auto refusal = find_refusal(transaction)) {
    end(transaction, std::move(refusal), effects);
    return;
  }
  TransactionRecord record;
  if (staged.fixed_tid) {
    record.tid = *staged.fixed_tid;
    tids_.use(record.tid);
  } else {
    begin_at_last(now, effects);
    record.tid = tids_.next(now);
  }
  record.commit_id = staged.commit_id;
  record.status = staged.status;
  record.metadata = std::move(staged.metadata);
  record.writes.reserve(staged.writes.size());
  for (std::size_t i = 0; i < staged.writes.size(); ++i) {
    StagedWrite& write = staged.writes[i];
    record.writes.push_back({.oid = write.oid,
                             .previous = transaction.prefetched.writes[i].current,
                             .kind = write.kind,
                             .data = std::move(write.data),
                             .back = write.back,
                             .blob = write.blob,
                             .staged_blob = std::move(write.staged_blob),
                             .via = write.via});
    oids_.note_written(write.oid);
  }
  set_state(transaction, State::sequenced);
  set_deadline(transaction, std::nullopt);
  Sequenced& sequenced = append(std::move(record), effects);
  sequenced.transaction = &transaction;
  if (!staged.commit_id.empty()) attempts_[staged.commit_id].record = &sequenced;
}

CommitCoordinator::Sequenced& CommitCoordinator::append_own(TransactionRecord record, Now now,
                                                            CommitEffects& effects) {
  begin_at_last(now, effects);
  record.tid = tids_.step(now);
  return append(std::move(record), effects);
}

CommitCoordinator::Sequenced& CommitCoordinator::append(TransactionRecord record,
                                                        CommitEffects& effects) {
  record.epoch = epoch_;
  Sequenced& sequenced = in_flight_.emplace_back();
  sequenced.tid = record.tid;
  sequenced.kind = record.kind;
  sequenced.commit_id = record.commit_id;
  sequenced.oid_mark = record.oid_mark;
  if (record.pack_complete) sequenced.swept_pack = record.pack_record;
  sequenced.removes = !record.removed.empty();
  effects.append.push_back(std::move(record));
  return sequenced;
}

void CommitCoordinator::publish(Sequenced& record, CommitEffects& effects) {
  visible_ = record.tid;
  CommitEffects::Publish& news = effects.publish.emplace_back();
  news.tid = record.tid;
  news.kind = record.kind;
  Transaction* transaction = record.transaction;
  if (transaction != nullptr) {
    news.owner = transaction->owner;
    news.oids.reserve(transaction->staged.writes.size());
    for (const StagedWrite& write : transaction->staged.writes) {
      news.oids.push_back(write.oid);
      recent_writes_.record(record.tid, write.oid, write.kind == RevisionKind::deletion);
    }
  }
  if (record.kind == RecordKind::oids) oids_.mark_durable(record.oid_mark);
  if (!record.commit_id.empty()) publish_outcome(record, effects);
  if (record.kind == RecordKind::pack) publish_pack(record, effects);
  if (record.kind == RecordKind::removal) publish_removal(record);
  if (transaction != nullptr) end(*transaction, committed_at(record.tid), effects);
}

void CommitCoordinator::end(Transaction& transaction, std::optional<Reply> reply,
                            CommitEffects& effects) {
  if (reply && transaction.reply_to != 0) {
    reply->ticket = transaction.reply_to;
    effects.reply.push_back(*std::move(reply));
  }
  if (transaction.state == State::waiting) {
    LockTable::Request* none = nullptr;
    std::ranges::replace(granted_, &transaction.locks, none);
  }
  const CommitId& id = transaction.staged.commit_id;
  if (!id.empty() && transaction.state != State::sequenced) attempts_.erase(id);
  locks_.release(transaction.locks, granted_);
  set_deadline(transaction, std::nullopt);
  --count_of(transaction.state);
  transactions_.erase(transaction.ticket);
}

std::size_t& CommitCoordinator::count_of(State state) {
  if (state == State::voted) return counts_.voted;
  return state == State::sequenced ? counts_.in_flight : counts_.waiting;
}

void CommitCoordinator::set_state(Transaction& transaction, State state) {
  --count_of(transaction.state);
  transaction.state = state;
  ++count_of(state);
}

void CommitCoordinator::set_deadline(Transaction& transaction, std::optional<Instant> deadline) {
  if (transaction.deadline) deadlines_.erase({*transaction.deadline, transaction.ticket});
  transaction.deadline = deadline;
  if (deadline) deadlines_.insert({*deadline, transaction.ticket});
}

CommitCoordinator::Transaction* CommitCoordinator::find(Ticket ticket) {
  const auto found = transactions_.find(ticket);
  return found == transactions_.end() ? nullptr : &found->second;
}

void CommitCoordinator::answer_oids(Now now, CommitEffects& effects) {
  oids_.take_answers(oid_answers_);
  for (const OidAllocator::Answer& answer : oid_answers_) {
    Reply reply =
        Reply::failure(answer.request.ticket, ErrorCode::invalid_argument,
                       "All object ids are used up; an object with a very high id was stored.");
    if (answer.first) {
      reply.kind = Reply::Kind::oids;
      reply.first_oid = *answer.first;
      reply.oid_count = answer.request.count;
    }
    effects.reply.push_back(std::move(reply));
  }
  oid_answers_.clear();
  if (const auto mark = oids_.take_mark_to_append()) {
    TransactionRecord record;
    record.kind = RecordKind::oids;
    record.oid_mark = *mark;
    append_own(std::move(record), now, effects);
  }
}

}  // namespace zeolite::commit
