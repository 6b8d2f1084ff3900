#include "base/strong_id.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <type_traits>

namespace zeolite {
namespace {

using Apple = StrongId<struct AppleTag>;
using Pear = StrongId<struct PearTag>;

static_assert(!std::is_convertible_v<Apple, Pear>);
static_assert(!std::is_constructible_v<Apple, Pear>);
static_assert(!std::is_convertible_v<std::uint64_t, Apple>);
static_assert(!std::is_convertible_v<Apple, std::uint64_t>);

TEST(StrongId, IsOrderedByItsNumber) {
  EXPECT_LT(Apple(1), Apple(2));
  EXPECT_GT(Apple(0x8000000000000000ULL), Apple(1));
  EXPECT_EQ(Apple(7), Apple(7));
}

TEST(StrongId, KnowsItsNeighboursAndZero) {
  EXPECT_EQ(Apple(7).next(), Apple(8));
  EXPECT_EQ(Apple(7).previous(), Apple(6));
  EXPECT_TRUE(Apple().is_zero());
  EXPECT_FALSE(Apple(1).is_zero());
  EXPECT_EQ(Apple(9).value(), 9U);
}

TEST(StrongId, HashSpreadsDenseNumbers) {
  std::set<std::size_t> top_bits;
  for (std::uint64_t i = 0; i < 256; ++i) {
    top_bits.insert(std::hash<Apple>{}(Apple(i)) >> 56);
  }
  EXPECT_GT(top_bits.size(), 128U);
}

}  // namespace
}  // namespace zeolite
