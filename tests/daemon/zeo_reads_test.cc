#include "daemon/zeo_reads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "daemon/zeo_fixture.h"
#include "daemon/zeo_values.h"
#include "model/tid_time.h"
#include "zeo/undo_id.h"

namespace zeolite::daemon {
namespace {

using zeo::bytes;
using zeo::dict;
using zeo::integer;
using zeo::list;
using zeo::none;
using zeo::oid;
using zeo::text;
using zeo::tuple;
using zeo::value_of;

class ZeoReadsTest : public ZeoHubTest {
 protected:
  const Value* item(const Value& value, std::string_view key) {
    const auto* all = value.get<pickle::Dict>();
    return all == nullptr ? nullptr : all->find(key);
  }
  std::vector<std::string> keys(const Value& value) {
    std::vector<std::string> result;
    for (const auto& [key, content] : value.get<pickle::Dict>()->items) {
      result.push_back(key.get<pickle::Text>()->utf8);
    }
    return result;
  }
  // A commit with metadata, by `peer`.
  Tid commit_as(ZeoPeer& peer, std::uint64_t object, Tid base, std::string_view user,
                std::string_view description, const Value& extension = dict({})) {
    peer.begin(user, description, extension);
    peer.store(object, base, description);
    EXPECT_EQ(peer.vote(), list({}));
    return peer.finish();
  }
  Tid remove(ZeoPeer& peer, std::uint64_t object, Tid base) {
    peer.begin();
    peer.one_way("deleteObject", {oid(object), value_of(base), ZeoPeer::kTransaction});
    EXPECT_EQ(peer.vote(), list({}));
    return peer.finish();
  }

  ZeoPeer peer_ = connect_zeo();
};

TEST_F(ZeoReadsTest, LoadBeforeTellsTheRevisionAndItsEnd) {
  const Tid one = peer_.commit(7, kNoTid, "one");
  const Tid two = peer_.commit(7, one, "two");
  for (const bool cold : {false, true}) {
    control_->set_cold(cold);
    EXPECT_EQ(peer_.ask("loadBefore", {oid(7), value_of(kMaxTid)}),
              tuple({bytes("two"), value_of(two), none()}));
    EXPECT_EQ(peer_.ask("loadBefore", {oid(7), value_of(two)}),
              tuple({bytes("one"), value_of(one), value_of(two)}));
    EXPECT_EQ(peer_.ask("loadBefore", {oid(7), value_of(one)}), none());
    EXPECT_EQ(peer_.ask_error("loadBefore", {oid(8), value_of(kMaxTid)}),
              zeo::pos_key_error(Oid(8)));
  }
}

TEST_F(ZeoReadsTest, TheIdOfALoadIsATuple) {
  const Tid one = peer_.commit(7, kNoTid, "one");
  const Value id = tuple({oid(7), value_of(kMaxTid)});
  peer_.call(id, "loadBefore", {oid(7), value_of(kMaxTid)});
  EXPECT_EQ(peer_.result(id), tuple({bytes("one"), value_of(one), none()}));
}

TEST_F(ZeoReadsTest, AnswersInMsgpack) {
  const Tid one = peer_.commit(7, kNoTid, "one");
  ZeoPeer other = connect_zeo(zeo::Encoding::msgpack);
  const Value id = tuple({oid(7), value_of(kMaxTid)});
  other.call(id, "loadBefore", {oid(7), value_of(kMaxTid)});
  EXPECT_EQ(other.result(id), tuple({bytes("one"), value_of(one), none()}));
  const Tid two = peer_.commit(7, one, "two");
  EXPECT_EQ(other.told("invalidateTransaction"),
            (std::vector<Value>{value_of(two), tuple({oid(7)})}));
}

TEST_F(ZeoReadsTest, WhatIsDeletedIsAKeyErrorFromThenOn) {
  const Tid one = peer_.commit(7, kNoTid, "one");
  const Tid gone = remove(peer_, 7, one);
  EXPECT_EQ(peer_.ask_error("loadBefore", {oid(7), value_of(kMaxTid)}), zeo::pos_key_error(Oid(7)));
  EXPECT_EQ(peer_.ask_error("getTid", {oid(7)}), zeo::pos_key_error(Oid(7)));
  EXPECT_EQ(peer_.ask("loadBefore", {oid(7), value_of(gone)}),
            tuple({bytes("one"), value_of(one), value_of(gone)}));
}

TEST_F(ZeoReadsTest, LoadSerialIsExact) {
  const Tid one = peer_.commit(7, kNoTid, "one");
  const Tid two = peer_.commit(7, one, "two");
  EXPECT_EQ(peer_.ask("loadSerial", {oid(7), value_of(one)}), bytes("one"));
  EXPECT_EQ(peer_.ask("loadSerial", {oid(7), value_of(two)}), bytes("two"));
  for (const Tid tid : {one.previous(), two.next(), kMaxTid, kNoTid}) {
    EXPECT_EQ(peer_.ask_error("loadSerial", {oid(7), value_of(tid)}), zeo::pos_key_error(Oid(7)));
  }
  EXPECT_EQ(peer_.ask_error("loadSerial", {oid(8), value_of(one)}), zeo::pos_key_error(Oid(8)));
}

TEST_F(ZeoReadsTest, GetTid) {
  const Tid one = peer_.commit(7, kNoTid, "one");
  EXPECT_EQ(peer_.ask("getTid", {oid(7)}), value_of(one));
  EXPECT_EQ(peer_.ask_error("getTid", {oid(8)}), zeo::pos_key_error(Oid(8)));
}

TEST_F(ZeoReadsTest, LastTransactionIsZeroAtFirst) {
  EXPECT_EQ(peer_.ask("lastTransaction"), value_of(kNoTid));
  const Tid one = peer_.commit(7, kNoTid, "one");
  EXPECT_EQ(peer_.ask("lastTransaction"), value_of(one));
}

TEST_F(ZeoReadsTest, InfoHasWhatClientsLookFor) {
  const Value info = peer_.ask("get_info");
  EXPECT_EQ(*item(info, "length"), integer(0));
  EXPECT_TRUE(item(info, "size")->is<std::int64_t>());
  EXPECT_EQ(*item(info, "name"), text("main"));
  EXPECT_EQ(*item(info, "supportsUndo"), Value(true));
  EXPECT_EQ(*item(info, "supports_record_iternext"), Value(true));
  const auto zodb = [](std::string_view name) {
    return tuple({text("ZODB.interfaces"), text(name)});
  };
  EXPECT_EQ(
      *item(info, "interfaces"),
      tuple({zodb("IStorageRestoreable"), zodb("IStorageIteration"), zodb("IStorageUndoable"),
             zodb("IStorageCurrentRecordIteration"), zodb("IBlobStorage"), zodb("IExternalGC"),
             zodb("IStorage"), tuple({text("zope.interface"), text("Interface")})}));
  EXPECT_EQ(info.get<pickle::Dict>()->items.size(), 6U);
}

TEST_F(ZeoReadsTest, ServerStatusHasTheThirteenKeys) {
  std::vector<std::string> found = keys(peer_.ask("server_status"));
  std::ranges::sort(found);
  EXPECT_EQ(found, (std::vector<std::string>{"aborts", "active_txns", "commits", "conflicts",
                                             "conflicts_resolved", "connections",
                                             "last-transaction", "loads", "lock_time", "start",
                                             "stores", "timeout-thread-is-alive", "waiting"}));
}

TEST_F(ZeoReadsTest, HistoryIsNewestFirst) {
  const Tid one = commit_as(peer_, 7, kNoTid, "alice", "first");
  const Tid two = commit_as(peer_, 7, one, "bob", "second",
                            dict({{"k", text("v")}, {"tid", text("not this")}}));
  const Value all = peer_.ask("history", {oid(7), integer(10)});
  const auto* entries = all.get<pickle::List>();
  ASSERT_TRUE(entries != nullptr && entries->items.size() == 2);
  const Value& newest = entries->items[0];
  std::vector<std::string> found = keys(newest);
  std::ranges::sort(found);
  EXPECT_EQ(found,
            (std::vector<std::string>{"description", "k", "size", "tid", "time", "user_name"}));
  EXPECT_EQ(*item(newest, "tid"), value_of(two));
  EXPECT_EQ(*item(newest, "user_name"), bytes("bob"));
  EXPECT_EQ(*item(newest, "description"), bytes("second"));
  EXPECT_EQ(*item(newest, "size"), integer(6));
  EXPECT_EQ(*item(newest, "k"), text("v"));
  EXPECT_NEAR(*item(newest, "time")->get<double>(),
              static_cast<double>(time_of_tid(two).unix_us) / 1e6, 1e-5);
  EXPECT_EQ(*item(entries->items[1], "tid"), value_of(one));
  EXPECT_EQ(peer_.ask("history", {oid(7)}).get<pickle::List>()->items.size(), 1U);
  EXPECT_EQ(peer_.ask("history", {oid(7), integer(0)}), list({}));
  EXPECT_EQ(peer_.ask("history", {oid(7), integer(-3)}), list({}));
  EXPECT_EQ(peer_.ask_error("history", {oid(8), integer(1)}), zeo::pos_key_error(Oid(8)));
}

TEST_F(ZeoReadsTest, RecordsAreIteratedInTheOrderOfOids) {
  const Tid one = peer_.commit(1, kNoTid, "one");
  const Tid five = peer_.commit(5, kNoTid, "five");
  const Tid nine = peer_.commit(9, kNoTid, "nine");
  remove(peer_, 5, five);
  EXPECT_EQ(peer_.ask("record_iternext", {none()}),
            tuple({oid(1), value_of(one), bytes("one"), oid(9)}));
  EXPECT_EQ(peer_.ask("record_iternext", {oid(9)}),
            tuple({oid(9), value_of(nine), bytes("nine"), none()}));
  EXPECT_EQ(peer_.ask_error("record_iternext", {oid(10)}).class_name, "builtins.ValueError");
}

TEST_F(ZeoReadsTest, UndoLogTellsWhatMayBeUndone) {
  const Tid one = commit_as(peer_, 1, kNoTid, "/ alice", "first");
  const Tid two =
      commit_as(peer_, 2, kNoTid, "/site/folder bob", "second", dict({{"k", text("v")}}));
  const Value log = peer_.ask("undoLog", {integer(0), integer(-20)});
  const auto* entries = log.get<pickle::List>();
  ASSERT_TRUE(entries != nullptr && entries->items.size() == 2);
  std::vector<std::string> found = keys(entries->items[0]);
  std::ranges::sort(found);
  EXPECT_EQ(found,
            (std::vector<std::string>{"description", "id", "k", "size", "time", "user_name"}));
  EXPECT_EQ(*item(entries->items[0], "id"), bytes(zeo::undo_id(two)));
  EXPECT_EQ(*item(entries->items[1], "id"), bytes(zeo::undo_id(one)));
  EXPECT_EQ(*item(entries->items[1], "user_name"), bytes("/ alice"));
  EXPECT_EQ(peer_.ask("undoLog", {integer(0), integer(1)}).get<pickle::List>()->items.size(), 1U);
  EXPECT_EQ(peer_.ask("undoLog", {integer(5), integer(9)}), list({}));
}

TEST_F(ZeoReadsTest, UndoInfoIsFiltered) {
  commit_as(peer_, 1, kNoTid, "/ alice", "first");
  commit_as(peer_, 2, kNoTid, "/site/folder bob", "second");
  commit_as(peer_, 3, kNoTid, "/site2 bob", "third", dict({{"k", text("v")}}));
  const auto found = [&](const Value& specification) {
    const Value answer = peer_.ask("undoInfo", {integer(0), integer(-20), specification});
    std::string names;
    for (const Value& entry : answer.get<pickle::List>()->items) {
      names += std::string(item(entry, "description")->get<Bytes>()->view()) + " ";
    }
    return names;
  };
  EXPECT_EQ(found(none()), "third second first ");
  EXPECT_EQ(found(dict({{"description", bytes("second")}})), "second ");
  EXPECT_EQ(found(dict({{"k", text("v")}})), "third ");
  EXPECT_EQ(found(dict({{"nothing", text("v")}})), "");
  EXPECT_EQ(found(dict({{"user_name", Value(pickle::PathPrefix{{"", "site"}})}})), "second ");
  EXPECT_EQ(found(dict({{"user_name", Value(pickle::PathPrefix{{"", "site", "folder"}})}})),
            "second ");
  EXPECT_EQ(found(dict({{"user_name", Value(pickle::PathPrefix{{"", "sit"}})}})), "");
}

TEST_F(ZeoReadsTest, LongReadsLeaveAThreadToLoads) {
  const Tid tid = peer_.commit(7, kNoTid, "data");
  ZeoPeer other = connect_zeo();
  ZeoPeer loader = connect_zeo();
  const std::size_t before = control_->log_back.arrived();
  control_->log_back.shut();
  for (ZeoPeer* peer : {&peer_, &other}) {
    for (std::int64_t id = 40; id < 43; ++id) {
      peer->call(id, "undoLog", {integer(0), integer(-1'000'000'000)});
    }
    EXPECT_EQ(peer->ask("ping"), none());  // they have been taken
  }
  control_->log_back.wait_for(before + 1);
  control_->set_cold(true);
  EXPECT_EQ(loader.ask("getTid", {oid(7)}), value_of(tid));
  EXPECT_EQ(control_->log_back.arrived(), before + 1);
  control_->log_back.open();
  for (ZeoPeer* peer : {&peer_, &other}) {
    for (std::int64_t id = 40; id < 43; ++id) {
      EXPECT_EQ(peer->result(id).get<pickle::List>()->items.size(), 1U);
    }
  }
}

TEST_F(ZeoReadsTest, ASearchThatFindsNothingGoesInTurnsAndEndsWithItsClient) {
  Tid tid = peer_.commit(7, kNoTid, "0");
  for (int n = 1; n < 600; ++n) tid = peer_.commit(7, tid, std::to_string(n));
  const std::vector<Value> never = {integer(0), integer(-1'000'000'000),
                                    dict({{"user_name", bytes("nobody")}})};
  EXPECT_EQ(peer_.ask("undoInfo", never), list({}));
  const std::size_t turns = control_->log_back.arrived();
  EXPECT_GE(turns, 3U);
  ZeoPeer leaver = connect_zeo();
  control_->log_back.shut();
  leaver.call(40, "undoInfo", never);
  control_->log_back.wait_for(turns + 1);
  leaver.close();
  closed_.wait_for(1);
  control_->log_back.open();
  EXPECT_EQ(peer_.ask("undoLog", {integer(0), integer(-1)}).get<pickle::List>()->items.size(), 1U);
  EXPECT_EQ(control_->log_back.arrived(), turns + 2);
}

TEST_F(ZeoReadsTest, WhatIsListedIsBounded) {
  const std::string long_text(60'000, 'd');
  Tid tid;
  for (int n = 0; n < 200; ++n) tid = commit_as(peer_, 7, tid, "user", long_text);
  for (const Value& answer : {peer_.ask("undoLog", {integer(0), integer(-1'000'000'000)}),
                              peer_.ask("history", {oid(7), integer(1'000'000'000)})}) {
    const std::vector<Value>& listed = answer.get<pickle::List>()->items;
    EXPECT_LT(listed.size(), 180U);
    EXPECT_GT(listed.size(), 100U);
    EXPECT_EQ(*item(listed.front(), "description"), bytes(long_text));
  }
}

TEST_F(ZeoReadsTest, ARecordThatAPackRemovesMeanwhileIsPassedOver) {
  std::vector<Tid> tids;
  for (std::uint64_t object = 1; object <= 3; ++object) {
    tids.push_back(peer_.commit(object, kNoTid, "data"));
  }
  ASSERT_TRUE(engine_->append_pack(tids.back(), true));
  const Tid pack = engine_->store().pack_state().record;
  const std::size_t before = control_->revision.arrived();
  control_->revision.shut();
  peer_.call(40, "record_iternext", {oid(2)});
  control_->revision.wait_for(before + 1);
  ASSERT_TRUE(engine_->append_removal(pack, {{Oid(2), tids[1]}}, false));
  control_->revision.open();
  EXPECT_EQ(peer_.result(40), tuple({oid(3), value_of(tids[2]), bytes("data"), none()}));
}

TEST_F(ZeoReadsTest, PackIsPassedOn) {
  EXPECT_EQ(peer_.ask("pack", {Value(1000.5), Value(true)}), none());
  ASSERT_TRUE(packed_);
  EXPECT_EQ(packed_->horizon, tid_of_seconds(1000.5));
  EXPECT_EQ(peer_.ask("pack", {Value(2000.0), Value(false)}), none());
  packed_.reset();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(peer_.ask_error("pack", {Value(nan), Value(true)}).class_name, "builtins.ValueError");
  EXPECT_FALSE(packed_);
  for (const double wild : {1e300, -1e300, std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(peer_.ask("pack", {Value(wild), Value(true)}), none());
  }
}

// A server that follows, with one transaction, and then leads.
class ZeoReignTest : public ZeoHubTest {
 protected:
  ZeoReignTest() : ZeoHubTest(1U << 20) {
    hub_.reset();
    engine_.reset();
    StorageEngine::Options options;
    options.name = "main";
    options.leads = false;
    engine_ =
        StorageEngine::start(
            std::move(options), std::make_unique<ControlledStore>(control_), clock_,
            [this](std::size_t) { hub_->wake(); }, [](Error why) { ADD_FAILURE() << why.detail; })
            .value();
    make_hubs();
    TransactionRecord record = next(RecordKind::transaction);
    record.writes.push_back(
        {.oid = Oid(1), .previous = kNoTid, .data = Bytes::copy_of("one"), .back = kNoTid});
    follow(record);
    tid_ = record.tid;
  }
  // As a server that begins with this log.
  void begin_anew() {
    close_all(zeo_connections_);
    hub_.reset();
    make_hubs();
  }
  TransactionRecord next(RecordKind kind) const {
    TransactionRecord record;
    record.kind = kind;
    record.epoch = Epoch{1'000};
    record.tid = engine_->store().last_position().tid.next();
    return record;
  }
  void follow(const TransactionRecord& record) {
    EXPECT_TRUE(engine_->mutable_store().append({&record, 1}));
    commit::CommitEffects::Publish news{.tid = record.tid, .kind = record.kind};
    for (const ObjectWrite& write : record.writes) news.oids.push_back(write.oid);
    engine_->show({news});
  }
  Tid lead(bool takeover) {
    const Result<Position> begin = engine_->lead(Epoch{2'000}, takeover);
    EXPECT_TRUE(begin);
    engine_->serve();
    run([] {});
    return begin ? begin->tid : kNoTid;
  }
  Value register_now() {
    ZeoPeer peer = dial_zeo();
    peer.say("Z5");
    return peer.ask("register", {text("main"), Value(false)});
  }

  Tid tid_;
};

// A client that has seen what was lost is told of something newer: else it would refuse the server.
TEST_F(ZeoReignTest, ATakeoverIsToldAsTheLastTransaction) {
  ZeoPeer reader = connect_zeo();
  EXPECT_EQ(reader.ask("lastTransaction"), value_of(tid_));
  clock_.advance(std::chrono::hours(1));
  const Tid begin = lead(true);
  ASSERT_GT(begin, tid_.next());
  EXPECT_EQ(reader.ask("lastTransaction"), value_of(begin));
  EXPECT_EQ(register_now(), value_of(begin));
  EXPECT_EQ(reader.ask("getInvalidations", {value_of(tid_)}), tuple({value_of(begin), list({})}));
  EXPECT_EQ(reader.ask("getInvalidations", {value_of(begin)}), tuple({value_of(begin), list({})}));
  EXPECT_EQ(reader.ask("getInvalidations", {value_of(tid_.next())}), none());  // lost
  begin_anew();
  EXPECT_EQ(register_now(), value_of(begin));
}

TEST_F(ZeoReignTest, APackThatRemovesNothingLeavesTheMemoryAlone) {
  ZeoPeer reader = connect_zeo();
  const std::vector<Value> what = {oid(1), value_of(kMaxTid)};
  const Value loaded = reader.ask("loadBefore", what);
  control_->set_cold(true);
  const std::size_t reads = control_->disk_read.arrived();
  TransactionRecord pack = next(RecordKind::pack);
  pack.pack_horizon = tid_;
  follow(pack);
  TransactionRecord complete = next(RecordKind::removal);
  complete.pack_record = pack.tid;
  complete.pack_complete = true;
  follow(complete);
  EXPECT_EQ(reader.ask("loadBefore", what), loaded);
  EXPECT_EQ(control_->disk_read.arrived(), reads);
}

TEST_F(ZeoReignTest, WhatAPackRemovedIsNotFoundInTheMemoryOfAStandby) {
  ZeoPeer reader = connect_zeo();
  EXPECT_NE(reader.ask("loadBefore", {oid(1), value_of(kMaxTid)}), none());
  TransactionRecord pack = next(RecordKind::pack);
  pack.pack_horizon = tid_;
  pack.collect_garbage = true;
  follow(pack);
  TransactionRecord removal = next(RecordKind::removal);
  removal.pack_record = pack.tid;
  removal.removed = {{Oid(1), tid_}};
  follow(removal);
  TransactionRecord complete = next(RecordKind::removal);
  complete.pack_record = pack.tid;
  complete.pack_complete = true;
  follow(complete);
  EXPECT_EQ(reader.ask_error("loadBefore", {oid(1), value_of(kMaxTid)}),
            zeo::pos_key_error(Oid(1)));
}

TEST_F(ZeoReignTest, ARestartIsNot) {
  ZeoPeer reader = connect_zeo();
  lead(false);
  EXPECT_EQ(reader.ask("lastTransaction"), value_of(tid_));
  EXPECT_EQ(register_now(), value_of(tid_));
  begin_anew();
  EXPECT_EQ(register_now(), value_of(tid_));
}

// --- getInvalidations

class ZeoMissedTest : public ZeoReadsTest {};

TEST_F(ZeoMissedTest, WhatWasMissedIsToldOnce) {
  const Tid one = peer_.commit(1, kNoTid, "one");
  const Tid two = peer_.commit(2, kNoTid, "two");
  const Tid three = peer_.commit(2, two, "three");
  EXPECT_EQ(peer_.ask("getInvalidations", {value_of(one)}),
            tuple({value_of(three), list({oid(2)})}));
  EXPECT_EQ(peer_.ask("getInvalidations", {value_of(three)}), tuple({value_of(three), list({})}));
}

TEST_F(ZeoMissedTest, ATidOfAnotherHistoryIsNotKnown) {
  const Tid one = peer_.commit(1, kNoTid, "one");
  for (const Tid strange : {one.previous(), one.next(), kMaxTid, Tid(5)}) {
    EXPECT_EQ(peer_.ask("getInvalidations", {value_of(strange)}), none());
  }
}

// No client was ever told of it; one that has its tid had another transaction there, and lost it
// when this log was restored from a backup.
TEST_F(ZeoMissedTest, TheTidOfAnOwnRecordIsNotKnown) {
  const Tid one = peer_.commit(1, kNoTid, "one");
  ASSERT_TRUE(engine_->append_pack(one, false));
  ASSERT_EQ(engine_->store().last_position().tid, one.next());
  clock_.advance(std::chrono::seconds(1));
  peer_.commit(2, kNoTid, "two");
  EXPECT_EQ(peer_.ask("getInvalidations", {value_of(one.next())}), none());
  EXPECT_EQ(peer_.ask("getInvalidations", {value_of(one.next().next())}), none());
}

TEST_F(ZeoMissedTest, ATidRightAfterOneOfOursIsAsGood) {
  const Tid one = peer_.commit(1, kNoTid, "one");
  clock_.advance(std::chrono::seconds(1));
  const Tid two = peer_.commit(2, kNoTid, "two");
  ASSERT_GT(two, one.next().next());
  EXPECT_EQ(peer_.ask("getInvalidations", {value_of(one.next())}),
            tuple({value_of(two), list({oid(2)})}));
  EXPECT_EQ(peer_.ask("getInvalidations", {value_of(one.next().next())}), none());
}

TEST_F(ZeoMissedTest, TooManyAreNotTold) {
  hub_environment_.invalidations_max = 2;
  const Tid one = peer_.commit(1, kNoTid, "1");
  const Tid two = peer_.commit(2, kNoTid, "2");
  peer_.commit(3, kNoTid, "3");
  const Tid last = peer_.commit(4, kNoTid, "4");
  EXPECT_EQ(peer_.ask("getInvalidations", {value_of(one)}), none());
  EXPECT_EQ(peer_.ask("getInvalidations", {value_of(two)}),
            tuple({value_of(last), list({oid(3), oid(4)})}));
}

TEST_F(ZeoMissedTest, WhatIsCommittedMeanwhileIsInIt) {
  const Tid one = peer_.commit(1, kNoTid, "1");
  const Tid two = peer_.commit(2, kNoTid, "2");
  net::Peer writer = connect();
  hold_pool();
  peer_.call(40, "getInvalidations", {value_of(one)});
  EXPECT_EQ(peer_.ask("ping"), none());
  const Tid three = commit(writer, 1, 3);
  peer_.expect_invalidation(three, {Oid(3)});
  pool_gate_.open();
  EXPECT_EQ(peer_.result(40), tuple({value_of(three), list({oid(2), oid(3)})}));
  EXPECT_LT(two, three);
}

TEST_F(ZeoMissedTest, TheShardDoesNotReadTheLog) {
  const Tid one = peer_.commit(1, kNoTid, "1");
  peer_.commit(2, kNoTid, "2");
  net::Peer writer = connect();
  control_->log_read.shut();
  const std::size_t before = control_->log_read.arrived();
  peer_.call(40, "getInvalidations", {value_of(one)});
  control_->log_read.wait_for(before + 1);  // a thread of the pool waits
  const Tid three = commit(writer, 1, 3);
  peer_.expect_invalidation(three, {Oid(3)});
  control_->log_read.open();
  EXPECT_EQ(peer_.result(40), tuple({value_of(three), list({oid(2), oid(3)})}));
  EXPECT_EQ(control_->log_read.arrived(), before + 1);
}

}  // namespace
}  // namespace zeolite::daemon
