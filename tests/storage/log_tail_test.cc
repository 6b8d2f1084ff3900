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

TEST(LogTail, HorizonFollowsLogTimeInSteps) {
  const std::int64_t start = 1'700'000'000'000'000;
  const auto at = [start](std::int64_t seconds) {
    return tid_from_time(WallTime{start + seconds * 1'000'000}).value();
  };
  LogTail tail(kHour);
  (void)tail.extend(record(at(0)));
  const Tid first = tail.marks().outcome_horizon;
  EXPECT_EQ(time_of_tid(first).unix_us, start - 3'600'000'000);
  (void)tail.extend(record(at(59)));
  EXPECT_EQ(tail.marks().outcome_horizon, first);
  (void)tail.extend(record(at(61)));
  EXPECT_GT(tail.marks().outcome_horizon, first);
}

TEST(LogTail, HorizonStaysBelowTheFirstTimes) {
  LogTail tail(kHour);
  (void)tail.extend(record(1));
  EXPECT_EQ(tail.marks().outcome_horizon, kNoTid);
}

TEST(LogTail, OidMarkCannotOverflow) {
  LogTail tail(kHour);
  (void)tail.extend(record(1).data(~std::uint64_t{0}, "x"));
  EXPECT_EQ(tail.marks().oid_mark, Oid(~std::uint64_t{0}));
}

}  // namespace
}  // namespace zeolite::storage::testing
