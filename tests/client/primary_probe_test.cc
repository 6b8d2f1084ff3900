#include "client/primary_probe.h"

#include <gtest/gtest.h>

#include <string>

namespace zeolite::client_core {
namespace {

using std::chrono::seconds;

const net::HostPort kSilent{"a", 1};
const net::HostPort kB{"b", 2};
const net::HostPort kC{"c", 3};
constexpr Id128 kCluster{7};

wire::Welcome welcome(std::uint64_t epoch) {
  wire::Welcome welcome;
  welcome.role = wire::NodeRole::primary;
  welcome.epoch = Epoch(epoch);
  welcome.cluster_id = kCluster;
  return welcome;
}

wire::ErrorReply not_primary(const std::string& leader) {
  return {{ErrorCode::not_primary, "a standby"}, leader};
}

// Client of the primary of epoch 3 at kSilent.
class PrimaryProbeTest : public ::testing::Test {
 protected:
  PrimaryProbeTest() { probe_.begin(kSilent, {kB, kC}, Epoch(3), kCluster, now_); }

  // Whom it asks next, after pauses.
  net::HostPort next() {
    while (true) {
      if (const auto there = probe_.dial(now_)) return *there;
      now_ = probe_.next_deadline().value();
    }
  }

  Instant now_{seconds(60)};
  PrimaryProbe probe_{"main", "label", seconds(1)};
};

TEST_F(PrimaryProbeTest, FindsThePrimaryOfALaterEpoch) {
  EXPECT_EQ(next(), kB);
  const auto found = probe_.answered(welcome(4), now_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->address, kB);
  EXPECT_EQ(found->epoch, Epoch(4));
  EXPECT_FALSE(probe_.running());
  EXPECT_FALSE(probe_.next_deadline());
  EXPECT_FALSE(probe_.dial(now_));
}

TEST_F(PrimaryProbeTest, TakesNoOther) {
  wire::Welcome standby = welcome(4);
  standby.role = wire::NodeRole::standby;
  wire::Welcome starting = welcome(4);
  starting.role = wire::NodeRole::starting;
  wire::Welcome stranger = welcome(4);
  stranger.cluster_id = Id128{8};
  wire::Welcome other_version = welcome(4);
  other_version.version = wire::kProtocolVersion + 1;
  for (const wire::Message& answer :
       {wire::Message(standby), wire::Message(starting), wire::Message(stranger),
        wire::Message(other_version), wire::Message(welcome(3)), wire::Message(welcome(2)),
        wire::Message(not_primary("")), wire::Message(wire::Done{})}) {
    (void)next();
    EXPECT_FALSE(probe_.answered(answer, now_));
    EXPECT_TRUE(probe_.running());
  }
}

TEST_F(PrimaryProbeTest, AsksOneAtATimeAndBeginsAgainAfterAPause) {
  EXPECT_EQ(probe_.dial(now_), kB);
  EXPECT_FALSE(probe_.dial(now_));
  probe_.failed(now_);
  EXPECT_EQ(probe_.dial(now_), kC);
  probe_.failed(now_);
  EXPECT_FALSE(probe_.dial(now_));
  EXPECT_EQ(probe_.next_deadline(), now_ + seconds(1));
  now_ = now_ + seconds(1);
  EXPECT_EQ(probe_.dial(now_), kB);
}

TEST_F(PrimaryProbeTest, AnAddressThatDoesNotAnswerIsOverdueAfterAWhile) {
  EXPECT_EQ(next(), kB);
  EXPECT_EQ(probe_.next_deadline(), now_ + seconds(1));
  EXPECT_FALSE(probe_.overdue(now_));
  now_ = now_ + seconds(1);
  EXPECT_TRUE(probe_.overdue(now_));
  probe_.failed(now_);
  EXPECT_FALSE(probe_.overdue(now_));
  EXPECT_EQ(next(), kC);
}

TEST_F(PrimaryProbeTest, GoesWhereItIsSentButNotToTheSilentOneNorInCircles) {
  EXPECT_EQ(next(), kB);
  EXPECT_FALSE(probe_.answered(not_primary("d:4"), now_));
  EXPECT_EQ(next(), (net::HostPort{"d", 4}));
  EXPECT_FALSE(probe_.answered(not_primary("b:2"), now_));
  EXPECT_EQ(next(), kC);
  EXPECT_FALSE(probe_.answered(not_primary("a:1"), now_));
  EXPECT_EQ(next(), kB);
}

TEST_F(PrimaryProbeTest, EndsAndBeginsAnew) {
  EXPECT_EQ(next(), kB);
  probe_.end();
  EXPECT_FALSE(probe_.next_deadline());
  EXPECT_FALSE(probe_.overdue(now_ + seconds(9)));
  probe_.begin(kSilent, {kC}, Epoch(3), kCluster, now_);
  EXPECT_EQ(probe_.dial(now_), kC);
}

// It commits nothing and has no cache: nothing that it is told concerns it.
TEST_F(PrimaryProbeTest, GreetsAsAGuest) {
  const wire::Hello hello = probe_.hello();
  EXPECT_EQ(hello.storage, "main");
  EXPECT_EQ(hello.label, "label");
  EXPECT_FALSE(hello.wants_invalidations);
  EXPECT_FALSE(hello.accepts_standby);
  EXPECT_EQ(hello.cache.tid, kNoTid);
}

}  // namespace
}  // namespace zeolite::client_core
