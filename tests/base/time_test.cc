#include "base/time.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/milliseconds.h"

namespace zeolite {
namespace {

using namespace std::chrono_literals;

TEST(Instant, IsMovedAndComparedByDurations) {
  const Instant start{1s};
  EXPECT_EQ(start + 500ms, Instant{1500ms});
  EXPECT_EQ((start + 2s) - start, 2s);
  EXPECT_LT(start, start + 1ns);
}

TEST(WholeMilliseconds, AreRoundedDownAndNeverNegative) {
  EXPECT_EQ(whole_milliseconds(1'999us), 1U);
  EXPECT_EQ(whole_milliseconds(-5ms), 0U);
}

TEST(SystemClock, NeverStepsBack) {
  const SystemClock clock;
  Instant last = clock.now().instant;
  for (int i = 0; i < 1000; ++i) {
    const Instant next = clock.now().instant;
    EXPECT_GE(next, last);
    last = next;
  }
}

TEST(SystemClock, TellsTheWallTimeInMicroseconds) {
  const SystemClock clock;
  // Between 2020 and 2200: not seconds, milliseconds or nanoseconds.
  EXPECT_GT(clock.now().wall, WallTime{1'577'836'800'000'000});
  EXPECT_LT(clock.now().wall, WallTime{7'258'118'400'000'000});
}

}  // namespace
}  // namespace zeolite
