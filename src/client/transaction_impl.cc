#include "client/transaction_impl.h"

#include <utility>

#include "client/error_mapping.h"

namespace zeolite::client {
inline namespace v1 {

using client_core::Answer;
using client_core::CommitRequest;
using client_core::LoadedRecord;
using client_core::RecordPtr;
using client_core::Request;

namespace {

constexpr std::size_t kLoadManyMax = 10'000;

::zeolite::Error history_gone() {
  return {ErrorCode::unavailable,
          "the server does not have the history that this transaction's snapshot is from: begin a "
          "new one"};
}

}  // namespace

void Transaction::Impl::check_active() const {
  if (state_ == State::active) return;
  throw UsageError(state_ == State::ended
                       ? "the transaction has ended (by commit, abort or a failed commit)"
                       : "the transaction is being committed and cannot be changed any more");
}

void Transaction::Impl::check_history() const {
  if (history_ == core_->view().history()) return;
  Answer failed;
  failed.error = history_gone();
  client_core::throw_error(failed);
}

std::optional<RecordPtr> Transaction::Impl::own(Id oid) const {
  if (changes_.empty()) return std::nullopt;
  const auto found = changes_.find(oid);
  if (found == changes_.end()) return std::nullopt;
  return found->second.data;
}

std::optional<Transaction::Impl::Revision> Transaction::Impl::cached(Id oid) {
  std::optional<Revision> revision = core_->cache().find(oid, snapshot_);
  // After the look-up: what was found is of our history if that is still the present one.
  check_history();
  if (revision) see(oid, revision->tid);
  return revision;
}

Request Transaction::Impl::load_request(Id oid) const {
  Request request = core_->request(wire::Load{oid, snapshot_.next()});
  request.history = history_;
  return request;
}

Request Transaction::Impl::load_many_request(std::vector<Id> oids) const {
  Request request = core_->request(wire::LoadMany{std::move(oids), snapshot_.next()});
  request.history = history_;
  return request;
}

RecordPtr Transaction::Impl::take(Id oid, const LoadedRecord& record) {
  const bool found = record.status == wire::LoadedStatus::found;
  see(oid, found ? record.tid : kNoTid);
  return found ? record.data : nullptr;
}

void Transaction::Impl::see(Id oid, ::zeolite::Tid tid) {
  if (!seen_) seen_ = std::make_unique<std::array<Seen, kSeen>>();
  (*seen_)[std::hash<Id>{}(oid) % kSeen] = {oid, tid, true};
}

std::optional<::zeolite::Tid> Transaction::Impl::known_base(Id oid) {
  if (new_oids_.contains(oid)) return kNoTid;
  if (seen_) {
    const Seen& seen = (*seen_)[std::hash<Id>{}(oid) % kSeen];
    if (seen.set && seen.oid == oid) return seen.tid;
  }
  if (const std::optional<Revision> revision = cached(oid)) return revision->tid;
  return std::nullopt;
}

void Transaction::Impl::store(Id oid, RecordPtr data) {
  const auto [entry, added] = changes_.try_emplace(oid);
  if (added) entry->second.base = known_base(oid);
  entry->second.data = std::move(data);
}

void Transaction::Impl::remove(Id oid) {
  const auto found = changes_.find(oid);
  if (found != changes_.end()) {
    // What was made here and goes here leaves no trace.
    if (new_oids_.contains(oid)) {
      changes_.erase(found);
    } else {
      found->second.data = nullptr;
    }
    return;
  }
  changes_[oid].base = known_base(oid);
}

void Transaction::Impl::read_current(Id oid) { reads_.try_emplace(oid, known_base(oid)); }

void Transaction::Impl::send(Request::Kind kind, Done done) {
  state_ = State::preparing;
  resolve_bases(kind, [this, kind, done = std::move(done)](Answer answer) {
    on_answer(kind, answer);
    done(std::move(answer));
  });
}

void Transaction::Impl::resolve_bases(Request::Kind kind, Done done) {
  if (changes_.empty()) {
    // Reads alone need no check: they are all of one moment.
    Answer nothing;
    nothing.message = wire::Committed{snapshot_, {}};
    done(std::move(nothing));
    return;
  }
  std::vector<Id> unknown;
  for (const auto& [oid, change] : changes_) {
    if (!change.base && unknown.size() < kLoadManyMax) unknown.push_back(oid);
  }
  for (const auto& [oid, tid] : reads_) {
    if (!tid && unknown.size() < kLoadManyMax && !changes_.contains(oid)) unknown.push_back(oid);
  }
  if (unknown.empty()) {
    submit(kind, std::move(done));
    return;
  }
  Request load = load_many_request(unknown);
  load.done = [this, kind, unknown, done = std::move(done)](Answer answer) mutable {
    if (answer.error) {
      // Nothing of the commit was sent, so nothing of it is unknown.
      done(std::move(answer));
      return;
    }
    for (std::size_t i = 0; i < unknown.size(); ++i) {
      const LoadedRecord& record = answer.records[i];
      const ::zeolite::Tid base = record.status == wire::LoadedStatus::found ? record.tid : kNoTid;
      if (const auto change = changes_.find(unknown[i]); change != changes_.end()) {
        change->second.base = base;
      } else {
        reads_[unknown[i]] = base;
      }
    }
    resolve_bases(kind, std::move(done));
  };
  core_->submit(std::move(load));
}

void Transaction::Impl::submit(Request::Kind kind, Done done) {
  auto commit = std::make_shared<CommitRequest>();
  commit->metadata = metadata_;
  for (auto& [oid, change] : changes_) {
    // Removing what does not exist is nothing to do.
    if (!change.data && change.base->is_zero()) continue;
    commit->writes.push_back({oid, *change.base, change.data == nullptr, change.data});
  }
  for (const auto& [oid, tid] : reads_) {
    if (!changes_.contains(oid)) commit->reads.push_back({oid, *tid});
  }
  if (commit->writes.empty()) {
    Answer nothing;
    nothing.message = wire::Committed{snapshot_, {}};
    done(std::move(nothing));
    return;
  }
  prepared_ = commit;
  Request request;
  request.kind = kind;
  request.commit = std::move(commit);
  request.history = history_;
  request.deadline = core_->call_deadline();
  request.done = std::move(done);
  core_->submit(std::move(request));
}

void Transaction::Impl::on_answer(Request::Kind kind, const Answer& answer) {
  commit_id_ = answer.commit_id;
  begun_ = answer.begun;
  connection_ = answer.connection;
  const bool voted = !answer.error && kind == Request::Kind::vote &&
                     !std::holds_alternative<wire::Conflicted>(answer.message);
  state_ = voted ? State::prepared : State::ended;
}

void Transaction::Impl::send_finish(Done done) {
  state_ = State::preparing;
  const auto finished = [this, done = std::move(done)](Answer answer) {
    state_ = State::ended;
    done(std::move(answer));
  };
  if (commit_id_.empty()) {  // prepare() had nothing to commit
    Answer nothing;
    nothing.message = wire::Committed{snapshot_, {}};
    finished(std::move(nothing));
    return;
  }
  Request request;
  request.kind = Request::Kind::finish;
  request.commit = prepared_;
  request.commit_id = commit_id_;
  request.begun = begun_;
  request.connection = connection_;
  request.deadline = core_->call_deadline();
  request.done = finished;
  core_->submit(std::move(request));
}

void Transaction::Impl::abort() noexcept {
  if (state_ == State::prepared && !commit_id_.empty()) {
    try {
      core_->submit(core_->request(wire::Abort{commit_id_.number}));
    } catch (...) {  // out of memory: the server's own timeout ends it
    }
  }
  if (state_ != State::preparing) state_ = State::ended;
  changes_.clear();
  reads_.clear();
}

}  // namespace v1
}  // namespace zeolite::client
