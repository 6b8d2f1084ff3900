#include "client/client_session.h"

#include <gtest/gtest.h>

#include "client/fake_client.h"

// The handshake and the signs of life. Requests are in client_session_requests_test.cc, what
// concerns the order of replies and invalidations in client_session_order_test.cc.
namespace zeolite::client_core {
namespace {

using testing::FakeClient;

TEST(ClientSession, RefusesWhatIsNotThePrimary) {
  FakeClient client;
  client.server.role = wire::NodeRole::standby;
  client.connect();
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->code, ErrorCode::not_primary);
  EXPECT_FALSE(client.view().connected());
}

TEST(ClientSession, TellsWhereThePrimaryIsWhenItIsToldSo) {
  FakeClient client;
  client.server.refuse_hello =
      wire::ErrorReply{{ErrorCode::not_primary, "this is a standby"}, "10.0.0.1:8090"};
  client.connect();
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->code, ErrorCode::not_primary);
  EXPECT_EQ(client.leader, "10.0.0.1:8090");
}

TEST(ClientSession, SaysThatItFollowsTheCluster) {
  FakeClient client;
  client.connect();
  const auto hello = std::get<wire::Hello>(client.server.received.front());
  EXPECT_EQ(hello.features & wire::kFeatureTopology, wire::kFeatureTopology);
  EXPECT_FALSE(hello.accepts_standby);
  client.receive(0, wire::Topology{Epoch(1), "a:1", {"b:2"}});
  ASSERT_TRUE(client.topology);
  EXPECT_EQ(client.topology->primary, "a:1");
  EXPECT_TRUE(client.session.ready());
}

TEST(ClientSession, LeavesAPrimaryWhoseReignHasEnded) {
  FakeClient client;
  client.connect();
  client.receive(0, wire::Topology{Epoch(2), "b:2", {}});
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->code, ErrorCode::stale_epoch);
  EXPECT_EQ(client.leader, "b:2");
  client.connect();  // that server again, still in epoch 1
  EXPECT_FALSE(client.session.ready());
}

TEST(ClientSession, IgnoresATopologyOfAnEarlierReign) {
  FakeClient client;
  client.server.epoch = Epoch(3);
  client.connect();
  client.receive(0, wire::Topology{Epoch(2), "b:2", {}});
  EXPECT_FALSE(client.topology);
  EXPECT_TRUE(client.session.ready());
}

TEST(ClientSession, ReadsFromAStandbyWhenItWasMadeTo) {
  FakeClient client(1 << 20, true);
  client.server.role = wire::NodeRole::standby;
  client.connect();
  EXPECT_TRUE(client.session.ready());
  const auto hello = std::get<wire::Hello>(client.server.received.front());
  EXPECT_TRUE(hello.accepts_standby);
  EXPECT_EQ(hello.max_staleness_ms, 700U);
}

TEST(ClientSession, AReaderOfStandbysTakesThePrimaryOnlyWhenItMay) {
  FakeClient client(1 << 20, true);
  client.connect();
  EXPECT_FALSE(client.session.ready());
  client.session.accept_primary(true);
  client.connect();
  EXPECT_TRUE(client.session.ready());
}

TEST(ClientSession, NobodyReadsFromAServerThatIsStarting) {
  FakeClient client(1 << 20, true);
  client.session.accept_primary(true);
  client.server.role = wire::NodeRole::starting;
  client.connect();
  EXPECT_FALSE(client.session.ready());
}

TEST(ClientSession, AStandbyThatIsBehindTheLineIsNotReadFrom) {
  FakeClient client(1 << 20, true);
  client.server.role = wire::NodeRole::standby;
  client.server.put(Oid(1), "a");
  client.connect();
  client.disconnect();
  client.server.visible = Tid(100);
  client.connect();
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->code, ErrorCode::unavailable);
  EXPECT_EQ(client.view().point().tid, Tid(110));
  // Nor is one that follows a later reign and has not caught up with it.
  client.server.epoch = Epoch(2);
  client.server.position_known = false;
  client.connect();
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->code, ErrorCode::unavailable);
  EXPECT_EQ(client.view().point().tid, Tid(110));
}

TEST(ClientSession, WhatALaterReignLostIsLeftBehindOnceItsStandbyIsBeyond) {
  FakeClient client(1 << 20, true);
  client.server.role = wire::NodeRole::standby;
  client.server.put(Oid(1), "a");
  client.connect();
  client.disconnect();
  client.server.epoch = Epoch(2);
  client.server.position_known = false;
  client.server.visible = Tid(120);
  client.connect();
  EXPECT_TRUE(client.session.ready());
  EXPECT_EQ(client.view().point().tid, Tid(120));
  EXPECT_EQ(client.counters().caches_dropped, 1U);
}

TEST(ClientSession, WhatALaterReignLostIsLeftBehindWithItsPrimary) {
  FakeClient client(1 << 20, true);
  client.server.role = wire::NodeRole::standby;
  client.server.put(Oid(1), "a");
  client.connect();
  client.disconnect();
  client.server.role = wire::NodeRole::primary;
  client.server.epoch = Epoch(2);
  client.server.position_known = false;
  client.server.visible = Tid(100);
  client.session.accept_primary(true);
  client.connect();
  EXPECT_TRUE(client.session.ready());
  EXPECT_EQ(client.view().point().tid, Tid(100));
}

TEST(ClientSession, AStandbyFollowsTheNextReign) {
  FakeClient client(1 << 20, true);
  client.server.role = wire::NodeRole::standby;
  client.connect();
  EXPECT_EQ(client.view().epoch(), Epoch(1));
  client.receive(0, wire::Topology{Epoch(2), "b:2", {}});
  EXPECT_TRUE(client.session.ready());
  EXPECT_EQ(client.view().epoch(), Epoch(2));
  client.server.put(Oid(1), "a");
  client.deliver_all();
  EXPECT_EQ(client.view().place().position.epoch, Epoch(2));
}

TEST(ClientSession, RefusesALowerEpochThanItSaw) {
  FakeClient client;
  client.server.epoch = Epoch(5);
  client.connect();
  client.disconnect();
  client.server.epoch = Epoch(4);
  client.connect();
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->code, ErrorCode::stale_epoch);
  client.server.epoch = Epoch(6);
  client.connect();
  EXPECT_TRUE(client.session.ready());
}

TEST(ClientSession, RefusesAnotherCluster) {
  FakeClient client;
  client.connect();
  client.disconnect();
  client.server.cluster_id = Id128{8};
  client.connect();
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->code, ErrorCode::invalid_argument);
}

TEST(ClientSession, SendsThePositionOfItsCacheWithTheChainOnlyWhereItWasTold) {
  FakeClient client;
  client.connect();
  client.server.put(Oid(1), "a");
  client.deliver_all();
  client.reconnect();
  const auto& hello = std::get<wire::Hello>(client.server.received.back());
  EXPECT_EQ(hello.cache.tid, Tid(110));
  EXPECT_EQ(hello.cache.epoch, Epoch(1));
  EXPECT_EQ(hello.cache.chain, ChainHash{});
}

TEST(ClientSession, ASilentServerIsAskedAndThenGivenUp) {
  FakeClient client;
  client.connect();
  client.deliver = false;
  client.pass(std::chrono::seconds(5));
  EXPECT_TRUE(std::holds_alternative<wire::Ping>(client.sent.back().message));
  EXPECT_FALSE(client.closed);
  client.pass(std::chrono::seconds(5));
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->code, ErrorCode::timeout);
  EXPECT_TRUE(client.elsewhere);
}

TEST(ClientSession, AServerThatDoesNotAnswerAPingIsSuspectedUntilItDoes) {
  FakeClient client;
  client.connect();
  client.deliver = false;
  client.pass(std::chrono::seconds(5));
  EXPECT_FALSE(client.session.suspects_server());
  EXPECT_EQ(client.session.next_deadline(), client.time + std::chrono::seconds(1));
  client.pass(std::chrono::seconds(1));
  EXPECT_TRUE(client.session.suspects_server());
  EXPECT_EQ(client.session.next_deadline(), client.time + std::chrono::seconds(4));
  EXPECT_FALSE(client.closed);
  client.deliver_all();
  EXPECT_FALSE(client.session.suspects_server());
}

TEST(ClientSession, WhileARequestWaitsThePingComesSooner) {
  FakeClient client;
  client.connect();
  client.deliver = false;
  client.submit(client.request(wire::Load{Oid(1), kMaxTid}));
  EXPECT_EQ(client.session.next_deadline(), client.time + std::chrono::seconds(1));
  client.pass(std::chrono::seconds(1));
  EXPECT_EQ(client.server.count_received<wire::Ping>(), 1U);
  EXPECT_FALSE(client.session.suspects_server());
  client.pass(std::chrono::seconds(1));
  EXPECT_TRUE(client.session.suspects_server());
  EXPECT_EQ(client.server.count_received<wire::Ping>(), 1U);
}

TEST(ClientSession, LeavesASilentServerForThePrimaryOfALaterEpochOnly) {
  FakeClient client;
  client.server.epoch = Epoch(3);
  client.connect();
  for (const Epoch epoch : {Epoch(2), Epoch(3)}) {
    client.find_primary(epoch, "b:2");
    EXPECT_FALSE(client.closed);
  }
  client.find_primary(Epoch(4), "b:2");
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->code, ErrorCode::stale_epoch);
  EXPECT_EQ(client.leader, "b:2");
  client.connect();  // the silent one is back
  EXPECT_FALSE(client.session.ready());
}

TEST(ClientSession, WhatWasFoundAfterTheConnectionEndedIsIgnored) {
  FakeClient client;
  client.connect();
  client.disconnect();
  client.find_primary(Epoch(2), "b:2");
  EXPECT_FALSE(client.closed);
}

TEST(ClientSession, AHeartbeatAnsweredKeepsTheConnection) {
  FakeClient client;
  client.connect();
  for (int i = 0; i < 10; ++i) client.pass(std::chrono::seconds(5));
  EXPECT_FALSE(client.closed);
}

}  // namespace
}  // namespace zeolite::client_core
