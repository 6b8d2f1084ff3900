#include "commit/recent_writes.h"

#include <gtest/gtest.h>

namespace zeolite::commit {
namespace {

TEST(RecentWrites, WhatWasNotWrittenSinceIsAsStored) {
  const RecentWrites writes(Tid(10), 100);
  EXPECT_EQ(writes.current_tid(Oid(1), Tid(5), Tid(10)), Tid(5));
  EXPECT_EQ(writes.current_tid(Oid(1), kNoTid, Tid(10)), kNoTid);
}

TEST(RecentWrites, ALaterWriteReplacesWhatWasStored) {
  RecentWrites writes(Tid(10), 100);
  writes.record(Tid(12), Oid(1), false);
  EXPECT_EQ(writes.current_tid(Oid(1), Tid(5), Tid(10)), Tid(12));
  EXPECT_EQ(writes.current_tid(Oid(1), kNoTid, Tid(11)), Tid(12));
  EXPECT_EQ(writes.current_tid(Oid(2), Tid(5), Tid(10)), Tid(5));
}

TEST(RecentWrites, ALaterDeletionLeavesNothing) {
  RecentWrites writes(Tid(10), 100);
  writes.record(Tid(12), Oid(1), true);
  EXPECT_EQ(writes.current_tid(Oid(1), Tid(5), Tid(10)), kNoTid);
  writes.record(Tid(13), Oid(1), false);
  EXPECT_EQ(writes.current_tid(Oid(1), Tid(5), Tid(10)), Tid(13));
}

TEST(RecentWrites, WhatTheStoreReadAtOrAboveTheWriteIsBelieved) {
  RecentWrites writes(Tid(10), 100);
  writes.record(Tid(12), Oid(1), true);
  EXPECT_EQ(writes.current_tid(Oid(1), kNoTid, Tid(12)), kNoTid);
  EXPECT_EQ(writes.current_tid(Oid(1), Tid(11), Tid(11)), kNoTid);
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
