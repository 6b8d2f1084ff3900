#include "daemon/storage_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/controlled_store.h"
#include "daemon/storage_engine_fixture.h"

namespace zeolite::daemon {
namespace {

using namespace std::chrono_literals;
using Effects = server::SessionEffects;
using Reply = commit::CommitEffects::Reply;

TEST_F(StorageEngineTest, BeginsAReignBeforeItServes) {
  start();
  EXPECT_EQ(engine_->epoch(), Epoch(1));
  const Position last = control_->content.last_position();
  EXPECT_EQ(last.epoch, Epoch(1));
  EXPECT_EQ(engine_->visible(), last.tid);
  EXPECT_EQ(inbox_.replies(), 0U);
}

TEST_F(StorageEngineTest, NeverResumesAReign) {
  start();
  const Tid tid = commit(1, 1, write(1));
  engine_.reset();
  start();
  EXPECT_EQ(engine_->epoch(), Epoch(2));
  EXPECT_GT(engine_->visible(), tid);
  EXPECT_EQ(inbox_.wait_for(submit(1, 2, write(1))).reply.kind, Reply::Kind::conflicted);
  commit(1, 3, write(1, tid));
}

TEST_F(StorageEngineTest, DoesNotStartOnAStoreThatRefusesItsReign) {
  control_->fail_appends(ErrorCode::io_error, 1);
  const auto engine = StorageEngine::start(
      {}, std::make_unique<ControlledStore>(control_), clock_, [](std::size_t) {}, [](Error) {});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::io_error);
}

TEST_F(StorageEngineTest, AnswersAfterTheAppendHasReturned) {
  start();
  const Tid before = engine_->visible();
  const commit::Ticket blocked = block_writer(1);
  EXPECT_EQ(inbox_.replies(), 0U);
  EXPECT_TRUE(inbox_.published().empty());
  EXPECT_EQ(engine_->visible(), before);
  EXPECT_EQ(engine_->counts().in_flight, 1U);
  control_->append.open();
  const Reply reply = inbox_.wait_for(blocked).reply;
  EXPECT_EQ(reply.kind, Reply::Kind::committed);
  EXPECT_GT(reply.tid, before);
  EXPECT_EQ(engine_->visible(), reply.tid);
  ASSERT_EQ(inbox_.published().size(), 1U);
  EXPECT_EQ(inbox_.published()[0].tid, reply.tid);
  EXPECT_EQ(inbox_.published()[0].oids, std::vector<Oid>{Oid(1)});
  EXPECT_EQ(inbox_.published()[0].owner, 1U);
}

TEST_F(StorageEngineTest, AGroupFormsWhileAnotherIsSynced) {
  start();
  const commit::Ticket blocked = block_writer(1);
  for (std::uint64_t oid = 2; oid <= 6; ++oid) submit(2, oid, write(oid));
  control_->append.open();
  expect_in_order(blocked, 2, 6);
  EXPECT_EQ(control_->group_sizes(), (std::vector<std::size_t>{1, 1, 5}));
  EXPECT_EQ(engine_->counters().commits, 6U);
}

// Standbys take a group as one message.
TEST_F(StorageEngineTest, AGroupIsOfBoundedSize) {
  group_bytes_max_ = 5000;  // with what is around the data
  start();
  const commit::Ticket blocked = block_writer(1);
  for (std::uint64_t oid = 2; oid <= 5; ++oid) submit(2, oid, large_write(oid, 1000));
  submit(2, 6, large_write(6, 5000));
  submit(2, 7, write(7));
  control_->append.open();
  expect_in_order(blocked, 2, 7);
  EXPECT_EQ(control_->group_sizes(), (std::vector<std::size_t>{1, 1, 3, 1, 1, 1}));
}

// Who makes a checkpoint then finds the blobs of all that it has a record of.
TEST_F(StorageEngineTest, WaitsUntilWhatIsBeingAppendedIsSettled) {
  start();
  block_writer(1);
  const Tid before = control_->content.last_position().tid;
  std::promise<void> asks;
  std::future<Tid> settled = std::async(std::launch::async, [&] {
    asks.set_value();
    engine_->wait_settled();
    return control_->content.last_position().tid;
  });
  asks.get_future().wait();
  EXPECT_EQ(settled.wait_for(20ms), std::future_status::timeout);
  control_->append.open();
  EXPECT_GT(settled.get(), before);
}

TEST_F(StorageEngineTest, ALoneCommitIsWrittenWhereItArrived) {
  inline_sync_max_ = 100us;
  std::thread::id writer;
  Duration sync = 50us;
  control_->while_appending = [&] {
    writer = std::this_thread::get_id();
    clock_.advance(sync);
  };
  start();
  commit(1, 1, write(1));  // nothing is known of syncs yet
  EXPECT_NE(writer, std::this_thread::get_id());
  commit(1, 2, write(2));
  EXPECT_EQ(writer, std::this_thread::get_id());
  // The disk becomes too slow for that: others on the thread would have to wait.
  sync = 100ms;
  commit(1, 3, write(3));
  EXPECT_EQ(writer, std::this_thread::get_id());
  commit(1, 4, write(4));
  EXPECT_NE(writer, std::this_thread::get_id());
  EXPECT_EQ(engine_->counters().commits, 4U);
}

// Each would make the other wait for a sync of its own, and no group would ever form.
TEST_F(StorageEngineTest, TwoClientsOfOneShardAreLeftToTheLogWriter) {
  inline_sync_max_ = 100us;
  std::thread::id writer;
  control_->while_appending = [&] {
    writer = std::this_thread::get_id();
    clock_.advance(50us);
  };
  start();
  for (std::uint64_t n = 1; n <= 4; ++n) {
    commit(1, n, write(n));
    EXPECT_NE(writer, std::this_thread::get_id());
    commit(2, n, write(100 + n));
    EXPECT_NE(writer, std::this_thread::get_id());
  }
  commit(2, 5, write(5));
  EXPECT_EQ(writer, std::this_thread::get_id()) << "the other has gone";
}

TEST_F(StorageEngineTest, NothingIsWrittenWhereItArrivedUnlessAllowed) {
  std::thread::id writer;
  control_->while_appending = [&] {
    writer = std::this_thread::get_id();
    clock_.advance(1us);
  };
  start();
  for (std::uint64_t n = 1; n <= 3; ++n) {
    commit(1, n, write(n));
    EXPECT_NE(writer, std::this_thread::get_id());
  }
}

TEST_F(StorageEngineTest, AConflictIsAnsweredWithoutTheDisk) {
  start();
  const Tid tid = commit(1, 1, write(1));
  const commit::Ticket blocked = block_writer(2);
  const Reply reply = inbox_.wait_for(submit(2, 1, write(1))).reply;
  ASSERT_EQ(reply.kind, Reply::Kind::conflicted);
  EXPECT_EQ(reply.conflicts[0].current, tid);
  EXPECT_EQ(engine_->counters().conflicts, 1U);
  control_->append.open();
  inbox_.wait_for(blocked);
}

TEST_F(StorageEngineTest, VoteThenFinish) {
  start();
  const commit::Ticket voted = submit(1, 1, write(1), false);
  EXPECT_EQ(inbox_.wait_for(voted).reply.kind, Reply::Kind::voted);
  EXPECT_EQ(engine_->counts().voted, 1U);
  engine_->call(1, Effects::Finish{voted, ticket(1, 2)});
  EXPECT_EQ(inbox_.wait_for(ticket(1, 2)).reply.kind, Reply::Kind::committed);
}

TEST_F(StorageEngineTest, AnAbortLetsTheNextOneIn) {
  start();
  const commit::Ticket voted = submit(1, 1, write(1), false);
  inbox_.wait_for(voted);
  const commit::Ticket waiting = submit(2, 1, write(1));
  EXPECT_EQ(engine_->counts().waiting, 1U);
  engine_->call(1, Effects::Abort{voted});
  EXPECT_EQ(inbox_.wait_for(waiting).reply.kind, Reply::Kind::committed);
  EXPECT_EQ(engine_->counters().aborts, 1U);
}

TEST_F(StorageEngineTest, ALostConnectionLetsTheNextOneIn) {
  start();
  inbox_.wait_for(submit(1, 1, write(1), false));
  const commit::Ticket waiting = submit(2, 1, write(1));
  engine_->owner_lost(1);
  EXPECT_EQ(inbox_.wait_for(waiting).reply.kind, Reply::Kind::committed);
}

TEST_F(StorageEngineTest, ALargeTransactionIsLookedUpApartAndKeepsNobodyElse) {
  start();
  const commit::Ticket large = submit(1, 1, many_writes(), false);
  ASSERT_EQ(apart_.size(), 1U);
  // Behind it, of its connection; beside it, of another.
  engine_->call(1, Effects::Finish{large, ticket(1, 2)});
  commit(2, 1, write(1'000'000));
  EXPECT_EQ(inbox_.replies(), 1U);
  EXPECT_EQ(engine_->counts().voted, 0U);
  apart_[0]();
  EXPECT_EQ(inbox_.wait_for(large).reply.kind, Reply::Kind::voted);
  EXPECT_EQ(inbox_.wait_for(ticket(1, 2)).reply.kind, Reply::Kind::committed);
  // Nothing waits any more: it is done at once.
  commit(1, 3, write(2'000'000));
}

TEST_F(StorageEngineTest, AConnectionThatIsLostWhileItsTransactionIsLookedUpKeepsNoLocks) {
  start();
  const commit::Ticket large = submit(1, 1, many_writes(), false);
  engine_->owner_lost(1);
  apart_.at(0)();
  EXPECT_EQ(inbox_.wait_for(large).reply.kind, Reply::Kind::voted);
  EXPECT_EQ(engine_->counts().voted, 0U);
  commit(2, 1, write(1));
}

TEST_F(StorageEngineTest, HandsOutFreshOids) {
  start();
  engine_->call(1, Effects::AllocateOids{ticket(1, 1), 10});
  const Reply first = inbox_.wait_for(ticket(1, 1)).reply;
  engine_->call(1, Effects::AllocateOids{ticket(1, 2), 10});
  const Reply second = inbox_.wait_for(ticket(1, 2)).reply;
  ASSERT_EQ(first.kind, Reply::Kind::oids);
  EXPECT_EQ(first.oid_count, 10U);
  EXPECT_GE(second.first_oid.value(), first.first_oid.value() + 10);
  EXPECT_GE(control_->content.oid_mark().value(), second.first_oid.value() + 10);
}

TEST_F(StorageEngineTest, KnowsOutcomesOfAnEarlierReign) {
  start();
  commit::StagedTransaction named = write(1);
  named.commit_id.session.fill(9);
  named.commit_id.number = 4;
  const Tid begun = engine_->visible();
  named.begun = begun;
  const Tid tid = commit(1, 1, named);
  engine_.reset();
  start();
  EXPECT_EQ(commit(1, 2, named), tid);  // sent again: not done again
  engine_->call(1, Effects::QueryOutcome{ticket(1, 3), named.commit_id, begun});
  const Reply known = inbox_.wait_for(ticket(1, 3)).reply;
  EXPECT_EQ(known.kind, Reply::Kind::committed);
  EXPECT_EQ(known.tid, tid);
  CommitId never = named.commit_id;
  ++never.number;
  engine_->call(1, Effects::QueryOutcome{ticket(1, 4), never, begun});
  EXPECT_EQ(inbox_.wait_for(ticket(1, 4)).reply.kind, Reply::Kind::aborted);
}

TEST_F(StorageEngineTest, KnowsDeletionsOfAnEarlierReign) {
  start();
  const Tid tid = commit(1, 1, write(1));
  commit::StagedTransaction removal = write(1, tid);
  removal.writes[0].kind = RevisionKind::deletion;
  removal.writes[0].data = {};
  const Tid gone = commit(1, 2, removal);
  engine_.reset();
  start();
  commit::StagedTransaction again = write(1);
  again.writes[0].as_file_storage = true;
  const Reply refused = inbox_.wait_for(submit(1, 3, again)).reply;
  ASSERT_EQ(refused.kind, Reply::Kind::conflicted);
  EXPECT_EQ(refused.conflicts[0].current, gone);
  EXPECT_TRUE(refused.conflicts[0].deleted);
  again.writes[0].base = gone;
  commit(1, 4, again);
}

TEST_F(StorageEngineTest, ARemovalIsInTheLogWhenItReturns) {
  start();
  const Tid old = commit(1, 1, write(1));
  const Tid tid = commit(1, 2, write(1, old));
  ASSERT_TRUE(engine_->append_pack(tid, false));
  const Tid pack = engine_->store().pack_state().record;
  ASSERT_TRUE(engine_->append_removal(pack, {{Oid(1), old}}, false));
  EXPECT_EQ(engine_->visible(), pack.next());
  const LogEntry entry = engine_->store().log_entry(pack.next()).value().value();
  EXPECT_EQ(entry.removed, (std::vector<RevisionKey>{{Oid(1), old}}));
  EXPECT_EQ(engine_->store().revisions_from(Oid(0), 10)->size(), 1U);
  EXPECT_EQ(engine_->append_removal(pack.next(), {}, true).error().code, ErrorCode::aborted);
  EXPECT_FALSE(engine_->store().pack_state().swept);
  ASSERT_TRUE(engine_->append_removal(pack, {}, true));
  EXPECT_TRUE(engine_->store().pack_state().swept);
  EXPECT_EQ(engine_->append_removal(pack, {}, true).error().code, ErrorCode::aborted);
}

// It may come from a thread of low priority, which commits must not wait for.
TEST_F(StorageEngineTest, ARemovalIsWrittenByTheLogWriter) {
  inline_sync_max_ = 1s;
  std::thread::id writer;
  control_->while_appending = [&] {
    writer = std::this_thread::get_id();
    clock_.advance(1us);
  };
  start();
  const Tid tid = commit(1, 1, write(1));
  commit(1, 2, write(2));
  EXPECT_EQ(writer, std::this_thread::get_id());
  ASSERT_TRUE(engine_->append_pack(tid, false));
  ASSERT_TRUE(engine_->append_removal(engine_->store().pack_state().record, {}, false));
  EXPECT_NE(writer, std::this_thread::get_id());
  commit(1, 3, write(3));
  EXPECT_EQ(writer, std::this_thread::get_id()) << "a lone client stays one";
}

TEST_F(StorageEngineTest, NobodyWaitsForARemovalAfterADrain) {
  start();
  ASSERT_TRUE(engine_->append_pack(commit(1, 1, write(1)), false));
  const Tid pack = engine_->store().pack_state().record;
  const std::size_t before = control_->append.arrived();
  control_->append.shut();
  auto removal =
      std::async(std::launch::async, [&] { return engine_->append_removal(pack, {}, true); });
  control_->append.wait_for(before + 1);
  engine_->drain({});
  EXPECT_EQ(removal.get().error().code, ErrorCode::shutting_down);
}

TEST_F(StorageEngineTest, RemovalsAreRefusedAsCommitsAre) {
  start();
  ASSERT_TRUE(engine_->append_pack(commit(1, 1, write(1)), false));
  const Tid pack = engine_->store().pack_state().record;
  control_->content.set_out_of_space(true);
  EXPECT_EQ(engine_->append_removal(pack, {}, true).error().code, ErrorCode::out_of_space);
  control_->content.set_out_of_space(false);
  engine_->drain(1s);
  EXPECT_EQ(engine_->append_removal(pack, {}, true).error().code, ErrorCode::shutting_down);
  EXPECT_FALSE(engine_->store().pack_state().swept);
}

TEST_F(StorageEngineTest, AnswersOnTheOwnersShard) {
  start(3);
  submit(4, 1, write(1));
  submit(5, 1, write(2));
  EXPECT_EQ(inbox_.wait_for(ticket(4, 1)).shard, 1U);
  EXPECT_EQ(inbox_.wait_for(ticket(5, 1)).shard, 2U);
}

TEST_F(StorageEngineTest, AFailedAppendIsFatalOnceAndAnswersNobody) {
  start();
  const Tid before = engine_->visible();
  control_->fail_appends(ErrorCode::io_error, 1);
  block_writer(1);
  submit(2, 1, write(2));
  control_->append.open();
  EXPECT_EQ(fatal_.get_future().get().code, ErrorCode::io_error);
  submit(2, 2, write(3));
  submit(2, 3, write(4), false);
  engine_->call(2, Effects::AllocateOids{ticket(2, 4), 1});
  engine_->call(2, Effects::QueryOutcome{ticket(2, 5), {}, {}});
  engine_->owner_lost(2);
  engine_->drain(1h);  // returns at once: there is nothing to wait for
  engine_.reset();
  EXPECT_EQ(fatal_count_, 1);
  EXPECT_EQ(inbox_.replies(), 0U);
  EXPECT_TRUE(inbox_.published().empty());
  EXPECT_EQ(control_->content.last_position().tid, before);
}

// RocksDB knows that its write has failed before the writer does.
TEST_F(StorageEngineTest, AFailureThatIsSeenBeforeTheAppendEndsAnswersNobody) {
  start();
  control_->fail_appends(ErrorCode::io_error, 1);
  block_writer(1);
  control_->fail_checks();
  submit(2, 1, write(2));
  control_->append.open();
  EXPECT_EQ(fatal_.get_future().get().code, ErrorCode::io_error);
  engine_.reset();
  EXPECT_EQ(fatal_count_, 1);
  EXPECT_EQ(inbox_.replies(), 0U);
}

TEST_F(StorageEngineTest, AStoreThatHasFailedIsFoundByTheNextCommit) {
  start();
  control_->fail_checks();
  control_->fail_appends(ErrorCode::io_error, 1);
  submit(1, 1, write(1));
  EXPECT_EQ(fatal_.get_future().get().code, ErrorCode::io_error);
  engine_.reset();
  EXPECT_EQ(inbox_.replies(), 0U);
}

TEST_F(StorageEngineTest, AFullDiskIsWaitedForInOrder) {
  start();
  control_->fail_appends(ErrorCode::out_of_space, 1);
  const commit::Ticket first = block_writer(1);
  const commit::Ticket second = submit(2, 1, write(2));
  control_->append.open();
  const Reply later = inbox_.wait_for(second).reply;
  const Reply earlier = inbox_.wait_for(first).reply;
  EXPECT_EQ(earlier.kind, Reply::Kind::committed);
  EXPECT_EQ(later.kind, Reply::Kind::committed);
  EXPECT_LT(earlier.tid, later.tid);
  EXPECT_EQ(fatal_count_, 0);
}

TEST_F(StorageEngineTest, AFullDiskRefusesNewTransactions) {
  start();
  control_->content.set_out_of_space(true);
  const Reply refused = inbox_.wait_for(submit(1, 1, write(1))).reply;
  EXPECT_EQ(refused.kind, Reply::Kind::failed);
  EXPECT_EQ(refused.error.code, ErrorCode::out_of_space);
  control_->content.set_out_of_space(false);
  commit(1, 2, write(1));
}

// Its answer was lost. A refusal would say that it did not happen.
TEST_F(StorageEngineTest, ACommitThatIsSentAgainIsToldItsOutcomeThoughTheDiskIsFull) {
  start();
  commit::StagedTransaction sent = write(1);
  sent.commit_id = {{1}, 7};
  sent.begun = engine_->visible();
  const Tid tid = commit(1, 1, sent);
  control_->content.set_out_of_space(true);
  const Reply again = inbox_.wait_for(submit(2, 1, sent)).reply;
  EXPECT_EQ(again.kind, Reply::Kind::committed) << again.error.to_string();
  EXPECT_EQ(again.tid, tid);
  sent.commit_id.number = 8;
  EXPECT_EQ(inbox_.wait_for(submit(2, 2, sent)).reply.error.code, ErrorCode::out_of_space);
}

TEST_F(StorageEngineTest, ACommitThatWaitsForSpaceIsTakenOverWhenItIsSentAgain) {
  start();
  commit::StagedTransaction sent = write(1);
  sent.commit_id = {{1}, 7};
  const std::size_t before = control_->append.arrived();
  control_->append.shut();
  const commit::Ticket first = submit(1, 1, sent);
  control_->append.wait_for(before + 1);
  control_->fail_appends(ErrorCode::out_of_space, SIZE_MAX);
  control_->append.open();
  control_->append.wait_for(before + 2);  // again
  const commit::Ticket second = submit(2, 1, sent);
  EXPECT_EQ(inbox_.wait_for(first).reply.error.code, ErrorCode::outcome_unknown);
  engine_->call(3, Effects::QueryOutcome{ticket(3, 1), sent.commit_id, sent.begun});
  engine_->call(3, Effects::QueryOutcome{ticket(3, 2), {{2}, 7}, sent.begun});
  EXPECT_EQ(inbox_.wait_for(ticket(3, 2)).reply.error.code, ErrorCode::unavailable)
      << "it would need a tombstone";
  control_->fail_appends(ErrorCode::out_of_space, 0);
  EXPECT_EQ(inbox_.wait_for(second).reply.kind, Reply::Kind::committed);
  EXPECT_EQ(inbox_.wait_for(ticket(3, 1)).reply.kind, Reply::Kind::committed);
}

TEST_F(StorageEngineTest, ACommitThatDoesNotFitIsRefusedAndOthersGoOn) {
  start();
  control_->set_room(2 << 20);
  const Reply refused = inbox_.wait_for(submit(1, 1, large_write(1, 3 << 20))).reply;
  EXPECT_EQ(refused.kind, Reply::Kind::failed);
  EXPECT_EQ(refused.error.code, ErrorCode::out_of_space);
  EXPECT_TRUE(engine_->check_space());
  commit(2, 1, write(2));
  commit(1, 2, write(1));
}

TEST_F(StorageEngineTest, ACommitIsTakenWhenItFitsAfterThoseThatWait) {
  start();
  control_->set_room(2 << 20);
  const commit::Ticket blocked = block_writer(1);
  const commit::Ticket first = submit(2, 1, large_write(2, 1 << 20));
  EXPECT_EQ(inbox_.wait_for(submit(3, 1, large_write(3, 1 << 20))).reply.error.code,
            ErrorCode::out_of_space);
  control_->append.open();
  EXPECT_EQ(inbox_.wait_for(blocked).reply.kind, Reply::Kind::committed);
  EXPECT_EQ(inbox_.wait_for(first).reply.kind, Reply::Kind::committed);
  commit(3, 2, large_write(3, 1 << 20));
  commit(3, 3, large_write(4, 1 << 20));
}

// Whether it is refused, or ends in another way: it claims nothing any more.
TEST_F(StorageEngineTest, WhatWasNotSequencedTakesNoRoom) {
  start();
  control_->set_room(2 << 20);
  for (std::uint64_t n = 1; n < 5; ++n) {
    inbox_.wait_for(submit(1, n, large_write(1, 3 << 20)));
    inbox_.wait_for(submit(2, n, large_write(2, 1 << 20), false));
    engine_->call(2, Effects::Abort{ticket(2, n)});
  }
  commit(2, 9, large_write(2, 1 << 20));
}

TEST_F(StorageEngineTest, SaysThatNothingIsTakenWhileACommitWaitsForSpace) {
  start();
  const commit::Ticket blocked = block_writer(1);
  control_->fail_appends(ErrorCode::out_of_space, SIZE_MAX);
  EXPECT_TRUE(engine_->check_space());
  const std::size_t before = control_->append.arrived();
  control_->append.open();
  control_->append.wait_for(before + 1);  // again
  EXPECT_EQ(engine_->check_space().error().code, ErrorCode::out_of_space);
  control_->fail_appends(ErrorCode::out_of_space, 0);
  EXPECT_EQ(inbox_.wait_for(blocked).reply.kind, Reply::Kind::committed);
  EXPECT_TRUE(engine_->check_space());
}

TEST_F(StorageEngineTest, CommitsAreHeldWhenTheAppendUnderWayFindsNoRoom) {
  start();
  block_writer(1);
  control_->fail_appends(ErrorCode::out_of_space, SIZE_MAX);
  std::promise<Position> held;
  engine_->hold_commits([&](const Position& end) { held.set_value(end); });
  control_->append.open();
  auto told = held.get_future();
  ASSERT_EQ(told.wait_for(20s), std::future_status::ready);
  EXPECT_EQ(told.get(), engine_->store().last_position());
}

TEST_F(StorageEngineTest, DrainAnswersWhatIsInFlightAndRefusesTheRest) {
  start();
  const commit::Ticket blocked = block_writer(1);
  auto drained = std::async(std::launch::async, [this] { engine_->drain(1h); });
  // Until draining has begun, a read-only transaction is still answered.
  Reply refused;
  for (std::uint64_t n = 1; refused.error.code != ErrorCode::shutting_down; ++n) {
    refused = inbox_.wait_for(submit(2, n, {})).reply;
  }
  EXPECT_EQ(drained.wait_for(0s), std::future_status::timeout);
  control_->append.open();
  drained.get();
  EXPECT_EQ(inbox_.wait_for(blocked).reply.kind, Reply::Kind::committed);
  EXPECT_EQ(engine_->counts().in_flight, 0U);
}

TEST_F(StorageEngineTest, DrainGivesUpInTime) {
  start();
  block_writer(1);
  engine_->drain(1ms);
  EXPECT_EQ(engine_->counts().in_flight, 1U);
  control_->append.open();
}

TEST_F(StorageEngineTest, FinishesItsGroupBeforeItEnds) {
  start();
  const commit::Ticket blocked = block_writer(1);
  const commit::Ticket queued = submit(2, 1, write(2));
  auto ended = std::async(std::launch::async, [this] { engine_.reset(); });
  control_->append.open();
  ended.get();
  EXPECT_EQ(inbox_.wait_for(blocked).reply.kind, Reply::Kind::committed);
  EXPECT_EQ(inbox_.wait_for(queued).reply.kind, Reply::Kind::committed);
}

TEST_F(StorageEngineTest, ThreadsCommitToTheSameObjectsWithoutLosingAny) {
  start(2);
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kRounds = 100;
  std::atomic<std::uint64_t> committed = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t owner = 1; owner <= kThreads; ++owner) {
    threads.emplace_back([&, owner] {
      Tid base = kNoTid;
      for (std::uint64_t n = 1; n <= kRounds;) {
        const Reply reply = inbox_.wait_for(submit(owner, n++, write(1, base))).reply;
        if (reply.kind == Reply::Kind::committed) {
          base = reply.tid;
          ++committed;
        } else if (reply.kind == Reply::Kind::conflicted) {
          base = reply.conflicts[0].current;
        } else {
          ADD_FAILURE() << reply.error.detail;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto history = control_->content.history(Oid(1), kMaxTid, 10'000);
  ASSERT_TRUE(history);
  EXPECT_EQ(history->size(), committed);
  EXPECT_EQ(engine_->counters().commits, committed);
  EXPECT_EQ(inbox_.published().size(), committed);
  EXPECT_TRUE(std::ranges::is_sorted(inbox_.published(), {}, &commit::CommitEffects::Publish::tid));
}

}  // namespace
}  // namespace zeolite::daemon
