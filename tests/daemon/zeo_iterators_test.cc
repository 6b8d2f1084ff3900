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

}  // namespace
}  // namespace zeolite::daemon
