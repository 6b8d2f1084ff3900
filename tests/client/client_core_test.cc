#include "client/client_core.h"

#include <gtest/gtest.h>

#include <set>

#include "client/fake_client.h"

namespace zeolite::client_core {
namespace {

TEST(ClientCore, HandsOutEachOidOnce) {
  testing::FakeClient core;
  core.connect();
  std::set<Oid> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(core.new_oid()).second);
  EXPECT_LT(core.server.count_received<wire::NewOids>(), 6U);
}

TEST(ClientCore, DropsOidsThatALostHistoryGave) {
  testing::FakeClient core;
  core.connect();
  static_cast<void>(core.new_oid());
  core.disconnect();
  core.server.position_known = false;
  core.connect();
  static_cast<void>(core.new_oid());
  EXPECT_EQ(core.server.count_received<wire::NewOids>(), 2U);
}

TEST(ClientCore, CallRefusesToWaitForItsOwnThread) {
  testing::FakeClient core;
  core.connect();
  core.own_thread = true;
  EXPECT_THROW(static_cast<void>(core.call(core.request(wire::Ping{}))), client::UsageError);
}

}  // namespace
}  // namespace zeolite::client_core
