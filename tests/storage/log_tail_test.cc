#include "storage/log_tail.h"

#include <gtest/gtest.h>

#include "model/tid_time.h"
#include "storage/log_chain.h"
#include "storage/store_builders.h"

namespace zeolite::storage::testing {
namespace {

constexpr Duration kHour = std::chrono::hours(1);

TEST(LogTail, ExtendChainsEveryEntryToTheOneBefore) {
  LogTail tail(kHour);
  const std::string first = tail.extend(record(10).data(1, "a"));
  const ChainHash first_chain = tail.last().chain;
  const std::string second = tail.extend(record(20).data(1, "b", 10));
  ByteView covered;
  ChainHash chain{};
  ASSERT_TRUE(split_chain(first, covered, chain));
  EXPECT_EQ(chain, first_chain);
  EXPECT_EQ(next_chain(ChainHash{}, covered), first_chain);
  ASSERT_TRUE(split_chain(second, covered, chain));
  EXPECT_EQ(next_chain(first_chain, covered), chain);
  EXPECT_EQ(tail.last(), (Position{Epoch(1), Tid(20), chain}));
}

TEST(LogTail, CanGoOnFromAStoredEnd) {
  LogTail whole(kHour);
  (void)whole.extend(record(10).data(1, "a"));
  LogTail reopened(kHour, whole.last(), whole.marks());
  EXPECT_EQ(whole.extend(record(20).data(2, "b")), reopened.extend(record(20).data(2, "b")));
  EXPECT_EQ(whole.marks(), reopened.marks());
}

// A tid so many minutes after some time.
std::uint64_t at(std::int64_t minutes) {
  return tid_from_time(WallTime{1'700'000'000'000'000 + minutes * 60'000'000}).value();
}

TEST(LogTail, HorizonFollowsLogTimeFromEntryToEntry) {
  LogTail tail(kHour);
  (void)tail.extend(record(at(0)));
  (void)tail.extend(record(at(20)));
  (void)tail.extend(record(at(59)));
  EXPECT_EQ(tail.marks().outcome_horizon, kNoTid);
  (void)tail.extend(record(at(61)));
  EXPECT_EQ(tail.marks().outcome_horizon, Tid(at(0)));
  (void)tail.extend(record(at(119)));
  EXPECT_EQ(tail.marks().outcome_horizon, Tid(at(0)));
  (void)tail.extend(record(at(122)));
  EXPECT_EQ(tail.marks().outcome_horizon, Tid(at(61)));
}

TEST(LogTail, HorizonDoesNotMoveIntoAGap) {
  LogTail tail(kHour);
  (void)tail.extend(record(1, RecordKind::epoch));  // not a time
  const Tid quiet(at(0));
  (void)tail.extend(record(quiet.value()));
  EXPECT_EQ(tail.marks().outcome_horizon, Tid(1));
  (void)tail.extend(record(at(10'000)));
  (void)tail.extend(record(at(10'001)));
  EXPECT_EQ(tail.marks().outcome_horizon, quiet) << "who began then can still be answered";
}

TEST(LogTail, PackRecordsAreRemembered) {
  LogTail tail(kHour);
  (void)tail.extend(record(10).data(1, "a"));
  (void)tail.extend(record(11, RecordKind::pack).pack(9, true));
  EXPECT_EQ(tail.marks().pack_horizon, Tid(9));
  EXPECT_EQ(tail.marks().pack_record, Tid(11));
  EXPECT_TRUE(tail.marks().collect_garbage);
  (void)tail.extend(record(12, RecordKind::pack).pack(10, false));
  EXPECT_EQ(tail.marks().pack_record, Tid(12));
  EXPECT_FALSE(tail.marks().collect_garbage);
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH((void)tail.extend(record(13, RecordKind::pack).pack(10, false)),
               "not above the one before");
  EXPECT_DEATH((void)tail.extend(record(13, RecordKind::pack).pack(13, false)), "below its record");
}

TEST(LogTail, APackIsSweptOnceARemovalSaysSo) {
  LogTail tail(kHour);
  EXPECT_TRUE(tail.pack_state().swept) << "there is none";
  (void)tail.extend(record(11, RecordKind::pack).pack(9, true));
  EXPECT_EQ(tail.pack_state(), (PackState{Tid(9), Tid(11), true, false}));
  (void)tail.extend(removal(12, 11, {key(1, 9), key(1, 3), key(2, 5)}));
  EXPECT_FALSE(tail.pack_state().swept);
  (void)tail.extend(removal(13, 11, {}, true));
  EXPECT_EQ(tail.pack_state(), (PackState{Tid(9), Tid(11), true, true}));
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH((void)tail.extend(removal(14, 11, {})), "after its completion");
  (void)tail.extend(record(15, RecordKind::pack).pack(12));
  EXPECT_FALSE(tail.pack_state().swept);
}

TEST(LogTail, WhatAnEntryRemovesMayBeMissingBeforeItIsThere) {
  LogTail tail(kHour);
  (void)tail.extend(record(11, RecordKind::pack).pack(9));
  tail.raise_pack_horizon(Tid(20));
  EXPECT_EQ(tail.pack_state(), (PackState{Tid(20), Tid(11), false, false}));
}

TEST(LogTail, OidMarkCannotOverflow) {
  LogTail tail(kHour);
  (void)tail.extend(record(1).data(~std::uint64_t{0}, "x"));
  EXPECT_EQ(tail.marks().oid_mark, Oid(~std::uint64_t{0}));
}

}  // namespace
}  // namespace zeolite::storage::testing
