#include "commit/recent_writes.h"

#include <gtest/gtest.h>

namespace zeolite::commit {
namespace {

constexpr ObjectState kNothing{};

ObjectState current(std::uint64_t tid) { return {.current = Tid(tid)}; }
ObjectState deleted(std::uint64_t tid) { return {.current = kNoTid, .deleted = Tid(tid)}; }

TEST(RecentWrites, WhatWasNotWrittenSinceIsAsStored) {
  const RecentWrites writes(Tid(10), 100);
  EXPECT_EQ(writes.state(Oid(1), current(5), Tid(10)), current(5));
  EXPECT_EQ(writes.state(Oid(1), deleted(5), Tid(10)), deleted(5));
  EXPECT_EQ(writes.state(Oid(1), kNothing, Tid(10)), kNothing);
  EXPECT_EQ(writes.recall(Oid(1)), std::nullopt);
}

TEST(RecentWrites, ALaterWriteReplacesWhatWasStored) {
  RecentWrites writes(Tid(10), 100);
  writes.record(Tid(12), Oid(1), false);
  EXPECT_EQ(writes.state(Oid(1), current(5), Tid(10)), current(12));
  EXPECT_EQ(writes.state(Oid(1), deleted(5), Tid(11)), current(12));
  EXPECT_EQ(writes.state(Oid(2), current(5), Tid(10)), current(5));
  EXPECT_EQ(writes.recall(Oid(1)), current(12));
}

TEST(RecentWrites, ALaterDeletionLeavesThat) {
  RecentWrites writes(Tid(10), 100);
  writes.record(Tid(12), Oid(1), true);
  EXPECT_EQ(writes.state(Oid(1), current(5), Tid(10)), deleted(12));
  EXPECT_EQ(writes.recall(Oid(1)), deleted(12));
  writes.record(Tid(13), Oid(1), false);
  EXPECT_EQ(writes.state(Oid(1), current(5), Tid(10)), current(13));
}

TEST(RecentWrites, WhatTheStoreReadAtOrAboveTheWriteIsBelieved) {
  RecentWrites writes(Tid(10), 100);
  writes.record(Tid(12), Oid(1), true);
  EXPECT_EQ(writes.state(Oid(1), kNothing, Tid(12)), kNothing);  // it was packed away
  EXPECT_EQ(writes.state(Oid(1), current(11), Tid(11)), deleted(12));
}

TEST(RecentWrites, IsBounded) {
  RecentWrites writes(Tid(10), 3);
  for (std::uint64_t i = 1; i <= 10; ++i) writes.record(Tid(10 + i), Oid(i), false);
  EXPECT_EQ(writes.size(), 3U);
  EXPECT_EQ(writes.floor(), Tid(17));
  EXPECT_FALSE(writes.covers(Tid(16)));
  EXPECT_TRUE(writes.covers(Tid(17)));
  writes.check_invariants();
}

}  // namespace
}  // namespace zeolite::commit
