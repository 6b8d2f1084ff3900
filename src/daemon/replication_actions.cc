// ReplicationService: what the node asks for, one function an action (replication/node_actions.h).

#include <boost/asio/post.hpp>
#include <utility>

#include "daemon/checkpoint_receiver.h"
#include "daemon/replication_service.h"
#include "storage/checkpoint_install.h"
#include "storage/disk_space.h"
#include "storage/log_search.h"

namespace zeolite::daemon {
namespace {

namespace action = replication::action;

// Groups that wait to be appended; above it the upstream is not read.
constexpr std::size_t kQueuedBytesMax = 64 << 20;
constexpr Duration kConnectTimeout = std::chrono::seconds(3);
constexpr Duration kDcsTimeout = std::chrono::seconds(1);
// A reign may begin on what a full disk keeps back, to be read: but not on nothing. An append that
// fails half way ends the process.
constexpr std::uint64_t kRoomToLead = 1 << 20;

Result<> check_room_to_lead(const std::filesystem::path& directory) {
  const Result<storage::DiskUsage> usage = storage::read_disk_usage(directory);
  if (!usage || usage->free >= kRoomToLead) return {};
  return make_error(
      ErrorCode::out_of_space,
      "No space left on device for the beginning of a reign in " + directory.string());
}

}  // namespace

void ReplicationService::run(action::StorePromise& promise) {
  store([this, epoch = promise.epoch] { return node_file_->promise(epoch); });
}

void ReplicationService::run(action::StoreHeard& heard) {
  store([this, epoch = heard.epoch] { return node_file_->hear(epoch); });
}

void ReplicationService::store(std::function<Result<>()> step) {
  if (Result<> stored = step(); !stored) halt(std::move(stored).error(), std::move(step));
}

// What was to follow from what is not stored does not happen, and nothing else: this node is none
// any more. If there is no space for it, it is one again when there is: `again` stores it, which
// harms nobody. A primary ends with its process, whose clients do not wait for an answer then.
void ReplicationService::halt(Error why, std::function<Result<>()> again) {
  stopped_ = true;
  const bool served =
      node_->role() == replication::Role::primary || board_.view()->role == wire::NodeRole::primary;
  if (served) engine_->abandon();
  replication::Actions last;
  node_->storing_failed(why, clock_.now().instant, last);
  for (replication::Action& action : last) carry_out(action);
  for (auto& [id, done] : std::exchange(commands_, {})) done(std::unexpected(why));
  if (upstream_) upstream_->close(why.detail);
  for (const auto& [id, peer] : peers_) peer->close(why.detail);
  receiver_.reset();
  refresh_limits();
  if (why.code != ErrorCode::out_of_space || served || !again) {
    events_.fatal(std::move(why));
    return;
  }
  halted_ = {.why = std::move(why), .again = std::move(again)};
  show_halted();
}

void ReplicationService::show_halted() {
  const std::string why = halted_->why.detail +
                          "; this node neither leads nor follows until there is space: free some "
                          "for " +
                          options_.data.string() + ", then it goes on by itself";
  events_.log(LogLevel::warning, "storage " + engine_->name() + ": " + why);
  ClusterView view = *board_.view();
  view.leader.clear();
  view.standbys.clear();
  view.addresses.clear();
  view.advice = why;
  board_.set(std::move(view));
  events_.changed(*board_.view());
}

// With the reserve that the database keeps free: it is opened again.
void ReplicationService::try_again() {
  const Instant now = clock_.now().instant;
  if (now < halted_->try_at) return;
  halted_->try_at = now + kSpaceRetry;
  if (Result<> stored = halted_->again(); !stored) {
    if (stored.error().code == ErrorCode::out_of_space) return;
    halted_.reset();
    events_.fatal(std::move(stored).error());
    return;
  }
  if (!store_->check_space()) return;
  halted_.reset();
  restart({.why = "there is space again for what it has to store", .follow = {}});
}

void ReplicationService::run(action::Append& append) {
  if (!applier_ || !upstream_) return;
  if (store_->last_position().tid.is_zero() && node_->follower().cluster() == Id128{}) {
    node_->database_made(store_->cluster_id());
  }
  std::vector<StandbyApplier::ReceivedBlob> blobs = upstream_->take_blobs(append.group);
  applier_->append(std::move(append.group), std::move(blobs));
  if (!reading_paused_ && applier_->queued_bytes() > kQueuedBytesMax) {
    reading_paused_ = true;
    upstream_->pause_reading();
  }
}

void ReplicationService::run(action::Rollback& rollback) {
  outgoing_->log_undone();
  applier_->rollback(rollback.to, {.archive = [this](Position to) { return archive(to); },
                                   .tidy = [this] { remove_undone_blobs(); }});
}

void ReplicationService::run(action::Locate& locate) {
  boost::asio::post(pool_, [this, max = locate.max] {
    Result<Position> found = storage::last_position_in(*store_, max);
    post([this, found = std::move(found)] {
      if (!found) {
        halt(found.error());
        return;
      }
      with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
        node.located(*found, now, actions);
      });
    });
  });
}

void ReplicationService::run(action::TakeCheckpoint& take) {
  events_.log(LogLevel::info, "a copy of the database is taken from the primary");
  CheckpointReceiver::Events events;
  events.request = [this](const wire::CheckpointRequest& request) {
    if (upstream_) upstream_->send(request);
  };
  events.acknowledge = [this](const wire::CheckpointAck& ack) {
    if (upstream_) upstream_->send(ack);
  };
  events.finished = [this](Result<CheckpointReceiver::Complete> finished) {
    if (finished) {
      with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
        node.copied(finished->cluster, finished->position, now, actions);
      });
      return;
    }
    const std::string why = "no copy of the database: " + finished.error().detail;
    if (upstream_) upstream_->close(why);
    with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
      node.upstream_lost(why, now, actions);
    });
  };
  events.log = events_.log;
  receiver_ = std::make_unique<CheckpointReceiver>(options_.data, shard_, checkpoint_pool_,
                                                   std::move(events));
  receiver_->start(take);
}

void ReplicationService::run(action::InstallCheckpoint& install) {
  const storage::CompleteCopy copy = {
      .cluster = install.cluster, .position = install.position, .replaces = install.replaces};
  store([data = options_.data, copy] { return storage::complete_incoming(data, copy); });
  if (stopped_) return;
  restart(
      {.why = "the copy of the database is complete", .follow = {}, .cluster = install.cluster});
}

// After what is on its way into a copy that was given up.
void ReplicationService::run(action::DiscardCopy& /*discard*/) {
  receiver_.reset();
  boost::asio::post(checkpoint_pool_, [data = options_.data, log = events_.log] {
    if (const Result<> gone = storage::discard_incoming(data); !gone) {
      log(LogLevel::warning, "what is left of a copy stays for now: " + gone.error().detail);
    }
  });
}

void ReplicationService::run(action::Lead& lead) {
  if (Result<> room = check_room_to_lead(options_.data); !room) {
    halt(std::move(room).error(), [this] { return store_->check_space(); });
    return;
  }
  // What was taken from the former primary is part of what the reign begins with.
  applier_.reset();
  Result<Position> begin =
      lead.alone ? engine_->lead_alone(lead.epoch) : engine_->lead(lead.epoch, lead.takeover);
  if (!begin) {
    halt(std::move(begin).error());
    return;
  }
  node_->database_made(store_->cluster_id());
  node_->reign_begun(*begin, clock_.now().instant, actions_);
  pump_peers();
}

void ReplicationService::run(action::Serve& /*serve*/) { engine_->serve(); }

void ReplicationService::run(action::SetWaiting& waiting) {
  const Tid acknowledged = engine_->set_waiting(waiting.on);
  if (waiting.on) node_->waiting_from(acknowledged, clock_.now().instant, actions_);
}

void ReplicationService::run(action::Acknowledge& acknowledge) {
  engine_->announce(acknowledge.up_to);
  // What standbys are told of it is out of this process before a client can be answered.
  const auto peers = peers_;  // one that is lost is forgotten
  for (const auto& [id, peer] : peers) peer->flush();
  engine_->acknowledge(acknowledge.up_to);
}

void ReplicationService::run(action::Show& show) {
  if (applier_) applier_->show(show.visible);
}

void ReplicationService::run(action::HoldCommits& /*hold*/) {
  engine_->hold_commits([this](const Position& last) {
    post([this, last] {
      with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
        node.commits_held(last, ring_.last(), now, actions);
      });
    });
  });
}

void ReplicationService::run(action::ReleaseCommits& /*release*/) { engine_->release_commits(); }

void ReplicationService::run(action::StepDown& down) {
  engine_->abandon();
  restart({.why = std::move(down.why), .follow = std::move(down.leader), .was_primary = true});
}

void ReplicationService::run(action::Connect& connect) {
  if (upstream_) upstream_->close("another connection is made");
  receiver_.reset();
  upstream_ = std::make_shared<UpstreamLink>(shard_, engine_->blobs(), upstream_events());
  const Result<net::HostPort> address = net::parse_host_port(connect.address);
  if (!address) {
    events_.log(LogLevel::error, "the address of the primary is none: " + address.error().detail);
    return;
  }
  reading_paused_ = false;
  if (applier_) applier_->resume();
  upstream_->connect(*address, kConnectTimeout);
}

void ReplicationService::run(action::Disconnect& disconnect) {
  receiver_.reset();
  if (!upstream_) return;
  upstream_->close(disconnect.why);
  let_leave(std::exchange(upstream_, nullptr));
}

void ReplicationService::run(action::ToUpstream& message) {
  if (!upstream_) return;
  std::visit([this](const auto& content) { upstream_->send(content); }, message.message);
}

void ReplicationService::run(action::ToPeer& message) {
  const auto peer = peers_.find(message.peer);
  if (peer == peers_.end()) return;
  std::visit([&](const auto& content) { peer->second->send(content); }, message.message);
}

void ReplicationService::run(action::ClosePeer& close) {
  const auto peer = peers_.find(close.peer);
  if (peer == peers_.end()) return;
  peer->second->close(close.why);
  let_leave(std::move(peer->second));
  peers_.erase(peer);
  update_wanted();
}

void ReplicationService::run(action::Compare& compare) {
  boost::asio::post(pool_, [this, peer = compare.peer, position = compare.position] {
    replication::Comparison comparison;
    const Result<storage::HistoryMatch> match = storage::compare_history(*store_, position);
    if (match) {
      using Kind = storage::HistoryMatch::Kind;
      comparison.kind = match->kind == Kind::same       ? replication::Comparison::Kind::same
                        : match->kind == Kind::ancestor ? replication::Comparison::Kind::ancestor
                                                        : replication::Comparison::Kind::probe;
      comparison.position = match->ancestor;
      if (match->kind == Kind::probe) comparison.position.epoch = match->probe;
      const bool same = match->kind == Kind::same;
      comparison.complete = match->kind == Kind::probe ||
                            (storage::complete_after(*store_, same ? position : match->ancestor) &&
                             !(same && storage::copy_is_quicker(*store_, position)));
    }
    post([this, peer, comparison, why = match ? std::string() : match.error().detail] {
      with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
        if (!why.empty()) {
          events_.log(LogLevel::error, "the log cannot be compared with a standby's: " + why);
          node.peer_lost(peer, now, actions);
          actions.emplace_back(action::ClosePeer{peer, why});
          return;
        }
        node.peer_compared(peer, comparison, now, actions);
      });
    });
  });
}

void ReplicationService::run(action::Feed& feed) {
  const auto peer = peers_.find(feed.peer);
  if (peer == peers_.end()) return;
  ring_.set_wanted(true);
  peer->second->feed(feed.after.tid);
}

void ReplicationService::run(action::AskDcs& ask) {
  if (!etcd_) return;
  ++etcd_pending_;
  const Instant sent = clock_.now().instant;
  etcd_->send(ask.request, kDcsTimeout,
              [this, request = ask.request, sent](Result<replication::dcs::Answer> answer) {
                --etcd_pending_;
                with_node([&](replication::Node& node, Instant now, replication::Actions& actions) {
                  node.answered(request, std::move(answer), sent, now, actions);
                });
              });
}

void ReplicationService::run(action::Answer& answer) {
  const auto found = commands_.find(answer.command);
  if (found == commands_.end()) return;
  // Whoever is told that this node leads finds it so, and finds it so after a restart.
  if (node_->role() == replication::Role::primary) refresh_view();
  const CommandDone done = std::move(found->second);
  commands_.erase(found);
  done(std::move(answer.result));
}

void ReplicationService::run(action::Note& note) {
  events_.log(note.warning ? LogLevel::warning : LogLevel::info, note.text);
}

}  // namespace zeolite::daemon
