#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "server/native_session.h"

namespace zeolite::server {

inline constexpr commit::OwnerId kOwner = 7;
inline constexpr std::uint64_t kTransactionBytesMax = 100'000;

// A session with the effects of the last call. Values of messages are short names for tests.
class NativeSessionTest : public ::testing::Test {
 protected:
  using Reply = commit::CommitEffects::Reply;

  static SessionId session_id() {
    SessionId id{};
    id.fill(0xAB);
    return id;
  }
  static wire::Hello hello() {
    wire::Hello hello;
    hello.session = session_id();
    return hello;
  }
  static AttachedStorage storage() {
    AttachedStorage storage;
    storage.node = "alpha";
    storage.epoch = Epoch(3);
    storage.visible = {Epoch(3), Tid(500), {}};
    storage.body_max = 1 << 20;
    storage.transaction_bytes_max = kTransactionBytesMax;
    return storage;
  }
  static wire::WireWrite write(std::uint64_t oid, std::string_view data = "state",
                               Tid base = kNoTid) {
    return {Oid(oid), base, RevisionKind::data, Bytes::copy_of(data)};
  }
  template <typename Body>
  static Body body(std::uint64_t number, std::vector<wire::WireWrite> writes) {
    Body result;
    result.number = number;
    result.begun = Tid(500);
    result.writes = std::move(writes);
    return result;
  }

  // As a request to a session that is live.
  static void expect_out_of_order(const wire::Message& message) {
    NativeSession fresh(kOwner);
    SessionEffects out;
    fresh.on_message(hello(), 1, out);
    fresh.attached(storage());
    fresh.caught_up(false, out);
    out.clear();
    fresh.on_message(message, 2, out);
    ASSERT_TRUE(out.close) << message.index();
    EXPECT_EQ(out.close->code, ErrorCode::protocol_error) << message.index();
  }

  void send(wire::Message message, std::uint32_t request_id) {
    effects.clear();
    session.on_message(std::move(message), request_id, effects);
  }
  void reply(Reply reply) {
    effects.clear();
    session.on_reply(std::move(reply), effects);
  }
  void go_live() {
    send(hello(), 1);
    session.attached(storage());
    session.caught_up(false, effects);
    ASSERT_TRUE(session.live());
    effects.clear();
  }

  // The only message of the last call, which went to `request_id`.
  template <typename M>
  M sent(std::uint32_t request_id) {
    if (effects.send.size() != 1 || !std::holds_alternative<M>(effects.send[0].message)) {
      ADD_FAILURE() << effects.send.size() << " messages, or of another type";
      return {};
    }
    EXPECT_EQ(effects.send[0].request_id, request_id);
    return std::get<M>(effects.send[0].message);
  }
  // The only engine call of the last call.
  template <typename Call>
  Call called() {
    if (effects.engine.size() != 1 || !std::holds_alternative<Call>(effects.engine[0])) {
      ADD_FAILURE() << effects.engine.size() << " calls, or of another type";
      return {};
    }
    return std::get<Call>(effects.engine[0]);
  }
  void expect_nothing() {
    EXPECT_TRUE(effects.send.empty());
    EXPECT_TRUE(effects.engine.empty());
    EXPECT_TRUE(effects.read.empty());
    EXPECT_FALSE(effects.close);
  }
  void expect_protocol_error() {
    ASSERT_TRUE(effects.close);
    EXPECT_EQ(effects.close->code, ErrorCode::protocol_error);
    EXPECT_EQ(sent<wire::ErrorReply>(0).error.detail, effects.close->detail);
    EXPECT_TRUE(effects.engine.empty());
    EXPECT_FALSE(session.live());
  }

  // Brings transaction `number` to a stage; its ticket is returned.
  commit::Ticket vote(std::uint64_t number) {
    send(body<wire::Vote>(number, {write(1)}), 10);
    return called<SessionEffects::Submit>().ticket;
  }
  commit::Ticket vote_granted(std::uint64_t number) {
    const commit::Ticket ticket = vote(number);
    reply({.ticket = ticket, .kind = Reply::Kind::voted});
    return ticket;
  }
  commit::Ticket commit_submitted(std::uint64_t number) {
    send(body<wire::Commit>(number, {write(1)}), 11);
    return called<SessionEffects::Submit>().ticket;
  }

  NativeSession session{kOwner};
  SessionEffects effects;
};

}  // namespace zeolite::server
