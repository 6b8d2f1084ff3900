#include "cli/bench_invalidate.h"

#include <gtest/gtest.h>

#include <chrono>

namespace zeolite::cli {
namespace {

using std::chrono::milliseconds;

BenchClock::time_point at(int ms) { return BenchClock::time_point(milliseconds(ms)); }

class ToldTrackerTest : public ::testing::Test {
 protected:
  void commit(std::uint64_t tid, int ms) {
    tracker_.committed(Tid(tid), at(ms), [this] { ++done_; });
  }
  [[nodiscard]] Duration longest() const { return run_.report.told_latency.quantile(1); }

  BenchRun run_{BenchOptions{}, 1};
  ToldTracker tracker_{run_, 2};
  int done_ = 0;
};

TEST_F(ToldTrackerTest, MeasuresFromTheAnswerToTheLastOneTold) {
  commit(5, 10);
  tracker_.told(0, Tid(5), at(11));
  EXPECT_EQ(done_, 0);
  tracker_.told(1, Tid(5), at(14));
  EXPECT_EQ(done_, 1);
  EXPECT_GE(longest(), milliseconds(4));
  EXPECT_LT(longest(), milliseconds(5));
}

TEST_F(ToldTrackerTest, ToldBeforeTheAnswerIsZero) {
  tracker_.told(0, Tid(5), at(8));
  tracker_.told(1, Tid(5), at(9));
  commit(5, 10);
  EXPECT_EQ(done_, 1);
  EXPECT_EQ(longest(), Duration{0});
}

TEST_F(ToldTrackerTest, ANewerTidCountsAsTold) {
  commit(5, 10);
  tracker_.told(0, Tid(7), at(11));
  tracker_.told(0, Tid(8), at(12));
  EXPECT_EQ(done_, 0);
  tracker_.told(1, Tid(6), at(13));
  EXPECT_EQ(done_, 1);
}

TEST_F(ToldTrackerTest, AnOlderTidDoesNotCount) {
  commit(5, 10);
  tracker_.told(0, Tid(5), at(11));
  tracker_.told(1, Tid(4), at(11));
  EXPECT_EQ(done_, 0);
}

TEST_F(ToldTrackerTest, ForgottenCommitIsNotReported) {
  commit(5, 10);
  tracker_.told(0, Tid(5), at(11));
  tracker_.forget();
  tracker_.told(1, Tid(5), at(12));
  EXPECT_EQ(done_, 0);
}

}  // namespace
}  // namespace zeolite::cli
