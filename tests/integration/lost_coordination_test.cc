#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "integration/elected_pair.h"

// Servers that elect, some of which do not reach etcd for a while, or are not there when they are
// to lead. That a server is cut off as a whole is tested in tests/cluster.
namespace zeolite::testing {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

using LostCoordination = ElectedPair;

TEST_F(LostCoordination, APrimaryCutFromEtcdIsReplacedAndFollowsWhenItIsBack) {
  way_of_a_->hold();
  expect_took_over(*b_);
  // It is not primary any more in the same process, and knows of nobody whom it could follow.
  EXPECT_NE(role(*a_), "primary");
  EXPECT_FALSE(in_sync(*b_));
  way_of_a_->release();
  ASSERT_TRUE(wait_until([&] { return in_sync(*b_); })) << a_->standard_error();
  EXPECT_EQ(role(*a_), "standby");
  ASSERT_TRUE(wait_until([&] { return same_end(*b_, *a_); }));
  EXPECT_EQ(digest(*a_), digest(*b_));
}

// The standby in sync confirms what etcd cannot. When etcd is back, nobody has been replaced.
TEST_F(LostCoordination, WithoutAnyEtcdAPrimaryWithItsStandbyServesOn) {
  const auto lost = steady_clock::now();
  etcd_.kill(0);
  ASSERT_TRUE(wait_until([&] { return steady_clock::now() > lost + lease_ * 3 / 2; }));
  EXPECT_TRUE(load_.wait_acknowledged(load_.acknowledged() + 100)) << a_->standard_error();
  for (const ServerProcess* server : {a_.get(), b_.get()}) {
    EXPECT_TRUE(wait_until([&] { return says(*server, "service does not answer"); }))
        << server->standard_error();
  }
  etcd_.restart(0);
  ASSERT_TRUE(etcd_.wait_ready()) << etcd_.logs();
  for (const ServerProcess* server : {a_.get(), b_.get()}) {
    EXPECT_TRUE(wait_until([&] { return says(*server, "service answers again"); }))
        << server->standard_error();
  }
  EXPECT_TRUE(load_.wait_acknowledged(load_.acknowledged() + 100)) << a_->standard_error();
  EXPECT_EQ(role(*a_), "primary");
  EXPECT_EQ(epoch(*a_), epoch_);
  EXPECT_TRUE(in_sync(*a_));
  a_->kill();
  expect_took_over(*b_);
}

// It is fed and waited for all the while; but who leads is decided in etcd.
TEST_F(LostCoordination, AStandbyCutFromEtcdTakesOverWhenItIsBackAndNotBefore) {
  way_of_b_->hold();
  ASSERT_TRUE(wait_until([&] { return says(*b_, "service does not answer"); }))
      << b_->standard_error();
  EXPECT_TRUE(load_.wait_acknowledged(load_.acknowledged() + 100)) << a_->standard_error();
  EXPECT_TRUE(in_sync(*a_));
  a_->kill();
  ASSERT_TRUE(wait_until([&] { return !led(); })) << etcd_.logs();
  EXPECT_EQ(role(*b_), "standby");
  way_of_b_->release();
  expect_took_over(*b_);
}

// What it needs to know for that is in etcd and on its disk. It cannot remember up to when it
// confirmed the old primary, so it keeps the time that this might have served after that.
TEST_F(LostCoordination, AStandbyThatIsNotThereWhenThePrimaryDiesTakesOverAfterItsStart) {
  a_->kill();
  b_->kill();
  ASSERT_TRUE(wait_until([&] { return !led(); })) << etcd_.logs();
  // So long that a start takes less than the time to be kept.
  constexpr seconds kLongLease{12};
  b_ = std::make_unique<ServerProcess>(options("b", elects(*way_of_b_, kLongLease)));
  const auto started = steady_clock::now();
  ASSERT_TRUE(b_->start()) << b_->standard_error();
  ASSERT_TRUE(wait_until([&] { return role(*b_) == "primary"; })) << b_->standard_error();
  EXPECT_GE(steady_clock::now() - started, kLongLease / 3);
  expect_took_over(*b_);
}

}  // namespace
}  // namespace zeolite::testing
