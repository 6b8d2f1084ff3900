#include "zeolite/client.h"

#include <algorithm>
#include <utility>

#include "client/client_core.h"
#include "client/error_mapping.h"
#include "client/net_client.h"
#include "client/transaction_impl.h"

namespace zeolite::client {
inline namespace v1 {

using client_core::Answer;
using client_core::ClientCore;
using client_core::external;
using client_core::internal;

namespace {

constexpr std::size_t kLoadManyMax = 10'000;

// The reply of type M, or the answer's error thrown.
template <typename M>
const M& reply_of(const Answer& answer) {
  if (answer.error) client_core::throw_error(answer);
  if (const M* reply = std::get_if<M>(&answer.message)) return *reply;
  throw ServerError("the server answered a request with something else");
}

std::string no_connection(const ClientCore& core) {
  const std::string why = core.view().last_failure();
  return "there was no connection to the primary in time" + (why.empty() ? "" : ": " + why);
}

// Waits until there is a line to begin at.
client_core::ConnectionView::Point wait_point(const ClientCore& core) {
  if (const auto point = core.view().wait_point(core.wait_deadline())) return *point;
  throw DisconnectedError(no_connection(core));
}

}  // namespace

Client::Client(Options options) : core_(client_core::NetClient::start(std::move(options))) {}
Client::Client(std::shared_ptr<ClientCore> core) : core_(std::move(core)) {}
Client::~Client() { close(); }
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&& other) noexcept {
  if (this != &other) {
    close();
    core_ = std::move(other.core_);
  }
  return *this;
}

void Client::close() noexcept {
  if (core_) core_->close();
}

// ---- connection and line -----------------------------------------------------------------------

void Client::wait_connected() {
  core_->check_may_block();
  if (core_->view().wait_connected(core_->wait_deadline())) return;
  throw DisconnectedError(no_connection(*core_));
}

bool Client::connected() const { return core_->view().connected(); }

Transaction Client::begin() {
  client_core::ConnectionView::Point point = core_->view().point();
  if (point.history == 0) {
    core_->check_may_block();
    point = wait_point(*core_);
  }
  return Transaction(std::make_unique<Transaction::Impl>(core_, point));
}

Tid Client::sync() {
  const Answer answer = core_->call(core_->request(wire::Ping{}));
  const ::zeolite::Tid visible = reply_of<wire::Pong>(answer).visible;
  // There already, unless the connection was lost since.
  if (!core_->view().wait_for(visible, core_->wait_deadline())) {
    throw TimeoutError("the server's transaction " + to_hex(visible) + " was not told in time");
  }
  return snapshot();
}

Tid Client::sync(Tid at_least) {
  const ::zeolite::Tid wanted = internal(at_least);
  if (const auto now = core_->view().point(); now.history != 0 && now.tid >= wanted) {
    return external(now.tid);
  }
  wire::Await await;
  await.at_least = wanted;
  await.timeout_ms = static_cast<std::uint32_t>(
      std::chrono::ceil<std::chrono::milliseconds>(core_->call_deadline() - core_->now()).count());
  static_cast<void>(reply_of<wire::Pong>(core_->call(core_->request(await))));
  // As in sync(): the answer follows the invalidations.
  if (!core_->view().wait_for(wanted, core_->wait_deadline())) {
    throw TimeoutError("transaction " + to_hex(wanted) + " was not told in time");
  }
  return snapshot();
}

Tid Client::snapshot() const { return external(core_->view().point().tid); }

std::uint64_t Client::epoch() const { return core_->view().epoch().value(); }

std::chrono::nanoseconds Client::snapshot_age() const {
  return core_->now() - core_->view().heard_at();
}

bool Client::wait_for(Tid tid, std::chrono::milliseconds timeout) {
  core_->check_may_block();
  return core_->view().wait_for(internal(tid), std::chrono::steady_clock::now() + timeout);
}

// ---- objects -----------------------------------------------------------------------------------

Bytes Client::load_at(Oid public_oid, Tid public_tid) {
  core_->check_may_block();
  const client_core::ConnectionView::Point point = wait_point(*core_);
  Transaction::Impl reader(core_, {std::min(internal(public_tid), point.tid), point.history});
  const ::zeolite::Oid oid = internal(public_oid);
  if (auto revision = reader.cached(oid)) return Bytes(std::move(revision->data));
  const Answer answer = core_->call(reader.load_request(oid));
  if (answer.error) client_core::throw_error(answer);
  if (client_core::RecordPtr data = reader.take(oid, answer.records.at(0))) {
    return Bytes(std::move(data));
  }
  std::rethrow_exception(client_core::not_found(oid, reader.snapshot()));
}

void Client::prefetch(std::span<const Oid> oids) {
  for (std::size_t from = 0; from < oids.size(); from += kLoadManyMax) {
    wire::LoadMany load;
    for (const Oid oid : oids.subspan(from, std::min(kLoadManyMax, oids.size() - from))) {
      load.oids.push_back(internal(oid));
    }
    core_->submit(core_->request(std::move(load)));
  }
}

Oid Client::new_oid() { return external(core_->new_oid()); }

Outcome Client::outcome(const CommitId& id) {
  const wire::OutcomeQuery query{{id.session, id.number}, internal(id.begun)};
  const Answer answer = core_->call(core_->request(query));
  if (answer.error && answer.answered) {
    if (answer.error->code == ErrorCode::unavailable) return {Outcome::State::pending, {}};
    if (answer.error->code == ErrorCode::expired) return {Outcome::State::expired, {}};
  }
  const auto& known = reply_of<wire::OutcomeKnown>(answer);
  if (!known.committed) return {Outcome::State::aborted, {}};
  return {Outcome::State::committed, external(known.tid)};
}

// ---- administration ----------------------------------------------------------------------------

LogPage Client::read_log(Tid after, std::uint32_t count) {
  wire::ReadLog read;
  read.after = internal(after);
  read.count = std::clamp<std::uint32_t>(count, 1, 10'000);
  return external(reply_of<wire::LogReply>(core_->call(core_->request(read))));
}

ServerStatus Client::status() {
  const Answer answer = core_->call(core_->request(wire::StatusQuery{}));
  return external(reply_of<wire::StatusReport>(answer));
}

std::chrono::nanoseconds Client::ping() {
  const Instant before = core_->now();
  static_cast<void>(reply_of<wire::Pong>(core_->call(core_->request(wire::Ping{}))));
  return core_->now() - before;
}

Stats Client::stats() const {
  const client_core::ObjectCache::Counters cache = core_->cache().counters();
  const client_core::ClientCounters& counters = core_->counters();
  Stats stats;
  stats.cache_hits = cache.hits;
  stats.cache_misses = cache.misses;
  stats.cache_bytes_now = cache.bytes;
  stats.cache_revisions_now = cache.revisions;
  stats.evictions = cache.evictions;
  stats.invalidations = counters.invalidations;
  stats.commits = counters.commits;
  stats.conflicts = counters.conflicts;
  stats.outcomes_asked = counters.outcomes_asked;
  stats.connections = counters.connections;
  stats.caches_dropped = counters.caches_dropped;
  stats.started_warm = counters.started_warm;
  return stats;
}

}  // namespace v1
}  // namespace zeolite::client

namespace zeolite::client_core {

client::Client ClientAccess::make(std::shared_ptr<ClientCore> core) {
  return client::Client(std::move(core));
}

ClientCore& ClientAccess::core(client::Client& client) { return *client.core_; }

}  // namespace zeolite::client_core
