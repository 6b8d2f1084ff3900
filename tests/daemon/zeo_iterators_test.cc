#include "daemon/zeo_iterators.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/zeo_fixture.h"

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

class ZeoIteratorsTest : public ZeoHubTest {
 protected:
  Value transaction(Tid tid) {
    return tuple({value_of(tid), text(" "), bytes("user"), bytes("description"), dict({})});
  }
  Value start(const Value& from = none(), const Value& to = none()) {
    return peer_.ask("iterator_start", {from, to});
  }

  ZeoPeer peer_ = connect_zeo();
  Tid one_ = peer_.commit(1, kNoTid, "one");
  Tid two_ = peer_.commit(2, kNoTid, "two");
  Tid three_ = peer_.commit(1, one_, "three");
};

TEST_F(ZeoIteratorsTest, TransactionsComeInOrderAndEnd) {
  const Value iterator = start();
  peer_.commit(9, kNoTid, "after the start");
  for (const Tid tid : {one_, two_, three_}) {
    EXPECT_EQ(peer_.ask("iterator_next", {iterator}), transaction(tid));
  }
  EXPECT_EQ(peer_.ask("iterator_next", {iterator}), none());
  EXPECT_EQ(peer_.ask_error("iterator_next", {iterator}), zeo::key_error(iterator));
}

TEST_F(ZeoIteratorsTest, BothEndsBelongToTheRange) {
  const Value iterator = start(value_of(two_), value_of(two_));
  EXPECT_EQ(peer_.ask("iterator_next", {iterator}), transaction(two_));
  EXPECT_EQ(peer_.ask("iterator_next", {iterator}), none());
}

TEST_F(ZeoIteratorsTest, RecordsTellWhatTheyRepeat) {
  peer_.begin();
  peer_.one_way("undoa", {value_of(three_), ZeoPeer::kTransaction});
  EXPECT_EQ(peer_.vote(), list({oid(1)}));
  const Tid undone = peer_.finish();
  const Value iterator = start(value_of(undone));
  peer_.ask("iterator_next", {iterator});
  const Value records = peer_.ask("iterator_record_start", {iterator, value_of(undone)});
  EXPECT_EQ(peer_.ask("iterator_record_next", {records}),
            tuple({oid(1), value_of(undone), bytes("one"), value_of(one_)}));
  EXPECT_EQ(peer_.ask("iterator_record_next", {records}), none());
  EXPECT_EQ(peer_.ask_error("iterator_record_next", {records}), zeo::key_error(records));
}

TEST_F(ZeoIteratorsTest, RecordsAreThoseOfTheTransactionGivenLast) {
  const Value iterator = start();
  EXPECT_EQ(peer_.ask_error("iterator_record_start", {iterator, value_of(one_)}).class_name,
            "builtins.ValueError");
  peer_.ask("iterator_next", {iterator});
  EXPECT_EQ(peer_.ask_error("iterator_record_start", {iterator, value_of(two_)}).class_name,
            "builtins.ValueError");
  const Value records = peer_.ask("iterator_record_start", {iterator, value_of(one_)});
  peer_.ask("iterator_next", {iterator});  // moves on; the records stay
  EXPECT_EQ(peer_.ask("iterator_record_next", {records}),
            tuple({oid(1), value_of(one_), bytes("one"), none()}));
}

TEST_F(ZeoIteratorsTest, ADeletionHasNoData) {
  peer_.begin();
  peer_.one_way("deleteObject", {oid(2), value_of(two_), ZeoPeer::kTransaction});
  EXPECT_EQ(peer_.vote(), list({}));
  const Tid gone = peer_.finish();
  const Value iterator = start(value_of(gone));
  peer_.ask("iterator_next", {iterator});
  const Value records = peer_.ask("iterator_record_start", {iterator, value_of(gone)});
  EXPECT_EQ(peer_.ask("iterator_record_next", {records}),
            tuple({oid(2), value_of(gone), none(), none()}));
}

TEST_F(ZeoIteratorsTest, ForgottenOnesAreGone) {
  const Value iterator = start();
  peer_.one_way("iterator_gc", {list({iterator, integer(77)})});
  EXPECT_EQ(peer_.ask_error("iterator_next", {iterator}), zeo::key_error(iterator));
}

TEST_F(ZeoIteratorsTest, OthersIteratorsAreNotThere) {
  const Value iterator = start();
  ZeoPeer other = connect_zeo();
  EXPECT_EQ(other.ask_error("iterator_next", {iterator}), zeo::key_error(iterator));
}

TEST_F(ZeoIteratorsTest, ForgettingWhatIsBusyIsHarmless) {
  const Value iterator = start();
  hold_pool();
  peer_.call(40, "iterator_next", {iterator});
  peer_.call(41, "iterator_next", {iterator});
  EXPECT_EQ(peer_.error(41).class_name, "builtins.ValueError");  // in use
  peer_.one_way("iterator_gc", {list({iterator})});
  EXPECT_EQ(peer_.ask("ping"), none());
  pool_gate_.open();
  EXPECT_EQ(peer_.result(40), transaction(one_));
  EXPECT_EQ(peer_.ask_error("iterator_next", {iterator}), zeo::key_error(iterator));
}

TEST_F(ZeoIteratorsTest, LeavingWhileOneIsBusyIsHarmless) {
  const Value iterator = start();
  hold_pool();
  peer_.call(40, "iterator_next", {iterator});
  EXPECT_EQ(peer_.ask("ping"), none());
  peer_.close();
  closed_.wait_for(1);
  pool_gate_.open();
}

TEST_F(ZeoIteratorsTest, ThereIsALimit) {
  Value last;
  for (std::size_t n = 0; n < ZeoIterators::kMax; ++n) last = start();
  EXPECT_EQ(peer_.ask_error("iterator_start", {none(), none()}).class_name,
            "ZODB.POSException.StorageError");
  peer_.ask("iterator_next", {last});
  EXPECT_EQ(peer_.ask_error("iterator_record_start", {last, value_of(one_)}).class_name,
            "builtins.ValueError");
  peer_.one_way("iterator_gc", {list({last})});
  start();
}

TEST_F(ZeoIteratorsTest, RecordsThatAreBeingReadCountForTheLimit) {
  constexpr std::size_t kHalf = ZeoIterators::kMax / 2;
  std::vector<Value> iterators;
  for (std::size_t n = 0; n < kHalf + 1; ++n) {
    iterators.push_back(start());
    peer_.ask("iterator_next", {iterators.back()});
  }
  hold_pool();
  for (std::size_t n = 0; n < kHalf - 1; ++n) {
    peer_.call(Value(static_cast<std::int64_t>(100 + n)), "iterator_record_start",
               {iterators[n], value_of(one_)});
  }
  EXPECT_EQ(peer_.ask_error("iterator_record_start", {iterators[kHalf], value_of(one_)}).class_name,
            "builtins.ValueError");
  pool_gate_.open();
  for (std::size_t n = 0; n < kHalf - 1; ++n) EXPECT_TRUE(peer_.next().value.is<std::int64_t>());
}

TEST_F(ZeoIteratorsTest, WhatTheyHoldIsCountedAndGivenBack) {
  const Tid large = peer_.commit(3, kNoTid, std::string(100'000, 'x'));
  const Value iterator = start(value_of(large));
  peer_.ask("iterator_next", {iterator});
  EXPECT_GT(staged_->used(), 0U);  // the log
  EXPECT_LT(staged_->used(), 100'000U);
  const Value records = peer_.ask("iterator_record_start", {iterator, value_of(large)});
  EXPECT_GE(staged_->used(), 100'000U);
  peer_.ask("iterator_record_next", {records});
  EXPECT_LT(staged_->used(), 100'000U);
  EXPECT_EQ(peer_.ask("iterator_record_next", {records}), none());
  const Value again = peer_.ask("iterator_record_start", {iterator, value_of(large)});
  EXPECT_GE(staged_->used(), 100'000U);
  peer_.one_way("iterator_gc", {list({again, iterator})});
  EXPECT_EQ(peer_.ask("ping"), none());
  EXPECT_EQ(staged_->used(), 0U);
}

TEST_F(ZeoIteratorsTest, WithoutRoomACallFailsAndCanBeTriedAgain) {
  limit_staged(400'000);
  const Tid large = peer_.commit(3, kNoTid, std::string(150'000, 'x'));
  const Value iterator = start(value_of(large));
  peer_.ask("iterator_next", {iterator});
  const std::vector<Value> arguments = {iterator, value_of(large)};
  const Value records = peer_.ask("iterator_record_start", arguments);
  EXPECT_EQ(peer_.ask_error("iterator_record_start", arguments).class_name,
            "ZODB.POSException.StorageError");
  peer_.one_way("iterator_gc", {list({records})});
  const Value again = peer_.ask("iterator_record_start", arguments);
  EXPECT_EQ(peer_.ask("iterator_record_next", {again}),
            tuple({oid(3), value_of(large), bytes(std::string(150'000, 'x')), none()}));
}

// What a back-pointer repeats is not known before it is read.
TEST_F(ZeoIteratorsTest, RecordsThatTurnOutTooLargeAreLetGo) {
  limit_staged(400'000);
  const Tid large = peer_.commit(3, kNoTid, std::string(150'000, 'x'));
  const Tid small = peer_.commit(3, large, "small");
  peer_.begin();
  peer_.one_way("undoa", {value_of(small), ZeoPeer::kTransaction});
  EXPECT_EQ(peer_.vote(), list({oid(3)}));
  const Tid undone = peer_.finish();
  const Value iterator = start(value_of(undone));
  peer_.ask("iterator_next", {iterator});
  const std::vector<Value> arguments = {iterator, value_of(undone)};
  peer_.ask("iterator_record_start", arguments);
  EXPECT_EQ(peer_.ask_error("iterator_record_start", arguments).class_name,
            "ZODB.POSException.StorageError");
  EXPECT_LT(staged_->used(), 300'000U);
}

// Four iterators walk side by side over 600,000 bytes of the log, of which a page has it all.
class ZeoIteratorsMemoryTest : public ZeoIteratorsTest {
 protected:
  void walk_with(std::uint64_t room) {
    limit_staged(room);
    std::vector<Tid> tids;
    for (std::uint64_t object = 100; object < 160; ++object) {
      peer_.begin("user", std::string(10'000, 'd'));
      peer_.store(object, kNoTid, "x");
      EXPECT_EQ(peer_.vote(), list({}));
      tids.push_back(peer_.finish());
    }
    std::vector<Value> iterators;
    for (int n = 0; n < 4; ++n) iterators.push_back(start(value_of(tids.front())));
    for (const Tid tid : tids) {
      for (const Value& iterator : iterators) {
        const Value told = peer_.ask("iterator_next", {iterator});
        EXPECT_EQ(told.get<pickle::Tuple>()->items.at(0), value_of(tid));
      }
      EXPECT_LE(staged_->used(), room / 2);
    }
    for (const Value& iterator : iterators) {
      EXPECT_EQ(peer_.ask("iterator_next", {iterator}), none());
    }
    EXPECT_EQ(staged_->used(), 0U);
  }
};

TEST_F(ZeoIteratorsMemoryTest, WhereThereIsRoomForOnePageTheOthersLetGo) { walk_with(1'500'000); }
TEST_F(ZeoIteratorsMemoryTest, WhereThereIsNoneEachReadsItAgain) { walk_with(300'000); }

TEST_F(ZeoIteratorsTest, WithoutRoomForTheLogAnIteratorEnds) {
  limit_staged(100);
  const Value iterator = start();
  EXPECT_EQ(peer_.ask_error("iterator_next", {iterator}).class_name,
            "ZODB.POSException.StorageError");
  EXPECT_EQ(peer_.ask_error("iterator_next", {iterator}), zeo::key_error(iterator));
  EXPECT_EQ(staged_->used(), 0U);
}

}  // namespace
}  // namespace zeolite::daemon
