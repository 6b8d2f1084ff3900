#include "daemon/shard_hub.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/hub_fixture.h"

namespace zeolite::daemon {
namespace {

// Without and with records kept in memory: a client cannot tell.
class ShardHubTest : public HubTest, public ::testing::WithParamInterface<std::size_t> {
 protected:
  ShardHubTest() : HubTest(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(RecordCacheBytes, ShardHubTest, ::testing::Values(0U, 1U << 20));

TEST_P(ShardHubTest, OthersAreToldOfACommitAndTheCommitterIsAnswered) {
  net::Peer writer = connect();
  net::Peer reader = connect();
  const Tid tid = commit(writer, 1, 7);
  EXPECT_EQ(reader.expect<wire::Invalidate>(0), (wire::Invalidate{tid, {Oid(7)}, true}));
  EXPECT_EQ(settle(writer), tid);  // nothing else came to it
}

TEST_P(ShardHubTest, TheAnswerStandsInItsPlaceAmongTheInvalidations) {
  net::Peer first = connect();
  net::Peer second = connect();
  control_->append.shut();
  const std::size_t before = control_->append.arrived();
  first.send(change(1, 1), 11);
  control_->append.wait_for(before + 1);
  // These become one group; pings keep them in this order.
  second.send(change(2, 2), 22);
  settle(second);
  first.send(change(3, 3), 13);
  settle(first);
  second.send(change(4, 4), 24);
  settle(second);
  control_->append.open();
  const Tid t1 = first.expect<wire::Committed>(11).tid;
  const Tid t2 = first.expect<wire::Invalidate>(0).tid;
  const Tid t3 = first.expect<wire::Committed>(13).tid;
  const Tid t4 = first.expect<wire::Invalidate>(0).tid;
  EXPECT_LT(t1, t2);
  EXPECT_LT(t2, t3);
  EXPECT_LT(t3, t4);
  EXPECT_EQ(second.expect<wire::Invalidate>(0).tid, t1);
  EXPECT_EQ(second.expect<wire::Committed>(22).tid, t2);
  EXPECT_EQ(second.expect<wire::Invalidate>(0).tid, t3);
  EXPECT_EQ(second.expect<wire::Committed>(24).tid, t4);
  EXPECT_EQ(settle(first), t4);
  EXPECT_EQ(control_->group_sizes().back(), 3U);
}

TEST_P(ShardHubTest, WhatAPackRemovedIsNotFoundInMemory) {
  wire::Hello quiet = hello();
  quiet.wants_invalidations = false;
  net::Peer writer = connect(quiet);
  const Tid seven = commit(writer, 1, 7);
  const Tid eight = commit(writer, 2, 8);
  writer.send(wire::Load{Oid(7)}, 2);
  EXPECT_EQ(writer.expect<wire::Loaded>(2).tid, seven);
  // This read is under way all the time.
  net::Peer slow = connect(quiet);
  const std::size_t before = control_->disk_read.arrived();
  control_->disk_read.shut();
  control_->set_cold(true);
  slow.send(wire::Load{Oid(8)}, 3);
  control_->disk_read.wait_for(before + 1);
  control_->set_cold(false);

  ASSERT_TRUE(engine_->append_pack(eight, true));
  const Tid pack = engine_->store().pack_state().record;
  ASSERT_TRUE(engine_->append_removal(pack, {{Oid(7), seven}, {Oid(8), eight}}, false));
  ASSERT_TRUE(engine_->append_removal(pack, {}, true));
  control_->disk_read.open();
  EXPECT_EQ(slow.expect<wire::Loaded>(3).tid, eight) << "it was there when it was asked for";
  for (const std::uint64_t gone : {7U, 8U}) {
    writer.send(wire::Load{Oid(gone)}, 4);
    EXPECT_EQ(writer.expect<wire::Loaded>(4).status, wire::LoadedStatus::unknown);
  }
}

TEST_P(ShardHubTest, NothingIsReadableBeforeItsSyncReturned) {
  net::Peer writer = connect();
  net::Peer reader = connect();
  control_->append.shut();
  const std::size_t before = control_->append.arrived();
  writer.send(change(1, 7), 11);
  control_->append.wait_for(before + 1);
  reader.send(wire::Load{Oid(7)}, 2);
  EXPECT_EQ(reader.expect<wire::Loaded>(2).status, wire::LoadedStatus::unknown);
  control_->append.open();
  const Tid tid = writer.expect<wire::Committed>(11).tid;
  EXPECT_EQ(reader.expect<wire::Invalidate>(0).tid, tid);
  reader.send(wire::Load{Oid(7)}, 3);
  const auto loaded = reader.expect<wire::Loaded>(3);
  EXPECT_EQ(loaded.status, wire::LoadedStatus::found);
  EXPECT_EQ(loaded.tid, tid);
  EXPECT_TRUE(loaded.end.is_zero());
}

TEST_P(ShardHubTest, AConflictFollowsTheInvalidationThatExplainsIt) {
  net::Peer first = connect();
  net::Peer second = connect();
  control_->append.shut();
  const std::size_t before = control_->append.arrived();
  first.send(change(1, 7), 11);
  control_->append.wait_for(before + 1);
  second.send(change(2, 7), 22);  // waits for the object
  settle(second);
  control_->append.open();
  const Tid tid = first.expect<wire::Committed>(11).tid;
  EXPECT_EQ(second.expect<wire::Invalidate>(0).tid, tid);
  const auto conflicted = second.expect<wire::Conflicted>(22);
  ASSERT_EQ(conflicted.conflicts.size(), 1U);
  EXPECT_EQ(conflicted.conflicts[0].current, tid);
}

TEST_P(ShardHubTest, AReadThatWaitedForTheDiskIsCorrected) {
  net::Peer writer = connect();
  const Tid old = commit(writer, 1, 7);
  net::Peer reader = connect();
  control_->set_cold(true);
  control_->disk_read.shut();
  reader.send(wire::Load{Oid(7)}, 2);
  control_->disk_read.wait_for(1);  // has read the old revision as the current one
  const Tid next = commit(writer, 2, 7, old);
  const Tid later = commit(writer, 3, 7, next);
  EXPECT_EQ(reader.expect<wire::Invalidate>(0).tid, next);
  EXPECT_EQ(reader.expect<wire::Invalidate>(0).tid, later);
  control_->disk_read.open();
  const auto loaded = reader.expect<wire::Loaded>(2);
  EXPECT_EQ(loaded.status, wire::LoadedStatus::found);
  EXPECT_EQ(loaded.tid, old);
  EXPECT_EQ(loaded.end, next);
}

TEST_P(ShardHubTest, AReadThatWaitedIsLeftAloneWhenOthersChanged) {
  net::Peer writer = connect();
  const Tid tid = commit(writer, 1, 7);
  net::Peer reader = connect();
  control_->set_cold(true);
  control_->disk_read.shut();
  reader.send(wire::Load{Oid(7)}, 2);
  control_->disk_read.wait_for(1);
  commit(writer, 2, 8);
  reader.expect<wire::Invalidate>(0);
  control_->disk_read.open();
  const auto loaded = reader.expect<wire::Loaded>(2);
  EXPECT_EQ(loaded.tid, tid);
  EXPECT_TRUE(loaded.end.is_zero());
}

TEST_P(ShardHubTest, EachOfManyReadsThatWaitedIsCorrected) {
  net::Peer writer = connect();
  const Tid one = commit(writer, 1, 1);
  const Tid two = commit(writer, 2, 2);
  net::Peer reader = connect();
  control_->set_cold(true);
  control_->disk_read.shut();
  reader.send(wire::LoadMany{{Oid(1), Oid(2), Oid(3)}}, 2);
  control_->disk_read.wait_for(1);
  const Tid next = commit(writer, 3, 2, two);
  commit(writer, 4, 9);  // not asked for
  control_->disk_read.open();
  EXPECT_EQ(reader.expect<wire::Invalidate>(0).tid, next);
  reader.expect<wire::Invalidate>(0);
  const auto loaded = reader.expect<wire::LoadedMany>(2);
  ASSERT_EQ(loaded.items.size(), 3U);
  EXPECT_EQ(loaded.items[0].tid, one);
  EXPECT_TRUE(loaded.items[0].end.is_zero());
  EXPECT_EQ(loaded.items[1].tid, two);
  EXPECT_EQ(loaded.items[1].end, next);
  EXPECT_EQ(loaded.items[2].status, wire::LoadedStatus::unknown);
}

TEST_P(ShardHubTest, AReaderThatLeftIsNotMissed) {
  net::Peer writer = connect();
  commit(writer, 1, 7);
  net::Peer reader = connect();
  control_->set_cold(true);
  control_->disk_read.shut();
  reader.send(wire::Load{Oid(7)}, 2);
  control_->disk_read.wait_for(1);
  reader.close();
  closed_.wait_for(1);
  control_->disk_read.open();
  commit(writer, 2, 8);
  settle(writer);
}

TEST_P(ShardHubTest, ALeaverLetsGoOfWhatItHasVoted) {
  net::Peer leaver = connect();
  net::Peer waiter = connect();
  wire::Vote vote;
  vote.number = 1;
  vote.begun = engine_->visible();
  vote.writes = change(1, 7).writes;
  leaver.send(vote, 5);
  leaver.expect<wire::Voted>(5);
  waiter.send(change(2, 7), 6);
  settle(waiter);
  leaver.close();
  waiter.expect<wire::Committed>(6);
}

TEST_P(ShardHubTest, AWarmCacheIsBroughtUpToDate) {
  net::Peer writer = connect();
  const Tid seen = commit(writer, 1, 1);
  const Tid missed = commit(writer, 2, 2);
  const wire::Hello warm = hello_at(seen);
  net::Peer reader = dial();
  reader.send(warm, 1);
  EXPECT_EQ(reader.expect<wire::Invalidate>(0), (wire::Invalidate{missed, {Oid(2)}, true}));
  const auto welcome = reader.expect<wire::Welcome>(1);
  EXPECT_TRUE(welcome.cache_valid);
  EXPECT_EQ(welcome.visible.tid, missed);
}

TEST_P(ShardHubTest, ACacheOfAnotherHistoryIsDropped) {
  net::Peer writer = connect();
  const Tid seen = commit(writer, 1, 1);
  commit(writer, 2, 2);
  wire::Hello strange = hello();
  strange.cache.tid = Tid(123);  // not the epoch record
  wire::Hello diverged = hello();
  diverged.cache.tid = seen;
  diverged.cache.chain.fill(0x55);
  wire::Hello ahead = hello();
  ahead.cache.tid = Tid(engine_->visible().value() + 1'000'000);
  for (const wire::Hello& message : {strange, diverged, ahead}) {
    net::Peer reader = dial();
    reader.send(message, 1);
    EXPECT_FALSE(reader.expect<wire::Welcome>(1).cache_valid);
  }
}

TEST_P(ShardHubTest, WhatIsPublishedDuringACatchUpFollowsTheWelcome) {
  net::Peer writer = connect();
  const Tid seen = commit(writer, 1, 1);
  const Tid missed = commit(writer, 2, 2);
  const wire::Hello warm = hello_at(seen);
  net::Peer reader = dial();
  control_->log_read.shut();
  reader.send(warm, 1);
  control_->log_read.wait_for(1);
  const Tid during = commit(writer, 3, 3);
  const Tid again = commit(writer, 4, 4);
  control_->log_read.open();
  EXPECT_EQ(reader.expect<wire::Invalidate>(0).tid, missed);
  EXPECT_EQ(reader.expect<wire::Welcome>(1).visible.tid, missed);
  EXPECT_EQ(reader.expect<wire::Invalidate>(0).tid, during);
  EXPECT_EQ(reader.expect<wire::Invalidate>(0).tid, again);
  EXPECT_EQ(settle(reader), again);
}

TEST_P(ShardHubTest, CatchUpsLeaveAThreadForLoads) {
  net::Peer writer = connect();
  const Tid seen = commit(writer, 1, 1);
  const Tid missed = commit(writer, 2, 2);
  const wire::Hello warm = hello_at(seen);
  control_->log_read.shut();
  std::vector<net::Peer> readers;
  for (int i = 0; i < 3; ++i) {
    readers.push_back(dial());
    readers.back().send(warm, 1);
  }
  control_->log_read.wait_for(1);
  control_->set_cold(true);
  writer.send(wire::Load{Oid(1)}, 3);
  EXPECT_EQ(writer.expect<wire::Loaded>(3).tid, seen);
  control_->log_read.open();
  for (net::Peer& reader : readers) {
    EXPECT_EQ(reader.expect<wire::Invalidate>(0).tid, missed);
    EXPECT_TRUE(reader.expect<wire::Welcome>(1).cache_valid);
  }
}

TEST_P(ShardHubTest, ACacheThatMissedTooMuchIsDropped) {
  config_.outbound_bytes_max = 64 * 1024;
  net::Peer writer = connect();
  const Tid seen = commit(writer, 1, 1);
  wire::Commit large = change(2, 0);
  for (std::uint64_t oid = 1; oid < 130'000; ++oid) {
    large.writes.push_back({Oid(oid), oid == 1 ? seen : kNoTid, RevisionKind::data, Bytes()});
  }
  writer.send(large, 4);
  const Tid line = writer.expect<wire::Committed>(4).tid;
  const wire::Hello warm = hello_at(seen);
  net::Peer reader = dial();
  reader.send(warm, 1);
  const auto welcome = reader.expect<wire::Welcome>(1);
  EXPECT_FALSE(welcome.cache_valid);
  EXPECT_EQ(welcome.visible.tid, line);
}

TEST_P(ShardHubTest, ToolsAreNotTold) {
  wire::Hello tool = hello();
  tool.wants_invalidations = false;
  net::Peer reader = connect(tool);
  net::Peer writer = connect();
  const Tid tid = commit(writer, 1, 7);
  EXPECT_EQ(settle(reader), tid);
  const Tid own = commit(reader, 2, 8);
  EXPECT_EQ(writer.expect<wire::Invalidate>(0).tid, own);
}

TEST_P(ShardHubTest, AStatusIsMadeAtTheLine) {
  net::Peer writer = connect();
  const Tid tid = commit(writer, 1, 7);
  writer.send(wire::StatusQuery{}, 3);
  const auto report = writer.expect<wire::StatusReport>(3);
  EXPECT_EQ(report.role, wire::NodeRole::primary);
  EXPECT_EQ(report.storage, "main");
  EXPECT_EQ(report.node, "alpha");
  EXPECT_EQ(report.visible_tid, tid);
  EXPECT_EQ(report.commits, 1U);
  EXPECT_TRUE(report.accepts_writes);
  control_->content.set_out_of_space(true);
  writer.send(wire::StatusQuery{}, 4);
  const auto full = writer.expect<wire::StatusReport>(4);
  EXPECT_FALSE(full.accepts_writes);
  EXPECT_FALSE(full.refuses_why.empty());
}

TEST(ShardHub, LongBatchesTakeSeveralFrames) {
  std::vector<Oid> oids;
  for (std::uint64_t oid = 0; oid < 40'000; ++oid) oids.emplace_back(oid);
  std::string frames;
  encode_invalidate_frames({Tid(5), oids}, frames);
  wire::FrameDecoder decoder(wire::kBodyMaxDefault);
  decoder.feed(Bytes(std::move(frames)));
  std::vector<Oid> got;
  bool last = false;
  while (const auto frame = decoder.next().value()) {
    EXPECT_FALSE(last);
    const auto part = std::get<wire::Invalidate>(wire::decode(*frame).value());
    EXPECT_EQ(part.tid, Tid(5));
    got.insert(got.end(), part.oids.begin(), part.oids.end());
    last = part.last;
  }
  EXPECT_TRUE(last);
  EXPECT_EQ(got, oids);
}

}  // namespace
}  // namespace zeolite::daemon
