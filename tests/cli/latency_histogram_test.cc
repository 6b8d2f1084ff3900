#include "cli/latency_histogram.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace zeolite::cli {
namespace {

TEST(LatencyHistogram, EmptyHasZeroQuantiles) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.quantile(0.5), Duration{0});
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 60; ++i) histogram.add(Duration(i));
  EXPECT_EQ(histogram.quantile(0), Duration(1));
  EXPECT_EQ(histogram.quantile(0.5), Duration(30));
  EXPECT_EQ(histogram.quantile(1), Duration(60));
}

TEST(LatencyHistogram, AnyValueIsRightToWithinASixtyFourth) {
  for (std::int64_t value = 1; value < std::numeric_limits<std::int64_t>::max() / 3;
       value = value * 3 / 2 + 1) {
    LatencyHistogram histogram;
    histogram.add(Duration(value));
    const std::int64_t found = histogram.quantile(0.99).count();
    EXPECT_GE(found, value);
    EXPECT_LE(found - value, value / 64 + 1) << value;
  }
}

TEST(LatencyHistogram, TakesTheExtremes) {
  LatencyHistogram histogram;
  histogram.add(Duration(-5));
  histogram.add(Duration::max());
  EXPECT_EQ(histogram.quantile(0.5), Duration{0});
  EXPECT_EQ(histogram.quantile(1), Duration::max());
}

TEST(LatencyHistogram, QuantileIsTheValueThatSoManyDoNotExceed) {
  LatencyHistogram histogram;
  for (int i = 0; i < 99; ++i) histogram.add(Duration(10));
  histogram.add(Duration(50));
  EXPECT_EQ(histogram.quantile(0.99), Duration(10));
  EXPECT_EQ(histogram.quantile(0.991), Duration(50));
}

TEST(LatencyHistogram, MergeAddsCounts) {
  LatencyHistogram a;
  LatencyHistogram b;
  a.add(Duration(1));
  b.add(Duration(2));
  b.add(Duration(3));
  a.merge(b);
  EXPECT_EQ(a.count(), 3U);
  EXPECT_EQ(a.quantile(0.5), Duration(2));
}

}  // namespace
}  // namespace zeolite::cli
