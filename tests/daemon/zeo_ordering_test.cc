#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/zeo_fixture.h"

// The rules that ZEO's clients rely on (docs/zeo-protocol.md, Order), each by its name. Delays are
// put where a busy server has them: at the disk, before a shard hears of a commit, between vote and
// finish, and where a client does not read.
namespace zeolite::daemon {
namespace {

using zeo::none;
using zeo::oid;
using zeo::value_of;

// With all connections on one shard, and on two by turns.
class ZeoOrderingTest : public ZeoHubTest, public ::testing::WithParamInterface<std::size_t> {
 protected:
  ZeoOrderingTest() : ZeoHubTest(0, {}, GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(Shards, ZeoOrderingTest, ::testing::Values(1U, 2U),
                         ::testing::PrintToStringParamName());

Value loaded(std::string_view data, Tid tid, const Value& end = none()) {
  return Value::tuple(zeo::bytes(data), value_of(tid), end);
}
std::vector<Value> current(std::uint64_t object) { return {oid(object), value_of(kMaxTid)}; }

TEST_P(ZeoOrderingTest, OrderingI1CommitEventsGoOutInTidOrder) {
  ZeoPeer first = connect_zeo();
  ZeoPeer second = connect_zeo();
  ZeoPeer reader = connect_zeo();
  net::Peer native = connect();
  for (ZeoPeer* const peer : {&first, &second}) peer->begin();
  first.store(1, kNoTid, "one");
  second.store(2, kNoTid, "two");
  EXPECT_EQ(first.vote(), zeo::list({}));
  EXPECT_EQ(second.vote(), zeo::list({}));
  control_->append.shut();
  const std::size_t before = control_->append.arrived();
  native.send(change(1, 3), 11);
  control_->append.wait_for(before + 1);
  // These become one group, in this order.
  second.send_finish();
  EXPECT_EQ(second.ask("ping"), none());
  native.send(change(2, 4), 12);
  settle(native);
  first.send_finish();
  EXPECT_EQ(first.ask("ping"), none());
  control_->append.open();
  const Tid t1 = native.expect<wire::Committed>(11).tid;
  const Tid t2 = native.expect<wire::Invalidate>(0).tid;
  const Tid t3 = native.expect<wire::Committed>(12).tid;
  const Tid t4 = native.expect<wire::Invalidate>(0).tid;
  EXPECT_EQ(control_->group_sizes().back(), 3U);
  reader.expect_invalidation(t1, {Oid(3)});
  reader.expect_invalidation(t2, {Oid(2)});
  reader.expect_invalidation(t3, {Oid(4)});
  reader.expect_invalidation(t4, {Oid(1)});
  second.expect_invalidation(t1, {Oid(3)});
  EXPECT_EQ(second.finished(), t2);
  second.expect_invalidation(t3, {Oid(4)});
  second.expect_invalidation(t4, {Oid(1)});
  first.expect_invalidation(t1, {Oid(3)});
  first.expect_invalidation(t2, {Oid(2)});
  first.expect_invalidation(t3, {Oid(4)});
  EXPECT_EQ(first.finished(), t4);
}

TEST_P(ZeoOrderingTest, OrderingI2AnAnswerFollowsTheInvalidationsItKnowsOf) {
  ZeoPeer reader = connect_zeo();
  net::Peer writer = connect();
  Tid last = commit(writer, 1, 7);
  reader.expect_invalidation(last, {Oid(7)});
  std::uint32_t number = 2;
  for (const std::string_view asked : {"ping", "lastTransaction", "loadBefore", "getTid"}) {
    SCOPED_TRACE(asked);
    hold_wakes(reader);
    const std::size_t before = woken_.arrived();
    writer.send(change(number, 7, last), number);
    woken_.wait_for(before + 1);  // it is visible, and the shard has not heard of it
    std::vector<Value> arguments;
    if (asked == "loadBefore") arguments = current(7);
    if (asked == "getTid") arguments = {oid(7)};
    reader.call(40, asked, arguments);
    ASSERT_EQ(reader.next().name, "invalidateTransaction");
    const Value answer = reader.result(40);
    last = writer.expect<wire::Committed>(number).tid;
    if (asked == "lastTransaction" || asked == "getTid") {
      EXPECT_EQ(answer, value_of(last));
    }
    if (asked == "loadBefore") {
      EXPECT_EQ(answer, loaded(std::to_string(number) + " of the object", last));
    }
    release_wakes();
    ++number;
  }
}

TEST_P(ZeoOrderingTest, OrderingI2AConflictFollowsTheInvalidationThatExplainsIt) {
  ZeoPeer loser = connect_zeo();
  net::Peer writer = connect();
  const Tid old = commit(writer, 1, 7);
  loser.expect_invalidation(old, {Oid(7)});
  loser.begin();
  loser.store(7, old, "mine");
  control_->append.shut();
  const std::size_t before = control_->append.arrived();
  writer.send(change(2, 7, old), 12);
  control_->append.wait_for(before + 1);
  loser.call(40, "vote", {ZeoPeer::kTransaction});  // waits for the object
  EXPECT_EQ(loser.ask("ping"), none());
  control_->append.open();
  const Tid tid = writer.expect<wire::Committed>(12).tid;
  loser.expect_invalidation(tid, {Oid(7)});
  EXPECT_EQ(loser.result(40),
            zeo::list({zeo::dict({{"oid", oid(7)},
                                  {"serials", Value::tuple(value_of(tid), value_of(old))},
                                  {"data", zeo::bytes("mine")}})}));
}

TEST_P(ZeoOrderingTest, OrderingI3CurrentIsTrueForAllThatWasToldBefore) {
  net::Peer writer = connect();
  const Tid old = commit(writer, 1, 7);
  ZeoPeer reader = connect_zeo();
  control_->set_cold(true);
  control_->disk_read.shut();
  reader.call(40, "loadBefore", current(7));
  control_->disk_read.wait_for(1);  // has read the old revision as the current one
  const Tid next = commit(writer, 2, 7, old);
  const Tid later = commit(writer, 3, 7, next);
  reader.expect_invalidation(next, {Oid(7)});
  reader.expect_invalidation(later, {Oid(7)});
  control_->disk_read.open();
  EXPECT_EQ(reader.result(40), loaded("1 of the object", old, value_of(next)));
}

TEST_P(ZeoOrderingTest, OrderingI3AnObjectCreatedWhileItIsLookedForIsFound) {
  net::Peer writer = connect();
  ZeoPeer reader = connect_zeo();
  control_->set_cold(true);
  control_->disk_read.shut();
  reader.call(40, "loadBefore", current(7));
  control_->disk_read.wait_for(1);
  const Tid tid = commit(writer, 1, 7);
  reader.expect_invalidation(tid, {Oid(7)});
  control_->disk_read.open();
  EXPECT_EQ(reader.result(40), loaded("1 of the object", tid));
}

TEST_P(ZeoOrderingTest, OrderingI4NothingNewerThanTheLastInvalidation) {
  net::Peer writer = connect();
  const Tid old = commit(writer, 1, 7);
  ZeoPeer reader = connect_zeo();
  control_->set_cold(true);
  hold_pool();
  for (const std::int64_t id : {40, 41}) {
    reader.call(id, id == 40 ? "loadBefore" : "getTid",
                id == 40 ? current(7) : std::vector<Value>{oid(7)});
  }
  EXPECT_EQ(reader.ask("ping"), none());  // both wait for the disk
  hold_wakes(reader);
  const std::size_t before = woken_.arrived();
  writer.send(change(2, 7, old), 12);
  woken_.wait_for(before + 1);  // in the store, and the reader was not told
  pool_gate_.open();
  for (int answers = 0; answers < 2; ++answers) {
    const zeo::ServerMessage answer = reader.next();
    EXPECT_EQ(answer.value, answer.id == Value(std::int64_t{40}) ? loaded("1 of the object", old)
                                                                 : value_of(old));
  }
  release_wakes();
  reader.expect_invalidation(writer.expect<wire::Committed>(12).tid, {Oid(7)});
}

TEST_P(ZeoOrderingTest, OrderingI3I4HoldForAClientThatDoesNotRead) {
  net::Peer writer = connect();
  Tid last = commit(writer, 1, 7);
  ZeoPeer reader = connect_zeo();
  Tid told = last;
  constexpr std::uint32_t kRounds = 60;
  for (std::uint32_t n = 2; n < kRounds; ++n) {
    control_->set_cold(n % 2 == 0);
    reader.call(n, "loadBefore", current(7));
    last = commit(writer, n, 7, last);
  }
  for (std::uint32_t answers = 2; answers < kRounds;) {
    const zeo::ServerMessage message = reader.next();
    const auto& parts = message.value.get<pickle::Tuple>()->items;
    if (message.name == "invalidateTransaction") {
      const Tid tid(get_u64(parts[0].get<Bytes>()->view().data()));
      EXPECT_GT(tid, told);
      told = tid;
      continue;
    }
    const Tid tid(get_u64(parts[1].get<Bytes>()->view().data()));
    EXPECT_LE(tid, told);
    EXPECT_EQ(parts[2].is<pickle::None>(), tid == told);
    ++answers;
  }
}

TEST_P(ZeoOrderingTest, OrderingI5RegisterIsAnsweredBeforeAnyInvalidation) {
  net::Peer writer = connect();
  // No shard is woken for a client that has not registered.
  EXPECT_FALSE(engine_->set_attended(0, true));
  commit(writer, 1, 7);
  ZeoPeer reader = dial_zeo();
  hold_wakes(reader);
  const std::size_t before = woken_.arrived();
  writer.send(change(2, 8), 12);
  woken_.wait_for(before + 1);
  reader.say("Z5");
  reader.call(1, "register", {zeo::text("main"), Value(false)});
  const Value registered = reader.result(1);
  const Tid during = writer.expect<wire::Committed>(12).tid;
  EXPECT_EQ(registered, value_of(during));
  release_wakes();
  const Tid next = commit(writer, 3, 9);
  reader.expect_invalidation(next, {Oid(9)});
}

TEST_P(ZeoOrderingTest, OrderingI6TheCommitterIsAnsweredAndNotInvalidated) {
  ZeoPeer writer = connect_zeo();
  ZeoPeer reader = connect_zeo();
  const Tid created = writer.commit(7, kNoTid, "one");
  reader.expect_invalidation(created, {Oid(7)});
  const Tid changed = writer.commit(7, created, "two");
  reader.expect_invalidation(changed, {Oid(7)});
  EXPECT_EQ(writer.ask("ping"), none());
  // What it undoes it is told by the vote.
  writer.begin();
  writer.one_way("undoa", {value_of(changed), ZeoPeer::kTransaction});
  EXPECT_EQ(writer.vote(), zeo::list({oid(7)}));
  const Tid undone = writer.finish();
  reader.expect_invalidation(undone, {Oid(7)});
  EXPECT_EQ(writer.ask("loadBefore", current(7)), loaded("one", undone));
}

TEST_P(ZeoOrderingTest, OrderingI6HoldsBetweenVoteAndFinish) {
  ZeoPeer slow = connect_zeo();
  net::Peer brisk = connect();
  slow.begin();
  slow.store(1, kNoTid, "one");
  EXPECT_EQ(slow.vote(), zeo::list({}));
  const Tid other = commit(brisk, 1, 2);
  slow.expect_invalidation(other, {Oid(2)});  // it waits for nobody
  const Tid own = slow.finish();
  EXPECT_GT(own, other);
  EXPECT_EQ(brisk.expect<wire::Invalidate>(0).tid, own);
  EXPECT_EQ(slow.ask("lastTransaction"), value_of(own));
}

TEST_P(ZeoOrderingTest, OrderingI7InvalidationsNameNewAndDeletedObjects) {
  ZeoPeer writer = connect_zeo();
  ZeoPeer reader = connect_zeo();
  writer.begin();
  writer.store(1, kNoTid, "new");
  writer.store(2, kNoTid, "new too");
  EXPECT_EQ(writer.vote(), zeo::list({}));
  const Tid created = writer.finish();
  reader.expect_invalidation(created, {Oid(1), Oid(2)});
  writer.begin();
  writer.one_way("deleteObject", {oid(1), value_of(created), ZeoPeer::kTransaction});
  EXPECT_EQ(writer.vote(), zeo::list({}));
  reader.expect_invalidation(writer.finish(), {Oid(1)});
}

}  // namespace
}  // namespace zeolite::daemon
