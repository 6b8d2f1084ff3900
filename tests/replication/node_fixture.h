#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "replication/node.h"
#include "replication/node_ids.h"
#include "replication/played_service.h"

namespace zeolite::replication {

using namespace std::chrono_literals;

inline constexpr Duration kBeat = 100ms;

// One node, whose surroundings are played by hand: what it asks for is kept in `actions`, and time
// stands until it is told to go on. Its log ends at (2, 20) at first; it has promised epoch 2.
class NodeTest : public ::testing::Test, protected PlayedService {
 protected:
  NodeTest() {
    options.id = kSelf;
    options.name = "a";
    options.address = "h:1";
    options.heartbeat = kBeat;
    options.lease = kLease;
    durable = {.last = at(2, 20), .cluster = kCluster, .promised = Epoch(2)};
  }

  // ---- what it asks for ----

  template <typename A>
  [[nodiscard]] std::size_t count() const {
    std::size_t count = 0;
    for (const Action& action : actions) count += std::holds_alternative<A>(action) ? 1U : 0U;
    return count;
  }
  // Of the newest of this kind: where it is in the list, or the list's end.
  template <typename A>
  [[nodiscard]] std::size_t place() const {
    for (std::size_t i = actions.size(); i > 0; --i) {
      if (std::holds_alternative<A>(actions[i - 1])) return i - 1;
    }
    return actions.size();
  }
  template <typename A>
  [[nodiscard]] A last() const {
    const std::size_t found = place<A>();
    if (found == actions.size()) {
      ADD_FAILURE() << "nothing of the kind was asked for";
      return A{};
    }
    return std::get<A>(actions[found]);
  }
  // The newest message of this kind to that standby.
  template <typename M>
  [[nodiscard]] std::optional<M> told(PeerId peer) const {
    for (std::size_t i = actions.size(); i > 0; --i) {
      const auto* send = std::get_if<action::ToPeer>(&actions[i - 1]);
      if (send == nullptr || send->peer != peer) continue;
      if (const M* message = std::get_if<M>(&send->message)) return *message;
    }
    return std::nullopt;
  }
  template <typename M>
  [[nodiscard]] std::optional<M> told_upstream() const {
    for (std::size_t i = actions.size(); i > 0; --i) {
      const auto* send = std::get_if<action::ToUpstream>(&actions[i - 1]);
      if (send == nullptr) continue;
      if (const M* message = std::get_if<M>(&send->message)) return *message;
    }
    return std::nullopt;
  }
  [[nodiscard]] bool closed(PeerId peer) const {
    for (const Action& action : actions) {
      const auto* close = std::get_if<action::ClosePeer>(&action);
      if (close != nullptr && close->peer == peer) return true;
    }
    return false;
  }
  [[nodiscard]] bool stepped_down() const { return count<action::StepDown>() > 0; }
  // The answer to a command; nothing: not answered yet.
  [[nodiscard]] std::optional<Result<wire::RoleChanged>> answer(CommandId command) const {
    for (const Action& action : actions) {
      const auto* it = std::get_if<action::Answer>(&action);
      if (it != nullptr && it->command == command) return it->result;
    }
    return std::nullopt;
  }
  // The error's code, if it was refused.
  [[nodiscard]] std::optional<ErrorCode> refused(CommandId command) const {
    const auto given = answer(command);
    return given && !*given ? std::optional(given->error().code) : std::nullopt;
  }

  // What was asked for until now is not looked at any more; of the service it is still answered.
  void forget() {
    collect_requests();
    actions.clear();
    answered_ = 0;
  }

  // ---- driving ----

  void start() {
    node_ = std::make_unique<Node>(options, durable);
    node_->start(now, actions);
  }
  Node& node() { return *node_; }
  void tick() { node_->tick(now, actions); }
  // With ticks, and with what answer_service() answers.
  void pass(Duration time) {
    for (const Instant until = now + time; now < until;) {
      now = now + std::min<Duration>(kBeat / 2, until - now);
      tick();
      answer_service();
    }
  }

  // ---- the upstream ----

  void connect() { node_->upstream_connected(now, actions); }
  void welcome(wire::ReplicaWelcome::Decision decision, std::uint64_t epoch,
               const Position& position) {
    wire::ReplicaWelcome message;
    message.decision = decision;
    message.epoch = Epoch(epoch);
    message.cluster_id = kCluster;
    message.position = position;
    node_->from_upstream(message, now, actions);
  }
  void upstream_beat(std::uint64_t epoch, std::uint64_t visible, bool in_sync = true) {
    wire::ReplicaHeartbeat beat;
    beat.epoch = Epoch(epoch);
    beat.visible = Tid(visible);
    beat.last = Tid(visible);
    beat.in_sync = in_sync;
    beat.sequence = ++upstream_sequence_;
    node_->from_upstream(beat, now, actions);
  }
  // A standby that streams in `epoch`, and is in sync.
  void follow(std::uint64_t epoch = 2) {
    if (options.upstream.empty() && !options.elects) options.upstream = "h:2";
    if (!node_) start();
    connect();
    welcome(wire::ReplicaWelcome::Decision::stream, epoch, node_->follower().last());
    upstream_beat(epoch, 20);
    ASSERT_TRUE(node_->follower().streaming());
  }

  // ---- leading, and standbys ----

  // Without a service; serves from (3, 30) on.
  void lead() {
    options.leads = true;
    start();
    node_->reign_begun(at(3, 30), now, actions);
    ASSERT_EQ(node_->role(), Role::primary);
  }
  static wire::ReplicaHello hello_of(const NodeId& node, const Position& position,
                                     std::uint64_t promised = 2) {
    wire::ReplicaHello hello;
    hello.cluster_id = kCluster;
    hello.node = node;
    hello.name = node == kOther ? "b" : "c";
    hello.address = node == kOther ? "h:2" : "h:3";
    hello.promised = Epoch(promised);
    hello.position = position;
    hello.last = position;
    return hello;
  }
  void greet(PeerId peer, const wire::ReplicaHello& hello) {
    node_->peer_hello(peer, hello, now, actions);
  }
  void compared(PeerId peer, Comparison::Kind kind, const Position& position = {},
                bool complete = true) {
    node_->peer_compared(peer, {.kind = kind, .position = position, .complete = complete}, now,
                         actions);
  }
  // A standby streams, from this position on.
  void attach(PeerId peer, const NodeId& node, const Position& position) {
    greet(peer, hello_of(node, position));
    compared(peer, Comparison::Kind::same);
    ASSERT_TRUE(told<wire::ReplicaHeartbeat>(peer));
  }
  void ack(PeerId peer, std::uint64_t epoch, const Position& flushed, std::uint64_t echo = 0,
           bool disk_full = false) {
    wire::ReplicaAck ack;
    ack.disk_full = disk_full;
    ack.epoch = Epoch(epoch);
    ack.flushed = flushed;
    ack.echo = echo;
    node_->peer_ack(peer, ack, now, actions);
  }
  // Appended and synced here.
  void durable_up_to(const Position& end) { node_->durable(end, now, actions); }
  // As the owner does when it is told to wait.
  void wait_from(std::uint64_t acknowledged) {
    ASSERT_TRUE(last<action::SetWaiting>().on);
    node_->waiting_from(Tid(acknowledged), now, actions);
  }
  // Peer 1 is kOther's, has all there is, is waited for and published.
  void attach_in_sync(std::uint64_t epoch, const Position& end) {
    attach(1, kOther, end);
    ack(1, epoch, end);
    tick();
    answer_service();
    wait_from(end.tid.value());
    answer_service();
    ASSERT_TRUE(node_->peers().at(0).in_sync);
  }

  // ---- the coordination service ----

  // Answers what is asked as a service would that only this node changes; keeps what it must not.
  void answer_service() {
    collect_requests();
    std::vector<dcs::Request> still;
    for (const dcs::Request& request : std::exchange(waiting_, {})) {
      std::optional<Result<dcs::Answer>> given =
          service_reachable ? carry_out(request) : std::nullopt;
      if (given) {
        node_->answered(request, *std::move(given), now, now, actions);
      } else {
        still.push_back(request);
      }
    }
    waiting_.insert(waiting_.end(), still.begin(), still.end());
  }
  void collect_requests() {
    for (; answered_ < actions.size(); ++answered_) {
      const auto* ask = std::get_if<action::AskDcs>(&actions[answered_]);
      if (ask != nullptr) waiting_.push_back(ask->request);
    }
  }
  // kOther has the leader's key, in epoch 2.
  void other_leads() {
    view.leader = LeaderKey{.node = kOther,
                            .name = "b",
                            .address = "h:2",
                            .epoch = Epoch(2),
                            .revision = 9,
                            .lease = 8,
                            .ttl = leader_ttl};
  }
  Duration leader_ttl = kLease;
  // By election: in S of epoch 2, whose leader is kOther, or is this node itself.
  void begin_election(const NodeId& previous_leader = kOther) {
    options.elects = true;
    view.cluster = kCluster;
    view.epoch = Epoch(2);
    view.epoch_revision = ++revision_;
    view.sync = SyncKey{.leader = previous_leader,
                        .epoch = Epoch(2),
                        .members = {kSelf},
                        .automatic = true,
                        .revision = ++revision_};
    start();
  }
  // Until it has epoch 3; its epoch record is at (3, 30), and S is not published yet if it must not
  // be.
  void be_elected() {
    pass(2s);
    ASSERT_EQ(node_->role(), Role::promoting);
    node_->reign_begun(at(3, 30), now, actions);
    answer_service();
  }

  Node::Options options;
  Node::Durable durable;
  Instant now{1000s};
  Actions actions;

 private:
  std::unique_ptr<Node> node_;
  std::uint64_t upstream_sequence_ = 0;
  std::size_t answered_ = 0;           // of `actions`
  std::vector<dcs::Request> waiting_;  // asked, not answered
};

}  // namespace zeolite::replication
