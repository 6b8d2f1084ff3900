// Commits by their id: repeats, outcomes, tombstones (src/commit/exactly_once.cc).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "commit/commit_coordinator.h"
#include "commit/coordinator_harness.h"

namespace zeolite::commit {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = CommitEffects::Reply::Kind;

constexpr Oid kA{1};
constexpr Oid kB{2};
constexpr OwnerId kAnn = 11;
constexpr OwnerId kAnnAgain = 21;  // the same client, reconnected
constexpr OwnerId kBob = 12;

class ExactlyOnceTest : public testing::Test {
 protected:
  explicit ExactlyOnceTest(CommitOptions options = {}) : h_(options) {
    h_.add_object(kA);
    h_.add_object(kB);
    staged_ = transaction(1, kA);
  }
  void TearDown() override { EXPECT_FALSE(h_.answered_twice); }

  StagedTransaction transaction(std::uint64_t number, Oid oid) {
    StagedTransaction staged;
    staged.commit_id = CoordinatorHarness::commit_id(number);
    staged.begun = h_.visible();
    staged.writes = {CoordinatorHarness::write(oid, h_.current(oid))};
    return staged;
  }
  std::size_t transactions_appended() const {
    return static_cast<std::size_t>(
        std::ranges::count(h_.appended, RecordKind::transaction, &TransactionRecord::kind));
  }

  CoordinatorHarness h_;
  StagedTransaction staged_;
  const CommitId id_ = CoordinatorHarness::commit_id(1);
};

TEST_F(ExactlyOnceTest, TheIdIsInTheLog) {
  h_.submit(kAnn, staged_, true);
  ASSERT_THAT(h_.appended, SizeIs(1));
  EXPECT_EQ(h_.appended[0].commit_id, id_);
}

TEST_F(ExactlyOnceTest, ARepeatOfACommittedOneIsAnsweredFromMemory) {
  const Ticket first = h_.submit(kAnn, staged_, true);
  const Tid before = h_.visible();
  h_.acknowledge();
  for (const bool one_request : {true, false}) {
    const Ticket again = h_.submit(kAnnAgain, staged_, one_request, before);
    ASSERT_TRUE(h_.is(again, Kind::committed));
    EXPECT_EQ(h_.reply(again).tid, h_.reply(first).tid);
  }
  EXPECT_EQ(transactions_appended(), 1U);
}

TEST_F(ExactlyOnceTest, ARepeatAfterARestartIsAnsweredFromTheStore) {
  const Ticket first = h_.submit(kAnn, staged_, true);
  h_.acknowledge();
  // A new reign knows only what the store says.
  CommitCoordinator next({}, {.epoch = Epoch(8), .last_tid = h_.visible(), .oid_mark = Oid(1)},
                         h_.now());
  CommitEffects effects;
  next.submit(900, kAnnAgain, staged_, h_.prefetch(staged_, h_.visible()), true, h_.now(), effects);
  ASSERT_THAT(effects.reply, SizeIs(1));
  EXPECT_EQ(effects.reply[0].kind, Kind::committed);
  EXPECT_EQ(effects.reply[0].tid, h_.reply(first).tid);
  EXPECT_THAT(effects.append, IsEmpty());
}

TEST_F(ExactlyOnceTest, ARepeatWhileSequencedTakesOverTheReply) {
  const Ticket first = h_.submit(kAnn, staged_, true);
  const Ticket again = h_.submit(kAnnAgain, staged_, true);
  EXPECT_TRUE(h_.failed_with(first, ErrorCode::outcome_unknown));
  h_.acknowledge();
  EXPECT_TRUE(h_.is(again, Kind::committed));
  ASSERT_THAT(h_.published, SizeIs(1));
  EXPECT_EQ(h_.published[0].owner, kAnnAgain) << "the reply stands for the invalidation";
  EXPECT_EQ(transactions_appended(), 1U);
}

TEST_F(ExactlyOnceTest, ARepeatAfterTheConnectionWasLostWhileSequenced) {
  const Ticket first = h_.submit(kAnn, staged_, true);
  h_.owner_lost(kAnn);
  const Ticket again = h_.submit(kAnnAgain, staged_, true);
  h_.acknowledge();
  EXPECT_FALSE(h_.answered(first));
  EXPECT_TRUE(h_.is(again, Kind::committed));
}

TEST_F(ExactlyOnceTest, ARepeatWhileWaitingTakesItsPlaceInTheQueue) {
  const Ticket holder = h_.submit(kBob, {CoordinatorHarness::write(kA, h_.current(kA))}, false);
  const Ticket first = h_.submit(kAnn, staged_, true);
  const Ticket later = h_.submit(kBob, {CoordinatorHarness::write(kA, h_.current(kA))}, false);
  const Ticket again = h_.submit(kAnnAgain, staged_, true);
  EXPECT_TRUE(h_.failed_with(first, ErrorCode::outcome_unknown));
  h_.owner_lost(kAnn);  // no longer its owner
  h_.abort(first);      // no longer its ticket
  h_.abort(holder);
  EXPECT_EQ(transactions_appended(), 1U);
  EXPECT_FALSE(h_.answered(later));
  h_.acknowledge();
  EXPECT_TRUE(h_.is(again, Kind::committed));
  EXPECT_TRUE(h_.is(later, Kind::conflicted));
}

TEST_F(ExactlyOnceTest, ARepeatKeepsTheDeadlineOfTheFirst) {
  h_.submit(kBob, {CoordinatorHarness::write(kA, h_.current(kA))}, false);
  h_.submit(kAnn, staged_, true);
  h_.advance(seconds(20));
  const Ticket again = h_.submit(kAnnAgain, staged_, true);
  h_.advance(seconds(10));
  EXPECT_TRUE(h_.failed_with(again, ErrorCode::timeout));
}

TEST_F(ExactlyOnceTest, ARepeatMayChangeFromTwoPhaseToOneRequest) {
  const Ticket holder = h_.submit(kBob, {CoordinatorHarness::write(kA, h_.current(kA))}, false);
  h_.submit(kAnn, staged_, false);
  const Ticket again = h_.submit(kAnnAgain, staged_, true);
  h_.abort(holder);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(again, Kind::committed));
}

TEST_F(ExactlyOnceTest, ARepeatOfAVotedOneIsToldToWait) {
  const Ticket vote = h_.submit(kAnn, staged_, false);
  const Ticket again = h_.submit(kAnnAgain, staged_, true);
  EXPECT_TRUE(h_.failed_with(again, ErrorCode::unavailable));
  const Ticket finish = h_.finish(vote);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(finish, Kind::committed));
}

TEST_F(ExactlyOnceTest, ARepeatStartsAnewAfterAnAbort) {
  h_.submit(kAnn, staged_, false);
  h_.owner_lost(kAnn);
  const Ticket again = h_.submit(kAnnAgain, staged_, true);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(again, Kind::committed));
  EXPECT_EQ(transactions_appended(), 1U);
}

TEST_F(ExactlyOnceTest, ARepeatStartsAnewAfterAConflict) {
  StagedTransaction bad = staged_;
  bad.writes[0].base = Tid(3);
  EXPECT_TRUE(h_.is(h_.submit(kAnn, bad, true), Kind::conflicted));
  const Ticket again = h_.submit(kAnn, staged_, true);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(again, Kind::committed));
}

TEST_F(ExactlyOnceTest, OneIdForDifferentObjectsIsRefused) {
  h_.submit(kBob, {CoordinatorHarness::write(kA, h_.current(kA))}, false);
  h_.submit(kAnn, staged_, true);
  const Ticket other = h_.submit(kAnn, transaction(1, kB), true);
  EXPECT_TRUE(h_.failed_with(other, ErrorCode::invalid_argument));
}

TEST_F(ExactlyOnceTest, WithoutAnIdARepeatIsAnotherCommit) {
  staged_.commit_id = {};
  const Ticket first = h_.submit(kAnn, staged_, true);
  const Ticket second = h_.submit(kAnn, staged_, true);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(first, Kind::committed));
  EXPECT_TRUE(h_.is(second, Kind::conflicted));
}

TEST_F(ExactlyOnceTest, OlderThanTheKeptOutcomesIsExpired) {
  h_.horizon = staged_.begun.next();
  EXPECT_TRUE(h_.failed_with(h_.submit(kAnn, staged_, true), ErrorCode::expired));
  EXPECT_TRUE(h_.failed_with(h_.query(kAnn, id_, staged_.begun), ErrorCode::expired));
  EXPECT_THAT(h_.appended, IsEmpty());
}

// A quiet database may have pruned everything that it holds; new commits begin there all the same.
TEST_F(ExactlyOnceTest, ACommitBegunAtTheHorizonIsNotExpired) {
  h_.horizon = staged_.begun;
  const Ticket ticket = h_.submit(kAnn, staged_, true);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(ticket, Kind::committed));
}

// Outcome queries.

TEST_F(ExactlyOnceTest, AQueryOfACommittedOneTellsItsTid) {
  const Ticket commit = h_.submit(kAnn, staged_, true);
  h_.acknowledge();
  const Ticket query = h_.query(kAnnAgain, id_);
  ASSERT_TRUE(h_.is(query, Kind::committed));
  EXPECT_EQ(h_.reply(query).tid, h_.reply(commit).tid);
}

TEST_F(ExactlyOnceTest, AQueryOfASequencedOneWaitsUntilItIsVisible) {
  const Ticket commit = h_.submit(kAnn, staged_, true);
  const Ticket query = h_.query(kAnnAgain, id_);
  const Ticket lost = h_.query(kBob, id_);
  h_.owner_lost(kBob);
  EXPECT_FALSE(h_.answered(query));
  h_.acknowledge();
  EXPECT_TRUE(h_.is(query, Kind::committed));
  EXPECT_TRUE(h_.is(commit, Kind::committed));
  EXPECT_FALSE(h_.answered(lost));
}

TEST_F(ExactlyOnceTest, AQueryOfAnUndecidedOneIsToldToAskAgain) {
  const Ticket voted = h_.submit(kAnn, staged_, false);
  h_.submit(kBob, transaction(2, kA), false);
  EXPECT_TRUE(h_.failed_with(h_.query(kAnnAgain, id_), ErrorCode::unavailable));
  EXPECT_TRUE(h_.failed_with(h_.query(kAnnAgain, CoordinatorHarness::commit_id(2)),
                             ErrorCode::unavailable));
  h_.abort(voted);
}

TEST_F(ExactlyOnceTest, AQueryWithoutAnIdIsRefused) {
  EXPECT_TRUE(h_.failed_with(h_.query(kAnn, CommitId{}), ErrorCode::invalid_argument));
}

TEST_F(ExactlyOnceTest, AbortedIsAnsweredWhenTheTombstoneIsDurable) {
  const Ticket query = h_.query(kAnn, id_);
  ASSERT_THAT(h_.appended, SizeIs(1));
  EXPECT_EQ(h_.appended[0].kind, RecordKind::tombstone);
  EXPECT_EQ(h_.appended[0].commit_id, id_);
  EXPECT_FALSE(h_.answered(query));
  h_.acknowledge();
  EXPECT_TRUE(h_.is(query, Kind::aborted));
  ASSERT_THAT(h_.published, SizeIs(1));
  EXPECT_THAT(h_.published[0].oids, IsEmpty());
}

TEST_F(ExactlyOnceTest, ATombstoneStopsALateCommit) {
  h_.query(kAnn, id_);
  const Ticket meanwhile = h_.submit(kAnnAgain, staged_, true);
  EXPECT_FALSE(h_.answered(meanwhile));
  h_.acknowledge();
  EXPECT_TRUE(h_.failed_with(meanwhile, ErrorCode::aborted));
  EXPECT_TRUE(h_.failed_with(h_.submit(kAnnAgain, staged_, true), ErrorCode::aborted));
  EXPECT_TRUE(h_.is(h_.query(kAnn, id_), Kind::aborted));
  EXPECT_EQ(transactions_appended(), 0U);
}

TEST_F(ExactlyOnceTest, ASecondQueryJoinsTheTombstoneOnItsWay) {
  const Ticket first = h_.query(kAnn, id_);
  const Ticket second = h_.query(kBob, id_);
  EXPECT_THAT(h_.appended, SizeIs(1));
  h_.acknowledge();
  EXPECT_TRUE(h_.is(first, Kind::aborted));
  EXPECT_TRUE(h_.is(second, Kind::aborted));
}

TEST_F(ExactlyOnceTest, ALostQueryStillLeavesItsTombstone) {
  const Ticket query = h_.query(kAnn, id_);
  h_.owner_lost(kAnn);
  h_.acknowledge();
  EXPECT_FALSE(h_.answered(query));
  EXPECT_TRUE(h_.failed_with(h_.submit(kAnnAgain, staged_, true), ErrorCode::aborted));
}

TEST_F(ExactlyOnceTest, AStoredTombstoneStopsALateCommitAfterARestart) {
  h_.query(kAnn, id_);
  h_.acknowledge();
  CommitCoordinator next({}, {.epoch = Epoch(8), .last_tid = h_.visible(), .oid_mark = Oid(1)},
                         h_.now());
  CommitEffects effects;
  next.submit(900, kAnn, staged_, h_.prefetch(staged_, h_.visible()), true, h_.now(), effects);
  ASSERT_THAT(effects.reply, SizeIs(1));
  EXPECT_EQ(effects.reply[0].kind, Kind::failed);
  EXPECT_EQ(effects.reply[0].error.code, ErrorCode::aborted);
}

// Outcomes older than memory.

class ForgottenOutcomesTest : public ExactlyOnceTest {
 protected:
  ForgottenOutcomesTest() : ExactlyOnceTest({.recent_outcomes_max = 2}), old_(h_.visible()) {}

  void forget() {
    for (std::uint64_t number = 100; number < 104; ++number) {
      h_.submit(kBob, transaction(number, kB), true);
      h_.acknowledge();
    }
  }
  Tid old_;
};

TEST_F(ForgottenOutcomesTest, ARepeatThatWasReadTooEarlyIsReadAgain) {
  const Ticket first = h_.submit(kAnn, staged_, true);
  h_.acknowledge();
  forget();
  const Ticket again = h_.submit(kAnnAgain, staged_, true, old_);
  EXPECT_THAT(h_.refetches, ElementsAre(again));
  h_.refetched(again, staged_, h_.visible());
  ASSERT_TRUE(h_.is(again, Kind::committed));
  EXPECT_EQ(h_.reply(again).tid, h_.reply(first).tid);
  EXPECT_EQ(std::ranges::count(h_.appended, id_, &TransactionRecord::commit_id), 1);
}

TEST_F(ForgottenOutcomesTest, AWaitingRepeatThatWasReadTooEarlyIsReadAgainWhenGranted) {
  h_.submit(kAnn, staged_, true);
  h_.acknowledge();
  forget();
  const Ticket holder = h_.submit(kBob, {CoordinatorHarness::write(kA, h_.current(kA))}, false);
  const Ticket again = h_.submit(kAnnAgain, staged_, true, old_);
  h_.abort(holder);
  EXPECT_THAT(h_.refetches, ElementsAre(again));
  h_.refetched(again, staged_, h_.visible());
  EXPECT_TRUE(h_.is(again, Kind::committed));
}

TEST_F(ForgottenOutcomesTest, ARepeatDuringTheSecondReadIsJudgedByItsOwn) {
  h_.submit(kAnn, staged_, true);
  h_.acknowledge();
  forget();
  const Ticket again = h_.submit(kAnnAgain, staged_, true, old_);
  const Ticket third = h_.submit(kBob, staged_, true);  // read now
  EXPECT_TRUE(h_.failed_with(again, ErrorCode::outcome_unknown));
  EXPECT_TRUE(h_.is(third, Kind::committed));
  h_.refetched(again, staged_, h_.visible());  // too late
  EXPECT_EQ(std::ranges::count(h_.appended, id_, &TransactionRecord::commit_id), 1);
}

TEST_F(ForgottenOutcomesTest, ARepeatDuringTheSecondReadMayNeedAnother) {
  forget();
  const Ticket first = h_.submit(kAnn, staged_, true, old_);
  const Ticket again = h_.submit(kAnnAgain, staged_, true, old_);
  EXPECT_THAT(h_.refetches, ElementsAre(first, again));
  h_.refetched(first, staged_, h_.visible());
  EXPECT_FALSE(h_.answered(again));
  h_.refetched(again, staged_, h_.visible());
  h_.acknowledge();
  EXPECT_TRUE(h_.is(again, Kind::committed));
}

TEST_F(ForgottenOutcomesTest, ANewCommitThatWaitedLongNeedsNoSecondLookForItsOutcome) {
  const Ticket holder = h_.submit(kBob, {CoordinatorHarness::write(kA, h_.current(kA))}, false);
  const Ticket ticket = h_.submit(kAnn, staged_, true);
  forget();
  h_.abort(holder);
  EXPECT_THAT(h_.refetches, IsEmpty());
  h_.acknowledge();
  EXPECT_TRUE(h_.is(ticket, Kind::committed));
}

TEST_F(ForgottenOutcomesTest, AQueryThatWasReadTooEarlyIsToldToAskAgain) {
  h_.submit(kAnn, staged_, true);
  h_.acknowledge();
  forget();
  EXPECT_TRUE(h_.failed_with(h_.query(kAnn, id_, {}, old_), ErrorCode::unavailable));
  EXPECT_TRUE(h_.is(h_.query(kAnn, id_), Kind::committed));
}

}  // namespace
}  // namespace zeolite::commit
