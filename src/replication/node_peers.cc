// Node: the standbys that connect to it.

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/milliseconds.h"
#include "replication/node.h"

namespace zeolite::replication {
namespace {

using Decision = wire::ReplicaWelcome::Decision;

// How many of the newest beats are remembered; an echo of an older one confirms nothing.
constexpr std::size_t kBeatsMax = 256;
// Who was heard of within so many heartbeats is there now.
constexpr int kBeatsOfOneThatIsThere = 5;
// How often one may come in the place of itself, with no longer pauses, before it is two.
constexpr int kDrivenOutMax = 3;
constexpr Duration kDrivenOutMemory = std::chrono::seconds(10);
// More nodes than a cluster has; their names are for people.
constexpr std::size_t kNamesMax = 64;

// Rounded up: younger than it is it must not look.
std::uint32_t to_age_ms(Duration age) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(age).count();
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(ms, 0, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

// Whether standbys may stream from this node: from the primary once its log has something of its
// reign, also before it serves, or from a standby that streams itself.
bool Node::feeds() const {
  if (role_ == Role::promoting || role_ == Role::primary) return sync_ && own_.epoch == epoch_;
  return role_ == Role::standby && linked_ && follower_.streaming();
}

// Why this node does not compare histories with who sent `hello`; empty: it does.
std::string Node::objection(const wire::ReplicaHello& hello) const {
  if (hello.node == options_.id) {
    return "this is the node itself, or a copy of its data directory: check the address that it is "
           "to follow; in a copy, remove the file NODE, and start it again";
  }
  if (!feeds()) {
    const bool idle = role_ == Role::starting && !election_ && (!asking_ || outranked());
    return idle ? "this node neither leads nor follows: one of the nodes is to be promoted"
                : "this node does not serve standbys now";
  }
  if (hello.cluster_id != Id128{} && hello.cluster_id != follower_.cluster()) {
    return "this node has the database of another cluster";
  }
  if (!hello.storage.empty() && !options_.storage.empty() && hello.storage != options_.storage) {
    return "the storage is called '" + options_.storage + "' here and '" + hello.storage +
           "' there: clients would not find it after a takeover; give both the same name";
  }
  if (hello.promised > follower_.promised()) {
    return "this node has not heard of the epoch that was promised";
  }
  // It may be counted on for what this node has not got yet, and would be told to undo it.
  if (role_ == Role::standby && hello.last.tid > own_end().tid) {
    return "this standby has less than the node that would follow it";
  }
  if (role_ == Role::standby && !hello.address.empty() && hello.address == upstream_) {
    return "this node follows it";
  }
  return {};
}

// Two that are there at the same time at different addresses are not one that connects again. Nor
// are two at one address that drive each other out.
std::string Node::copy_of_a_peer(PeerId peer, const wire::ReplicaHello& hello, Instant now) {
  for (const auto& [id, other] : peers_) {
    const bool there = other.state == Peer::State::streaming &&
                       now - other.heard_at < options_.heartbeat * kBeatsOfOneThatIsThere;
    if (id == peer || other.hello.node != hello.node || !there) continue;
    const bool same = other.hello.address == hello.address;
    if (same && !drives_out_again(hello.node, now)) continue;
    return "the standby " + other.hello.name + " (" + other.hello.address +
           ") is connected, and this one has the same NODE file" +
           (same ? " and the same address" : "") +
           ": one directory is a copy of the other; stop the copy, remove its file NODE, and start "
           "it again" +
           (same ? " with an address of its own" : "");
  }
  return {};
}

// One process closes its connection before it makes another. Now and then the end of the old one
// may arrive after the new one's greeting.
bool Node::drives_out_again(const NodeId& node, Instant now) {
  if (driven_out_.size() >= kNamesMax && !driven_out_.contains(node)) return false;
  Driven& driven = driven_out_[node];
  if (now - driven.at > kDrivenOutMemory) driven.times = 0;
  driven.at = now;
  return ++driven.times > kDrivenOutMax;
}

// By their names people choose between nodes, and switchover does.
void Node::note_same_name(const wire::ReplicaHello& hello, Actions& actions) {
  std::string other;
  if (hello.name == options_.name) other = options_.address;
  for (const auto& [id, peer] : peers_) {
    if (peer.hello.node != hello.node && peer.hello.name == hello.name) other = peer.hello.address;
  }
  if (other.empty()) return;
  warn_once("two nodes are called " + hello.name + " (" + other + ", " + hello.address +
                "): give each a name of its own with --name, or a switchover to that name may go "
                "to the wrong one",
            actions);
}

// Of what is there whenever a standby connects, and that may be every second.
void Node::warn_once(std::string text, Actions& actions) {
  if (warned_.size() >= kNamesMax || !warned_.insert(text).second) return;
  actions.emplace_back(action::Note{true, std::move(text)});
}

void Node::peer_hello(PeerId peer, const wire::ReplicaHello& hello, Instant now, Actions& actions) {
  const bool leads = role_ == Role::primary || role_ == Role::promoting;
  hears_of(hello.cluster_id, hello.promised, actions);
  // Only of the own cluster: any server may be told a wrong address.
  if (leads && hello.promised > epoch_ && hello.cluster_id == follower_.cluster()) {
    actions.emplace_back(action::ClosePeer{peer, "it has promised a later epoch"});
    step_down("standby " + hello.name + " has promised a later epoch", {}, actions);
    return;
  }
  if (leads) std::erase(to_ask_, hello.address);  // its greeting is an answer
  if (std::string why = objection(hello); !why.empty()) {
    reject(peer, std::move(why), now, actions);
    return;
  }
  if (const auto known = peers_.find(peer);
      known != peers_.end() && known->second.state == Peer::State::comparing) {
    drop_peer(peer, "it did not wait for the answer to its greeting", now, actions);
    return;
  }
  if (std::string why = copy_of_a_peer(peer, hello, now); !why.empty()) {
    warn_once("a standby at " + hello.address + " is refused: " + why, actions);
    reject(peer, std::move(why), now, actions);
    return;
  }
  for (const auto& [id, other] : peers_) {
    if (id != peer && other.hello.node == hello.node) {
      drop_peer(id, "the standby has connected again", now, actions);
      break;
    }
  }
  Peer& state = peers_[peer];
  const bool streamed = state.state == Peer::State::streaming;  // it asks anew
  const NodeId before = state.hello.node;
  state.state = Peer::State::comparing;
  state.hello = hello;
  state.heard_at = now;
  compare_when_durable(peer, state, actions);
  if (!streamed || !sync_) return;
  SyncSet::Effects effects;
  sync_->disconnected(before, now, effects);
  run(std::move(effects), now, actions);
}

// What was sent in this reign may be durable there before it is here. Compared with what is durable
// here, it would pass for another history; the standby would undo what it has confirmed.
void Node::compare_when_durable(PeerId peer, Peer& state, Actions& actions) {
  const Position& position = state.hello.position;
  state.early = sync_ && position.epoch == epoch_ && position.tid > own_.tid;
  if (!state.early) actions.emplace_back(action::Compare{peer, position});
}

void Node::peer_compared(PeerId peer, const Comparison& comparison, Instant now, Actions& actions) {
  const auto found = peers_.find(peer);
  if (found == peers_.end() || found->second.state != Peer::State::comparing) return;
  Peer& state = found->second;
  if (!feeds()) {
    reject(peer, "this node does not serve standbys now", now, actions);
    return;
  }
  wire::ReplicaWelcome answer;
  answer.position = comparison.position;
  const bool same = comparison.kind == Comparison::Kind::same;
  const bool ends_there = same && state.hello.position == state.hello.last;
  if (comparison.kind == Comparison::Kind::probe) {
    answer.decision = Decision::probe;
  } else if (comparison.kind == Comparison::Kind::ancestor) {
    answer.decision = Decision::ancestor;
  } else if (ends_there && !comparison.complete) {
    // Not to one that has more than the common history: it archives and undoes that first.
    answer.decision = Decision::checkpoint;
  } else {
    answer.decision = Decision::stream;
    answer.position = state.hello.position;
  }
  welcome(peer, state, std::move(answer), actions);
  const bool streams = ends_there && comparison.complete;
  if (!streams) {  // it copies the database, or greets again
    state.state = Peer::State::answered;
    return;
  }
  state.state = Peer::State::streaming;
  if (names_.size() < kNamesMax) names_[state.hello.node] = state.hello.name;
  state.flushed = state.hello.position;
  state.heard_at = now;
  note_same_name(state.hello, actions);
  actions.emplace_back(action::Feed{peer, state.hello.position});
  if (sync_ && !may_count(state.hello)) {
    warn_once("standby " + state.hello.name +
                  " takes part in no election (it has no --etcd): it is fed, but commits do not "
                  "wait for it, and it does not take over",
              actions);
  } else if (sync_) {
    SyncSet::Effects effects;
    sync_->connected(state.hello.node, state.flushed.tid, now, effects);
    run(std::move(effects), now, actions);
  }
  note_lags(now);
  beat(peer, state, now, actions);
}

// Where the coordination service promotes, only those that it can promote are waited for: a commit
// that only another has is not in the log of who takes over.
bool Node::may_count(const wire::ReplicaHello& hello) const {
  return !election_ || !hello.by_command;
}

void Node::welcome(PeerId peer, Peer& /*state*/, wire::ReplicaWelcome welcome, Actions& actions) {
  welcome.epoch = follower_.promised();
  welcome.cluster_id = follower_.cluster();
  welcome.node = options_.id;
  welcome.name = options_.name;
  welcome.heartbeat_ms = static_cast<std::uint32_t>(whole_milliseconds(options_.heartbeat));
  actions.emplace_back(action::ToPeer{peer, std::move(welcome)});
}

void Node::reject(PeerId peer, std::string why, Instant now, Actions& actions) {
  wire::ReplicaWelcome answer;
  answer.decision = Decision::reject;
  answer.epoch = follower_.promised();
  answer.cluster_id = follower_.cluster();
  answer.node = options_.id;
  answer.name = options_.name;
  answer.leader = leader();
  answer.reason = why;
  actions.emplace_back(action::ToPeer{peer, std::move(answer)});
  actions.emplace_back(action::ClosePeer{peer, std::move(why)});
  peer_lost(peer, now, actions);
}

void Node::peer_ack(PeerId peer, const wire::ReplicaAck& ack, Instant now, Actions& actions) {
  const auto found = peers_.find(peer);
  if (found == peers_.end() || found->second.state != Peer::State::streaming) return;
  Peer& state = found->second;
  if (ack.epoch > follower_.promised()) {
    hears_of(follower_.cluster(), ack.epoch, actions);
    if (sync_) step_down("a standby has promised a later epoch", {}, actions);
    return;
  }
  state.heard_at = now;
  // Before it has obeyed this reign it only tells what it has.
  if (ack.epoch < follower_.promised()) return;
  if (ack.flushed.tid == own_end().tid && ack.flushed != own_end()) {
    actions.emplace_back(action::Note{
        true, "standby " + state.hello.name + " has another history up to the same transaction " +
                  to_hex(ack.flushed.tid) + "; it is to compare them anew"});
    drop_peer(peer, "the histories differ", now, actions);
    return;
  }
  if (ack.flushed.tid > state.flushed.tid) state.flushed = ack.flushed;
  state.visible = ack.visible;
  state.disk_full = ack.disk_full;
  state.echo = std::max(state.echo, ack.echo);
  state.question = std::max(state.question, ack.question);
  note_lags(now);
  if (sync_) {
    SyncSet::Effects effects;
    sync_->flushed(state.hello.node, state.flushed.tid, now, effects);
    run(std::move(effects), now, actions);
    confirm_quorum(now);
  }
  hand_over_when_ready(now, actions);
}

void Node::peer_stale(PeerId peer, const wire::StaleEpoch& stale, Instant now, Actions& actions) {
  if (!peers_.contains(peer)) return;
  hears_of(follower_.cluster(), stale.promised, actions);
  if (stale.promised > follower_.promised() && sync_) {
    step_down("a standby has promised a later epoch", stale.leader, actions);
    return;
  }
  drop_peer(peer, "it follows another epoch", now, actions);
}

void Node::peer_lost(PeerId peer, Instant now, Actions& actions) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  const NodeId node = found->second.hello.node;
  const bool streamed = found->second.state == Peer::State::streaming;
  if (streamed) {
    actions.emplace_back(action::Note{true, "standby " + found->second.hello.name + " is gone"});
  }
  peers_.erase(found);
  if (role_ == Role::ended) return;
  if (handing_ && handing_->target == peer) give_up_handover("the standby is gone", actions);
  if (sync_ && streamed) {
    SyncSet::Effects effects;
    sync_->disconnected(node, now, effects);
    run(std::move(effects), now, actions);
  }
}

void Node::drop_peer(PeerId peer, std::string why, Instant now, Actions& actions) {
  if (!peers_.contains(peer)) return;
  actions.emplace_back(action::ClosePeer{peer, std::move(why)});
  peer_lost(peer, now, actions);
}

void Node::drop_all_peers(const std::string& why, Instant now, Actions& actions) {
  while (!peers_.empty()) drop_peer(peers_.begin()->first, why, now, actions);
}

void Node::tick_peers(Instant now, Actions& actions) {
  std::vector<PeerId> silent;
  for (const auto& [id, peer] : peers_) {
    if (peer.state == Peer::State::streaming && now - peer.heard_at > options_.silence_max) {
      silent.push_back(id);
    }
  }
  for (const PeerId id : silent) drop_peer(id, "nothing was heard of it", now, actions);
  if (now < beat_at_) return;
  beat_at_ = now + options_.heartbeat;
  ++sequence_;
  beats_[sequence_] = now;
  if (beats_.size() > kBeatsMax) beats_.erase(beats_.begin());
  note_lags(now);
  beat_all(now, actions);
}

// Since when each standby has not got all that is durable here.
void Node::note_lags(Instant now) {
  for (auto& [id, peer] : peers_) {
    if (peer.flushed.tid >= own_end().tid) {
      peer.behind_since.reset();
    } else if (!peer.behind_since) {
      peer.behind_since = now;
    }
  }
}

void Node::beat_all(Instant now, Actions& actions) {
  for (const auto& [id, peer] : peers_) {
    // One that copies the database learns by it that this node is alive, and nothing else.
    if (peer.state != Peer::State::comparing) beat(id, peer, now, actions);
  }
}

void Node::beat(PeerId peer, const Peer& state, Instant now, Actions& actions) {
  wire::ReplicaHeartbeat heartbeat;
  heartbeat.epoch = follower_.promised();
  heartbeat.visible = shown();
  heartbeat.last = own_end().tid;
  heartbeat.in_sync = sync_ && sync_->in_sync(state.hello.node);
  heartbeat.sequence = sequence_;
  if (!sync_) {
    // What this node shows is of the past itself. Of what age nobody can tell: no answer.
    const std::optional<Instant> as_of = follower_.shown_as_of();
    if (!as_of) {
      actions.emplace_back(action::ToPeer{peer, heartbeat});
      return;
    }
    heartbeat.age_ms = to_age_ms(now - *as_of);
  }
  heartbeat.answers = state.question;
  actions.emplace_back(action::ToPeer{peer, heartbeat});
}

// The whole of Q obeyed this epoch after the beat that the slowest of them echoed was sent.
void Node::confirm_quorum(Instant /*now*/) {
  if (!election_ || sync_->waits_for_nobody()) return;
  std::uint64_t slowest = sequence_;
  for (const NodeId& node : sync_->waited_for()) {
    const auto peer = std::ranges::find_if(
        peers_, [&](const auto& entry) { return entry.second.hello.node == node; });
    if (peer == peers_.end()) return;
    slowest = std::min(slowest, peer->second.echo);
  }
  const auto sent = beats_.find(slowest);
  if (sent != beats_.end()) election_->quorum_confirmed(sent->second);
}

}  // namespace zeolite::replication
