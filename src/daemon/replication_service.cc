#include "daemon/replication_service.h"

#include <algorithm>
#include <future>
#include <utility>

#include "base/check.h"
#include "base/milliseconds.h"
#include "blobs/undone_blobs.h"
#include "daemon/checkpoint_receiver.h"
#include "daemon/divergence_file.h"

namespace zeolite::daemon {
namespace {

namespace action = replication::action;

constexpr std::size_t kRingBytes = 16 << 20;
// Groups that wait to be appended; below it an upstream that is not read is read again.
constexpr std::size_t kQueuedBytesLow = 32 << 20;
// How long a link that was closed has for its last words.
constexpr Duration kLeaveTime = std::chrono::seconds(3);
// How long the end waits for the lease to be given back.
constexpr auto kResignTimeout = std::chrono::milliseconds(500);

wire::NodeRole to_wire(replication::Role role) {
  switch (role) {
    case replication::Role::primary:
      return wire::NodeRole::primary;
    case replication::Role::standby:
      return wire::NodeRole::standby;
    default:
      return wire::NodeRole::starting;
  }
}

}  // namespace

ReplicationService::ReplicationService(Options options,
                                       std::unique_ptr<storage::NodeFile> node_file, Events events)
    : options_(std::move(options)),
      events_(std::move(events)),
      node_file_(std::move(node_file)),
      ring_(kRingBytes) {}

ReplicationService::~ReplicationService() { stop(); }

void ReplicationService::start(StorageEngine& engine, storage::RocksObjectStore& store) {
  engine_ = &engine;
  store_ = &store;
  shard_.post([this] {
    if (options_.node.elects) {
      etcd_ =
          std::make_unique<etcd::EtcdClient>(shard_.context(), options_.etcd, options_.etcd_prefix);
    }
    const Position last = store_->last_position();
    const bool has_data = !last.tid.is_zero();
    node_ = std::make_unique<replication::Node>(
        options_.node,
        replication::Node::Durable{.last = last,
                                   .cluster = has_data ? store_->cluster_id() : Id128{},
                                   .promised = node_file_->promised(),
                                   .heard = node_file_->heard()});
    make_outgoing();
    make_applier();
    with_node([](replication::Node& node, Instant now, replication::Actions& actions) {
      node.start(now, actions);
    });
    schedule_tick();
  });
}

void ReplicationService::stop() {
  if (engine_ == nullptr || std::exchange(ended_, true)) return;
  shard_.run([this] {
    with_node([](replication::Node& node, Instant now, replication::Actions& actions) {
      node.stop(now, actions);
    });
    stopped_ = true;
    halted_.reset();
    timer_.cancel();
    if (upstream_) upstream_->close("the server is stopping");
    for (const auto& [id, peer] : peers_) peer->close("the server is stopping");
    for (auto& [id, done] : std::exchange(commands_, {})) {
      done(make_error(ErrorCode::shutting_down, "the server is stopping"));
    }
  });
  const Instant until = clock_.now().instant + kResignTimeout;
  bool pending = true;
  while (pending && clock_.now().instant < until) {
    shard_.run([this, &pending] { pending = etcd_pending_ > 0; });
    if (pending) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  applier_.reset();  // appends what it has been given; its events go nowhere
  for (boost::asio::thread_pool* pool : {&pool_, &checkpoint_pool_}) {
    pool->stop();
    pool->join();
  }
  shard_.stop();
  shard_.join();
  receiver_.reset();
  leaving_.clear();
  peers_.clear();
  upstream_.reset();
  etcd_.reset();
}

// Actions may lead to more of them; those come after.
void ReplicationService::carry_out() {
  if (carrying_out_) return;
  carrying_out_ = true;
  refresh_limits();  // first: what is carried out may let somebody else serve
  for (std::size_t i = 0; i < actions_.size() && !stopped_; ++i) {
    replication::Action next = std::move(actions_[i]);
    carry_out(next);
  }
  actions_.clear();
  carrying_out_ = false;
  refresh_limits();
  if (stopped_) return;
  const std::shared_ptr<const ClusterView> view = board_.view();
  if (view->role != to_wire(node_->role()) || view->epoch != node_->epoch()) refresh_view();
}

void ReplicationService::carry_out(replication::Action& what) {
  std::visit([this](auto& action) { run(action); }, what);
}

void ReplicationService::schedule_tick() {
  timer_.expires_after(node_->tick_interval() / 2);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled || (stopped_ && !halted_)) return;
    tick();
    schedule_tick();
  });
}

void ReplicationService::tick() {
  if (halted_) {
    try_again();
    return;
  }
  with_node([this](replication::Node& node, Instant now, replication::Actions& actions) {
    if (node.role() == replication::Role::standby) {
      const Result<> space = store_->check_space();
      node.disk_is_full(!space && space.error().code == ErrorCode::out_of_space);
    }
    node.durable(engine_->durable_end(), now, actions);
    if (upstream_ && upstream_->moves()) node.link_moves(now);
    node.tick(now, actions);
  });
  if (stopped_) return;
  read_on();
  refresh_view();
  if (node_->lease() != 0 && node_->lease() != lease_) {
    lease_ = node_->lease();
    if (options_.lease_taken) options_.lease_taken(lease_);
  }
  const Instant now = clock_.now().instant;
  while (!leaving_.empty() && leaving_.front().first <= now) leaving_.pop_front();
  if (upstream_) upstream_->check_progress(now);
  const auto peers = peers_;  // one that is closed is forgotten
  for (const auto& [id, peer] : peers) peer->check_progress(now);
  outgoing_->tick();
  pump_peers();
}

// ---- connections
// ----------------------------------------------------------------------------------

void ReplicationService::adopt(int released, wire::ReplicaHello hello) {
  shard_.post([this, released, hello = std::move(hello)]() mutable {
    Result<net::Socket> socket = net::socket_from(shard_.context(), released);
    if (!socket || stopped_ || !node_) return;
    // Standbys meet no log that is empty (docs/decisions/0009).
    if (const Result<> begun = engine_->begin_log(); !begun) {
      events_.log(LogLevel::warning, "a standby is turned away: " + begun.error().detail);
      return;
    }
    add_peer(*std::move(socket), std::move(hello));
  });
}

void ReplicationService::add_peer(net::Socket socket, wire::ReplicaHello hello) {
  const replication::PeerId id = next_peer_++;
  LogFeed::Environment feed;
  feed.shard = &shard_;
  feed.pool = &pool_;
  feed.engine = engine_;
  feed.ring = &ring_;
  feed.durable_bell = &durable_bell_;
  feed.epoch = [this] { return node_->promised(); };
  CheckpointSender::Environment checkpoint;
  checkpoint.shard = &shard_;
  checkpoint.pool = &checkpoint_pool_;
  checkpoint.checkpoints = outgoing_;
  checkpoint.bytes_per_second = options_.checkpoint_bytes_per_second;
  auto peer = std::make_shared<PeerLink>(std::move(feed), std::move(checkpoint), std::move(socket),
                                         peer_events(id));
  peers_.emplace(id, peer);
  peer->start();
  with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
    node.durable(durable_or_told(hello.last.tid), now, actions);
    node.peer_hello(id, hello, now, actions);
  });
}

// The durable end of the log. If a standby is ahead of it, the node is told when it moves.
Position ReplicationService::durable_or_told(Tid wanted) {
  const Position end = engine_->durable_end();
  if (end.tid >= wanted) return end;
  durable_bell_.ask();
  return engine_->durable_end();
}

PeerLink::Events ReplicationService::peer_events(replication::PeerId peer) {
  PeerLink::Events events;
  events.hello = [this, peer](const wire::ReplicaHello& hello) {
    with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
      node.durable(durable_or_told(hello.last.tid), now, actions);
      node.peer_hello(peer, hello, now, actions);
    });
  };
  events.ack = [this, peer](const wire::ReplicaAck& ack) {
    with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
      node.durable(durable_or_told(ack.flushed.tid), now, actions);
      node.peer_ack(peer, ack, now, actions);
    });
  };
  events.stale = [this, peer](const wire::StaleEpoch& stale) {
    with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
      node.peer_stale(peer, stale, now, actions);
    });
  };
  events.lost = [this, peer](const std::string& why, PeerLink::Fault fault) {
    // The link is in the middle of a call: it goes when that is over.
    post([this, peer, why, fault] {
      // It comes back and fails again: once is enough.
      const bool news = fault == PeerLink::Fault::here && std::exchange(unfed_, why) != why;
      events_.log(news ? LogLevel::warning : LogLevel::debug,
                  "a standby's connection ended: " + why);
      if (const auto ended = peers_.find(peer); ended != peers_.end()) {
        let_leave(std::move(ended->second));
        peers_.erase(ended);
      }
      update_wanted();
      with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
        node.peer_lost(peer, now, actions);
      });
    });
  };
  return events;
}

UpstreamLink::Events ReplicationService::upstream_events() {
  UpstreamLink::Events events;
  events.connected = [this] {
    with_node([](replication::Node& node, Instant now, replication::Actions& actions) {
      node.upstream_connected(now, actions);
    });
  };
  events.message = [this](replication::UpstreamMessage message) {
    if (joins_cluster(message)) return;
    with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
      node.from_upstream(std::move(message), now, actions);
    });
  };
  events.checkpoint = [this](const wire::Message& message) {
    if (!receiver_) return;
    receiver_->on_message(message);
  };
  events.starved = [this](const std::optional<Error>& why) {
    if (std::exchange(blobs_starved_, why.has_value()) != why.has_value()) log_starved(why);
  };
  events.lost = [this](const std::string& why) {
    receiver_.reset();
    with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
      node.upstream_lost(why, now, actions);
    });
  };
  return events;
}

// A link that goes away takes with it what it has not sent: why it was closed, or that another
// leads.
void ReplicationService::let_leave(std::shared_ptr<void> link) {
  leaving_.emplace_back(clock_.now().instant + kLeaveTime, std::move(link));
}

void ReplicationService::pump_peers() {
  const auto peers = peers_;  // one that fails is forgotten
  for (const auto& [id, peer] : peers) peer->pump();
}

void ReplicationService::update_wanted() {
  for (const auto& [id, peer] : peers_) {
    if (peer->fed()) return;
  }
  ring_.set_wanted(false);
}

// ---- the engine and the store
// -----------------------------------------------------------------------

void ReplicationService::make_outgoing() {
  OutgoingCheckpoints::Environment environment;
  environment.shard = &shard_;
  environment.pool = &checkpoint_pool_;
  environment.engine = engine_;
  environment.directory = options_.data;
  environment.make = [store = store_](const std::filesystem::path& path) {
    return store->make_checkpoint(path);
  };
  environment.log = events_.log;
  outgoing_ = std::make_shared<OutgoingCheckpoints>(std::move(environment));
}

void ReplicationService::make_applier() {
  StandbyApplier::Events events;
  events.appended = [this](const Position& last) {
    post([this, last] {
      read_on();
      with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
        node.appended(last, now, actions);
      });
      pump_peers();
    });
  };
  events.mismatched = [this](Error why) {
    post([this, why = std::move(why)] {
      with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
        node.append_failed(why.detail, now, actions);
      });
    });
  };
  events.failed = [this](Error why) { post([this, why] { halt(why); }); };
  events.starved = [this](const std::optional<Error>& why) { log_starved(why); };
  events.rolled_back = [this](Result<Position> end) {
    post([this, end = std::move(end)] { on_rolled_back(end); });
  };
  applier_ = std::make_unique<StandbyApplier>(*engine_, std::move(events));
}

void ReplicationService::log_starved(const std::optional<Error>& why) {
  const std::string name = "storage " + engine_->name() + ": ";
  if (why) {
    events_.log(LogLevel::warning, name + why->detail +
                                       "; this standby appends nothing, and the primary stops " +
                                       "waiting for it: free space for " + options_.data.string() +
                                       ", then it goes on by itself");
  } else {
    events_.log(LogLevel::info, name + "there is space again: this standby goes on");
  }
}

// Looked at when something is durable, and at each tick: a group is in the queue until its memory
// is given back, which is after it was told of.
void ReplicationService::read_on() {
  if (!reading_paused_ || !applier_ || applier_->queued_bytes() >= kQueuedBytesLow) return;
  reading_paused_ = false;
  if (upstream_) upstream_->resume_reading();
}

void ReplicationService::on_rolled_back(const Result<Position>& end) {
  if (end && end->tid < engine_->visible()) {
    restart({.why = "what readers had seen was undone", .follow = {}});
    return;
  }
  const bool decided =
      end || end.error().code == ErrorCode::not_found || end.error().code == ErrorCode::conflict;
  if (!decided) {
    halt(end.error());
    return;
  }
  with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
    if (end) {
      node.rolled_back(*end, now, actions);
    } else {
      node.rollback_refused(end.error().code == ErrorCode::conflict, now, actions);
    }
  });
}

void ReplicationService::on_writing(const Position& previous,
                                    std::span<const TransactionRecord> group) {
  lags_.wrote(group);
  if (!ring_.push(group.back().epoch, previous, group)) return;
  if (pump_posted_.exchange(true)) return;
  post([this] {
    pump_posted_.store(false);
    pump_peers();
  });
}

void ReplicationService::on_durable(const Position& last) {
  (void)last;
  if (!durable_bell_.rings()) return;
  post([this] {
    with_node([this](replication::Node& node, Instant now, replication::Actions& actions) {
      node.durable(engine_->durable_end(), now, actions);
    });
    pump_peers();
  });
}

// ---- commands and status
// ---------------------------------------------------------------------------

replication::CommandId ReplicationService::remember(CommandDone done) {
  const replication::CommandId id = next_command_++;
  commands_.emplace(id, std::move(done));
  return id;
}

template <typename F>
void ReplicationService::command(CommandDone done, F step) {
  shard_.post([this, step = std::move(step), done = std::move(done)]() mutable {
    if (halted_) {
      done(std::unexpected(halted_->why));
    } else if (!stopped_) {
      const replication::CommandId id = remember(std::move(done));
      with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
        step(node, id, now, actions);
      });
    }
  });
}

void ReplicationService::promote(const wire::Promote& request, CommandDone done) {
  command(std::move(done), [request](auto& node, auto id, Instant now, auto& actions) {
    node.promote(id, request.force, now, actions);
  });
}

void ReplicationService::switchover(const wire::Switchover& request, CommandDone done) {
  command(std::move(done), [request](auto& node, auto id, Instant now, auto& actions) {
    node.switchover(id, request, now, actions);
  });
}

void ReplicationService::demote(CommandDone done) {
  command(std::move(done),
          [](auto& node, auto id, Instant now, auto& actions) { node.demote(id, now, actions); });
}

void ReplicationService::restart(Events::Restart restart) {
  if (std::exchange(restarting_, true)) return;
  events_.restart(std::move(restart));
}

bool ReplicationService::joins_cluster(const replication::UpstreamMessage& message) {
  const auto* welcome = std::get_if<wire::ReplicaWelcome>(&message);
  if (welcome == nullptr || welcome->decision != wire::ReplicaWelcome::Decision::stream) {
    return false;
  }
  const bool empty = store_->last_position().tid.is_zero();
  if (!empty || welcome->cluster_id == store_->cluster_id()) return false;
  restart({.why = "the empty database joins the primary's cluster",
           .follow = {},
           .cluster = welcome->cluster_id});
  return true;
}

// What is about to be undone is kept, complete (docs/replication.md, What is undone).
Result<> ReplicationService::archive(Position to) const {
  if (store_->last_position().tid <= to.tid) return {};
  ASSIGN_OR_RETURN(const std::filesystem::path file,
                   write_divergence_file(*store_, options_.data, to));
  std::string text =
      "transactions beyond the common history are undone; they are kept in " + file.string();
  if (engine_->blobs() != nullptr) {
    const std::filesystem::path beside = blobs_beside(file);
    ASSIGN_OR_RETURN(const blobs::UndoneBlobs kept,
                     blobs::keep_undone(*store_, *engine_->blobs(), to, beside));
    if (kept.kept > 0) text += ", their blobs in " + beside.string();
    if (kept.missing > 0) {
      text += "; the files of " + std::to_string(kept.missing) + " blobs are not there to be kept";
    }
  }
  events_.log(LogLevel::warning, text);
  return {};
}

// What fails now is done at the next start.
void ReplicationService::remove_undone_blobs() const {
  if (engine_->blobs() == nullptr) return;
  const auto removed =
      blobs::remove_undone(*engine_->blobs(), *store_, options_.data / kDivergenceFolder);
  if (!removed) {
    events_.log(LogLevel::warning,
                "blobs of transactions that were undone stay for now: " + removed.error().detail);
  }
}

void ReplicationService::refresh_limits() {
  limits_.set(node_->role() != replication::Role::primary, node_->serves_until(),
              node_->shown_as_of());
}

wire::StatusReport::Standby ReplicationService::status_of(const replication::PeerStatus& peer,
                                                          Instant now) const {
  const LagMeter::Lag lag = lags_.after(peer.flushed);
  wire::StatusReport::Standby standby;
  standby.node = peer.name;
  standby.acknowledged = peer.flushed;
  standby.lag_transactions = lag.transactions;
  standby.lag_bytes = lag.bytes;
  if (peer.behind_since) standby.lag_ms = whole_milliseconds(now - *peer.behind_since);
  standby.address = peer.address;
  standby.in_sync = peer.in_sync;
  standby.state = peer.streaming ? "streaming" : "catching up";
  const auto link = peers_.find(peer.peer);
  const std::optional<int> copied =
      link == peers_.end() ? std::nullopt : link->second->copied_percent();
  if (copied) standby.state = "copying, " + std::to_string(*copied) + " %";
  return standby;
}

void ReplicationService::refresh_view() {
  if (!node_) return;
  const Instant now = clock_.now().instant;
  ClusterView view;
  view.role = to_wire(node_->role());
  view.shows = !engine_->visible().is_zero();
  view.epoch = node_->epoch();
  view.promised = node_->promised();
  view.leader = node_->leader();
  view.advice = node_->advice();
  view.durability = options_.durability;
  view.counters = node_->counters();
  for (const replication::PeerStatus& peer : node_->peers()) {
    view.standbys.push_back(status_of(peer, now));
    if (!peer.address.empty()) view.addresses.push_back(peer.address);
  }
  const std::shared_ptr<const ClusterView> before = board_.view();
  const bool moved = before->role != view.role || before->shows != view.shows ||
                     before->epoch != view.epoch || before->leader != view.leader ||
                     before->addresses != view.addresses;
  if (!moved && before->standbys == view.standbys && before->promised == view.promised &&
      before->counters == view.counters && before->advice == view.advice) {
    return;
  }
  // Somebody may be promoted as soon as it is seen to be in sync.
  if (moved) events_.keep(view);
  board_.set(std::move(view));
  if (!moved) return;
  const std::shared_ptr<const ClusterView> now_view = board_.view();
  events_.changed(*now_view);
  if (now_view->role == wire::NodeRole::primary && before->role != wire::NodeRole::primary) {
    // Of one that is set to lead "ready" says enough.
    const LogLevel level = options_.node.leads ? LogLevel::debug : LogLevel::info;
    events_.log(level, "storage " + engine_->name() + ": now primary, epoch " +
                           std::to_string(now_view->epoch.value()) + ", after transaction " +
                           to_hex(engine_->visible()));
  }
}

}  // namespace zeolite::daemon
