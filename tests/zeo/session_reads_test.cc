#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "zeo/session_fixture.h"

// The calls that only read: what the connection is asked to answer.
namespace zeolite::zeo {
namespace {

using Case = std::function<void(const Read&)>;

class SessionReadsTest : public SessionTest {
 protected:
  SessionReadsTest() { go_live(true); }

  // What the connection is asked for by this call.
  template <typename Request>
  Request asked(std::string_view method, std::vector<Value> arguments = {}) {
    call(integer(11), method, std::move(arguments));
    EXPECT_TRUE(silent()) << method;
    if (effects_.reads.size() != 1 || !std::holds_alternative<Request>(effects_.reads[0].what)) {
      ADD_FAILURE() << method << " asks for something else";
      return {};
    }
    EXPECT_EQ(effects_.reads[0].id, integer(11));
    return std::get<Request>(effects_.reads[0].what);
  }
  std::string refused(std::string_view method, std::vector<Value> arguments = {}) {
    call(method, std::move(arguments));
    EXPECT_TRUE(effects_.reads.empty()) << method;
    return error_class();
  }
};

constexpr std::string_view kTypeError = "builtins.TypeError";
constexpr std::string_view kValueError = "builtins.ValueError";
constexpr std::string_view kPosKeyError = "ZODB.POSException.POSKeyError";

TEST_F(SessionReadsTest, CallsWithoutArguments) {
  asked<requests::GetInfo>("get_info");
  asked<requests::LastTransaction>("lastTransaction");
  asked<requests::Ping>("ping");
  asked<requests::ServerStatus>("server_status");
}

TEST_F(SessionReadsTest, Loads) {
  const auto load = asked<requests::LoadBefore>("loadBefore", {oid(1), tid(2)});
  EXPECT_EQ(load.oid, Oid(1));
  EXPECT_EQ(load.before, Tid(2));
  const auto serial = asked<requests::LoadSerial>("loadSerial", {oid(3), tid(4)});
  EXPECT_EQ(serial.oid, Oid(3));
  EXPECT_EQ(serial.tid, Tid(4));
  EXPECT_EQ(asked<requests::GetTid>("getTid", {oid(5)}).oid, Oid(5));
  const auto blob = asked<requests::SendBlob>("sendBlob", {oid(6), tid(7)});
  EXPECT_EQ(blob.oid, Oid(6));
  EXPECT_EQ(blob.tid, Tid(7));
}

TEST_F(SessionReadsTest, AnOidThatIsNoneNamesNothing) {
  for (const std::string_view method :
       {"loadBefore", "loadSerial", "getTid", "history", "sendBlob"}) {
    SCOPED_TRACE(method);
    call(method, {bytes("short"), tid(2)});
    EXPECT_EQ(error(), pos_key_error("short"));
    EXPECT_EQ(refused(method, {none(), tid(2)}), kPosKeyError);
    EXPECT_EQ(refused(method, {}), kPosKeyError);
    EXPECT_EQ(refused(method, {integer(1), tid(2)}), kPosKeyError);
  }
}

TEST_F(SessionReadsTest, ATidThatIsNoneIsATypeError) {
  for (const std::string_view method : {"loadBefore", "loadSerial", "sendBlob"}) {
    EXPECT_EQ(refused(method, {oid(1), bytes("short")}), kTypeError) << method;
    EXPECT_EQ(refused(method, {oid(1), none()}), kTypeError) << method;
    EXPECT_EQ(refused(method, {oid(1)}), kTypeError) << method;
  }
  EXPECT_EQ(refused("getInvalidations", {none()}), kTypeError);
}

TEST_F(SessionReadsTest, IdsMayComeAsText) {  // from programs of Python 2
  EXPECT_EQ(asked<requests::GetTid>("getTid", {text({"\0\0\0\0\0\0\0A", 8})}).oid, Oid('A'));
}

TEST_F(SessionReadsTest, GetInvalidations) {
  EXPECT_EQ(asked<requests::GetInvalidations>("getInvalidations", {tid(9)}).tid, Tid(9));
}

TEST_F(SessionReadsTest, History) {
  EXPECT_EQ(asked<requests::History>("history", {oid(1)}).size, 1);
  EXPECT_EQ(asked<requests::History>("history", {oid(1), integer(20)}).size, 20);
  EXPECT_EQ(refused("history", {oid(1), none()}), kTypeError);
}

TEST_F(SessionReadsTest, RecordIternext) {
  EXPECT_EQ(asked<requests::RecordIterNext>("record_iternext").next, Oid(0));
  EXPECT_EQ(asked<requests::RecordIterNext>("record_iternext", {none()}).next, Oid(0));
  EXPECT_EQ(asked<requests::RecordIterNext>("record_iternext", {oid(3)}).next, Oid(3));
  EXPECT_EQ(refused("record_iternext", {bytes("x")}), kTypeError);
}

TEST_F(SessionReadsTest, Iterators) {
  const auto all = asked<requests::IteratorStart>("iterator_start", {none(), none()});
  EXPECT_FALSE(all.start);
  EXPECT_FALSE(all.stop);
  const auto some = asked<requests::IteratorStart>("iterator_start", {tid(1), tid(2)});
  EXPECT_EQ(some.start, Tid(1));
  EXPECT_EQ(some.stop, Tid(2));
  EXPECT_EQ(asked<requests::IteratorNext>("iterator_next", {integer(4)}).iterator, 4);
  const auto records =
      asked<requests::IteratorRecordStart>("iterator_record_start", {integer(4), tid(1)});
  EXPECT_EQ(records.iterator, 4);
  EXPECT_EQ(records.tid, Tid(1));
  EXPECT_EQ(asked<requests::IteratorRecordNext>("iterator_record_next", {integer(5)}).iterator, 5);
  EXPECT_EQ(refused("iterator_next", {none()}), kTypeError);
  EXPECT_EQ(refused("iterator_start", {bytes("x")}), kTypeError);
}

TEST_F(SessionReadsTest, IteratorsAreForgottenWithoutAnAnswer) {
  for (const Value& ids : {list({integer(1), integer(2)}), tuple({integer(1), integer(2)}),
                           Value(pickle::Set{{integer(1), integer(2)}})}) {
    one_way("iterator_gc", {ids});
    EXPECT_TRUE(silent());
    EXPECT_EQ(effects_.forget, (std::vector<std::int64_t>{1, 2}));
  }
  one_way("iterator_gc", {integer(1)});
  EXPECT_TRUE(ended());
}

TEST_F(SessionReadsTest, UndoLog) {
  const auto log = asked<requests::UndoLog>("undoLog", {integer(0), integer(-5)});
  EXPECT_EQ(log.first, 0);
  EXPECT_EQ(log.last, -5);
  EXPECT_TRUE(log.specification.items.empty());
  EXPECT_EQ(refused("undoLog", {integer(0)}), kTypeError);
}

TEST_F(SessionReadsTest, UndoInfo) {
  const auto plain = asked<requests::UndoLog>("undoInfo");
  EXPECT_EQ(plain.first, 0);
  EXPECT_EQ(plain.last, -20);
  const Value wanted = Value(pickle::Dict{{{text("user_name"), bytes("/p user")},
                                           {text("path"), Value(pickle::PathPrefix{{"", "p"}})}}});
  const auto chosen = asked<requests::UndoLog>("undoInfo", {integer(2), integer(7), wanted});
  EXPECT_EQ(chosen.first, 2);
  EXPECT_EQ(chosen.last, 7);
  EXPECT_EQ(Value(chosen.specification), wanted);
  EXPECT_TRUE(asked<requests::UndoLog>("undoInfo", {integer(0), integer(7), none()})
                  .specification.items.empty());
  EXPECT_EQ(refused("undoInfo", {integer(0), integer(7), list({})}), kTypeError);
  // Of a few bytes much may be made.
  const Value many = list(std::vector<Value>(5'000));
  EXPECT_EQ(refused("undoInfo", {integer(0), integer(7), dict({{"k", many}})}), kValueError);
  pickle::Dict keys;
  for (std::int64_t key = 0; key < 101; ++key) keys.items.emplace_back(integer(key), none());
  EXPECT_EQ(refused("undoInfo", {integer(0), integer(7), Value(keys)}), kValueError);
}

TEST_F(SessionReadsTest, PackIsForReadersToo) {
  const auto soon = asked<requests::Pack>("pack", {Value(1.5)});
  EXPECT_EQ(soon.time, 1.5);
  EXPECT_FALSE(soon.wait);
  EXPECT_TRUE(asked<requests::Pack>("pack", {integer(2), Value(true)}).wait);
  EXPECT_EQ(refused("pack", {text("now")}), kTypeError);
}

}  // namespace
}  // namespace zeolite::zeo
