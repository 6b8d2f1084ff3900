#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "client/client_session.h"

// The requests of ClientSession: sending, answers, outcomes, ends.
namespace zeolite::client_core {

namespace {

// Pause between two questions for the outcome of a commit that is not decided yet.
constexpr Duration kAskPauseMin = std::chrono::milliseconds(20);
constexpr Duration kAskPauseMax = std::chrono::seconds(1);

// Errors in answer to a commit that leave open whether it happened: what the server says then is
// about itself, not about the transaction.
bool leaves_open(ErrorCode code) {
  return code == ErrorCode::outcome_unknown || code == ErrorCode::io_error ||
         code == ErrorCode::corruption || code == ErrorCode::protocol_error ||
         code == ErrorCode::expired || code == ErrorCode::shutting_down ||
         code == ErrorCode::stale_epoch;
}

// Errors that say: not here, but perhaps at another node.
bool means_other_node(ErrorCode code) {
  return code == ErrorCode::not_primary || code == ErrorCode::stale_epoch ||
         code == ErrorCode::shutting_down;
}

// What a standby cannot do.
bool needs_primary(const Request& request) {
  return request.kind != Request::Kind::repeatable ||
         std::holds_alternative<wire::OutcomeQuery>(request.message) ||
         std::holds_alternative<wire::NewOids>(request.message);
}

std::vector<Oid> remaining_oids(const wire::LoadMany& load, std::size_t done) {
  return {load.oids.begin() + static_cast<std::ptrdiff_t>(done), load.oids.end()};
}

}  // namespace

void ClientSession::submit(Request request, SessionEffects& effects) {
  while ((next_serial_ & 0xFFFFFFFF) == 0 || (next_serial_ & 0xFFFFFFFF) == kOwnId) {
    ++next_serial_;
  }
  const std::uint64_t serial = next_serial_++;
  deadlines_.emplace(request.deadline, serial);
  Pending pending;
  pending.request = std::move(request);
  const auto entry = pending_.emplace_hint(pending_.end(), serial, std::move(pending));
  const Request& added = entry->second.request;
  if (options_.reads_standby && needs_primary(added)) {
    fail(entry,
         Error{ErrorCode::read_only,
               "this client was made to read from a standby; commit with one that was not"},
         effects);
  } else if (added.kind == Request::Kind::finish &&
             (state_ != State::ready || added.connection != connection_)) {
    fail(entry,
         Error{ErrorCode::aborted,
               "the connection was lost after the transaction was prepared, "
               "so the server gave it up: nothing was committed"},
         effects);
  } else if (state_ == State::ready) {
    send_request(entry, effects);
  }
}

void ClientSession::send_request(PendingMap::iterator entry, SessionEffects& effects) {
  Pending& pending = entry->second;
  const Request& request = pending.request;
  if (request.history != 0 && request.history != history_) {
    fail(entry,
         Error{ErrorCode::unavailable,
               "the server does not have the history that this "
               "transaction's snapshot is from: begin a new one"},
         effects);
    return;
  }
  const auto id = static_cast<std::uint32_t>(entry->first);
  switch (request.kind) {
    case Request::Kind::commit:
    case Request::Kind::vote:
      if (!send_commit(entry, effects)) return;
      break;
    case Request::Kind::finish:
      effects.send.push_back({id, wire::Finish{request.commit_id.number}});
      break;
    case Request::Kind::repeatable:
      if (const auto* load = std::get_if<wire::LoadMany>(&request.message)) {
        effects.send.push_back(
            {id, wire::LoadMany{remaining_oids(*load, pending.records.size()), load->before}});
      } else {
        const bool waits = std::holds_alternative<wire::Await>(request.message);
        if (waits && role_ == wire::NodeRole::standby) awaits_.insert(entry->first);
        effects.send.push_back({id, request.message});
      }
      break;
  }
  pending.stage = Pending::Stage::sent;
}

bool ClientSession::send_commit(PendingMap::iterator entry, SessionEffects& effects) {
  Request& request = entry->second.request;
  const bool vote = request.kind == Request::Kind::vote;
  Result<std::vector<wire::Message>> frames =
      commit_frames(*request.commit, vote, next_number_, position_.tid, limits_);
  if (!frames) {
    fail(entry, std::move(frames).error(), effects);
    return false;
  }
  request.commit_id = CommitId{options_.session, next_number_++};
  request.begun = position_.tid;
  request.connection = connection_;
  for (wire::Message& frame : *frames) {
    const bool stage = std::holds_alternative<wire::Stage>(frame);
    effects.send.push_back(
        {stage ? 0 : static_cast<std::uint32_t>(entry->first), std::move(frame)});
  }
  return true;
}

void ClientSession::ask_outcome(PendingMap::iterator entry, SessionEffects& effects) {
  Pending& pending = entry->second;
  CHECK(!pending.abandoned, "nobody asks for what nobody waits for");
  asks_.erase({pending.ask_at, entry->first});
  pending.stage = Pending::Stage::asking;
  counters_.outcomes_asked.fetch_add(1, std::memory_order_relaxed);
  effects.send.push_back({static_cast<std::uint32_t>(entry->first),
                          wire::OutcomeQuery{pending.request.commit_id, pending.request.begun}});
}

void ClientSession::ask_later(PendingMap::iterator entry, Instant now, SessionEffects& effects) {
  Pending& pending = entry->second;
  if (pending.abandoned) return finish(entry, {}, effects);
  pending.ask_pause = std::clamp(pending.ask_pause * 2, kAskPauseMin, kAskPauseMax);
  pending.stage = Pending::Stage::unknown;
  pending.ask_at = now + pending.ask_pause;
  asks_.emplace(pending.ask_at, entry->first);
}

// ---- answers -----------------------------------------------------------------------------------

void ClientSession::on_reply(std::uint32_t request_id, wire::Message message, Instant now,
                             SessionEffects& effects) {
  if (const auto* pong = std::get_if<wire::Pong>(&message)) on_pong(*pong);
  if (request_id == kOwnId) return;
  // The youngest serial with these low bits.
  std::uint64_t serial = (next_serial_ & ~0xFFFFFFFFULL) | request_id;
  if (serial >= next_serial_) serial -= 1ULL << 32;
  const auto entry = pending_.find(serial);
  if (entry == pending_.end() || entry->second.stage == Pending::Stage::queued ||
      entry->second.stage == Pending::Stage::unknown) {
    protocol_error("an answer to request " + std::to_string(request_id) + ", which is not open",
                   effects);
    return;
  }
  if (const auto* error = std::get_if<wire::ErrorReply>(&message)) {
    on_error_reply(entry, *error, now, effects);
  } else if (entry->second.stage == Pending::Stage::asking) {
    on_outcome_reply(entry, message, now, effects);
  } else if (entry->second.request.kind == Request::Kind::repeatable) {
    on_repeatable_reply(entry, std::move(message), effects);
  } else {
    on_commit_reply(entry, std::move(message), effects);
  }
}

LoadedRecord ClientSession::take_record(Oid oid, const wire::Loaded& loaded,
                                        SessionEffects& effects) {
  LoadedRecord record{loaded.status, nullptr, loaded.tid, loaded.end};
  if (loaded.status != wire::LoadedStatus::found) return record;
  record.data = std::make_shared<const std::string>(loaded.data.view());
  if (loaded.tid > position_.tid || loaded.end > position_.tid) {
    protocol_error("object " + to_hex(oid) + " was answered as of a transaction above the line",
                   effects);
    return record;
  }
  cache_.insert(oid, {loaded.tid, loaded.end, record.data});
  return record;
}

void ClientSession::on_repeatable_reply(PendingMap::iterator entry, wire::Message message,
                                        SessionEffects& effects) {
  Pending& pending = entry->second;
  const wire::Message& asked = pending.request.message;
  Answer answer;
  answer.answered = true;
  if (const auto* load = std::get_if<wire::Load>(&asked)) {
    const auto* loaded = std::get_if<wire::Loaded>(&message);
    if (loaded == nullptr) return protocol_error("a load was answered by something else", effects);
    answer.records.push_back(take_record(load->oid, *loaded, effects));
  } else if (const auto* many = std::get_if<wire::LoadMany>(&asked)) {
    const auto* loaded = std::get_if<wire::LoadedMany>(&message);
    const std::size_t before = pending.records.size();
    if (loaded == nullptr || loaded->items.empty() ||
        loaded->items.size() > many->oids.size() - before) {
      return protocol_error("a load of many was answered by something else", effects);
    }
    for (std::size_t i = 0; i < loaded->items.size(); ++i) {
      pending.records.push_back(take_record(many->oids[before + i], loaded->items[i], effects));
    }
    if (effects.close) return;
    if (pending.records.size() < many->oids.size() && !pending.abandoned) {
      const auto id = static_cast<std::uint32_t>(entry->first);
      effects.send.push_back(
          {id, wire::LoadMany{remaining_oids(*many, pending.records.size()), many->before}});
      return;
    }
    answer.records = std::move(pending.records);
  } else {
    answer.message = std::move(message);
  }
  if (!effects.close) finish(entry, std::move(answer), effects);
}

void ClientSession::on_commit_reply(PendingMap::iterator entry, wire::Message message,
                                    SessionEffects& effects) {
  const Request& request = entry->second.request;
  const bool is_vote = request.kind == Request::Kind::vote;
  if (const auto* committed = std::get_if<wire::Committed>(&message)) {
    on_own_commit(*request.commit, *committed);
    counters_.commits.fetch_add(1, std::memory_order_relaxed);
  } else if (std::holds_alternative<wire::Conflicted>(message)) {
    counters_.conflicts.fetch_add(1, std::memory_order_relaxed);
  } else if (!is_vote || !std::holds_alternative<wire::Voted>(message)) {
    protocol_error("a commit was answered by something else", effects);
    return;
  }
  Answer answer;
  answer.answered = true;
  answer.message = std::move(message);
  finish(entry, std::move(answer), effects);
}

void ClientSession::on_outcome_reply(PendingMap::iterator entry, const wire::Message& message,
                                     Instant now, SessionEffects& effects) {
  const auto* known = std::get_if<wire::OutcomeKnown>(&message);
  if (known == nullptr) {
    protocol_error("a question for an outcome was answered by something else", effects);
    return;
  }
  if (!known->committed) {
    fail(
        entry,
        Error{ErrorCode::unavailable,
              "the connection was lost during the commit, which did not happen: it may be retried"},
        effects);
    return;
  }
  // The invalidation for it came to this connection like anybody's, or in its catch-up, so the line
  // is there already.
  if (known->tid > position_.tid) {
    ask_later(entry, now, effects);
    return;
  }
  counters_.commits.fetch_add(1, std::memory_order_relaxed);
  Answer answer;
  answer.answered = true;
  answer.message = wire::Committed{known->tid, epoch_};
  finish(entry, std::move(answer), effects);
}

void ClientSession::on_error_reply(PendingMap::iterator entry, const wire::ErrorReply& reply,
                                   Instant now, SessionEffects& effects) {
  Pending& pending = entry->second;
  const Error& error = reply.error;
  const bool elsewhere = means_other_node(error.code);
  if (elsewhere) {
    effects.close = error;
    effects.leader = reply.leader;
  }
  if (pending.stage == Pending::Stage::asking) {
    if (error.code == ErrorCode::expired) {
      fail(entry,
           Error{ErrorCode::outcome_unknown,
                 "the server does not remember what became of the commit: " + error.detail},
           effects);
    } else if (!elsewhere) {
      ask_later(entry, now, effects);
    }
    return;
  }
  switch (pending.request.kind) {
    case Request::Kind::repeatable:
      // What another node can do is asked there: disconnected() queues it again.
      if (elsewhere && !pending.abandoned) return;
      break;
    case Request::Kind::commit:
    case Request::Kind::finish:
      if (leaves_open(error.code)) return ask_later(entry, now, effects);
      break;
    case Request::Kind::vote:
      break;
  }
  Answer answer;
  answer.answered = true;
  answer.error = error;
  // Before finish() nothing can have been committed, whatever the reason.
  if (pending.request.kind == Request::Kind::vote && leaves_open(error.code)) {
    answer.error->code = ErrorCode::aborted;
  }
  finish(entry, std::move(answer), effects);
}

// ---- ends --------------------------------------------------------------------------------------

void ClientSession::expire(PendingMap::iterator entry, SessionEffects& effects) {
  Pending& pending = entry->second;
  const Request::Kind kind = pending.request.kind;
  const bool may_have_committed = kind == Request::Kind::commit || kind == Request::Kind::finish;
  Error error{ErrorCode::timeout, "the server did not answer in time"};
  if (pending.stage == Pending::Stage::queued) {
    error = Error{ErrorCode::unavailable, "there was no connection to the primary in time" +
                                              (last_failure_.empty() ? "" : ": " + last_failure_)};
  } else if (may_have_committed) {
    error = Error{ErrorCode::outcome_unknown,
                  "a commit was sent, but what became of it was not told in time"};
  }
  const bool answer_may_come = state_ == State::ready && (pending.stage == Pending::Stage::sent ||
                                                          pending.stage == Pending::Stage::asking);
  if (!answer_may_come) {
    fail(entry, std::move(error), effects);
    return;
  }
  // Stays in the table: its answer may still come, and may carry what the cache must know.
  Answer answer;
  answer.error = std::move(error);
  answer.commit_id = pending.request.commit_id;
  answer.begun = pending.request.begun;
  deadlines_.erase({pending.request.deadline, entry->first});
  awaits_.erase(entry->first);
  pending.abandoned = true;
  if (pending.request.done) {
    effects.finished.push_back({std::exchange(pending.request.done, nullptr), std::move(answer)});
  }
  // The server need not hold the objects for a vote that nobody waits for.
  if (kind == Request::Kind::vote) {
    effects.send.push_back({kOwnId, wire::Abort{pending.request.commit_id.number}});
  }
}

void ClientSession::finish(PendingMap::iterator entry, Answer answer, SessionEffects& effects) {
  Pending& pending = entry->second;
  answer.commit_id = pending.request.commit_id;
  answer.begun = pending.request.begun;
  answer.connection = pending.request.connection;
  if (pending.request.done) {
    effects.finished.push_back({std::move(pending.request.done), std::move(answer)});
  }
  deadlines_.erase({pending.request.deadline, entry->first});
  awaits_.erase(entry->first);
  if (pending.stage == Pending::Stage::unknown) asks_.erase({pending.ask_at, entry->first});
  pending_.erase(entry);
}

void ClientSession::fail(PendingMap::iterator entry, Error error, SessionEffects& effects) {
  Answer answer;
  answer.error = std::move(error);
  finish(entry, std::move(answer), effects);
}

}  // namespace zeolite::client_core
