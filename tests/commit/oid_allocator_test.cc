#include "commit/oid_allocator.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace zeolite::commit {
namespace {

constexpr Oid kLastOid{std::numeric_limits<std::uint64_t>::max()};

class OidAllocatorTest : public testing::Test {
 protected:
  explicit OidAllocatorTest(Oid mark = Oid(100)) : oids_(mark, 1'000) {}

  void request(Ticket ticket, std::uint32_t count, OwnerId owner = 1) {
    oids_.request({.ticket = ticket, .owner = owner, .count = count});
  }
  std::vector<OidAllocator::Answer> answers() {
    std::vector<OidAllocator::Answer> result;
    oids_.take_answers(result);
    return result;
  }
  // Moves the mark as far as is asked for.
  Oid move_mark() {
    const auto mark = oids_.take_mark_to_append();
    EXPECT_TRUE(mark);
    oids_.check_invariants();
    oids_.mark_durable(mark.value_or(Oid()));
    return mark.value_or(Oid());
  }

  OidAllocator oids_;
};

TEST_F(OidAllocatorTest, NothingIsGivenAwayBeforeTheLogHoldsAMark) {
  request(1, 10);
  EXPECT_TRUE(answers().empty());
  EXPECT_EQ(oids_.waiting(), 1U);
  EXPECT_EQ(move_mark(), Oid(100 + 1'000 + 10));
  const auto given = answers();
  ASSERT_EQ(given.size(), 1U);
  EXPECT_EQ(given[0].request.ticket, 1U);
  EXPECT_EQ(given[0].first, Oid(100));
}

TEST_F(OidAllocatorTest, RangesDoNotOverlapAndFollowEachOther) {
  request(1, 10);
  request(2, 20);
  move_mark();
  request(3, 30);
  const auto given = answers();
  ASSERT_EQ(given.size(), 3U);
  EXPECT_EQ(given[0].first, Oid(100));
  EXPECT_EQ(given[1].first, Oid(110));
  EXPECT_EQ(given[2].first, Oid(130));
}

TEST_F(OidAllocatorTest, ALowReserveIsFilledBeforeAnybodyWaits) {
  request(1, 1);
  move_mark();
  EXPECT_EQ(answers().size(), 1U);
  EXPECT_FALSE(oids_.take_mark_to_append());
  request(2, 800);
  EXPECT_EQ(answers().size(), 1U);
  EXPECT_EQ(oids_.take_mark_to_append(), Oid(901 + 1'000));
  EXPECT_FALSE(oids_.take_mark_to_append()) << "one is on its way";
  request(3, 100);
  EXPECT_EQ(answers().size(), 1U);
}

TEST_F(OidAllocatorTest, WhoDoesNotFitWaitsAndIsNotOvertaken) {
  request(1, 1);
  move_mark();
  EXPECT_EQ(answers().size(), 1U);
  request(2, 5'000);
  request(3, 1);
  EXPECT_TRUE(answers().empty());
  move_mark();
  EXPECT_EQ(answers().size(), 2U);
}

TEST_F(OidAllocatorTest, ALostConnectionIsForgotten) {
  request(1, 1, 1);
  request(2, 1, 2);
  oids_.cancel_owner(1);
  move_mark();
  const auto given = answers();
  ASSERT_EQ(given.size(), 1U);
  EXPECT_EQ(given[0].request.ticket, 2U);
}

TEST_F(OidAllocatorTest, OidsThatClientsChoseAreNotHandedOut) {
  request(1, 1);
  move_mark();
  EXPECT_EQ(answers().size(), 1U);
  oids_.note_written(Oid(50));
  oids_.note_written(Oid(300));
  request(2, 1);
  EXPECT_EQ(answers().at(0).first, Oid(301));
  oids_.note_written(Oid(1'000'000));  // beyond the mark
  request(3, 1);
  EXPECT_TRUE(answers().empty());
  EXPECT_EQ(move_mark(), Oid(1'000'001 + 1'000 + 1));
  EXPECT_EQ(answers().at(0).first, Oid(1'000'001));
}

TEST_F(OidAllocatorTest, AnOidWrittenWhileTheMarkIsOnItsWayMovesTheMarkAgain) {
  request(1, 1);
  const auto mark = oids_.take_mark_to_append();
  oids_.note_written(Oid(1'000'000));
  oids_.mark_durable(mark.value());
  EXPECT_TRUE(answers().empty());
  move_mark();
  EXPECT_EQ(answers().at(0).first, Oid(1'000'001));
}

TEST_F(OidAllocatorTest, TheLastOidsAreRefusedNotWrappedAround) {
  oids_.note_written(kLastOid);
  request(1, 1);
  const auto given = answers();
  ASSERT_EQ(given.size(), 1U);
  EXPECT_FALSE(given[0].first);
  EXPECT_FALSE(oids_.take_mark_to_append());
}

TEST_F(OidAllocatorTest, TheLastOidsCanBeUsed) {
  oids_.note_written(kLastOid.previous().previous().previous());
  request(1, 2);
  EXPECT_EQ(move_mark(), kLastOid);
  EXPECT_EQ(answers().at(0).first, kLastOid.previous().previous());
}

TEST(OidAllocator, TheRootIsNeverHandedOut) {
  OidAllocator oids(Oid(0), 10);
  oids.request({.ticket = 1, .owner = 1, .count = 1});
  const auto mark = oids.take_mark_to_append();
  oids.mark_durable(mark.value());
  std::vector<OidAllocator::Answer> answers;
  oids.take_answers(answers);
  EXPECT_EQ(answers.at(0).first, Oid(1));
}

TEST_F(OidAllocatorTest, WhatIsLentNeedsNoMarkInTheLogUntilItBegins) {
  oids_.lend(Oid(600));
  request(1, 10);
  EXPECT_EQ(answers().at(0).first, Oid(100));
  EXPECT_FALSE(oids_.take_mark_to_append());
  EXPECT_TRUE(oids_.end_lending());
  EXPECT_EQ(move_mark(), Oid(110 + 1'000));
  request(2, 10);
  EXPECT_EQ(answers().at(0).first, Oid(110));
}

TEST_F(OidAllocatorTest, WhatWasLentAndNotHandedOutIsGivenUp) {
  oids_.lend(Oid(600));
  EXPECT_FALSE(oids_.end_lending());
  request(1, 10);
  EXPECT_TRUE(answers().empty());
  EXPECT_EQ(move_mark(), Oid(100 + 1'000 + 10));
  EXPECT_EQ(answers().at(0).first, Oid(100));
}

TEST_F(OidAllocatorTest, AMarkIsWantedWhenWhatIsLentRunsLow) {
  oids_.lend(Oid(600));
  request(1, 400);
  EXPECT_EQ(answers().size(), 1U);
  EXPECT_TRUE(oids_.take_mark_to_append());
}

}  // namespace
}  // namespace zeolite::commit
