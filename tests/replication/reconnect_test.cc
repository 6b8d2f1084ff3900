#include "replication/reconnect.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

namespace zeolite::replication {
namespace {

using namespace std::chrono_literals;

class ReconnectTest : public ::testing::Test {
 protected:
  Instant now{100s};
  Reconnect reconnect{50ms, 800ms, 7};
};

TEST_F(ReconnectTest, PausesDoubleAndStopGrowing) {
  Duration full = 50ms;
  for (int i = 0; i < 20; ++i) {
    const Duration pause = reconnect.pause();
    EXPECT_LE(pause, full);
    EXPECT_GT(pause, full * 3 / 4);
    full = std::min<Duration>(full * 2, 800ms);
  }
}

TEST_F(ReconnectTest, PausesOfSeveralNodesDiffer) {
  std::set<Duration> pauses;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    pauses.insert(Reconnect(50ms, 800ms, seed * 1000).pause());
  }
  EXPECT_GT(pauses.size(), 10U);
}

TEST_F(ReconnectTest, EachReasonIsToldOnce) {
  EXPECT_TRUE(reconnect.failed("refused"));
  EXPECT_TRUE(reconnect.failed("closed"));
  EXPECT_FALSE(reconnect.failed("refused"));
  EXPECT_FALSE(reconnect.failed("closed"));
  int told = 0;
  for (int i = 0; i < 100; ++i) {
    if (reconnect.failed("after " + std::to_string(i) + " ms")) ++told;
  }
  EXPECT_LT(told, 10) << "though no two are the same";
}

// As with a primary that takes a standby and loses it, again and again.
TEST_F(ReconnectTest, AConnectionThatDoesNotHoldChangesNothing) {
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(reconnect.failed("closed"), i == 0);
    (void)reconnect.pause();
    reconnect.works(now);
    now = now + 4s;
    EXPECT_FALSE(reconnect.held(now));
  }
  EXPECT_FALSE(reconnect.failed("closed"));
  EXPECT_GT(reconnect.pause(), 500ms);
}

TEST_F(ReconnectTest, OneThatHoldsIsToldOfWithTheFailuresBeforeIt) {
  for (int i = 0; i < 7; ++i) {
    (void)reconnect.failed("closed");
    (void)reconnect.pause();
  }
  reconnect.works(now);
  now = now + 5s;
  EXPECT_EQ(reconnect.held(now), 7U);
  now = now + 60s;
  EXPECT_FALSE(reconnect.held(now)) << "once";
  EXPECT_TRUE(reconnect.failed("closed")) << "and what comes then is news";
  EXPECT_LE(reconnect.pause(), 50ms);
}

TEST_F(ReconnectTest, OneThatNeverFailedIsNotToldOf) {
  reconnect.works(now);
  EXPECT_FALSE(reconnect.held(now + 60s));
}

TEST_F(ReconnectTest, OfAnotherNothingIsRemembered) {
  (void)reconnect.failed("closed");
  (void)reconnect.pause();
  reconnect.begin_anew();
  EXPECT_TRUE(reconnect.failed("closed"));
  EXPECT_LE(reconnect.pause(), 50ms);
}

}  // namespace
}  // namespace zeolite::replication
