#include "commit/recent_map.h"

#include <gtest/gtest.h>

namespace zeolite::commit {
namespace {

using Map = RecentMap<int, char>;

TEST(RecentMap, KnowsTheNewestOfEachKey) {
  Map map(Tid(10), 100);
  map.record(Tid(11), 1, 'a');
  map.record(Tid(12), 2, 'b');
  map.record(Tid(13), 1, 'c');
  ASSERT_TRUE(map.find(1));
  EXPECT_EQ(map.find(1)->value, 'c');
  EXPECT_EQ(map.find(1)->tid, Tid(13));
  EXPECT_EQ(map.find(2)->value, 'b');
  EXPECT_FALSE(map.find(3));
  EXPECT_EQ(map.size(), 2U);
  map.check_invariants();
}

TEST(RecentMap, CoversWhatHappenedAfterItsFloor) {
  const Map map(Tid(10), 100);
  EXPECT_TRUE(map.covers(Tid(10)));
  EXPECT_TRUE(map.covers(Tid(11)));
  EXPECT_FALSE(map.covers(Tid(9)));
}

TEST(RecentMap, TheFloorRisesToWhatIsDropped) {
  Map map(Tid(10), 2);
  map.record(Tid(11), 1, 'a');
  map.record(Tid(12), 2, 'b');
  EXPECT_EQ(map.floor(), Tid(10));
  map.record(Tid(13), 3, 'c');
  EXPECT_EQ(map.floor(), Tid(11));
  EXPECT_FALSE(map.find(1));
  EXPECT_FALSE(map.covers(Tid(10)));
  EXPECT_TRUE(map.covers(Tid(11)));
  map.check_invariants();
}

TEST(RecentMap, DroppingAnOldRecordingKeepsANewerOneOfTheKey) {
  Map map(Tid(10), 2);
  map.record(Tid(11), 1, 'a');
  map.record(Tid(12), 1, 'b');
  map.record(Tid(13), 2, 'c');
  EXPECT_EQ(map.floor(), Tid(11));
  EXPECT_EQ(map.find(1)->value, 'b');
  map.check_invariants();
}

TEST(RecentMap, ForgetsAll) {
  Map map(Tid(10), 100);
  map.record(Tid(11), 1, 'a');
  map.forget(Tid(13));
  EXPECT_FALSE(map.find(1));
  EXPECT_EQ(map.size(), 0U);
  EXPECT_FALSE(map.covers(Tid(12)));
  EXPECT_TRUE(map.covers(Tid(13)));
  map.record(Tid(14), 1, 'b');
  EXPECT_EQ(map.find(1)->value, 'b');
  map.check_invariants();
}

TEST(RecentMap, OneTidWithMoreKeysThanFitRaisesTheFloorToItself) {
  Map map(Tid(10), 3);
  for (int key = 0; key < 20; ++key) map.record(Tid(11), key, 'a');
  EXPECT_EQ(map.floor(), Tid(11));
  EXPECT_EQ(map.size(), 3U);
  map.record(Tid(12), 5, 'b');
  EXPECT_EQ(map.find(5)->tid, Tid(12));
  EXPECT_TRUE(map.covers(Tid(11)));
  map.check_invariants();
}

TEST(RecentMapDeath, RecordingsAreInTidOrder) {
  Map map(Tid(10), 3);
  map.record(Tid(12), 1, 'a');
  EXPECT_DEATH(map.record(Tid(11), 1, 'b'), "tid order");
}

}  // namespace
}  // namespace zeolite::commit
