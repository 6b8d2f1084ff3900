#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <utility>
#include <variant>
#include <vector>

#include "replication/follower.h"
#include "replication/node_ids.h"

namespace zeolite::replication {

using namespace std::chrono_literals;
using Decision = wire::ReplicaWelcome::Decision;

inline constexpr Duration kSilence = 3s;

// A standby whose log ends at (2, 20), which has promised epoch 2; played by hand.
class FollowerTest : public ::testing::Test {
 protected:
  void connect() { follower.connected(now, actions); }
  void welcome(Decision decision, std::uint64_t epoch, const Position& position = {}) {
    wire::ReplicaWelcome message;
    message.decision = decision;
    message.epoch = Epoch(epoch);
    message.cluster_id = kCluster;
    message.position = position;
    follower.on_welcome(message, now, actions);
  }
  // It gives its upstream up when nothing is heard for longer than it may take, and not before.
  void expect_closed_after_silence() {
    now = now + kSilence;
    follower.tick(now, actions);
    EXPECT_TRUE(actions.empty()) << "it was heard of";
    now = now + 1ms;
    follower.tick(now, actions);
    only<Follower::Close>();
  }
  void stream(std::uint64_t epoch = 2) {
    connect();
    welcome(Decision::stream, epoch, follower.last());
    ASSERT_TRUE(follower.streaming());
    actions.clear();
  }
  static wire::ReplicaAppend group(std::uint64_t epoch, const Position& previous,
                                   const std::vector<Position>& records) {
    wire::ReplicaAppend append;
    append.epoch = Epoch(epoch);
    append.previous = previous;
    for (const Position& position : records) {
      TransactionRecord record;
      record.epoch = position.epoch;
      record.tid = position.tid;
      append.records.push_back(std::move(record));
    }
    return append;
  }
  void append(std::uint64_t epoch, const Position& previous, const std::vector<Position>& records) {
    follower.on_append(group(epoch, previous, records), now, actions);
  }
  void beat(std::uint64_t epoch, std::uint64_t visible, std::uint64_t sequence,
            bool in_sync = false) {
    wire::ReplicaHeartbeat heartbeat;
    heartbeat.epoch = Epoch(epoch);
    heartbeat.visible = Tid(visible);
    heartbeat.last = Tid(visible);
    heartbeat.in_sync = in_sync;
    heartbeat.sequence = sequence;
    follower.on_heartbeat(heartbeat, now, actions);
  }
  void hand_over(std::uint64_t epoch, const Position& last) {
    follower.on_handover({.epoch = Epoch(epoch), .last = last}, now, actions);
  }

  // ---- what it asked for ----

  // The only action there is, which is of this kind; nothing is left.
  template <typename A>
  A only() {
    EXPECT_EQ(actions.size(), 1U);
    return first<A>();
  }
  template <typename A>
  A first() {
    if (actions.empty() || !std::holds_alternative<A>(actions.front())) {
      ADD_FAILURE() << "the next action is another";
      return A{};
    }
    A action = std::get<A>(std::move(actions.front()));
    actions.erase(actions.begin());
    return action;
  }
  template <typename M>
  M sent() {
    auto send = first<Follower::Send>();
    if (!std::holds_alternative<M>(send.message)) {
      ADD_FAILURE() << "another message is sent";
      return M{};
    }
    return std::get<M>(std::move(send.message));
  }
  // Refuses what an ended epoch sends: says so, and closes.
  void expect_refused_as_stale(std::uint64_t promised) {
    EXPECT_EQ(sent<wire::StaleEpoch>().promised, Epoch(promised));
    only<Follower::Close>();
    EXPECT_EQ(follower.promised(), Epoch(promised));
    EXPECT_FALSE(follower.streaming());
  }

  Instant now{1000s};
  Follower follower{
      {.node = kSelf, .name = "b", .address = "h:2"}, kCluster, at(2, 20), Epoch(2), kSilence};
  Follower::Actions actions;
};

}  // namespace zeolite::replication
