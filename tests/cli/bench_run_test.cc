#include "cli/bench_run.h"

#include <gtest/gtest.h>

#include <chrono>

namespace zeolite::cli {
namespace {

using std::chrono::milliseconds;

BenchClock::time_point at(int ms) { return BenchClock::time_point(milliseconds(ms)); }

BenchOptions small() {
  BenchOptions options;
  options.size = 100;
  return options;
}

TEST(BenchRun, PayloadHasItsSizeAndIsDifferentEachTime) {
  BenchRun run(small(), 1);
  const Bytes first = run.payload();
  EXPECT_EQ(first.size(), 100U);
  EXPECT_NE(first, run.payload());
}

TEST(BenchRun, CountsWhatCameInTimeApart) {
  BenchRun run(small(), 1);
  run.begin(at(0));
  run.count_commit(at(0), at(1));
  run.count_load(at(1), at(3));
  run.end(at(10));
  run.count_commit(at(9), at(12));
  EXPECT_EQ(run.report.commits, 2U);
  EXPECT_EQ(run.report.commits_in_time, 1U);
  EXPECT_EQ(run.report.reads_in_time, 1U);
  EXPECT_EQ(run.report.acknowledged(), 3U);
  EXPECT_DOUBLE_EQ(run.report.seconds, 0.01);
}

TEST(BenchRun, LongestGapIncludesTheStartAndTheEnd) {
  BenchRun run(small(), 1);
  run.begin(at(0));
  run.count_ping(at(0), at(5));
  EXPECT_EQ(run.report.longest_gap, milliseconds(5));
  run.count_ping(at(5), at(7));
  EXPECT_EQ(run.report.longest_gap, milliseconds(5));
  run.end(at(100));
  EXPECT_EQ(run.report.longest_gap, milliseconds(93));
}

TEST(BenchRun, RemembersTheNewestReason) {
  BenchRun run(small(), 1);
  run.count_error({ErrorCode::out_of_space, "full"});
  run.count_reconnect({ErrorCode::unavailable, "gone"});
  EXPECT_EQ(run.report.errors, 1U);
  EXPECT_EQ(run.report.reconnects, 1U);
  EXPECT_EQ(run.report.last_error, "unavailable: gone");
}

}  // namespace
}  // namespace zeolite::cli
