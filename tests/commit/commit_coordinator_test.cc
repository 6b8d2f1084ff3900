#include "commit/commit_coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "commit/coordinator_harness.h"
#include "model/tid_time.h"

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
constexpr OwnerId kBob = 12;

class CommitCoordinatorTest : public testing::Test {
 protected:
  explicit CommitCoordinatorTest(CommitOptions options = {}) : h_(options) {
    h_.add_object(kA);
    h_.add_object(kB);
  }
  void TearDown() override { EXPECT_FALSE(h_.answered_twice); }

  StagedWrite write(Oid oid) { return CoordinatorHarness::write(oid, h_.current(oid)); }
  StagedWrite remove(Oid oid) { return CoordinatorHarness::remove(oid, h_.current(oid)); }
  // One request that commits and is acknowledged at once.
  Tid commit(std::vector<StagedWrite> writes) {
    const Ticket ticket = h_.submit(kBob, std::move(writes));
    h_.acknowledge();
    EXPECT_TRUE(h_.is(ticket, Kind::committed));
    return h_.reply(ticket).tid;
  }
  static StagedTransaction reading(std::vector<ReadCheck> reads,
                                   std::vector<StagedWrite> writes = {}) {
    StagedTransaction staged;
    staged.reads = std::move(reads);
    staged.writes = std::move(writes);
    return staged;
  }

  CoordinatorHarness h_;
};

TEST_F(CommitCoordinatorTest, TheReignBeginsWithAnEpochRecord) {
  CommitCoordinator coordinator({}, {.epoch = Epoch(3), .last_tid = Tid(5), .oid_mark = Oid(1)},
                                {.instant = {}, .wall = {kStartUs}});
  CommitEffects effects;
  coordinator.begin_epoch({.instant = {}, .wall = {kStartUs}}, effects);
  ASSERT_THAT(effects.append, SizeIs(1));
  EXPECT_EQ(effects.append[0].kind, RecordKind::epoch);
  EXPECT_EQ(effects.append[0].epoch, Epoch(3));
  EXPECT_EQ(effects.append[0].tid, Tid(6));
  EXPECT_EQ(coordinator.visible_tid(), Tid(5));
  coordinator.acknowledged(effects.append[0].tid, {}, effects);
  EXPECT_EQ(coordinator.visible_tid(), effects.append[0].tid);
  ASSERT_THAT(effects.publish, SizeIs(1));
  EXPECT_EQ(effects.publish[0].kind, RecordKind::epoch);
  EXPECT_THAT(effects.publish[0].oids, IsEmpty());
}

TEST_F(CommitCoordinatorTest, AReignThatTakesOverBeginsAtItsTime) {
  const Now now{.instant = {}, .wall = {kStartUs}};
  CommitCoordinator coordinator({}, {.epoch = Epoch(3), .last_tid = Tid(5), .oid_mark = Oid(1)},
                                now);
  CommitEffects effects;
  coordinator.begin_epoch(now, effects, CommitCoordinator::EpochTid::clock);
  EXPECT_EQ(effects.append[0].tid, tid_from_time(now.wall));
}

TEST_F(CommitCoordinatorTest, OneRequestIsAppendedAndAnsweredWhenAcknowledged) {
  const Tid before = h_.current(kA);
  StagedTransaction staged;
  staged.writes = {CoordinatorHarness::write(kA, before, "new")};
  staged.metadata.user = "ann";
  const Ticket ticket = h_.submit(kAnn, staged, true);
  EXPECT_FALSE(h_.answered(ticket)) << "not durable yet";
  ASSERT_THAT(h_.appended, SizeIs(1));
  const TransactionRecord& record = h_.appended[0];
  EXPECT_EQ(record.kind, RecordKind::transaction);
  EXPECT_EQ(record.epoch, Epoch(7));
  EXPECT_EQ(record.metadata.user, "ann");
  ASSERT_THAT(record.writes, SizeIs(1));
  EXPECT_EQ(record.writes[0].oid, kA);
  EXPECT_EQ(record.writes[0].previous, before);
  EXPECT_EQ(record.writes[0].data.view(), "new");
  EXPECT_LT(h_.visible(), record.tid);

  h_.acknowledge();
  ASSERT_TRUE(h_.is(ticket, Kind::committed));
  EXPECT_EQ(h_.reply(ticket).tid, record.tid);
  EXPECT_EQ(h_.visible(), record.tid);
}

TEST_F(CommitCoordinatorTest, PublishesAllOidsWithTheirCommitter) {
  const Tid tid = commit({write(kA), CoordinatorHarness::write(Oid(77), kNoTid)});
  ASSERT_THAT(h_.published, SizeIs(1));
  EXPECT_EQ(h_.published[0].tid, tid);
  EXPECT_EQ(h_.published[0].owner, kBob);
  EXPECT_THAT(h_.published[0].oids, ElementsAre(kA, Oid(77)));
}

TEST_F(CommitCoordinatorTest, TwoPhaseVotesThenFinishes) {
  const Ticket vote = h_.submit(kAnn, {write(kA)}, false);
  EXPECT_TRUE(h_.is(vote, Kind::voted));
  EXPECT_THAT(h_.appended, IsEmpty());
  EXPECT_EQ(h_.coordinator().counts().voted, 1U);
  const Ticket finish = h_.finish(vote);
  EXPECT_THAT(h_.appended, SizeIs(1));
  EXPECT_EQ(h_.coordinator().counts().in_flight, 1U);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(finish, Kind::committed));
  EXPECT_EQ(h_.coordinator().counts().in_flight, 0U);
}

TEST_F(CommitCoordinatorTest, AnOldBaseIsAConflict) {
  const Tid old = h_.current(kA);
  const Tid current = commit({write(kA)});
  const Ticket ticket = h_.submit(kAnn, {CoordinatorHarness::write(kA, old), write(kB)});
  ASSERT_TRUE(h_.is(ticket, Kind::conflicted));
  EXPECT_THAT(h_.reply(ticket).conflicts,
              ElementsAre(Conflict{.oid = kA, .current = current, .base = old}));
  EXPECT_EQ(h_.coordinator().counts().waiting, 0U);
}

TEST_F(CommitCoordinatorTest, BasesAreCheckedAgainstExistence) {
  struct Case {
    const char* what;
    StagedWrite write;
    bool conflict;
  };
  const Tid current = h_.current(kA);
  const Oid none{500};
  const std::vector<Case> cases{
      {"new object", CoordinatorHarness::write(none, kNoTid), false},
      {"change of an object that is not there", CoordinatorHarness::write(Oid(501), current), true},
      {"creation of an object that is there", CoordinatorHarness::write(kA, kNoTid), true},
      {"a base of the future", CoordinatorHarness::write(kA, current.next()), true},
      {"deletion of an object that is not there", CoordinatorHarness::remove(Oid(502), kNoTid),
       true},
      {"deletion of an old revision", CoordinatorHarness::remove(kA, current.previous()), true},
      {"deletion", CoordinatorHarness::remove(kA, current), false},
  };
  for (const Case& each : cases) {
    const Ticket ticket = h_.submit(kAnn, {each.write});
    h_.acknowledge();
    EXPECT_TRUE(h_.is(ticket, each.conflict ? Kind::conflicted : Kind::committed)) << each.what;
  }
}

TEST_F(CommitCoordinatorTest, ADeletedObjectIsNewAgain) {
  const Tid deleted_at = commit({remove(kA)});
  EXPECT_EQ(h_.current(kA), kNoTid);
  // Judged by what the store said before the deletion.
  StagedTransaction staged;
  staged.writes = {CoordinatorHarness::write(kA, kNoTid)};
  const Ticket ticket = h_.submit(kAnn, staged, true, deleted_at.previous());
  h_.acknowledge();
  EXPECT_TRUE(h_.is(ticket, Kind::committed));
  EXPECT_EQ(h_.appended.back().writes[0].previous, kNoTid);
}

TEST_F(CommitCoordinatorTest, AsInFileStorageADeletionIsARevision) {
  const Oid never(600);
  const Tid before = h_.current(kA);
  const Tid gone = commit({remove(kA)});
  const auto attempt = [&](StagedWrite write, Tid as_of) {
    write.as_file_storage = true;
    StagedTransaction staged;
    staged.writes = {std::move(write)};
    const Ticket ticket = h_.submit(kAnn, std::move(staged), true, as_of);
    h_.acknowledge();
    return h_.reply(ticket);
  };
  // As the store says it, and as it is remembered when the store was read before.
  for (const Tid as_of : {gone, gone.previous()}) {
    for (const Tid base : {kNoTid, before}) {
      const Conflict conflict{.oid = kA, .current = gone, .base = base, .deleted = true};
      EXPECT_THAT(attempt(CoordinatorHarness::write(kA, base), as_of).conflicts,
                  testing::ElementsAre(conflict));
      EXPECT_THAT(attempt(CoordinatorHarness::remove(kA, base), as_of).conflicts,
                  testing::ElementsAre(conflict));
    }
  }
  EXPECT_EQ(attempt(CoordinatorHarness::remove(kA, gone), gone).kind, Kind::committed);
  const Tid again = h_.reply(h_.next_ticket - 1).tid;
  EXPECT_EQ(attempt(CoordinatorHarness::write(kA, again), gone).kind, Kind::committed);
  EXPECT_EQ(h_.appended.back().writes[0].previous, kNoTid);
  // What never was may have any base, but cannot be removed.
  EXPECT_EQ(attempt(CoordinatorHarness::remove(never, before), gone).kind, Kind::conflicted);
  EXPECT_EQ(attempt(CoordinatorHarness::write(never, before), gone).kind, Kind::committed);
}

TEST_F(CommitCoordinatorTest, DisjointTransactionsDoNotWait) {
  const Ticket ann = h_.submit(kAnn, {write(kA)}, false);
  const Ticket bob = h_.submit(kBob, {write(kB)}, false);
  EXPECT_TRUE(h_.is(ann, Kind::voted));
  EXPECT_TRUE(h_.is(bob, Kind::voted));
  h_.finish(bob);
  h_.finish(ann);
  EXPECT_THAT(h_.appended, SizeIs(2));
}

TEST_F(CommitCoordinatorTest, AWaiterIsJudgedByWhatTheHolderDid) {
  const Ticket ann = h_.submit(kAnn, {write(kA)});
  const Ticket bob = h_.submit(kBob, {write(kA)});
  EXPECT_FALSE(h_.answered(bob));
  EXPECT_EQ(h_.coordinator().counts().waiting, 1U);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(ann, Kind::committed));
  ASSERT_TRUE(h_.is(bob, Kind::conflicted));
  EXPECT_EQ(h_.reply(bob).conflicts[0].current, h_.reply(ann).tid);
}

TEST_F(CommitCoordinatorTest, AWaiterGoesOnWhenTheHolderAborts) {
  const Ticket ann = h_.submit(kAnn, {write(kA)}, false);
  const Ticket bob = h_.submit(kBob, {write(kA)}, false);
  h_.abort(ann);
  EXPECT_TRUE(h_.is(bob, Kind::voted));
  h_.finish(bob);
  h_.acknowledge();
}

TEST_F(CommitCoordinatorTest, LocksAreHeldUntilVisible) {
  const Ticket ann = h_.submit(kAnn, {write(kA)}, false);
  h_.finish(ann);
  const Ticket bob = h_.submit(kBob, {write(kA)}, false);
  EXPECT_FALSE(h_.answered(bob)) << "what is sequenced is not over";
  h_.acknowledge();
  EXPECT_TRUE(h_.is(bob, Kind::conflicted));
}

TEST_F(CommitCoordinatorTest, ChainsOfConflictingWaitersAreAllAnswered) {
  h_.submit(kAnn, {write(kA)});
  std::vector<Ticket> waiters;
  waiters.reserve(100);
  for (int i = 0; i < 100; ++i) waiters.push_back(h_.submit(kBob, {write(kA)}));
  h_.acknowledge();
  for (const Ticket waiter : waiters) EXPECT_TRUE(h_.is(waiter, Kind::conflicted));
}

TEST_F(CommitCoordinatorTest, AcknowledgementsMayCoverPartOfTheLog) {
  const Ticket first = h_.submit(kAnn, {write(kA)});
  const Ticket second = h_.submit(kBob, {write(kB)});
  h_.acknowledge(h_.appended[0].tid);
  EXPECT_TRUE(h_.is(first, Kind::committed));
  EXPECT_FALSE(h_.answered(second));
  EXPECT_EQ(h_.visible(), h_.appended[0].tid);
  h_.acknowledge(h_.appended[1].tid.previous());
  EXPECT_FALSE(h_.answered(second));
  h_.acknowledge(h_.appended[1].tid);
  EXPECT_TRUE(h_.is(second, Kind::committed));
  h_.acknowledge(h_.appended[0].tid);  // late and out of order: nothing happens
  EXPECT_EQ(h_.visible(), h_.appended[1].tid);
}

// readCurrent.

TEST_F(CommitCoordinatorTest, AReadThatIsStillTruePasses) {
  const auto staged = reading({{kB, h_.current(kB)}}, {write(kA)});
  const Ticket ticket = h_.submit(kAnn, staged, true);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(ticket, Kind::committed));
}

TEST_F(CommitCoordinatorTest, AReadThatIsNoLongerTrueIsAConflict) {
  const Tid read = h_.current(kB);
  const Tid current = commit({write(kB)});
  const Ticket ticket = h_.submit(kAnn, reading({{kB, read}}, {write(kA)}), true);
  ASSERT_TRUE(h_.is(ticket, Kind::conflicted));
  EXPECT_THAT(h_.reply(ticket).conflicts,
              ElementsAre(Conflict{.oid = kB, .current = current, .base = read, .read = true}));
}

TEST_F(CommitCoordinatorTest, AReadObjectCannotChangeBeforeTheCommit) {
  const Ticket ann = h_.submit(kAnn, reading({{kB, h_.current(kB)}}, {write(kA)}), false);
  EXPECT_TRUE(h_.is(ann, Kind::voted));
  const Ticket bob = h_.submit(kBob, {write(kB)});
  EXPECT_FALSE(h_.answered(bob));
  h_.finish(ann);
  h_.acknowledge();
  h_.acknowledge();
  EXPECT_TRUE(h_.is(bob, Kind::committed));
}

TEST_F(CommitCoordinatorTest, ReadersOfOneObjectDoNotWaitForEachOther) {
  const Ticket ann = h_.submit(kAnn, reading({{kB, h_.current(kB)}}), false);
  const Ticket bob = h_.submit(kBob, reading({{kB, h_.current(kB)}}), false);
  EXPECT_TRUE(h_.is(ann, Kind::voted));
  EXPECT_TRUE(h_.is(bob, Kind::voted));
}

TEST_F(CommitCoordinatorTest, AnObjectMayBeReadAndWritten) {
  const Tid current = h_.current(kA);
  const Ticket good = h_.submit(kAnn, reading({{kA, current}}, {write(kA)}), true);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(good, Kind::committed));
  const Ticket bad = h_.submit(kAnn, reading({{kA, current}}, {write(kA)}), true);
  EXPECT_TRUE(h_.is(bad, Kind::conflicted));
}

TEST_F(CommitCoordinatorTest, WithoutWritesNothingIsAppended) {
  const Ticket once = h_.submit(kAnn, reading({{kA, h_.current(kA)}}), true);
  ASSERT_TRUE(h_.is(once, Kind::committed));
  EXPECT_EQ(h_.reply(once).tid, h_.visible());
  const Ticket vote = h_.submit(kAnn, reading({}), false);
  EXPECT_TRUE(h_.is(vote, Kind::voted));
  const Ticket finish = h_.finish(vote);
  ASSERT_TRUE(h_.is(finish, Kind::committed));
  EXPECT_EQ(h_.reply(finish).tid, h_.visible());
  const Ticket bad = h_.submit(kAnn, reading({{kA, Tid(3)}}), true);
  EXPECT_TRUE(h_.is(bad, Kind::conflicted));
  EXPECT_THAT(h_.appended, IsEmpty());
}

TEST_F(CommitCoordinatorTest, WithoutWritesItIsLoggedWhenThatIsWanted) {
  StagedTransaction checks = reading({{kA, h_.current(kA)}});
  checks.logged_when_empty = true;
  checks.metadata.description = "nothing";
  const Ticket vote = h_.submit(kAnn, checks, false);
  EXPECT_TRUE(h_.is(vote, Kind::voted));
  const Ticket finish = h_.finish(vote);
  ASSERT_THAT(h_.appended, SizeIs(1));
  EXPECT_THAT(h_.appended[0].writes, IsEmpty());
  EXPECT_EQ(h_.appended[0].metadata.description, "nothing");
  h_.acknowledge();
  ASSERT_TRUE(h_.is(finish, Kind::committed));
  EXPECT_EQ(h_.reply(finish).tid, h_.appended[0].tid);
  ASSERT_THAT(h_.published, SizeIs(1));
  EXPECT_EQ(h_.published[0].tid, h_.appended[0].tid);
  EXPECT_EQ(h_.published[0].owner, kAnn);
  EXPECT_THAT(h_.published[0].oids, IsEmpty());
}

// Timeouts, aborts and lost connections.

TEST_F(CommitCoordinatorTest, AVoteThatIsNotFinishedIsAbortedAndItsConnectionClosed) {
  const Ticket ann = h_.submit(kAnn, {write(kA)}, false);
  const Ticket bob = h_.submit(kBob, {write(kA)}, false);
  EXPECT_EQ(h_.coordinator().next_deadline(), h_.now().instant + seconds(30));
  h_.abort(bob);
  EXPECT_EQ(h_.coordinator().next_deadline(), h_.now().instant + seconds(60));
  h_.advance(seconds(59));
  EXPECT_THAT(h_.closed, IsEmpty());
  h_.advance(seconds(1));
  EXPECT_THAT(h_.closed, ElementsAre(kAnn));
  EXPECT_EQ(h_.coordinator().next_deadline(), std::nullopt);
  EXPECT_TRUE(h_.failed_with(h_.finish(ann), ErrorCode::aborted));
  EXPECT_THAT(h_.appended, IsEmpty());
  const Ticket next = h_.submit(kBob, {write(kA)}, false);
  EXPECT_TRUE(h_.is(next, Kind::voted));
}

TEST_F(CommitCoordinatorTest, AConnectionWithSeveralLateVotesIsClosedOnce) {
  h_.submit(kAnn, {write(kA)}, false);
  h_.submit(kAnn, {write(kB)}, false);
  h_.advance(seconds(60));
  EXPECT_THAT(h_.closed, ElementsAre(kAnn));
}

TEST_F(CommitCoordinatorTest, WaitingForLocksEndsWithATimeout) {
  h_.submit(kAnn, {write(kA)}, false);
  h_.advance(seconds(1));
  const Ticket bob = h_.submit(kBob, {write(kA)});
  h_.advance(seconds(30));
  ASSERT_TRUE(h_.failed_with(bob, ErrorCode::timeout));
  EXPECT_THAT(h_.reply(bob).error.detail, testing::HasSubstr(to_hex(kA)));
  EXPECT_THAT(h_.closed, IsEmpty());
}

TEST_F(CommitCoordinatorTest, ALateVoteLetsTheNextOneIn) {
  h_.submit(kAnn, {write(kA)}, false);
  h_.advance(seconds(45));
  const Ticket bob = h_.submit(kBob, {write(kA)}, false);
  h_.advance(seconds(15));
  EXPECT_TRUE(h_.is(bob, Kind::voted));
}

TEST_F(CommitCoordinatorTest, ALostConnectionAbortsWhatIsNotSequenced) {
  const Ticket sequenced = h_.submit(kAnn, {write(kA)});
  const Ticket voted = h_.submit(kAnn, {write(kB)}, false);
  const Ticket waiting = h_.submit(kAnn, {write(kA), write(kB)}, false);
  const Ticket bob = h_.submit(kBob, {write(kB)}, false);
  h_.owner_lost(kAnn);
  EXPECT_TRUE(h_.is(bob, Kind::voted));
  h_.acknowledge();
  EXPECT_FALSE(h_.answered(sequenced));
  EXPECT_FALSE(h_.answered(waiting));
  EXPECT_TRUE(h_.is(voted, Kind::voted)) << "before it was lost";
  ASSERT_THAT(h_.published, SizeIs(1)) << "what was sequenced commits";
  EXPECT_EQ(h_.published[0].owner, 0U);
}

// Two of the lost connection's requests wait for each other; ending one grants the other.
TEST_F(CommitCoordinatorTest, ALostConnectionsOwnWaitersDoNotGoOn) {
  h_.submit(kAnn, {write(kA)}, false);
  h_.submit(kAnn, {write(kA)}, false);
  h_.submit(kAnn, {write(kA)});
  const Ticket bob = h_.submit(kBob, {write(kA)}, false);
  h_.owner_lost(kAnn);
  EXPECT_TRUE(h_.is(bob, Kind::voted));
  EXPECT_THAT(h_.appended, IsEmpty());
}

TEST_F(CommitCoordinatorTest, AbortOfWhatIsUnknownOrSequencedIsIgnored) {
  h_.abort(12'345);
  const Ticket ticket = h_.submit(kAnn, {write(kA)});
  h_.abort(ticket);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(ticket, Kind::committed));
}

TEST_F(CommitCoordinatorTest, OnlyAVotedTransactionCanFinish) {
  EXPECT_TRUE(h_.failed_with(h_.finish(999), ErrorCode::aborted));
  const Ticket ann = h_.submit(kAnn, {write(kA)}, false);
  const Ticket bob = h_.submit(kBob, {write(kA)}, false);
  EXPECT_TRUE(h_.failed_with(h_.finish(bob), ErrorCode::aborted));
  const Ticket finish = h_.finish(ann);
  EXPECT_TRUE(h_.failed_with(h_.finish(ann), ErrorCode::aborted));
  h_.acknowledge();
  EXPECT_TRUE(h_.is(finish, Kind::committed));
}

// Prefetches that are too old.

class StalePrefetchTest : public CommitCoordinatorTest {
 protected:
  StalePrefetchTest() : CommitCoordinatorTest({.recent_writes_max = 2}) {
    old_ = h_.visible();
    for (int i = 0; i < 4; ++i) commit({write(kB)});
    staged_.writes = {CoordinatorHarness::write(kA, h_.current(kA))};
  }
  Tid old_;
  StagedTransaction staged_;
};

TEST_F(StalePrefetchTest, IsReadAgain) {
  const Ticket ticket = h_.submit(kAnn, staged_, true, old_);
  EXPECT_THAT(h_.refetches, ElementsAre(ticket));
  EXPECT_FALSE(h_.answered(ticket));
  const StagedTransaction* wanted = h_.coordinator().staged(ticket);
  ASSERT_NE(wanted, nullptr);
  EXPECT_EQ(wanted->writes.at(0).oid, kA);
  h_.refetched(ticket, staged_, h_.visible());
  EXPECT_EQ(h_.coordinator().staged(ticket), nullptr);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(ticket, Kind::committed));
}

TEST_F(StalePrefetchTest, AcknowledgementsWhileReadingDoNotMatter) {
  const Ticket ticket = h_.submit(kAnn, staged_, true, old_);
  const Tid read_at = h_.visible();
  for (int i = 0; i < 4; ++i) commit({write(kB)});
  h_.refetched(ticket, staged_, read_at);
  EXPECT_THAT(h_.refetches, SizeIs(1)) << "its objects were locked: what was read is true";
  h_.acknowledge();
  EXPECT_TRUE(h_.is(ticket, Kind::committed));
}

TEST_F(StalePrefetchTest, IsReadAgainUntilItIsNewEnough) {
  const Ticket ticket = h_.submit(kAnn, staged_, true, old_);
  h_.refetched(ticket, staged_, old_);
  EXPECT_THAT(h_.refetches, ElementsAre(ticket, ticket));
  h_.refetched(ticket, staged_, h_.visible());
  h_.acknowledge();
  EXPECT_TRUE(h_.is(ticket, Kind::committed));
}

TEST_F(StalePrefetchTest, ItsObjectsStayLocked) {
  const Ticket ann = h_.submit(kAnn, staged_, false, old_);
  const Ticket bob = h_.submit(kBob, {write(kA)}, false);
  EXPECT_FALSE(h_.answered(bob));
  h_.refetched(ann, staged_, h_.visible());
  EXPECT_TRUE(h_.is(ann, Kind::voted));
  EXPECT_FALSE(h_.answered(bob));
}

TEST_F(StalePrefetchTest, AnAbortWhileReadingWins) {
  const Ticket ticket = h_.submit(kAnn, staged_, true, old_);
  h_.abort(ticket);
  h_.refetched(ticket, staged_, h_.visible());
  EXPECT_THAT(h_.replies, testing::Not(testing::Contains(testing::Key(ticket))));
  EXPECT_EQ(h_.coordinator().counts().waiting, 0U);
}

TEST_F(StalePrefetchTest, AReadThatNeverEndsTimesOut) {
  const Ticket ticket = h_.submit(kAnn, staged_, true, old_);
  h_.advance(seconds(30));
  EXPECT_TRUE(h_.failed_with(ticket, ErrorCode::timeout));
}

TEST_F(StalePrefetchTest, AWaiterThatBecameTooOldIsReadAgainWhenItIsGranted) {
  const Ticket ann = h_.submit(kAnn, {write(kA)}, false);
  const Ticket bob = h_.submit(kBob, staged_, true);
  for (int i = 0; i < 4; ++i) commit({write(kB)});
  EXPECT_THAT(h_.refetches, IsEmpty());
  h_.abort(ann);
  EXPECT_THAT(h_.refetches, ElementsAre(bob));
  h_.refetched(bob, staged_, h_.visible());
  h_.acknowledge();
  EXPECT_TRUE(h_.is(bob, Kind::committed));
}

// Oids.

TEST_F(CommitCoordinatorTest, OidsAreHandedOutOnceTheMarkIsDurable) {
  const Ticket first = h_.allocate(kAnn, 10);
  EXPECT_FALSE(h_.answered(first));
  ASSERT_THAT(h_.appended, SizeIs(1));
  EXPECT_EQ(h_.appended[0].kind, RecordKind::oids);
  EXPECT_EQ(h_.appended[0].oid_mark, Oid(100 + 100'000 + 10));
  h_.acknowledge();
  ASSERT_TRUE(h_.is(first, Kind::oids));
  EXPECT_EQ(h_.reply(first).first_oid, Oid(100));
  EXPECT_EQ(h_.reply(first).oid_count, 10U);
  ASSERT_THAT(h_.published, SizeIs(1));
  EXPECT_EQ(h_.published[0].kind, RecordKind::oids);
  EXPECT_THAT(h_.published[0].oids, IsEmpty());
  const Ticket second = h_.allocate(kBob, 10'000);
  ASSERT_TRUE(h_.is(second, Kind::oids)) << "from the reserve, at once";
  EXPECT_EQ(h_.reply(second).first_oid, Oid(110));
}

TEST_F(CommitCoordinatorTest, OidsAboveWhatClientsWrote) {
  h_.allocate(kAnn, 1);
  h_.acknowledge();
  commit({CoordinatorHarness::write(Oid(5'000), kNoTid)});
  const Ticket ticket = h_.allocate(kAnn, 1);
  EXPECT_EQ(h_.reply(ticket).first_oid, Oid(5'001));
}

TEST_F(CommitCoordinatorTest, NoOidsForALostConnection) {
  const Ticket ticket = h_.allocate(kAnn, 1);
  h_.owner_lost(kAnn);
  h_.acknowledge();
  EXPECT_FALSE(h_.answered(ticket));
}

TEST_F(CommitCoordinatorTest, WhenOidsAreUsedUpARequestFails) {
  StagedWrite highest = CoordinatorHarness::write(Oid(~std::uint64_t{0}), kNoTid);
  highest.as_file_storage = true;
  commit({highest});
  EXPECT_TRUE(h_.failed_with(h_.allocate(kAnn, 1), ErrorCode::invalid_argument));
}

TEST_F(CommitCoordinatorTest, AnIdThatWasHandedOutIsNeverTooHigh) {
  constexpr Oid kHighest{(1ULL << 56) - 1};  // that may be chosen
  const Ticket chosen = h_.submit(kAnn, {CoordinatorHarness::write(kHighest.next(), kNoTid)});
  EXPECT_TRUE(h_.failed_with(chosen, ErrorCode::invalid_argument));
  commit({CoordinatorHarness::write(kHighest, kNoTid)});
  const Ticket ids = h_.allocate(kAnn, 2);
  h_.acknowledge();
  ASSERT_TRUE(h_.is(ids, Kind::oids));
  const Oid first = h_.reply(ids).first_oid;
  EXPECT_EQ(first, kHighest.next());
  commit({CoordinatorHarness::write(first.next(), kNoTid)});
  commit({CoordinatorHarness::write(first, kNoTid)});
  const Ticket above = h_.submit(kAnn, {CoordinatorHarness::write(Oid(first.value() + 2), kNoTid)});
  EXPECT_TRUE(h_.failed_with(above, ErrorCode::invalid_argument));
}

TEST_F(CommitCoordinatorTest, ClientsOfZodbChooseAnyId) {
  StagedWrite stored = CoordinatorHarness::write(Oid(1ULL << 60), kNoTid);
  stored.as_file_storage = true;
  commit({stored});
  StagedWrite restored = CoordinatorHarness::write(Oid(1ULL << 61), kNoTid);
  restored.unchecked = true;
  commit({restored});
}

TEST_F(CommitCoordinatorTest, TidsFollowTheClock) {
  h_.advance(seconds(100));
  EXPECT_EQ(commit({write(kA)}), tid_from_time(h_.now().wall));
  EXPECT_FALSE(h_.coordinator().distrusts_clock());
}

TEST(CommitCoordinatorDeath, AReadAboveTheVisibleTidIsABug) {
  CoordinatorHarness h;
  StagedTransaction staged;
  EXPECT_DEATH(h.submit(kAnn, staged, true, h.visible().next()), "visible line");
}

}  // namespace
}  // namespace zeolite::commit
