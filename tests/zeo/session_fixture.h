#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "zeo/client_messages.h"
#include "zeo/session.h"

namespace zeolite::zeo {

inline constexpr Tid kLast{0x03aabbccddeeff01};

// A session and what came of the last thing that happened to it.
class SessionTest : public testing::Test {
 protected:
  explicit SessionTest(const Session::Options& options = {}) : session_(begun(options)) {}
  static constexpr commit::OwnerId kOwner = 5;
  // One that has greeted its client.
  static Session begun(const Session::Options& options) {
    Session session(kOwner, options);
    SessionEffects greeting;
    session.start(greeting);
    return session;
  }

  template <typename Step>
  void step(Step what) {
    effects_ = {};
    what(effects_);
    got_ = read_server_messages(session_.encoding(), effects_.output);
  }
  void receive(const Bytes& message) {
    step([&](SessionEffects& effects) { session_.on_message(message, effects); });
  }
  void receive(std::string_view message) { receive(Bytes::copy_of(message)); }

  void greet(Encoding encoding = Encoding::pickle) {
    receive(encoding == Encoding::pickle ? "Z5" : "M5");
  }
  void call(const Value& id, std::string_view method, std::vector<Value> arguments = {}) {
    receive(client_message(session_.encoding(), id, false, method, std::move(arguments)));
  }
  void call(std::string_view method, std::vector<Value> arguments = {}) {
    call(integer(7), method, std::move(arguments));
  }
  void one_way(std::string_view method, std::vector<Value> arguments = {}) {
    receive(client_message(session_.encoding(), integer(0), true, method, std::move(arguments)));
  }
  void registered(Tid last = kLast) {
    step([&](SessionEffects& effects) { session_.registered(last, effects); });
  }
  void go_live(bool read_only = false) {
    greet();
    call("register", {text("1"), Value(read_only)});
    registered();
  }

  // What the one call that was answered got.
  Value result() const {
    if (got_.size() != 1 || got_[0].one_way || got_[0].error) {
      ADD_FAILURE() << "no result" << (got_.empty() ? "" : ": " + describe(exception_in(got_[0])));
      return {};
    }
    EXPECT_EQ(got_[0].name, ".reply");
    return got_[0].value;
  }
  Exception error() const {
    if (got_.size() != 1) {
      ADD_FAILURE() << got_.size() << " messages";
      return {};
    }
    return exception_in(got_[0]);
  }
  std::string error_class() const { return error().class_name; }
  // Whether it ended for what the client did, without an answer.
  bool ended() const {
    return effects_.close && effects_.close->code == ErrorCode::protocol_error && got_.empty();
  }
  bool silent() const { return got_.empty() && !effects_.close; }

  Session session_;
  SessionEffects effects_;
  std::vector<ServerMessage> got_;
};

// A client with a transaction.
class SessionTransactionsTest : public SessionTest {
 protected:
  using Reply = commit::CommitEffects::Reply;
  explicit SessionTransactionsTest(const Session::Options& options = {}) : SessionTest(options) {
    go_live();
  }

  static Value id(std::int64_t n = 140'213'372'036'854) { return integer(n); }
  void begin(const Value& transaction = id()) {
    one_way("tpc_begin",
            {transaction, bytes("user"), bytes("description"), dict({}), none(), text(" ")});
    EXPECT_TRUE(silent());
  }
  void store(std::uint64_t object, std::uint64_t serial, std::string_view record,
             const Value& transaction = id()) {
    one_way("storea", {oid(object), tid(serial), bytes(record), transaction});
  }
  void vote(std::int64_t call_id = 20) { call(integer(call_id), "vote", {id()}); }

  // The one call to the coordinator that the last step made.
  template <typename Call>
  Call engine_call() const {
    if (effects_.engine.size() != 1 || !std::holds_alternative<Call>(effects_.engine[0])) {
      ADD_FAILURE() << effects_.engine.size() << " calls, or another";
      return {};
    }
    return std::get<Call>(effects_.engine[0]);
  }
  // Votes; what is submitted.
  commit::StagedTransaction submit() {
    vote();
    return submitted();
  }
  commit::StagedTransaction submitted() {
    EXPECT_TRUE(silent());
    auto submit = engine_call<commit::calls::Submit>();
    EXPECT_EQ(submit.ticket >> 32, kOwner);
    ticket_ = submit.ticket;
    return std::move(submit.transaction);
  }
  // Votes; what is to be found out first.
  Preparation prepare() {
    vote();
    return preparation();
  }
  Preparation preparation() {
    EXPECT_TRUE(silent());
    EXPECT_TRUE(effects_.engine.empty());
    if (!effects_.prepare) {
      ADD_FAILURE() << "nothing to prepare";
      return {};
    }
    ticket_ = effects_.prepare->ticket;
    EXPECT_TRUE(session_.is_preparing(ticket_));
    return *effects_.prepare;
  }
  void prepared(Result<Prepared> result) {
    step([&](SessionEffects& effects) { session_.prepared(ticket_, std::move(result), effects); });
  }
  void reply(Reply reply) {
    step([&](SessionEffects& effects) { session_.on_reply(std::move(reply), effects); });
  }
  void voted() { reply({.ticket = ticket_, .kind = Reply::Kind::voted}); }
  void conflicted(std::vector<commit::Conflict> conflicts) {
    reply({.ticket = ticket_, .kind = Reply::Kind::conflicted, .conflicts = std::move(conflicts)});
  }
  void failed(ErrorCode code, std::string detail) {
    reply(Reply::failure(ticket_, code, std::move(detail)));
  }
  // The answer to the vote on a transaction that writes nothing.
  Value submit_nothing() {
    EXPECT_TRUE(submit().writes.empty());
    voted();
    return result();
  }
  // Whether no transaction is open any more.
  bool over() {
    call("storea", {oid(1), tid(0), bytes(""), id()});
    return error_class() == "ZODB.POSException.StorageTransactionError";
  }

  commit::Ticket ticket_ = 0;
};

}  // namespace zeolite::zeo
