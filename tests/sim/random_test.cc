#include "sim/random.h"

#include <gtest/gtest.h>

namespace zeolite::sim {
namespace {

TEST(Random, IsTheSameForTheSameSeed) {
  Random one(7);
  Random other(7);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(one.next(), other.next());
  EXPECT_NE(Random(8).next(), Random(7).next());
}

TEST(Random, SplitsByNameWhateverWasDrawn) {
  Random fresh(7);
  Random used(7);
  used.next();
  EXPECT_EQ(fresh.split("disk", 1).next(), used.split("disk", 1).next());
  EXPECT_NE(fresh.split("disk", 1).next(), fresh.split("disk", 2).next());
  EXPECT_NE(fresh.split("disk", 1).next(), fresh.split("network", 1).next());
}

TEST(Random, StaysWithinBounds) {
  Random random(7);
  bool low = false;
  bool high = false;
  for (int i = 0; i < 1000; ++i) {
    const Duration drawn = random.between(Duration(3), Duration(5));
    EXPECT_GE(drawn, Duration(3));
    EXPECT_LE(drawn, Duration(5));
    low = low || drawn == Duration(3);
    high = high || drawn == Duration(5);
    EXPECT_GE(random.delay(Duration(100)), Duration(50));
    EXPECT_FALSE(random.once_in(0));
    EXPECT_TRUE(random.once_in(1));
  }
  EXPECT_TRUE(low && high);
}

}  // namespace
}  // namespace zeolite::sim
