#include "cli/progress.h"

#include <gtest/gtest.h>

#include <chrono>

namespace zeolite::cli {
namespace {

using std::chrono::seconds;

TEST(Progress, LineShowsBarRateAndTimeLeft) {
  EXPECT_EQ(progress_line("import", "B", {50'000'000, 50'000'000, 100'000'000, seconds(10)}),
            "import [############............]  50%  5.0 MB/s  0:10 left");
}

TEST(Progress, CountAndPartMayBeDifferentThings) {
  EXPECT_EQ(progress_line("verify", "transactions", {500, 1, 4, seconds(1)}),
            "verify [######..................]  25%  500 transactions/s  0:03 left");
}

TEST(Progress, UnknownTotalHasNoBar) {
  EXPECT_EQ(progress_line("verify", "t", {1500, 0, 0, seconds(3)}), "verify  1.5 kt  500 t/s");
}

TEST(Progress, NothingDoneHasNoTimeLeft) {
  EXPECT_EQ(progress_line("import", "B", {0, 0, 10, seconds(0)}),
            "import [........................]   0%  0 B/s  ");
}

TEST(Progress, BarEndsAtItsEnd) {
  EXPECT_EQ(progress_line("import", "B", {20, 20, 10, seconds(10)}),
            "import [########################] 100%  2 B/s  0:00 left");
}

TEST(Progress, HoursAreShown) {
  EXPECT_EQ(progress_line("import", "B", {1, 1, 3601, seconds(1)}),
            "import [........................]   0%  1 B/s  1:00:00 left");
}

TEST(Progress, NoStyleDrawsNothing) {
  Progress progress(Progress::Style::none, "import", "B");
  progress.update(1, 2);
  progress.clear();
}

}  // namespace
}  // namespace zeolite::cli
