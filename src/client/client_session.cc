#include "client/client_session.h"

#include <algorithm>

#include "base/check.h"

namespace zeolite::client_core {

ClientSession::ClientSession(Options options, ObjectCache& cache, ConnectionView& view,
                             ClientCounters& counters)
    : options_(std::move(options)),
      cache_(cache),
      view_(view),
      counters_(counters),
      position_(view.place().position) {}

void ClientSession::connected(Instant now, SessionEffects& effects) {
  CHECK(state_ == State::disconnected, "a connection follows the end of the one before");
  state_ = State::greeting;
  ++connection_;
  partial_.reset();
  alive(now);
  wire::Hello hello;
  hello.storage = options_.storage;
  hello.label = options_.label;
  hello.session = options_.session;
  hello.cache = position_;
  hello.features = wire::kFeatureTopology;
  hello.accepts_standby = options_.reads_standby;
  hello.max_staleness_ms = options_.max_staleness_ms;
  effects.send.push_back({0, std::move(hello)});
}

void ClientSession::alive(Instant now) {
  heard_at_ = now;
  pinged_at_.reset();
  suspects_ = false;
  view_.set_heard(now);
}

void ClientSession::received(std::uint32_t request_id, wire::Message message, Instant now,
                             SessionEffects& effects) {
  if (state_ == State::disconnected || effects.close) return;
  alive(now);
  if (auto* invalidate = std::get_if<wire::Invalidate>(&message)) {
    on_invalidate(std::move(*invalidate), effects);
    return;
  }
  if (auto* topology = std::get_if<wire::Topology>(&message)) {
    on_topology(std::move(*topology), effects);
    return;
  }
  if (auto* error = std::get_if<wire::ErrorReply>(&message);
      error != nullptr && (request_id == 0 || state_ == State::greeting)) {
    effects.close = std::move(error->error);
    effects.leader = std::move(error->leader);
    return;
  }
  if (state_ == State::greeting) {
    if (const auto* welcome = std::get_if<wire::Welcome>(&message)) {
      on_welcome(*welcome, effects);
    } else {
      protocol_error("an answer before the handshake was done", effects);
    }
    return;
  }
  on_reply(request_id, std::move(message), now, effects);
}

// ---- handshake ---------------------------------------------------------------------------------

Result<> ClientSession::check_welcome(const wire::Welcome& welcome) const {
  if (welcome.version != wire::kProtocolVersion) {
    return make_error(ErrorCode::protocol_error, "the server chose protocol version " +
                                                     std::to_string(welcome.version) +
                                                     ", which this client does not speak");
  }
  RETURN_IF_ERROR(check_role(welcome));
  if (welcome.epoch < epoch_max_) {
    return make_error(ErrorCode::stale_epoch,
                      "node '" + welcome.node + "' is in epoch " +
                          std::to_string(welcome.epoch.value()) + ", but epoch " +
                          std::to_string(epoch_max_.value()) + " has begun");
  }
  if (cluster_id_ != Id128{} && welcome.cluster_id != cluster_id_) {
    return make_error(ErrorCode::invalid_argument,
                      "node '" + welcome.node + "' belongs to another cluster than the one this " +
                          "client was connected to before");
  }
  return {};
}

Result<> ClientSession::check_role(const wire::Welcome& welcome) const {
  const std::string node = "node '" + welcome.node + "'";
  if (!options_.reads_standby) {
    if (welcome.role == wire::NodeRole::primary) return {};
    return make_error(ErrorCode::not_primary, node + " is not the primary");
  }
  if (welcome.role == wire::NodeRole::starting) {
    return make_error(ErrorCode::unavailable, node + " is starting");
  }
  if (welcome.role == wire::NodeRole::primary) {
    if (accept_primary_) return {};
    return make_error(ErrorCode::unavailable, node + " is the primary; a standby comes first");
  }
  const bool same_cluster = view_.place().cluster_id == welcome.cluster_id;
  // Whatever its epoch is: it may follow a later reign and not have caught up with it yet. If that
  // reign lost what was seen here, the standby says so once it is beyond.
  if (same_cluster && welcome.visible.tid < position_.tid) {
    return make_error(ErrorCode::unavailable, node + " has not yet got transaction " +
                                                  to_hex(position_.tid) +
                                                  ", which this client has seen");
  }
  return {};
}

void ClientSession::on_topology(wire::Topology topology, SessionEffects& effects) {
  if (topology.epoch < epoch_max_) return;
  epoch_max_ = topology.epoch;
  if (role_ == wire::NodeRole::standby) {
    epoch_ = topology.epoch;
    view_.set_epoch(epoch_);
  } else if (state_ == State::ready && topology.epoch > epoch_) {
    // What is still said here belongs to a reign that has ended.
    leave_reign(topology.epoch, topology.primary, effects);
  }
  effects.topology = std::move(topology);
}

void ClientSession::leave_reign(Epoch begun, std::string leader, SessionEffects& effects) {
  epoch_max_ = std::max(epoch_max_, begun);
  effects.close = Error{ErrorCode::stale_epoch,
                        "epoch " + std::to_string(begun.value()) + " has begun elsewhere"};
  effects.leader = std::move(leader);
}

void ClientSession::found_primary(Epoch epoch, std::string address, SessionEffects& effects) {
  if (state_ == State::ready && epoch > epoch_) leave_reign(epoch, std::move(address), effects);
}

void ClientSession::on_welcome(const wire::Welcome& welcome, SessionEffects& effects) {
  if (Result<> checked = check_welcome(welcome); !checked) {
    effects.close = std::move(checked).error();
    return;
  }
  if (partial_) {
    protocol_error("an invalidation was not complete at the end of the handshake", effects);
    return;
  }
  limits_ = {welcome.body_max, welcome.transaction_bytes_max};
  take_line(welcome, effects);
  state_ = State::ready;
  ready_since_ = heard_at_;
  last_failure_.clear();
  counters_.connections.fetch_add(1, std::memory_order_relaxed);
  effects.ready = true;
  effects.log.push_back({false, "connected to node '" + welcome.node + "', epoch " +
                                    std::to_string(welcome.epoch.value()) + ", at transaction " +
                                    to_hex(welcome.visible.tid)});
  resume_requests(effects);
}

void ClientSession::take_line(const wire::Welcome& welcome, SessionEffects& effects) {
  const bool had_position = position_.tid != kNoTid;
  // Another database may hold a transaction with our tid, by chance or because it is a copy.
  const bool same_cluster = view_.place().cluster_id == welcome.cluster_id;
  const bool keep =
      had_position && welcome.cache_valid && same_cluster && welcome.visible.tid >= position_.tid;
  if (!keep) {
    // In this order: a reader that finds something of the new history also sees that it is one.
    view_.begin_history();
    cache_.clear();
    if (had_position) {
      counters_.caches_dropped.fetch_add(1, std::memory_order_relaxed);
      effects.log.push_back({true, "the server does not know transaction " + to_hex(position_.tid) +
                                       ": the cache was dropped"});
    }
  } else if (!established_) {
    view_.begin_history();
  }
  history_ = view_.history();
  established_ = true;
  cluster_id_ = welcome.cluster_id;
  role_ = welcome.role;
  epoch_ = welcome.epoch;
  view_.set_epoch(epoch_);
  epoch_max_ = std::max(epoch_max_, welcome.epoch);
  position_ = welcome.visible;
  view_.set_connected(position_, cluster_id_);
}

void ClientSession::resume_requests(SessionEffects& effects) {
  for (auto next = pending_.begin(); next != pending_.end();) {
    const auto request = next++;
    Pending& pending = request->second;
    if (pending.stage == Pending::Stage::unknown) {
      ask_outcome(request, effects);
    } else if (pending.stage == Pending::Stage::queued) {
      send_request(request, effects);
    }
  }
}

void ClientSession::disconnected(const Error& why, SessionEffects& effects) {
  last_failure_ = why.to_string();
  view_.set_disconnected(last_failure_);
  if (state_ == State::disconnected) return;
  state_ = State::disconnected;
  partial_.reset();
  awaits_.clear();
  for (auto next = pending_.begin(); next != pending_.end();) {
    const auto request = next++;
    Pending& pending = request->second;
    if (pending.abandoned) {
      finish(request, {}, effects);
    } else if (pending.stage == Pending::Stage::queued) {
      continue;
    } else if (pending.request.kind == Request::Kind::repeatable) {
      pending.stage = Pending::Stage::queued;
    } else if (pending.request.kind == Request::Kind::vote) {
      fail(request,
           Error{ErrorCode::unavailable,
                 "the connection was lost before the transaction was "
                 "prepared: nothing was committed (" +
                     last_failure_ + ")"},
           effects);
    } else if (pending.stage != Pending::Stage::unknown) {
      pending.stage = Pending::Stage::unknown;
      pending.ask_at = heard_at_;
      asks_.emplace(pending.ask_at, request->first);
    }
  }
}

// ---- the line ----------------------------------------------------------------------------------

void ClientSession::on_invalidate(wire::Invalidate message, SessionEffects& effects) {
  counters_.invalidations.fetch_add(message.oids.size(), std::memory_order_relaxed);
  if (state_ == State::greeting) {
    // The catch-up may be cut off, and the position moves with the welcome behind it: until then
    // only what held at the position is certain.
    for (const Oid oid : message.oids) cache_.truncate(oid, position_.tid);
    return;
  }
  if (message.tid <= position_.tid || (partial_ && partial_->tid != message.tid)) {
    protocol_error("invalidations out of order: " + to_hex(message.tid) + " after " +
                       to_hex(partial_ ? partial_->tid : position_.tid),
                   effects);
    return;
  }
  // Parts are kept until the last has come: if the connection ends in between, the line has not
  // moved, and what the cache knows must be right for the line.
  const bool last = message.last;
  if (partial_) {
    partial_->oids.insert(partial_->oids.end(), message.oids.begin(), message.oids.end());
  } else {
    partial_ = std::move(message);
  }
  if (!last) return;
  for (const Oid oid : partial_->oids) cache_.invalidate(oid, partial_->tid);
  position_ = Position{epoch_, partial_->tid, {}};
  partial_.reset();
  view_.advance(position_);
}

void ClientSession::on_own_commit(const CommitRequest& commit, const wire::Committed& committed) {
  const Tid tid = committed.tid;
  if (tid <= position_.tid) {
    // The answer to a number that had committed before: no telling what came after it.
    for (const CommitRequest::Write& write : commit.writes) cache_.forget(write.oid);
    return;
  }
  for (const CommitRequest::Write& write : commit.writes) {
    cache_.invalidate(write.oid, tid);
    if (!write.removal) cache_.insert(write.oid, {tid, kNoTid, write.data});
  }
  position_ = Position{epoch_, tid, {}};
  view_.advance(position_);
}

// Records of the server's own move its line, and nothing is told of them. A pong follows all
// invalidations and answers to own commits up to its tid, so the cache is right for that tid.
void ClientSession::on_pong(const wire::Pong& pong) {
  if (partial_ || pong.visible <= position_.tid) return;
  position_ = Position{epoch_, pong.visible, {}};
  view_.advance(position_);
}

void ClientSession::protocol_error(std::string detail, SessionEffects& effects) {
  effects.log.push_back({true, "the server broke the protocol: " + detail});
  effects.close = Error{ErrorCode::protocol_error, std::move(detail)};
}

// ---- time --------------------------------------------------------------------------------------

void ClientSession::tick(Instant now, SessionEffects& effects) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    expire(entry_of(deadlines_.begin()->second), effects);
  }
  if (state_ != State::ready) return;
  while (!asks_.empty() && asks_.begin()->first <= now) {
    ask_outcome(entry_of(asks_.begin()->second), effects);
  }
  if (const auto impatient = impatient_at(); impatient && *impatient <= now) {
    effects.close = Error{ErrorCode::unavailable, "the standby does not get on"};
    effects.elsewhere = true;
    return;
  }
  if (now - heard_at_ >= options_.heartbeat * 2) {
    effects.close = Error{ErrorCode::timeout, "the server does not answer"};
    effects.elsewhere = true;
  } else if (pinged_at_) {
    suspects_ = now - *pinged_at_ >= patience(options_.heartbeat);
  } else if (now >= ping_at()) {
    pinged_at_ = now;
    effects.send.push_back({kOwnId, wire::Ping{}});
  }
}

ClientSession::PendingMap::iterator ClientSession::entry_of(std::uint64_t serial) {
  const auto entry = pending_.find(serial);
  CHECK(entry != pending_.end(), "what is due is due for a request");
  return entry;
}

// Sooner when something is to be answered: the answer may take its time, a pong does not.
Instant ClientSession::ping_at() const {
  return heard_at_ + (pending_.empty() ? options_.heartbeat : patience(options_.heartbeat));
}

std::optional<Instant> ClientSession::impatient_at() const {
  std::optional<Instant> first;
  for (const std::uint64_t serial : awaits_) {
    const Request& request = pending_.at(serial).request;
    const auto& await = std::get<wire::Await>(request.message);
    if (await.at_least <= position_.tid) continue;
    const Duration whole = std::chrono::milliseconds(await.timeout_ms);
    const Duration bound = options_.max_staleness_ms > 0
                               ? std::chrono::milliseconds(options_.max_staleness_ms)
                               : patience(options_.heartbeat);
    // What is left of the time is for the next server.
    const Instant submitted{request.deadline.since_start - whole};
    const Instant at = std::max(submitted, ready_since_) + std::min(bound, whole / 2);
    first = first ? std::min(*first, at) : at;
  }
  return first;
}

std::optional<Instant> ClientSession::next_deadline() const {
  std::optional<Instant> next = impatient_at();
  const auto take = [&next](Instant at) { next = next ? std::min(*next, at) : at; };
  if (!deadlines_.empty()) take(deadlines_.begin()->first);
  if (state_ != State::ready) return next;
  if (!asks_.empty()) take(asks_.begin()->first);
  take(heard_at_ + options_.heartbeat * 2);
  if (!suspects_) take(pinged_at_ ? *pinged_at_ + patience(options_.heartbeat) : ping_at());
  return next;
}

void ClientSession::shut_down(SessionEffects& effects) {
  while (!pending_.empty()) {
    const auto request = pending_.begin();
    const Pending& pending = request->second;
    if (pending.abandoned) {
      finish(request, {}, effects);
      continue;
    }
    const bool may_have_committed =
        pending.stage != Pending::Stage::queued && (pending.request.kind == Request::Kind::commit ||
                                                    pending.request.kind == Request::Kind::finish);
    if (may_have_committed) {
      fail(request,
           Error{ErrorCode::outcome_unknown,
                 "the client was closed before the answer to a commit came"},
           effects);
    } else {
      fail(request, Error{ErrorCode::shutting_down, "the client was closed"}, effects);
    }
  }
}

}  // namespace zeolite::client_core
