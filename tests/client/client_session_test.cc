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
}

TEST(ClientSession, AHeartbeatAnsweredKeepsTheConnection) {
  FakeClient client;
  client.connect();
  for (int i = 0; i < 10; ++i) client.pass(std::chrono::seconds(5));
  EXPECT_FALSE(client.closed);
}

}  // namespace
}  // namespace zeolite::client_core
