#include "sim/server.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace zeolite::sim {
namespace {

constexpr Id128 kCluster{0xC1};
constexpr std::int64_t kMillion = 1'000'000;
constexpr std::size_t kAskedMax = 4;

std::int64_t balance_in(ByteView data) { return static_cast<std::int64_t>(get_u64(data.data())); }

}  // namespace

Server::Server(World world, std::size_t index, Random random, Options options)
    : world_(world),
      index_(index),
      random_(random),
      options_(std::move(options)),
      disk_(world.queue, random.split("disk"), kCluster, options_.usual_sync),
      shelf_(new_shelf()) {
  host_ = world_.network.add_host(
      process_,
      {.accepted = [](ConnectionId, Host) {},
       .connected =
           [this](ConnectionId connection) {
             if (connection != upstream_) return;
             input([&](replication::Node& node, Actions& actions) {
               node.upstream_connected(instant(), actions);
             });
           },
       .lost = [this](ConnectionId connection, const std::string& why) { lost(connection, why); },
       .received =
           [this](ConnectionId connection, std::any message) {
             received(connection, std::any_cast<Message>(std::move(message)));
           }});
  world_.checker.watch(disk_);
  options_.node.id = Id128{static_cast<std::uint8_t>(index + 1)};
  options_.node.name = "n" + std::to_string(index);
  if (broken(Mutation::epochs_not_unique)) options_.node.id = Id128{1, 1, options_.node.id[0]};
  options_.node.address = std::to_string(host_);
  role_ = {.leads = options_.node.leads, .follows = options_.node.upstream};
}

Now Server::now() const {
  const Duration time = world_.queue.now().since_start;
  const Duration local = time + time / kMillion * options_.drift_ppm;
  return {.instant = {local},
          .wall = {options_.wall_us +
                   std::chrono::duration_cast<std::chrono::microseconds>(local).count()}};
}

// ---- its life -----------------------------------------------------------------------------------

void Server::start() {
  CHECK(!alive(), "it does not run");
  world_.network.host_lives(host_);
  begin_anew({});
}

void Server::restart_as_standby_of(const Server& leader) {
  if (alive()) crash(false);
  role_ = {.leads = false, .follows = leader.options_.node.address};
  start();
}

// As the daemon does: a role by command outlives the process, and whom to ask before it leads
// again.
void Server::keep_role() {
  if (options_.node.elects || !alive()) return;
  if (node_->role() == replication::Role::standby && role_.leads) {
    role_ = {.leads = false, .follows = node_->leader()};
  }
  if (node_->role() != replication::Role::primary) return;
  std::vector<std::string> standbys;
  for (const replication::PeerStatus& peer : node_->peers()) standbys.push_back(peer.address);
  for (const std::string& before : role_.standbys) {
    if (std::ranges::find(standbys, before) == standbys.end()) standbys.push_back(before);
  }
  if (standbys.size() > kAskedMax) standbys.resize(kAskedMax);
  role_ = {.leads = true, .follows = {}, .standbys = std::move(standbys)};
}

// Whether it makes little of having ended.
bool Server::resumes() const {
  if (!broken(Mutation::resume_epoch)) return false;
  const auto& leader = world_.service.view().leader;
  return leader && leader->node == options_.node.id && leader->epoch == disk_.promise();
}

// A new Node on the disk as it is.
void Server::begin_anew(Duration abstain) {
  ++life_;
  install_what_is_complete();
  replication::Node::Options options = options_.node;
  options.abstain = abstain;
  options.seed = random_.next();
  options.leads = !options.elects && role_.leads;
  options.upstream = role_.follows;
  options.ask_first = role_.standbys;
  replication::Node::Durable durable{.last = disk_.last(),
                                     .cluster = disk_.cluster(),
                                     .promised = disk_.promise(),
                                     .heard = disk_.heard()};
  if (resumes()) {
    options.elects = false;
    options.leads = true;
    durable.promised = durable.last.epoch = Epoch(disk_.promise().value() - 1);
    durable.heard = {};
  }
  node_ = std::make_unique<replication::Node>(std::move(options), durable);
  world_.trace.note("n", index_, " begins at ", to_hex(disk_.last().tid));
  input([&](replication::Node& node, Actions& actions) { node.start(instant(), actions); });
  tick_later();
}

// What is in memory goes; connections are somebody else's business.
void Server::end_process() {
  ++life_;
  if (engine_) world_.checker.ended(index_);
  engine_.reset();
  node_.reset();
  actions_.clear();
  waits_ = false;
  ending_ = false;
  gone_on_ = false;
  feeds_off_ = false;
  upstream_ = 0;
  feeders_.clear();
  shelf_ = new_shelf();
  checkpoints_.clear();
  sendings_.clear();
  give_up_copy();
  appends_.clear();
  appending_ = false;
  shown_ = kNoTid;
}

void Server::crash(bool silently) {
  world_.trace.note("n", index_, " crashes");
  process_.kill();
  end_process();
  disk_.crash();
  noted_ = std::min(noted_, disk_.last().tid);
  world_.network.host_died(host_, silently);
}

void Server::pause_for(Duration time) {
  world_.trace.note("n", index_, " pauses");
  process_.pause_until(world_.queue.now() + time);
}

void Server::later(Duration delay, std::function<void()> event) {
  world_.queue.after(delay, process_, [this, life = life_, event = std::move(event)] {
    if (life == life_) event();
  });
}

void Server::tick_later() {
  later(node_->tick_interval(), [this] {
    if (engine_) engine_->tick();
    replication::CheckpointShelf::Effects effects;
    shelf_.tick(instant(), effects);
    carry_out(effects);
    input([&](replication::Node& node, Actions& actions) {
      node.disk_is_full(disk_.full());
      node.tick(instant(), actions);
    });
    keep_role();
    if (alive()) tick_later();
  });
}

void Server::input(const std::function<void(replication::Node&, Actions&)>& give) {
  if (!node_ || ending_) return;
  Actions actions;
  give(*node_, actions);
  for (replication::Action& action : actions) actions_.push_back(std::move(action));
  carry_out_next();
}

// ---- what it hears ------------------------------------------------------------------------------

void Server::lost(ConnectionId connection, const std::string& why) {
  if (connection == upstream_) {
    upstream_ = 0;
    give_up_copy();
    input([&](replication::Node& node, Actions& actions) {
      node.upstream_lost(why, instant(), actions);
    });
    return;
  }
  feeders_.erase(connection);
  stop_sending(connection);
  input([&](replication::Node& node, Actions& actions) {
    node.peer_lost(connection, instant(), actions);
  });
  acknowledge_without_the_lost();
}

// Broken: who is not connected is not waited for.
void Server::acknowledge_without_the_lost() {
  if (!broken(Mutation::stops_waiting_at_once) || !serving() || ending_) return;
  Tid all = disk_.last().tid;
  for (const replication::PeerStatus& peer : node_->peers()) {
    if (peer.waited_for) all = std::min(all, peer.flushed);
  }
  engine_->acknowledge(all);
}

void Server::send(ConnectionId connection, Message message) {
  if (const auto* const ack = std::get_if<wire::ReplicaAck>(&message)) {
    world_.checker.shows_position(index_, disk_, ack->flushed);
  } else if (const auto* const hello = std::get_if<wire::ReplicaHello>(&message)) {
    world_.checker.shows_position(index_, disk_, hello->last);
  }
  if (const std::optional<Epoch> promise = promise_in(message)) {
    world_.checker.shows_promise(index_, disk_, *promise);
  }
  world_.network.send(host_, connection, std::any(std::move(message)));
}

void Server::note_durable() {
  world_.checker.durable(index_, disk_, noted_);
  noted_ = disk_.last().tid;
}

void Server::received(ConnectionId connection, Message message) {
  if (!node_) return;
  if (auto* const file = std::get_if<CopyFile>(&message)) {
    on_copy_file(connection, std::move(*file));
  } else if (const auto* const begin = std::get_if<wire::CheckpointBegin>(&message)) {
    on_copy_begin(connection, *begin);
  } else if (const auto* const request = std::get_if<wire::CheckpointRequest>(&message)) {
    on_copy_request(connection, *request);
  } else if (const auto* const ack = std::get_if<wire::CheckpointAck>(&message)) {
    on_copy_ack(connection, *ack);
  } else if (const auto* const wanted = std::get_if<ReadRequest>(&message)) {
    read(connection, *wanted);
  } else if (const auto* const commit = std::get_if<CommitRequest>(&message)) {
    const Engine::Caller caller{.connection = connection, .number = commit->number};
    if (engine_ && !ending_) {
      engine_->commit(caller, *commit);
    } else {
      send(connection, CommitReply{.number = commit->number,
                                   .error = ErrorCode::not_primary,
                                   .leader = node_->leader()});
    }
  } else if (const auto* const query = std::get_if<OutcomeRequest>(&message)) {
    const Engine::Caller caller{.connection = connection, .number = query->number};
    if (engine_ && !ending_) {
      engine_->query(caller, *query);
    } else {
      send(connection, CommitReply{.number = query->number,
                                   .error = ErrorCode::not_primary,
                                   .leader = node_->leader()});
    }
  } else {
    input([&](replication::Node&, Actions& actions) { from_peer(connection, message, actions); });
  }
}

void Server::from_peer(ConnectionId connection, Message& message, Actions& actions) {
  const Instant at = instant();
  if (connection == upstream_) {
    if (auto* const welcome = std::get_if<wire::ReplicaWelcome>(&message)) {
      node_->from_upstream(std::move(*welcome), at, actions);
    } else if (auto* const group = std::get_if<wire::ReplicaAppend>(&message)) {
      node_->from_upstream(std::move(*group), at, actions);
    } else if (const auto* const beat = std::get_if<wire::ReplicaHeartbeat>(&message)) {
      node_->from_upstream(*beat, at, actions);
    } else if (const auto* const stale = std::get_if<wire::StaleEpoch>(&message)) {
      node_->from_upstream(*stale, at, actions);
    } else if (const auto* const handover = std::get_if<wire::Handover>(&message)) {
      node_->from_upstream(*handover, at, actions);
    }
    return;
  }
  if (const auto* const hello = std::get_if<wire::ReplicaHello>(&message)) {
    feeders_.erase(connection);
    stop_sending(connection);
    // This one is turned away; it greets again.
    if (engine_) engine_->begin_log();
    node_->peer_hello(connection, *hello, at, actions);
  } else if (const auto* const ack = std::get_if<wire::ReplicaAck>(&message)) {
    node_->peer_ack(connection, *ack, at, actions);
  } else if (const auto* const stale = std::get_if<wire::StaleEpoch>(&message)) {
    node_->peer_stale(connection, *stale, at, actions);
  }
}

void Server::read(ConnectionId connection, const ReadRequest& request) {
  if (ending_) return;
  const std::optional<Instant> until = node_->serves_until();
  if (until && instant() >= *until && !broken(Mutation::reads_past_deadline)) {
    world_.network.close(host_, connection);
    return;
  }
  if (serving()) world_.checker.answers_as_primary(index_, node_->epoch());
  ReadReply reply{.number = request.number, .primary = serving(), .epoch = node_->epoch()};
  reply.line = serving() ? engine_->visible() : shown_;
  const bool too_much = broken(serving() ? Mutation::read_before_ack : Mutation::standby_shows_all);
  if (too_much) reply.line = disk_.last().tid;
  world_.checker.told(index_, disk_, reply.line, "answers a reader with");
  reply.leader = node_->leader();
  for (std::size_t account = 0; account < kAccounts; ++account) {
    const storage::Loaded loaded =
        disk_.objects()
            .load_before(Oid(account + 1), kMaxTid, reply.line, storage::ReadTier::disk)
            .value();
    if (loaded.status != storage::LoadStatus::found) continue;
    reply.opened = true;
    reply.tids[account] = loaded.tid;
    reply.balances[account] = balance_in(loaded.data.view());
  }
  send(connection, std::move(reply));
}

// ---- leading ------------------------------------------------------------------------------------

Engine::Outputs Server::engine_outputs() {
  return {.now = [this] { return now(); },
          .sequenced =
              [this] {
                feed_all();
                if (broken(Mutation::ack_before_local_sync)) on_own_durable(disk_.end());
              },
          .durable = [this](const Position& last) { on_own_durable(last); },
          .begun = [this](const Position& begin) { on_begun(begin); },
          .acknowledged = [this](Tid up_to) { acknowledged(up_to); },
          .reply =
              [this](Engine::Caller caller, CommitReply reply) {
                if (ending_) return;
                reply.number = caller.number;
                send(caller.connection, std::move(reply));
              }};
}

void Server::on_own_durable(const Position& last) {
  note_durable();
  input([&](replication::Node& node, Actions& actions) { node.durable(last, instant(), actions); });
  acknowledge_without_the_lost();
}

void Server::on_begun(Position begin) {
  note_durable();
  if (broken(Mutation::publish_ignores_inherited) && begin != Position{}) {
    begin.tid = disk_.entries_after(kNoTid, false).front().position.tid;
  }
  input([&](replication::Node& node, Actions& actions) {
    node.reign_begun(begin, instant(), actions);
  });
}

void Server::acknowledged(Tid up_to) {
  if (ending_) return;
  world_.trace.note("n", index_, " acknowledges ", to_hex(up_to));
  world_.checker.told(index_, disk_, up_to, "acknowledges");
}

void Server::switch_over(const std::string& target) {
  if (broken(Mutation::handover_before_caught_up) && !std::exchange(feeds_off_, true)) {
    // Until none of them is waited for any more: then the target is behind.
    later(std::chrono::seconds(5), [this, target] {
      switch_over(target);
      feeds_off_ = false;
    });
    return;
  }
  input([&](replication::Node& node, Actions& actions) {
    node.switchover(1, {.target = target, .timeout_ms = 2000}, instant(), actions);
  });
}

void Server::promote(bool force) {
  input([&](replication::Node& node, Actions& actions) {
    node.promote(3, force, instant(), actions);
  });
}

void Server::pack() {
  if (!engine_ || ending_) return;
  world_.trace.note("n", index_, " packs");
  engine_->pack();
}

void Server::demote() {
  input([&](replication::Node& node, Actions& actions) { node.demote(2, instant(), actions); });
}

}  // namespace zeolite::sim
