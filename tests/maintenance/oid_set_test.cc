#include "maintenance/oid_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

namespace zeolite::maintenance {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Oid kHigh{0xFFFFFFFFFFFFFFFFULL};

TEST(OidSet, KnowsWhatWasAdded) {
  OidSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_TRUE(set.add(Oid(5)));
  EXPECT_FALSE(set.add(Oid(5)));
  EXPECT_TRUE(set.add(kHigh));
  EXPECT_TRUE(set.contains(Oid(5)));
  EXPECT_TRUE(set.contains(kHigh));
  EXPECT_FALSE(set.contains(Oid(0x500000005ULL)));
  EXPECT_FALSE(set.contains(Oid(4)));
  EXPECT_EQ(set.count(), 2U);
}

TEST(OidSet, TakesInOrderFromWhereItIsTold) {
  OidSet set;
  for (const std::uint64_t oid : {9U, 3U, 7U}) set.add(Oid(oid));
  set.add(Oid(0x100000003ULL));
  set.add(kHigh);
  EXPECT_THAT(set.take(Oid(4), 1), ElementsAre(Oid(7)));
  EXPECT_THAT(set.take(Oid(4), 2), ElementsAre(Oid(9), Oid(0x100000003ULL)));
  EXPECT_THAT(set.take(Oid(4), 2), ElementsAre(kHigh));
  EXPECT_THAT(set.take(Oid(4), 2), IsEmpty());
  EXPECT_FALSE(set.empty());
  EXPECT_THAT(set.take(Oid(0), 2), ElementsAre(Oid(3)));
  EXPECT_TRUE(set.empty());
}

TEST(OidSet, SubtractsAnother) {
  OidSet set;
  OidSet other;
  for (const std::uint64_t oid : {1U, 2U, 3U}) set.add(Oid(oid));
  set.add(kHigh);
  for (const std::uint64_t oid : {2U, 8U}) other.add(Oid(oid));
  other.add(kHigh);
  set.subtract(other);
  EXPECT_THAT(set.take(Oid(0), 10), ElementsAre(Oid(1), Oid(3)));
}

TEST(OidSet, IsAsASetOfNumbers) {
  std::mt19937_64 random(3);
  OidSet set;
  std::set<Oid> model;
  const auto any = [&random] {
    return Oid(((random() % 3) << 32) + ((random() % 2) << 16) + random() % 200);
  };
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 4 != 0) {
      const Oid oid = any();
      ASSERT_EQ(set.add(oid), model.insert(oid).second);
      continue;
    }
    const Oid from = any();
    const std::size_t count = random() % 5;
    std::vector<Oid> wanted;
    for (auto next = model.lower_bound(from); next != model.end() && wanted.size() < count;) {
      wanted.push_back(*next);
      next = model.erase(next);
    }
    ASSERT_EQ(set.take(from, count), wanted);
    ASSERT_EQ(set.empty(), model.empty());
    ASSERT_EQ(set.count(), model.size());
  }
}

}  // namespace
}  // namespace zeolite::maintenance
