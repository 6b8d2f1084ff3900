#include "zeo/session.h"

#include <gtest/gtest.h>

#include <string>

#include "zeo/session_fixture.h"

namespace zeolite::zeo {
namespace {

TEST(Session, TheServerSpeaksFirst) {
  for (const Encoding encoding : {Encoding::pickle, Encoding::msgpack}) {
    Session session(1, {.announce = encoding});
    SessionEffects effects;
    session.start(effects);
    EXPECT_EQ(effects.output, sized(encoding == Encoding::pickle ? "Z5" : "M5"));
  }
}

TEST(Session, BeforeTheGreetingOnlyTheMonitoringIsAnswered) {
  Session monitored(1, {});
  SessionEffects effects;
  monitored.on_message(Bytes::copy_of("ruok"), effects);
  EXPECT_TRUE(effects.answer_ruok);
  effects = {};
  monitored.start(effects);  // it is about to be hung up on
  EXPECT_TRUE(effects.output.empty());

  Session hasty(2, {});
  hasty.on_message(Bytes::copy_of("Z5"), effects);
  ASSERT_TRUE(effects.close);
  EXPECT_EQ(effects.close->code, ErrorCode::protocol_error);
  effects = {};
  hasty.start(effects);
  EXPECT_TRUE(effects.output.empty());
}

TEST_F(SessionTest, TheClientChoosesTheEncoding) {
  greet(Encoding::msgpack);  // it was offered pickles
  EXPECT_EQ(session_.encoding(), Encoding::msgpack);
  call("register", {text("1"), Value(false)});
  registered();
  EXPECT_EQ(result(), value_of(kLast));
}

TEST(Session, AGreetingItDoesNotKnowEndsIt) {
  for (const std::string_view greeting :
       {"Z4", "Z6", "X5", "z5", "Z", "", "Z55", "Z5 ", "GET / HTTP/1.1", "\xff\xff\xff\xff"}) {
    Session session(1, {});
    SessionEffects effects;
    session.start(effects);
    effects = {};
    session.on_message(Bytes::copy_of(greeting), effects);
    ASSERT_TRUE(effects.close) << greeting;
    EXPECT_EQ(effects.close->code, ErrorCode::protocol_error);
    EXPECT_TRUE(effects.output.empty());
    effects = {};
    session.on_message(Bytes::copy_of("Z5"), effects);
    EXPECT_FALSE(effects.close);
    EXPECT_TRUE(effects.output.empty());
  }
}

TEST_F(SessionTest, MonitoringIsAnsweredAndNothingElse) {
  receive("ruok");
  EXPECT_TRUE(effects_.answer_ruok);
  EXPECT_FALSE(effects_.close);
  receive("ruok");
  EXPECT_FALSE(effects_.answer_ruok);
}

TEST_F(SessionTest, RuokIsNoMessageOfARegisteredClient) {
  go_live();
  receive("ruok");
  EXPECT_FALSE(effects_.answer_ruok);
  EXPECT_TRUE(ended());
}

TEST_F(SessionTest, HeartbeatsAreTakenAnyTime) {
  greet();
  const Bytes heartbeat = client_message(Encoding::pickle, integer(-1), false, ".reply", {});
  receive(heartbeat);
  EXPECT_TRUE(silent());
  call("register", {text("1"), Value(false)});
  registered();
  receive(heartbeat);
  EXPECT_TRUE(silent());
}

TEST_F(SessionTest, RegisterAsksForTheStorageAndAnswersItsLastTransaction) {
  greet();
  call(integer(3), "register", {text("main"), Value(false)});
  EXPECT_TRUE(got_.empty());
  ASSERT_TRUE(effects_.attach);
  EXPECT_EQ(effects_.attach->storage, "main");
  EXPECT_FALSE(effects_.attach->read_only);
  EXPECT_FALSE(session_.live());
  registered();
  EXPECT_TRUE(session_.live());
  EXPECT_FALSE(session_.read_only());
  EXPECT_EQ(result(), value_of(kLast));
  EXPECT_EQ(got_[0].id, integer(3));
}

TEST_F(SessionTest, RegisterWithAnEmptyStorageAnswersZero) {
  greet();
  call("register", {text("1"), Value(false)});
  registered(kNoTid);
  EXPECT_EQ(result(), bytes(std::string_view("\0\0\0\0\0\0\0\0", 8)));
}

TEST_F(SessionTest, RegisterTakesWhatOlderClientsAdd) {
  greet();
  call("register", {bytes("1"), integer(0), none()});  // Python 2, and credentials
  ASSERT_TRUE(effects_.attach);
  EXPECT_EQ(effects_.attach->storage, "1");
}

TEST_F(SessionTest, RegisterWithoutANameIsAnErrorThatTellsSo) {
  greet();
  call("register");
  EXPECT_EQ(error_class(), "builtins.TypeError");
  call("register", {text("1"), Value(false)});
  EXPECT_TRUE(effects_.attach);
}

class ReadOnlyServerTest : public SessionTest {
 protected:
  ReadOnlyServerTest() : SessionTest({.read_only = true}) {}
};

TEST_F(ReadOnlyServerTest, RefusesWritersWhoMayThenRegisterAsReaders) {
  greet();
  call(integer(1), "register", {text("1"), Value(false)});
  EXPECT_FALSE(effects_.attach);
  EXPECT_EQ(error(), (Exception{"ZODB.POSException.ReadOnlyError", tuple({})}));
  call(integer(2), "register", {text("1"), Value(true)});
  ASSERT_TRUE(effects_.attach);
  EXPECT_TRUE(effects_.attach->read_only);
  registered();
  EXPECT_EQ(got_[0].id, integer(2));
  EXPECT_TRUE(session_.read_only());
}

TEST_F(SessionTest, WhoWasRefusedMayRegisterAgain) {
  greet();
  call("register", {text("other"), Value(false)});
  step([&](SessionEffects& effects) {
    session_.refused(value_error("unknown storage other"), effects);
  });
  EXPECT_EQ(error(), (Exception{"builtins.ValueError", tuple({text("unknown storage other")})}));
  call("register", {text("1"), Value(false)});
  EXPECT_TRUE(effects_.attach);
}

TEST_F(SessionTest, RegisteringTwiceIsAnErrorAndHarmless) {
  greet();
  call("register", {text("1"), Value(false)});
  call(integer(8), "register", {text("1"), Value(true)});  // while the first waits
  EXPECT_EQ(error_class(), "builtins.ValueError");
  EXPECT_FALSE(effects_.attach);
  registered();
  EXPECT_FALSE(session_.read_only());
  call("register", {text("1"), Value(true)});
  EXPECT_EQ(error_class(), "builtins.ValueError");
  EXPECT_FALSE(effects_.attach);
  EXPECT_TRUE(session_.live());
  call("ping");
  EXPECT_EQ(effects_.reads.size(), 1U);
}

TEST_F(SessionTest, NothingGoesBeforeRegister) {
  greet();
  call("ping");
  EXPECT_TRUE(ended());
  EXPECT_TRUE(effects_.reads.empty());
}

TEST_F(SessionTest, AMethodThatIsNotThereEndsIt) {
  for (const std::string_view method :
       {"new_oid", "undo", "tpc_commit", "__class__", "", "Register", "serialnos"}) {
    SCOPED_TRACE(method);
    session_ = begun({});
    go_live();
    call(method);
    EXPECT_TRUE(ended());
  }
}

TEST_F(SessionTest, AFailureThatNobodyWaitsForEndsIt) {
  go_live();
  one_way("storea", {oid(1), tid(0), bytes("x"), integer(5)});
  EXPECT_TRUE(ended());
  call("ping");
  EXPECT_TRUE(silent());  // it is over
  EXPECT_TRUE(effects_.reads.empty());
}

TEST_F(SessionTest, AFailureThatSomebodyWaitsForIsAnswered) {
  go_live();
  call(integer(9), "storea", {oid(1), tid(0), bytes("x"), integer(5)});
  EXPECT_EQ(error_class(), "ZODB.POSException.StorageTransactionError");
  EXPECT_EQ(got_[0].id, integer(9));
  call("ping");
  EXPECT_EQ(effects_.reads.size(), 1U);
}

TEST_F(SessionTest, AskingWithoutWantingTheAnswerEndsIt) {
  for (const std::string_view method : {"ping", "register", "vote", "new_oids", "loadBefore"}) {
    SCOPED_TRACE(method);
    session_ = begun({});
    go_live();
    one_way(method);
    EXPECT_TRUE(ended());
  }
}

TEST_F(SessionTest, MessagesThatCannotBeReadEndIt) {
  using namespace std::string_literals;
  const std::string deep = "\x80\x03"s + std::string(100'000, ']') + std::string(99'999, 'a') + ".";
  std::string laughs = "\x80\x04]\x94"s;  // a list, doubled sixty times through the memo
  for (char i = 0; i < 60; ++i) laughs += "](h"s + i + "h"s + i + "e\x94"s;
  laughs += ".";
  const std::string command =
      "\x80\x03(K\x01\x89X\x04\0\0\0ping"
      "cos\nsystem\nX\x02\0\0\0id\x85R\x85t."s;
  const std::string length = "\x80\x03(K\x01\x89X\x04\0\0\0pingB\xff\xff\xff\x7f"s;
  for (const std::string& message : {""s, "x"s, "\x80\x03."s, "\x80\x03K\x01."s, "\x80\x03N."s,
                                     deep, laughs, command, length, std::string(1000, '\xff')}) {
    SCOPED_TRACE(to_hex(message.substr(0, 40)));
    session_ = begun({});
    go_live();
    receive(message);
    EXPECT_TRUE(ended());
  }
}

TEST_F(SessionTest, AnIdComesBackAsItWas) {
  go_live();
  const Value pair = Value::tuple(oid(1), tid(2));
  call(pair, "loadBefore", {oid(1), bytes("short")});
  ASSERT_EQ(got_.size(), 1U);
  EXPECT_EQ(got_[0].id, pair);
  const Value big(pickle::BigInteger{std::string(9, '\x7f')});
  call(big, "tpc_abort", {integer(1)});
  ASSERT_EQ(got_.size(), 1U);
  EXPECT_EQ(got_[0].id, big);
}

TEST_F(SessionTest, ALabelIsTold) {
  go_live();
  one_way("set_client_label", {text("worker 3")});
  EXPECT_TRUE(silent());
  EXPECT_EQ(effects_.label, "worker 3");
  one_way("set_client_label", {integer(3)});
  EXPECT_TRUE(ended());
}

}  // namespace
}  // namespace zeolite::zeo
