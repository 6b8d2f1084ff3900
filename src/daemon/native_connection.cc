#include "daemon/native_connection.h"

#include <utility>

#include "daemon/native_reads.h"
#include "daemon/shard_hub.h"

namespace zeolite::daemon {

namespace {

// Small replies gain nothing from compression on a local network; large ones do.
constexpr std::size_t kCompressFrom = 16 * 1024;

}  // namespace

NativeConnection::NativeConnection(ConnectionEnvironment& environment, net::IoShard& shard,
                                   std::size_t shard_index, commit::OwnerId owner,
                                   net::Socket socket)
    : ClientConnection(environment),
      shard_index_(shard_index),
      session_(owner),
      socket_(std::make_shared<net::FramedConnection>(
          shard, std::move(socket), *this,
          net::FramedConnection::Limits{.body_max = wire::kHandshakeBodyMax,
                                        .outbound_max = environment.config->outbound_bytes_max,
                                        .buffers_shared = environment.buffers,
                                        .progress_timeout = environment.config->progress_timeout})),
      opened_(environment.clock->now().instant),
      staged_(environment.staged) {}

NativeConnection::~NativeConnection() { socket_->detach(); }

void NativeConnection::start() { socket_->start(); }

void NativeConnection::on_frame(wire::Frame frame) {
  const std::shared_ptr<NativeConnection> self = shared_from_this();  // closing forgets it
  // What became visible before this request was sent comes first (docs/ordering.md, I2).
  if (hub_ != nullptr) hub_->take_deliveries();
  if (socket_->closed()) return;
  server::SessionEffects effects;
  Result<wire::Message> message = wire::decode(frame);
  if (!message) {
    socket_->send(wire::ErrorReply{message.error()}, frame.request_id);
    socket_->close_after_flush(std::move(message).error());
    return;
  }
  if (auto* hello = std::get_if<wire::ReplicaHello>(&*message); hello != nullptr && !hub_) {
    give_away(std::move(*hello));
    return;
  }
  session_.on_message(*std::move(message), frame.request_id, effects, frame.body.size());
  run(effects);
  account_held_bytes();
  adjust_reading();
}

void NativeConnection::run(server::SessionEffects& effects) {
  if (effects.attach) attach(*std::exchange(effects.attach, {}), effects);
  for (const server::SessionEffects::Send& send : effects.send) {
    std::visit([&](const auto& message) { socket_->send(message, send.request_id); }, send.message);
  }
  for (server::SessionEffects::Read& read : effects.read) {
    if (socket_->closed()) return;
    answer_read(*hub_, shared_from_this(), std::move(read));
  }
  for (server::SessionEffects::EngineCall& call : effects.engine) {
    if (socket_->closed()) return;
    hub_->engine().call(session_.owner(), std::move(call));
  }
  if (effects.close) socket_->close_after_flush(*std::move(effects.close));
}

void NativeConnection::attach(const std::string& storage, server::SessionEffects& effects) {
  ShardHub* hub = environment().find_hub(shard_index_, storage);
  if (hub == nullptr) {
    session_.refused(Error{ErrorCode::not_found, "there is no storage named '" + storage + "'"},
                     effects);
    return;
  }
  hub->take_deliveries();
  std::optional<Error> why = refusal(*hub);
  // Who caches needs a line to begin at. Who commits, too: below it, outcomes are forgotten.
  const bool needs_line = wants_invalidations() || !session_.hello().accepts_standby;
  if (!why && needs_line && hub->line().is_zero()) {
    if (Result<> begun = hub->engine().begin_log(); !begun) why = std::move(begun).error();
    hub->take_deliveries();
  }
  if (why) {
    const bool elsewhere = why->code == ErrorCode::not_primary;
    session_.refused(*std::move(why), effects, elsewhere ? leader() : std::string());
    return;
  }
  hub_ = hub;
  joined_at_ = hub_->line();
  if (wants_invalidations()) {
    subscription_.emplace(joined_at_, environment().config->outbound_bytes_max);
  }
  hub_->add(shared_from_this());
  const storage::ObjectStore& store = hub_->engine().store();
  // The chain lets a client prove later which history its cache belongs to. It is known for free
  // when nothing was appended since the line; else the tid alone must do.
  const Position last = store.last_position();
  const bool at_line = last.tid == hub_->line();
  session_.attached(
      {.cluster_id = store.cluster_id(),
       .node = environment().config->node_name,
       .role = environment().cluster ? environment().cluster()->role : wire::NodeRole::primary,
       .epoch = environment().cluster ? environment().cluster()->epoch : hub_->engine().epoch(),
       .visible = {at_line ? last.epoch : hub_->engine().epoch(), hub_->line(),
                   at_line ? last.chain : ChainHash{}},
       .body_max = environment().config->frame_bytes_max,
       .transaction_bytes_max = environment().config->transaction_bytes_max});
  socket_->set_body_max(environment().config->frame_bytes_max);
  socket_->set_compress_from(kCompressFrom);
  environment().log(LogLevel::debug, "client " + socket_->peer() + " (" + session_.hello().label +
                                         ") uses storage " + storage);
  const Position& cache = session_.hello().cache;
  if (!wants_invalidations()) {
    session_.caught_up(false, effects);
  } else if (cache.tid.is_zero()) {
    std::vector<invalidation::BatchPtr> none;  // nothing was published since it joined just now
    subscription_->caught_up(joined_at_, none);
    session_.caught_up(false, effects);
  } else {
    // What becomes visible meanwhile has to fit, too.
    catch_up(*hub_, shared_from_this(), cache, environment().config->outbound_bytes_max / 2);
  }
}

void NativeConnection::caught_up(bool cache_valid) {
  const std::shared_ptr<NativeConnection> self = shared_from_this();
  if (socket_->closed() || session_.closed()) return;
  server::SessionEffects effects;
  session_.caught_up(cache_valid, effects);
  run(effects);
  send_topology();
  std::vector<invalidation::BatchPtr> waiting;
  subscription_->caught_up(joined_at_, waiting);
  std::string frames;
  for (const invalidation::BatchPtr& batch : waiting) encode_invalidate_frames(*batch, frames);
  socket_->send_encoded(frames);
}

void NativeConnection::offer(PublishedBatch& published, RecordKind /*kind*/, bool own) {
  std::vector<invalidation::BatchPtr> now;
  if (subscription_->offer(published.batch(), own, now) ==
      invalidation::Subscription::Offer::overflow) {
    end(Error{ErrorCode::unavailable, "too much changed while catching up"});
    return;
  }
  if (!now.empty()) socket_->send_encoded(published.frames());  // live: the batch just offered
}

void NativeConnection::on_reply(commit::CommitEffects::Reply reply) {
  const std::shared_ptr<NativeConnection> self = shared_from_this();
  server::SessionEffects effects;
  session_.on_reply(std::move(reply), effects);
  run(effects);
  account_held_bytes();
  adjust_reading();
}

void NativeConnection::account_held_bytes() {
  if (socket_->closed()) return;
  if (!staged_.settle(session_.held_bytes())) {
    end(Error{ErrorCode::unavailable,
              "the server holds too much of unfinished transactions; try again later"});
  }
}

void NativeConnection::give_away(wire::ReplicaHello hello) {
  if (!environment().adopt_standby) {
    end(Error{ErrorCode::invalid_argument,
              "this server has several storages, and serves no standbys"});
    return;
  }
  const std::shared_ptr<NativeConnection> self = shared_from_this();
  if (Result<int> socket = socket_->release(); socket) {
    environment().adopt_standby(*socket, std::move(hello));
  }
  environment().ended(shard_index_, session_.owner());
}

std::optional<Error> NativeConnection::why_outdated() const {
  if (std::optional<Error> why = why_silent()) return why;
  const std::uint32_t bound_ms = session_.hello().max_staleness_ms;
  if (bound_ms == 0 || environment().limits == nullptr) return std::nullopt;
  const Duration bound = std::chrono::milliseconds(bound_ms);
  if (environment().limits->is_fresh(bound, environment().clock->now().instant)) {
    return std::nullopt;
  }
  return Error{ErrorCode::not_primary, "this standby has not heard of its primary for more than " +
                                           std::to_string(bound_ms) + " ms"};
}

std::optional<Error> NativeConnection::refusal(const ShardHub& hub) const {
  if (!environment().cluster) return std::nullopt;
  if (std::optional<Error> why = why_outdated()) return why;
  const wire::Hello& hello = session_.hello();
  const wire::NodeRole role = environment().cluster()->role;
  if (role == wire::NodeRole::primary) return std::nullopt;
  if (!hello.accepts_standby) {
    return Error{ErrorCode::not_primary, "this server is not the primary of its cluster"};
  }
  // Tools ask whatever there is; who caches needs a line to begin at.
  if (!hello.wants_invalidations) return std::nullopt;
  if (hub.line().is_zero()) {
    return Error{ErrorCode::unavailable, "this standby has nothing to show yet; ask again"};
  }
  return std::nullopt;
}

std::string NativeConnection::leader() const {
  return environment().cluster ? environment().cluster()->leader : std::string();
}

void NativeConnection::cluster_changed() {
  if (session_.live()) send_topology();
}

void NativeConnection::send_topology() {
  if (!environment().cluster || (session_.hello().features & wire::kFeatureTopology) == 0) return;
  const std::shared_ptr<const ClusterView> view = environment().cluster();
  socket_->send(wire::Topology{view->epoch, view->leader, view->addresses}, 0);
}

void NativeConnection::close(Error why) { socket_->close(std::move(why)); }

void NativeConnection::end(Error why) {
  const std::shared_ptr<NativeConnection> self = shared_from_this();
  wire::ErrorReply last{why};
  if (why.code == ErrorCode::not_primary) last.leader = leader();
  socket_->send(last, 0);
  socket_->close_after_flush(std::move(why));
}

void NativeConnection::check_progress(Instant now) {
  if (hub_ == nullptr && now - opened_ > environment().config->handshake_timeout) {
    end(Error{ErrorCode::timeout, "no hello in time"});
    return;
  }
  // One that asks nothing reads from its cache.
  if (session_.live() && !socket_->closed()) {
    if (std::optional<Error> why = why_outdated()) {
      end(*std::move(why));
      return;
    }
  }
  const std::optional<std::uint64_t> staging = session_.oldest_staging();
  if (staging != staging_) {
    staging_ = staging;
    staging_since_ = now;
  } else if (staging && now - staging_since_ > environment().config->vote_timeout) {
    end(Error{ErrorCode::timeout, "a transaction was begun and not voted in time"});
    return;
  }
  socket_->check_progress(now);
}

void NativeConnection::on_drained() { output_gone(); }

void NativeConnection::on_closed(const Error& why) {
  log_end("client " + socket_->peer(), hub_ != nullptr, why);
  const std::shared_ptr<NativeConnection> self = shared_from_this();
  if (cancelled_ != nullptr) cancelled_->store(true);
  (void)staged_.settle(0);
  output_gone();
  if (hub_ != nullptr) hub_->remove(*this);
  environment().ended(shard_index_, session_.owner());
}

}  // namespace zeolite::daemon
