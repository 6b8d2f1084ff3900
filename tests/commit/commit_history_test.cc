// The part of CommitCoordinator that touches history: what is restored, and what is packed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "commit/commit_coordinator.h"
#include "commit/coordinator_harness.h"
#include "model/tid_time.h"

namespace zeolite::commit {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = CommitEffects::Reply::Kind;

constexpr Oid kA{1};
constexpr OwnerId kAnn = 11;
constexpr OwnerId kBob = 12;

class CommitHistoryTest : public testing::Test {
 protected:
  CommitHistoryTest() { h_.add_object(kA); }
  void TearDown() override { EXPECT_FALSE(h_.answered_twice); }

  // History that is restored at `tid`: its base is not checked.
  static StagedTransaction restored(Oid oid, Tid tid) {
    StagedTransaction staged;
    staged.writes = {CoordinatorHarness::write(oid, Tid(77), "old")};
    staged.writes[0].unchecked = true;
    staged.fixed_tid = tid;
    return staged;
  }
  StagedTransaction undo(Tid back, Tid swept_pack) {
    StagedTransaction staged;
    staged.writes = {
        {.oid = kA, .base = h_.current(kA), .kind = RevisionKind::back_pointer, .back = back}};
    staged.swept_pack = swept_pack;
    return staged;
  }
  // A pack record, acknowledged; its tid.
  Tid pack(Tid horizon) {
    const Ticket ticket = h_.append_pack(kBob, horizon);
    h_.acknowledge();
    EXPECT_TRUE(h_.is(ticket, Kind::committed));
    return h_.reply(ticket).tid;
  }
  // A removal for the pack record at `pack_record`, not acknowledged yet.
  std::optional<Tid> remove(Tid pack_record, std::vector<RevisionKey> keys, bool complete) {
    return h_.append_removal(pack_record, std::move(keys), complete);
  }
  void complete(Tid pack_record) {
    EXPECT_TRUE(remove(pack_record, {}, true));
    h_.acknowledge();
  }
  Tid commit(Oid oid) {
    const Ticket ticket = h_.submit(kBob, {CoordinatorHarness::write(oid, h_.current(oid))});
    h_.acknowledge();
    return h_.reply(ticket).tid;
  }

  CoordinatorHarness h_;
};

TEST_F(CommitHistoryTest, RestoredHistoryKeepsItsTids) {
  const Tid before = h_.current(kA);
  const Tid tid(h_.visible().value() + 500);
  const Ticket ticket = h_.submit(kAnn, restored(kA, tid), true);
  h_.acknowledge();
  ASSERT_TRUE(h_.is(ticket, Kind::committed)) << h_.reply(ticket).error.detail;
  EXPECT_EQ(h_.reply(ticket).tid, tid);
  EXPECT_EQ(h_.appended[0].tid, tid);
  EXPECT_EQ(h_.appended[0].writes[0].previous, before) << "what it replaces, not its base";
  EXPECT_EQ(h_.current(kA), tid);
  EXPECT_EQ(commit(kA), tid_from_time(h_.now().wall)) << "the clock goes on above it";
}

TEST_F(CommitHistoryTest, TidsAfterARestoredFutureGoOnAboveIt) {
  const Tid future = tid_from_time({kStartUs + 1'000'000'000'000});
  h_.submit(kAnn, restored(kA, future), true);
  EXPECT_EQ(commit(Oid(5)), future.next());
}

TEST_F(CommitHistoryTest, RestoredTidNotAboveTheLastIsRefusedWithBoth) {
  const Tid last = commit(kA);
  for (const Tid tid : {last, last.previous(), kNoTid, kMaxTid}) {
    const Ticket ticket = h_.submit(kAnn, restored(kA, tid), true);
    ASSERT_TRUE(h_.failed_with(ticket, ErrorCode::invalid_argument));
    EXPECT_THAT(h_.reply(ticket).error.detail, HasSubstr(to_hex(tid)));
    EXPECT_THAT(h_.reply(ticket).error.detail, HasSubstr(to_hex(last)));
  }
  EXPECT_THAT(h_.appended, SizeIs(1));
}

TEST_F(CommitHistoryTest, RestoredTidIsJudgedAgainAtFinish) {
  const Tid tid(h_.visible().value() + 5);
  const Ticket vote = h_.submit(kAnn, restored(kA, tid), false);
  ASSERT_TRUE(h_.is(vote, Kind::voted));
  commit(Oid(9));
  const Ticket finish = h_.finish(vote);
  EXPECT_TRUE(h_.failed_with(finish, ErrorCode::invalid_argument));
  commit(kA);  // the lock is free again
  EXPECT_THAT(h_.appended, SizeIs(2));
}

TEST_F(CommitHistoryTest, AnUncheckedWriteWaitsForItsLockAllTheSame) {
  const Ticket vote = h_.submit(kAnn, {CoordinatorHarness::write(kA, h_.current(kA))}, false);
  const Ticket waiting = h_.submit(kBob, restored(kA, Tid(h_.visible().value() + 5)), true);
  EXPECT_FALSE(h_.answered(waiting));
  h_.abort(vote);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(waiting, Kind::committed));
}

TEST_F(CommitHistoryTest, AnUncheckedDeletionNeedsNoObject) {
  StagedTransaction staged = restored(Oid(50), Tid(h_.visible().value() + 5));
  staged.writes[0].kind = RevisionKind::deletion;
  staged.writes[0].data = {};
  const Ticket ticket = h_.submit(kAnn, staged, true);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(ticket, Kind::committed));
}

TEST_F(CommitHistoryTest, BlobsGoIntoTheRecord) {
  StagedTransaction staged;
  staged.writes = {CoordinatorHarness::write(kA, h_.current(kA))};
  staged.writes[0].blob = BlobInfo{.size = 9, .hash = {1}};
  staged.writes[0].staged_blob = "staged/1";
  staged.writes[0].via = Tid(4);
  h_.submit(kAnn, staged, true);
  ASSERT_THAT(h_.appended, SizeIs(1));
  EXPECT_EQ(h_.appended[0].writes[0].blob, staged.writes[0].blob);
  EXPECT_EQ(h_.appended[0].writes[0].staged_blob, "staged/1");
  EXPECT_EQ(h_.appended[0].writes[0].via, Tid(4));
}

TEST_F(CommitHistoryTest, AFreshDatabaseTakesAnOlderHistory) {
  const Now now{.instant = {}, .wall = {kStartUs}};
  CommitCoordinator coordinator({}, {.epoch = Epoch(1)}, now);
  CommitEffects effects;
  coordinator.begin_epoch(now, effects);
  coordinator.allocate_oids(1, kAnn, 5, now, effects);
  coordinator.append_pack(2, kAnn, kMaxTid, false, now, effects);
  const Tid own = effects.append.back().tid;
  EXPECT_LE(own, Tid(10));
  coordinator.acknowledged(own, now, effects);
  Prefetched prefetched;
  prefetched.as_of = coordinator.visible_tid();
  prefetched.writes = {{}};
  coordinator.submit(3, kAnn, restored(kA, Tid(11)), prefetched, true, now, effects);
  EXPECT_EQ(effects.append.back().tid, Tid(11));
  coordinator.check_invariants();
}

// Leads alone on an empty log: its own records come later.
class BeginsLaterTest : public CommitHistoryTest {
 protected:
  BeginsLaterTest() : later_(CommitOptions{}, Tid(), Oid(50'000)) {}

  // What is in the log, in order.
  [[nodiscard]] std::vector<RecordKind> kinds() const {
    std::vector<RecordKind> kinds;
    for (const TransactionRecord& record : later_.appended) kinds.push_back(record.kind);
    return kinds;
  }
  Ticket restore(std::uint64_t tid) {
    const Ticket ticket = later_.submit(kAnn, restored(kA, Tid(tid)), true);
    later_.acknowledge();
    return ticket;
  }

  CoordinatorHarness later_;
};

TEST_F(BeginsLaterTest, TakesAHistoryFromTheFirstTidOn) {
  for (const std::uint64_t tid : {1U, 2U, 3U}) {
    const Ticket ticket = restore(tid);
    ASSERT_TRUE(later_.is(ticket, Kind::committed));
    EXPECT_EQ(later_.reply(ticket).tid, Tid(tid));
  }
  EXPECT_EQ(later_.coordinator().begin(), kNoTid);
  EXPECT_EQ(later_.appended.at(0).epoch, Epoch(7));
  const Ticket ticket = later_.submit(kAnn, {CoordinatorHarness::write(Oid(2), kNoTid)});
  later_.acknowledge();
  ASSERT_TRUE(later_.is(ticket, Kind::committed));
  using enum RecordKind;
  EXPECT_EQ(kinds(), (std::vector{transaction, transaction, transaction, epoch, transaction}));
  EXPECT_EQ(later_.appended.at(3).tid, Tid(4));
  EXPECT_EQ(later_.coordinator().begin(), Tid(4));
  EXPECT_TRUE(later_.failed_with(restore(4), ErrorCode::invalid_argument));
}

TEST_F(BeginsLaterTest, HandsOutOidsBeforeAndTellsTheLogOfThem) {
  const Ticket first = later_.allocate(kAnn, 100);
  EXPECT_TRUE(later_.is(first, Kind::oids));
  EXPECT_TRUE(later_.appended.empty());
  EXPECT_TRUE(later_.is(restore(1), Kind::committed));
  later_.submit(kAnn, {CoordinatorHarness::write(Oid(2), kNoTid)});
  using enum RecordKind;
  EXPECT_EQ(kinds(), (std::vector{transaction, epoch, oids, transaction}));
  EXPECT_GE(later_.appended.at(2).oid_mark, later_.reply(first).first_oid.next());
  later_.acknowledge();
  const Ticket next = later_.allocate(kAnn, 100);
  ASSERT_TRUE(later_.is(next, Kind::oids));
  EXPECT_GE(later_.reply(next).first_oid.value(), later_.reply(first).first_oid.value() + 100);
}

TEST_F(BeginsLaterTest, BeginsWhenOidsRunLow) {
  const Ticket ticket = later_.allocate(kAnn, 10'000);
  EXPECT_TRUE(later_.is(ticket, Kind::oids));
  for (int more = 0; more < 5; ++more) later_.allocate(kAnn, 10'000);
  using enum RecordKind;
  EXPECT_EQ(kinds(), (std::vector{epoch, oids}));
}

TEST_F(BeginsLaterTest, BeginsWithARecordOfItsOwn) {
  restore(1);
  later_.query(kAnn, CoordinatorHarness::commit_id(9));
  using enum RecordKind;
  EXPECT_EQ(kinds(), (std::vector{transaction, epoch, tombstone}));
}

TEST_F(BeginsLaterTest, BeginsOnceWhenItIsTold) {
  later_.begin_epoch();
  EXPECT_EQ(later_.coordinator().begin(), Tid(1));
  later_.submit(kAnn, {CoordinatorHarness::write(Oid(2), kNoTid)});
  using enum RecordKind;
  EXPECT_EQ(kinds(), (std::vector{epoch, transaction}));
}

TEST_F(CommitHistoryTest, APackIsAnsweredWhenItsRecordIsAcknowledged) {
  const Tid last = commit(kA);
  const Ticket ticket = h_.append_pack(kAnn, Tid(last.value() - 3), true);
  EXPECT_FALSE(h_.answered(ticket));
  ASSERT_THAT(h_.appended, SizeIs(2));
  EXPECT_EQ(h_.appended[1].kind, RecordKind::pack);
  EXPECT_EQ(h_.appended[1].tid, last.next());
  EXPECT_EQ(h_.appended[1].pack_horizon, Tid(last.value() - 3));
  EXPECT_TRUE(h_.appended[1].collect_garbage);
  h_.acknowledge();
  ASSERT_TRUE(h_.is(ticket, Kind::committed));
  EXPECT_EQ(h_.reply(ticket).tid, last.next());
  EXPECT_EQ(h_.published.back().kind, RecordKind::pack);
  EXPECT_THAT(h_.published.back().oids, IsEmpty());
}

TEST_F(CommitHistoryTest, ADeletionThatWasPackedIsForgotten) {
  const Tid before = h_.current(kA);
  const Ticket removal = h_.submit(kAnn, {CoordinatorHarness::remove(kA, before)});
  h_.acknowledge();
  const Tid gone = h_.reply(removal).tid;
  const auto attempt = [&](Tid base) {
    StagedTransaction staged;
    staged.writes = {CoordinatorHarness::write(kA, base)};
    staged.writes[0].as_file_storage = true;
    const Ticket ticket = h_.submit(kAnn, std::move(staged), true);
    h_.acknowledge();
    return ticket;
  };
  commit(Oid(9));
  EXPECT_TRUE(h_.is(attempt(before), Kind::conflicted));
  pack(gone.previous());
  EXPECT_TRUE(h_.is(attempt(before), Kind::conflicted));
  pack(gone);
  EXPECT_TRUE(h_.is(attempt(before), Kind::committed));
}

TEST_F(CommitHistoryTest, APackOfTheFutureEndsAtTheNewestTid) {
  const Tid last = commit(kA);
  pack(kMaxTid);
  EXPECT_EQ(h_.appended.back().pack_horizon, last);
  const std::size_t records = h_.appended.size();
  EXPECT_EQ(pack(kMaxTid), last.next()) << "nothing was written since";
  EXPECT_EQ(h_.appended.size(), records);
}

TEST_F(CommitHistoryTest, APackOfWhatIsPackedIsAnsweredWithTheOneBefore) {
  const Tid last = commit(kA);
  const Ticket first = h_.append_pack(kAnn, last);
  const Ticket same = h_.append_pack(kBob, last.previous());
  EXPECT_FALSE(h_.answered(same)) << "not visible yet";
  h_.acknowledge();
  EXPECT_EQ(h_.reply(first).tid, last.next());
  EXPECT_EQ(h_.reply(same).tid, last.next());
  const Ticket later = h_.append_pack(kBob, last);
  ASSERT_TRUE(h_.is(later, Kind::committed));
  EXPECT_EQ(h_.reply(later).tid, last.next());
  EXPECT_TRUE(h_.is(h_.append_pack(kBob, kNoTid), Kind::committed));
}

TEST_F(CommitHistoryTest, TicketZeroIsNotRepliedTo) {
  CommitEffects effects;
  const Tid last = commit(kA);
  h_.coordinator().append_pack(0, 0, last, false, h_.now(), effects);
  EXPECT_THAT(effects.append, SizeIs(1));
  h_.coordinator().append_pack(0, 0, last, false, h_.now(), effects);
  h_.coordinator().acknowledged(kMaxTid, h_.now(), effects);
  h_.coordinator().append_pack(0, 0, last, false, h_.now(), effects);
  EXPECT_THAT(effects.reply, IsEmpty());
  EXPECT_THAT(effects.append, SizeIs(1));
}

TEST_F(CommitHistoryTest, WhoLeftIsNotToldOfThePack) {
  const Tid last = commit(kA);
  const Ticket gone = h_.append_pack(kAnn, last);
  const Ticket stays = h_.append_pack(kBob, last);
  h_.owner_lost(kAnn);
  h_.acknowledge();
  EXPECT_FALSE(h_.answered(gone));
  EXPECT_TRUE(h_.is(stays, Kind::committed));
}

TEST_F(CommitHistoryTest, AnUndoPlannedBeforeAPackIsRefusedIfItGoesBackBehindIt) {
  const Tid first = commit(kA);
  const Tid second = commit(kA);
  const Ticket vote = h_.submit(kAnn, undo(first, kNoTid), false);
  ASSERT_TRUE(h_.is(vote, Kind::voted));
  const Tid record = pack(first);
  const Ticket late = h_.finish(vote);
  ASSERT_TRUE(h_.failed_with(late, ErrorCode::conflict)) << "sweeping";
  EXPECT_THAT(h_.reply(late).error.detail, HasSubstr("packed away"));
  EXPECT_TRUE(h_.failed_with(h_.submit(kAnn, undo(first, record), true), ErrorCode::conflict));
  EXPECT_TRUE(remove(record, {}, true));
  EXPECT_TRUE(h_.failed_with(h_.submit(kAnn, undo(first, record), true), ErrorCode::conflict))
      << "not visible yet";
  h_.acknowledge();
  EXPECT_TRUE(h_.failed_with(h_.submit(kAnn, undo(first, kNoTid), true), ErrorCode::conflict));
  const Ticket planned_since = h_.submit(kAnn, undo(first, record), true);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(planned_since, Kind::committed));
  EXPECT_GT(h_.current(kA), second);
}

TEST_F(CommitHistoryTest, AnUndoThatStaysAboveAPackIsNotConcerned) {
  const Tid first = commit(kA);
  commit(kA);
  pack(first.previous());
  const Ticket ticket = h_.submit(kAnn, undo(first, kNoTid), true);
  h_.acknowledge();
  EXPECT_TRUE(h_.is(ticket, Kind::committed));
}

TEST_F(CommitHistoryTest, OnlyTheNewestPackIsSwept) {
  const Tid first = commit(kA);
  const Tid old_record = pack(first.previous());
  commit(kA);
  const std::optional<Tid> end = remove(old_record, {}, true);
  const Tid record = pack(first);
  EXPECT_LT(end, record) << "both are visible now";
  EXPECT_TRUE(h_.failed_with(h_.submit(kAnn, undo(first, record), true), ErrorCode::conflict));
  const std::size_t records = h_.appended.size();
  EXPECT_FALSE(remove(old_record, {{kA, first}}, false));
  EXPECT_EQ(h_.appended.size(), records);
}

TEST_F(CommitHistoryTest, ARemovalIsARecordOfItsOwn) {
  const Tid first = commit(kA);
  commit(kA);
  const Tid record = pack(first);
  const std::vector<RevisionKey> keys = {{kA, first}, {Oid(50), first}};
  const std::optional<Tid> tid = remove(record, keys, false);
  ASSERT_TRUE(tid);
  EXPECT_EQ(*tid, record.next());
  const TransactionRecord& appended = h_.appended.back();
  EXPECT_EQ(appended.kind, RecordKind::removal);
  EXPECT_EQ(appended.pack_record, record);
  EXPECT_EQ(appended.removed, keys);
  EXPECT_FALSE(appended.pack_complete);
  h_.acknowledge();
  EXPECT_EQ(h_.published.back().kind, RecordKind::removal);
  EXPECT_THAT(h_.published.back().oids, IsEmpty());
  EXPECT_TRUE(h_.failed_with(h_.submit(kAnn, undo(first, record), true), ErrorCode::conflict))
      << "sweeping";
}

// Though it was written lately, and is remembered for that.
TEST_F(CommitHistoryTest, AnObjectThatWasPackedAwayIsThereNoMore) {
  const Tid first = h_.current(kA);
  const Tid second = commit(kA);
  const Tid record = pack(second);
  const Tid before = h_.visible();
  StagedTransaction staged;
  staged.writes = {CoordinatorHarness::write(Oid(77), kNoTid)};
  staged.reads = {{.oid = kA, .tid = second}};
  StagedTransaction check;
  check.reads = staged.reads;
  Prefetched recalled;
  EXPECT_TRUE(h_.coordinator().recall_tids(check, recalled));
  EXPECT_TRUE(remove(record, {{kA, first}, {kA, second}}, true));
  h_.acknowledge();
  EXPECT_FALSE(h_.coordinator().recall_tids(check, recalled));
  const Ticket old = h_.submit(kAnn, staged, true, before);  // what was read before is read again
  EXPECT_EQ(h_.refetches, std::vector<Ticket>{old});
  h_.refetched(old, staged, h_.visible());
  for (const Ticket ticket : {old, h_.submit(kAnn, staged, true)}) {
    ASSERT_TRUE(h_.is(ticket, Kind::conflicted));
    EXPECT_EQ(h_.reply(ticket).conflicts[0].current, kNoTid);
  }
  const Ticket anew = h_.submit(kAnn, {CoordinatorHarness::write(kA, kNoTid)});
  h_.acknowledge();
  EXPECT_TRUE(h_.is(anew, Kind::committed));
  EXPECT_EQ(h_.appended.back().writes[0].previous, kNoTid) << "it begins anew";
}

TEST_F(CommitHistoryTest, NothingIsRemovedForAPackThatIsComplete) {
  const Tid record = pack(commit(kA));
  EXPECT_TRUE(remove(record, {}, true));
  EXPECT_FALSE(remove(record, {}, false)) << "it will be";
  h_.acknowledge();
  EXPECT_FALSE(remove(record, {}, true));
}

TEST_F(CommitHistoryTest, APacksOwnRecordsAreNotWorthAnotherOne) {
  const Tid last = commit(kA);
  const Tid record = pack(kMaxTid);
  EXPECT_TRUE(remove(record, {{kA, last}}, false));
  complete(record);
  EXPECT_EQ(pack(kMaxTid), record);
  const Tid later = commit(kA);
  const Tid next = pack(kMaxTid);
  EXPECT_EQ(next, later.next());
  EXPECT_EQ(h_.appended.back().pack_horizon, later);
  const Tid between = commit(kA);
  complete(next);
  pack(kMaxTid);
  EXPECT_GT(h_.appended.back().pack_horizon, between);
}

TEST_F(CommitHistoryTest, APackOfAnEarlierReignStillCounts) {
  const Now now{.instant = {}, .wall = {kStartUs}};
  CommitCoordinator coordinator({},
                                {.epoch = Epoch(2),
                                 .last_tid = Tid(100),
                                 .oid_mark = Oid(9),
                                 .pack_horizon = Tid(80),
                                 .pack_record = Tid(90),
                                 .pack_swept = false},
                                now);
  CommitEffects effects;
  coordinator.append_pack(1, kAnn, Tid(80), true, now, effects);
  EXPECT_THAT(effects.append, IsEmpty());
  ASSERT_THAT(effects.reply, SizeIs(1));
  EXPECT_EQ(effects.reply[0].tid, Tid(90));
  coordinator.append_pack(2, kAnn, Tid(81), true, now, effects);
  ASSERT_THAT(effects.append, SizeIs(1));
  EXPECT_EQ(effects.append[0].pack_horizon, Tid(81));
  coordinator.check_invariants();
}

TEST_F(CommitHistoryTest, AVotedUndoIsKnownToThePackThatWouldVoidIt) {
  const Tid first = commit(kA);
  commit(kA);
  EXPECT_FALSE(h_.coordinator().goes_back_to(kMaxTid));
  const Ticket vote = h_.submit(kAnn, undo(first, kNoTid), false);
  ASSERT_TRUE(h_.is(vote, Kind::voted));
  EXPECT_FALSE(h_.coordinator().goes_back_to(first.previous()));
  EXPECT_TRUE(h_.coordinator().goes_back_to(first));
  EXPECT_TRUE(h_.coordinator().goes_back_to(kMaxTid));
  h_.finish(vote);
  EXPECT_FALSE(h_.coordinator().goes_back_to(kMaxTid));
  h_.acknowledge();
}

}  // namespace
}  // namespace zeolite::commit
