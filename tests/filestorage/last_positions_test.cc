#include "filestorage/last_positions.h"

#include <gtest/gtest.h>

namespace zeolite::filestorage {
namespace {

TEST(LastPositions, AnObjectWithoutARecordHasNone) {
  LastPositions positions;
  EXPECT_EQ(positions.find(Oid(0)), 0U);
  positions.set(Oid(64), 4);
  EXPECT_EQ(positions.find(Oid(65)), 0U);
  EXPECT_EQ(positions.find(Oid(0)), 0U);
}

TEST(LastPositions, TheLastOneCountsForOidsNearAndFar) {
  LastPositions positions;
  for (std::uint64_t i = 0; i < 1000; ++i) positions.set(Oid(i), i + 4);
  positions.set(Oid(~std::uint64_t{0}), 77);
  positions.set(Oid(500), 5000);
  EXPECT_EQ(positions.find(Oid(499)), 503U);
  EXPECT_EQ(positions.find(Oid(500)), 5000U);
  EXPECT_EQ(positions.find(Oid(~std::uint64_t{0})), 77U);
}

}  // namespace
}  // namespace zeolite::filestorage
