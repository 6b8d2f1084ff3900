#include "client/client_core.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
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

TEST(ClientCore, GivesItsOwnThreadWhatItHas) {
  testing::FakeClient core;
  core.connect();
  const Oid first = core.new_oid();
  core.own_thread = true;
  EXPECT_GT(core.new_oid(), first);
}

// Two threads that need oids while there is no connection. The first waits for its answer; what
// the second does must not depend on it.
class OidsWithoutConnection : public ::testing::Test {
 protected:
  using Oids = std::future<Oid>;

  Oids ask() {
    return std::async(std::launch::async, [this] { return core_.new_oid(); });
  }
  // Until the session, which is used by one thread after another, has `n` requests; `last` is the
  // one that makes the last of them.
  [[nodiscard]] bool wait_for_submitted(int n, const Oids& last) {
    for (int left = 20'000; core_.submitted < n && left > 0; --left) {
      static_cast<void>(last.wait_for(std::chrono::milliseconds(1)));
    }
    return core_.submitted == n;
  }

  testing::FakeClient core_;
};

TEST_F(OidsWithoutConnection, TheClientsOwnThreadIsRefusedAtOnce) {
  Oids first = ask();
  ASSERT_TRUE(wait_for_submitted(1, first));
  core_.own_thread = true;
  Oids second = ask();
  EXPECT_EQ(second.wait_for(std::chrono::seconds(5)), std::future_status::ready);
  core_.connect();  // the first is answered
  EXPECT_THROW(static_cast<void>(second.get()), client::UsageError);
  EXPECT_NO_THROW(static_cast<void>(first.get()));
}

TEST_F(OidsWithoutConnection, ThreadsWaitForTheSameTimeNotOneAfterTheOther) {
  Oids first = ask();
  EXPECT_TRUE(wait_for_submitted(1, first));
  Oids second = ask();
  EXPECT_TRUE(wait_for_submitted(2, second));
  core_.pass(std::chrono::seconds(11));
  EXPECT_THROW(static_cast<void>(first.get()), client::Error);
  EXPECT_EQ(second.wait_for(std::chrono::seconds(5)), std::future_status::ready);
  core_.close();
  EXPECT_THROW(static_cast<void>(second.get()), client::Error);
}

}  // namespace
}  // namespace zeolite::client_core
