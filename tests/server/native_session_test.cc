#include "server/native_session.h"

#include <gtest/gtest.h>

#include "server/native_session_fixture.h"

namespace zeolite::server {
namespace {

// ---- handshake ---------------------------------------------------------------------------------

TEST_F(NativeSessionTest, HelloAsksForItsStorage) {
  wire::Hello message = hello();
  message.storage = "archive";
  message.label = "loader";
  send(message, 1);
  EXPECT_EQ(effects.attach, "archive");
  EXPECT_EQ(session.hello().label, "loader");
  EXPECT_EQ(session.owner(), kOwner);
  EXPECT_FALSE(session.live());
  EXPECT_TRUE(effects.send.empty());
}

TEST_F(NativeSessionTest, WelcomeFollowsTheCatchUp) {
  send(hello(), 1);
  session.attached(storage());
  EXPECT_FALSE(session.live());
  effects.clear();
  session.caught_up(true, effects);
  const auto welcome = sent<wire::Welcome>(1);
  EXPECT_EQ(welcome.version, wire::kProtocolVersion);
  EXPECT_EQ(welcome.node, "alpha");
  EXPECT_EQ(welcome.epoch, Epoch(3));
  EXPECT_EQ(welcome.visible.tid, Tid(500));
  EXPECT_EQ(welcome.transaction_bytes_max, kTransactionBytesMax);
  EXPECT_TRUE(welcome.cache_valid);
  EXPECT_TRUE(session.live());
}

TEST_F(NativeSessionTest, UnknownFeaturesAreNotAgreedTo) {
  wire::Hello message = hello();
  message.features = ~0ULL;
  send(message, 1);
  session.attached(storage());
  session.caught_up(false, effects);
  EXPECT_EQ(sent<wire::Welcome>(1).features, wire::kFeatureTopology);
}

TEST_F(NativeSessionTest, LongLabelsAreCut) {
  wire::Hello message = hello();
  message.label.assign(1000, 'x');
  send(message, 1);
  EXPECT_EQ(session.hello().label.size(), 200U);
}

struct Versions {
  std::uint32_t min, max;
  bool accepted;
};

TEST_F(NativeSessionTest, OneVersionMustBeCommon) {
  constexpr std::uint32_t kOurs = wire::kProtocolVersion;
  const Versions table[] = {
      {kOurs, kOurs, true},
      {0, kOurs, true},
      {kOurs, 99, true},
      {0, 99, true},
      {kOurs + 1, 99, false},
      {0, kOurs - 1, false},
      {kOurs + 1, kOurs - 1, false},
  };
  for (const Versions& versions : table) {
    NativeSession fresh(kOwner);
    SessionEffects out;
    wire::Hello message = hello();
    message.version_min = versions.min;
    message.version_max = versions.max;
    fresh.on_message(message, 1, out);
    EXPECT_EQ(out.attach.has_value(), versions.accepted) << versions.min << '-' << versions.max;
    EXPECT_EQ(out.close.has_value(), !versions.accepted) << versions.min << '-' << versions.max;
    if (!versions.accepted) {
      EXPECT_EQ(out.close->code, ErrorCode::protocol_error);
      EXPECT_EQ(out.send.size(), 1U);
    }
  }
}

TEST_F(NativeSessionTest, ARefusedStorageClosesWithTheReason) {
  send(hello(), 5);
  effects.clear();
  session.refused(Error{ErrorCode::not_found, "no such storage"}, effects);
  EXPECT_EQ(sent<wire::ErrorReply>(5).error.code, ErrorCode::not_found);
  ASSERT_TRUE(effects.close);
  send(wire::Ping{}, 6);
  expect_nothing();
}

TEST_F(NativeSessionTest, EveryFirstMessageButHelloIsOutOfOrder) {
  const wire::Message first[] = {wire::Ping{},         wire::Load{},    wire::Stage{},
                                 wire::Vote{},         wire::Commit{},  wire::Finish{},
                                 wire::Abort{},        wire::NewOids{}, wire::Verify{},
                                 wire::OutcomeQuery{}, wire::Welcome{}};
  for (const wire::Message& message : first) {
    NativeSession fresh(kOwner);
    SessionEffects out;
    fresh.on_message(message, 1, out);
    ASSERT_TRUE(out.close) << message.index();
    EXPECT_EQ(out.close->code, ErrorCode::protocol_error);
    EXPECT_TRUE(out.engine.empty());
    EXPECT_TRUE(out.read.empty());
  }
}

TEST_F(NativeSessionTest, RequestsBeforeTheWelcomeAreOutOfOrder) {
  send(hello(), 1);
  send(wire::Ping{}, 2);
  expect_protocol_error();
}

TEST_F(NativeSessionTest, RequestsDuringTheCatchUpAreOutOfOrder) {
  send(hello(), 1);
  session.attached(storage());
  send(wire::Ping{}, 2);
  expect_protocol_error();
}

TEST_F(NativeSessionTest, ASecondHelloIsOutOfOrder) {
  go_live();
  send(hello(), 2);
  expect_protocol_error();
}

TEST_F(NativeSessionTest, AnswersAreNotRequests) {
  for (const wire::Message& message : std::initializer_list<wire::Message>{
           wire::Welcome{}, wire::ErrorReply{}, wire::Pong{}, wire::Invalidate{}, wire::Loaded{},
           wire::LoadedMany{}, wire::Walked{}, wire::Voted{}, wire::Committed{}, wire::Conflicted{},
           wire::Done{}, wire::OutcomeKnown{}, wire::Oids{}, wire::LogReply{}, wire::StatusReport{},
           wire::VerifyReport{}, wire::RoleChanged{}, wire::Topology{}}) {
    expect_out_of_order(message);
  }
}

TEST_F(NativeSessionTest, WhatServersSayToEachOtherIsNoRequestOfAClient) {
  for (const wire::Message& message : std::initializer_list<wire::Message>{
           wire::ReplicaHello{}, wire::ReplicaWelcome{}, wire::ReplicaAppend{}, wire::ReplicaAck{},
           wire::ReplicaHeartbeat{}, wire::ReplicaBlob{}, wire::StaleEpoch{}, wire::Handover{},
           wire::CheckpointRequest{}, wire::CheckpointBegin{}, wire::CheckpointChunk{},
           wire::CheckpointAck{}}) {
    expect_out_of_order(message);
  }
}

TEST_F(NativeSessionTest, AClosedSessionIgnoresWhatStillArrives) {
  go_live();
  const commit::Ticket ticket = commit_submitted(1);
  send(wire::Pong{}, 2);
  expect_protocol_error();
  send(wire::Ping{}, 3);
  expect_nothing();
  reply({.ticket = ticket, .kind = Reply::Kind::committed, .tid = Tid(501)});
  expect_nothing();
}

// ---- requests that carry no state --------------------------------------------------------------

TEST_F(NativeSessionTest, ReadsArePassedThrough) {
  go_live();
  const wire::Message reads[] = {wire::Load{Oid(4)}, wire::LoadSerial{}, wire::LoadMany{},
                                 wire::Walk{},       wire::ReadLog{},    wire::StatusQuery{},
                                 wire::Verify{},     wire::Ping{},       wire::Await{},
                                 wire::Promote{},    wire::Switchover{}, wire::Demote{}};
  std::uint32_t request_id = 20;
  for (const wire::Message& message : reads) {
    send(message, ++request_id);
    ASSERT_EQ(effects.read.size(), 1U) << message.index();
    EXPECT_EQ(effects.read[0].request_id, request_id);
    EXPECT_TRUE(effects.send.empty());
    EXPECT_TRUE(effects.engine.empty());
  }
  EXPECT_EQ(session.pending(), 0U);
}

TEST_F(NativeSessionTest, OidsAreAllocatedAndMapped) {
  go_live();
  send(wire::NewOids{40}, 30);
  const auto call = called<SessionEffects::AllocateOids>();
  EXPECT_EQ(call.count, 40U);
  EXPECT_EQ(session.pending(), 1U);
  reply({.ticket = call.ticket, .kind = Reply::Kind::oids, .first_oid = Oid(9), .oid_count = 40});
  const auto oids = sent<wire::Oids>(30);
  EXPECT_EQ(oids.first, Oid(9));
  EXPECT_EQ(oids.count, 40U);
  EXPECT_EQ(session.pending(), 0U);
}

TEST_F(NativeSessionTest, AnOutcomeIsToldAsCommitted) {
  go_live();
  send(wire::OutcomeQuery{CommitId{session_id(), 3}, Tid(400)}, 31);
  const auto call = called<SessionEffects::QueryOutcome>();
  EXPECT_EQ(call.commit_id, (CommitId{session_id(), 3}));
  EXPECT_EQ(call.begun, Tid(400));
  reply({.ticket = call.ticket, .kind = Reply::Kind::committed, .tid = Tid(450)});
  EXPECT_EQ(sent<wire::OutcomeKnown>(31), (wire::OutcomeKnown{true, Tid(450)}));
}

TEST_F(NativeSessionTest, AnOutcomeIsToldAsAborted) {
  go_live();
  send(wire::OutcomeQuery{CommitId{session_id(), 3}, Tid(400)}, 31);
  reply({.ticket = called<SessionEffects::QueryOutcome>().ticket,
         .kind = Reply::Kind::aborted,
         .tid = Tid(460)});
  EXPECT_EQ(sent<wire::OutcomeKnown>(31), (wire::OutcomeKnown{false, Tid(460)}));
}

TEST_F(NativeSessionTest, AFailureKeepsItsReason) {
  go_live();
  send(wire::NewOids{1}, 30);
  reply({.ticket = called<SessionEffects::AllocateOids>().ticket,
         .kind = Reply::Kind::failed,
         .error = Error{ErrorCode::unavailable, "later"}});
  EXPECT_EQ(sent<wire::ErrorReply>(30), (wire::ErrorReply{{ErrorCode::unavailable, "later"}}));
}

TEST_F(NativeSessionTest, AReplyForNobodyIsDropped) {
  go_live();
  reply({.ticket = (kOwner << 32) | 99, .kind = Reply::Kind::voted});
  expect_nothing();
}

TEST_F(NativeSessionTest, TicketsCarryTheOwnerAndAreNotReused) {
  go_live();
  const commit::Ticket first = commit_submitted(1);
  const commit::Ticket second = commit_submitted(2);
  EXPECT_EQ(first >> 32, kOwner);
  EXPECT_EQ(second >> 32, kOwner);
  EXPECT_NE(first, second);
}

TEST(NativeSessionDeathTest, OwnersFitTheirHalfOfATicket) {
  EXPECT_DEATH(NativeSession{0}, "owner ids");
  EXPECT_DEATH(NativeSession{1ULL << 32}, "owner ids");
}

// ---- one-request commits -----------------------------------------------------------------------

TEST_F(NativeSessionTest, ACommitIsSubmittedWhole) {
  go_live();
  wire::Commit message = body<wire::Commit>(6, {write(1, "one", Tid(100)), write(2, "two")});
  message.reads = {{Oid(3), Tid(90)}};
  message.metadata = {"ann", "says why", "ext"};
  send(message, 11);
  const auto call = called<SessionEffects::Submit>();
  EXPECT_TRUE(call.one_request);
  EXPECT_EQ(call.transaction.commit_id, (CommitId{session_id(), 6}));
  EXPECT_EQ(call.transaction.begun, Tid(500));
  EXPECT_EQ(call.transaction.metadata.description, "says why");
  ASSERT_EQ(call.transaction.writes.size(), 2U);
  EXPECT_EQ(call.transaction.writes[0].base, Tid(100));
  EXPECT_EQ(call.transaction.writes[1].data.view(), "two");
  ASSERT_EQ(call.transaction.reads.size(), 1U);
  EXPECT_EQ(call.transaction.reads[0].oid, Oid(3));
  EXPECT_EQ(session.pending(), 1U);
  EXPECT_GT(session.held_bytes(), 6U);
}

TEST_F(NativeSessionTest, ACommitIsAnsweredWithItsTid) {
  go_live();
  reply({.ticket = commit_submitted(1), .kind = Reply::Kind::committed, .tid = Tid(501)});
  EXPECT_EQ(sent<wire::Committed>(11), (wire::Committed{Tid(501), Epoch(3)}));
  EXPECT_EQ(session.pending(), 0U);
  EXPECT_EQ(session.held_bytes(), 0U);
}

TEST_F(NativeSessionTest, AConflictNamesItsObjects) {
  go_live();
  reply({.ticket = commit_submitted(1),
         .kind = Reply::Kind::conflicted,
         .conflicts = {{Oid(1), Tid(480), Tid(470), false}, {Oid(2), Tid(481), Tid(3), true}}});
  const auto conflicted = sent<wire::Conflicted>(11);
  EXPECT_EQ(conflicted.conflicts,
            (std::vector<wire::WireConflict>{{Oid(1), Tid(480), Tid(470), false},
                                             {Oid(2), Tid(481), Tid(3), true}}));
  EXPECT_EQ(session.held_bytes(), 0U);
}

TEST_F(NativeSessionTest, ManyCommitsMayBeUnderWay) {
  go_live();
  const commit::Ticket first = commit_submitted(1);
  const commit::Ticket second = commit_submitted(2);
  EXPECT_EQ(session.pending(), 2U);
  reply({.ticket = second, .kind = Reply::Kind::committed, .tid = Tid(501)});
  EXPECT_EQ(session.pending(), 1U);
  EXPECT_GT(session.held_bytes(), 0U);
  reply({.ticket = first, .kind = Reply::Kind::committed, .tid = Tid(502)});
  EXPECT_EQ(session.held_bytes(), 0U);
}

// ---- two phases --------------------------------------------------------------------------------

TEST_F(NativeSessionTest, VoteThenFinish) {
  go_live();
  const commit::Ticket ticket = vote(1);
  EXPECT_FALSE(std::get<SessionEffects::Submit>(effects.engine[0]).one_request);
  reply({.ticket = ticket, .kind = Reply::Kind::voted});
  sent<wire::Voted>(10);
  send(wire::Finish{1}, 12);
  const auto finish = called<SessionEffects::Finish>();
  EXPECT_EQ(finish.ticket, ticket);
  EXPECT_NE(finish.reply_to, ticket);
  reply({.ticket = finish.reply_to, .kind = Reply::Kind::committed, .tid = Tid(501)});
  EXPECT_EQ(sent<wire::Committed>(12).tid, Tid(501));
  EXPECT_EQ(session.pending(), 0U);
  EXPECT_EQ(session.held_bytes(), 0U);
}

TEST_F(NativeSessionTest, AVoteMayBeAnsweredCommitted) {
  go_live();  // when its number was committed before
  reply({.ticket = vote(1), .kind = Reply::Kind::committed, .tid = Tid(444)});
  EXPECT_EQ(sent<wire::Committed>(10).tid, Tid(444));
  EXPECT_EQ(session.held_bytes(), 0U);
}

TEST_F(NativeSessionTest, AFailedVoteEndsTheTransaction) {
  go_live();
  reply({.ticket = vote(1),
         .kind = Reply::Kind::failed,
         .error = Error{ErrorCode::timeout, "waited for locks"}});
  EXPECT_EQ(sent<wire::ErrorReply>(10).error.code, ErrorCode::timeout);
  EXPECT_EQ(session.held_bytes(), 0U);
  send(wire::Finish{1}, 12);
  EXPECT_EQ(sent<wire::ErrorReply>(12).error.code, ErrorCode::invalid_argument);
}

TEST_F(NativeSessionTest, FinishNeedsAVote) {
  go_live();
  send(wire::Finish{1}, 12);
  EXPECT_EQ(sent<wire::ErrorReply>(12).error.code, ErrorCode::invalid_argument);
  EXPECT_TRUE(effects.engine.empty());
  EXPECT_TRUE(session.live());
}

TEST_F(NativeSessionTest, FinishWaitsForTheVotesAnswer) {
  go_live();
  vote(1);
  send(wire::Finish{1}, 12);
  EXPECT_EQ(sent<wire::ErrorReply>(12).error.code, ErrorCode::invalid_argument);
  EXPECT_TRUE(effects.engine.empty());
}

TEST_F(NativeSessionTest, ASecondFinishIsRefusedAndTheFirstGoesOn) {
  go_live();
  vote_granted(1);
  send(wire::Finish{1}, 12);
  const auto finish = called<SessionEffects::Finish>();
  send(wire::Finish{1}, 13);
  EXPECT_EQ(sent<wire::ErrorReply>(13).error.code, ErrorCode::invalid_argument);
  EXPECT_TRUE(effects.engine.empty());
  reply({.ticket = finish.reply_to, .kind = Reply::Kind::committed, .tid = Tid(501)});
  sent<wire::Committed>(12);
}

TEST_F(NativeSessionTest, ASecondVoteOfANumberIsOutOfOrder) {
  go_live();
  vote(1);
  send(body<wire::Vote>(1, {write(2)}), 12);
  expect_protocol_error();
}

TEST_F(NativeSessionTest, ACommitAfterTheVoteIsOutOfOrder) {
  go_live();
  vote_granted(1);
  send(body<wire::Commit>(1, {}), 12);
  expect_protocol_error();
}

// ---- staging -----------------------------------------------------------------------------------

TEST_F(NativeSessionTest, StagesAddUp) {
  go_live();
  send(wire::Stage{1, {write(1, "a")}, {}}, 0);
  expect_nothing();
  send(wire::Stage{1, {write(2, "b")}, {{Oid(8), Tid(80)}}}, 0);
  expect_nothing();
  send(body<wire::Commit>(1, {write(3, "c")}), 11);
  const auto call = called<SessionEffects::Submit>();
  ASSERT_EQ(call.transaction.writes.size(), 3U);
  EXPECT_EQ(call.transaction.writes[0].oid, Oid(1));
  EXPECT_EQ(call.transaction.writes[1].oid, Oid(2));
  EXPECT_EQ(call.transaction.writes[2].oid, Oid(3));
  ASSERT_EQ(call.transaction.reads.size(), 1U);
  reply({.ticket = call.ticket, .kind = Reply::Kind::committed, .tid = Tid(501)});
  EXPECT_EQ(session.held_bytes(), 0U);
}

TEST_F(NativeSessionTest, TransactionsAreStagedApart) {
  go_live();
  send(wire::Stage{1, {write(1, "a")}, {}}, 0);
  send(wire::Stage{2, {write(1, "b")}, {}}, 0);
  send(body<wire::Commit>(2, {}), 11);
  const auto call = called<SessionEffects::Submit>();
  ASSERT_EQ(call.transaction.writes.size(), 1U);
  EXPECT_EQ(call.transaction.writes[0].data.view(), "b");
}

TEST_F(NativeSessionTest, AStageAfterTheVoteIsOutOfOrder) {
  go_live();
  vote(1);
  send(wire::Stage{1, {write(2)}, {}}, 0);
  expect_protocol_error();
}

TEST_F(NativeSessionTest, AnObjectWrittenTwiceIsRefused) {
  go_live();
  send(wire::Stage{1, {write(1), write(2)}, {}}, 0);
  send(body<wire::Commit>(1, {write(1)}), 11);
  const auto error = sent<wire::ErrorReply>(11).error;
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_NE(error.detail.find("0000000000000001"), std::string::npos) << error.detail;
  EXPECT_TRUE(effects.engine.empty());
  EXPECT_TRUE(session.live());
  EXPECT_EQ(session.held_bytes(), 0U);
  commit_submitted(1);  // nothing is left of it
}

TEST_F(NativeSessionTest, AnObjectReadTwiceIsRefused) {
  go_live();
  wire::Vote message = body<wire::Vote>(1, {write(1)});
  message.reads = {{Oid(2), Tid(1)}, {Oid(3), Tid(1)}, {Oid(2), Tid(1)}};
  send(message, 11);
  EXPECT_EQ(sent<wire::ErrorReply>(11).error.code, ErrorCode::invalid_argument);
  EXPECT_EQ(session.held_bytes(), 0U);
}

TEST_F(NativeSessionTest, AnObjectMayBeReadAndWritten) {
  go_live();
  wire::Commit message = body<wire::Commit>(1, {write(2)});
  message.reads = {{Oid(2), Tid(1)}};
  send(message, 11);
  called<SessionEffects::Submit>();
}

TEST_F(NativeSessionTest, AnyIdMayHaveBeenHandedOut) {
  go_live();
  send(body<wire::Commit>(1, {write(1ULL << 60)}), 11);
  called<SessionEffects::Submit>();
}

TEST_F(NativeSessionTest, ATransactionLargerThanTheLimitEndsTheConnection) {
  go_live();
  const std::string half(kTransactionBytesMax / 2, 'x');
  send(wire::Stage{1, {write(1, half)}, {}}, 0);
  expect_nothing();
  send(wire::Stage{1, {write(2, half)}, {}}, 0);
  expect_protocol_error();
}

TEST_F(NativeSessionTest, TheLimitIsPerTransaction) {
  go_live();
  const std::string most(kTransactionBytesMax * 3 / 4, 'x');
  send(wire::Stage{1, {write(1, most)}, {}}, 0);
  send(wire::Stage{2, {write(2, most)}, {}}, 0);
  expect_nothing();
  EXPECT_GT(session.held_bytes(), kTransactionBytesMax);
}

TEST_F(NativeSessionTest, ReadChecksCountTowardsTheLimit) {
  go_live();
  wire::Stage stage{1, {}, {}};
  stage.reads.resize(kTransactionBytesMax / 32);
  send(stage, 0);
  expect_protocol_error();
}

TEST_F(NativeSessionTest, MetadataCountsTowardsTheLimit) {
  go_live();
  wire::Commit message = body<wire::Commit>(1, {write(1)});
  message.metadata = {"ann", "why", std::string(kTransactionBytesMax, 'x')};
  send(message, 11);
  expect_protocol_error();
}

TEST_F(NativeSessionTest, AnEmptyTransactionCostsSomething) {
  go_live();
  send(wire::Stage{1, {}, {}}, 0);
  const std::uint64_t one = session.held_bytes();
  EXPECT_GE(one, 1024U);
  send(wire::Stage{1, {}, {}}, 0);
  EXPECT_EQ(session.held_bytes(), one);
  send(wire::Stage{2, {}, {}}, 0);
  EXPECT_EQ(session.held_bytes(), 2 * one);
  send(wire::Abort{1}, 12);
  send(wire::Abort{2}, 13);
  EXPECT_EQ(session.held_bytes(), 0U);
}

TEST_F(NativeSessionTest, OpenTransactionsAreLimited) {
  go_live();
  constexpr std::uint64_t kMax = 4096;
  for (std::uint64_t number = 1; number <= kMax; ++number) {
    send(wire::Stage{number, {}, {}}, 0);
    ASSERT_FALSE(effects.close) << number;
  }
  send(wire::Stage{kMax, {}, {}}, 0);  // one that is open already
  expect_nothing();
  send(wire::Stage{kMax + 1, {}, {}}, 0);
  expect_protocol_error();
}

TEST_F(NativeSessionTest, KnowsWhatHasBeenStagedLongest) {
  go_live();
  EXPECT_FALSE(session.oldest_staging());
  send(wire::Stage{3, {write(3)}, {}}, 0);
  send(wire::Stage{4, {write(4)}, {}}, 0);
  EXPECT_EQ(session.oldest_staging(), 3U);
  send(body<wire::Vote>(3, {}), 10);
  EXPECT_EQ(session.oldest_staging(), 4U);
  send(wire::Abort{4}, 12);
  EXPECT_FALSE(session.oldest_staging());
}

// ---- abort -------------------------------------------------------------------------------------

TEST_F(NativeSessionTest, AbortOfNothingIsDone) {
  go_live();
  send(wire::Abort{1}, 12);
  sent<wire::Done>(12);
  EXPECT_TRUE(effects.engine.empty());
}

TEST_F(NativeSessionTest, AbortWhileStagingNeedsNoEngine) {
  go_live();
  send(wire::Stage{1, {write(1)}, {}}, 0);
  send(wire::Abort{1}, 12);
  sent<wire::Done>(12);
  EXPECT_TRUE(effects.engine.empty());
  EXPECT_EQ(session.held_bytes(), 0U);
}

TEST_F(NativeSessionTest, AbortAfterTheVoteReachesTheEngine) {
  go_live();
  const commit::Ticket ticket = vote_granted(1);
  send(wire::Abort{1}, 12);
  sent<wire::Done>(12);
  EXPECT_EQ(called<SessionEffects::Abort>().ticket, ticket);
  EXPECT_EQ(session.held_bytes(), 0U);
  send(wire::Finish{1}, 13);
  EXPECT_EQ(sent<wire::ErrorReply>(13).error.code, ErrorCode::invalid_argument);
}

TEST_F(NativeSessionTest, AbortWhileVotingLeavesTheOutcomeOpen) {
  go_live();
  const commit::Ticket ticket = vote(1);
  send(wire::Abort{1}, 12);
  EXPECT_EQ(called<SessionEffects::Abort>().ticket, ticket);
  ASSERT_EQ(effects.send.size(), 2U);
  EXPECT_EQ(effects.send[0].request_id, 10U);
  EXPECT_EQ(std::get<wire::ErrorReply>(effects.send[0].message).error.code,
            ErrorCode::outcome_unknown);
  EXPECT_EQ(effects.send[1].request_id, 12U);
  EXPECT_TRUE(std::holds_alternative<wire::Done>(effects.send[1].message));
  EXPECT_EQ(session.held_bytes(), 0U);
  EXPECT_EQ(session.pending(), 0U);
  // The coordinator's answer that was on its way says nothing more.
  reply({.ticket = ticket, .kind = Reply::Kind::voted});
  expect_nothing();
}

// It may be in the log already; its own answer tells.
TEST_F(NativeSessionTest, AWholeCommitIsNotAborted) {
  go_live();
  const commit::Ticket ticket = commit_submitted(1);
  send(wire::Abort{1}, 12);
  sent<wire::Done>(12);
  EXPECT_TRUE(effects.engine.empty());
  EXPECT_EQ(session.pending(), 1U);
  reply({.ticket = ticket, .kind = Reply::Kind::committed, .tid = Tid(501)});
  EXPECT_EQ(sent<wire::Committed>(11).tid, Tid(501));
  EXPECT_EQ(session.held_bytes(), 0U);
}

TEST_F(NativeSessionTest, AbortAfterFinishIsTooLate) {
  go_live();
  vote_granted(1);
  send(wire::Finish{1}, 12);
  const commit::Ticket reply_to = called<SessionEffects::Finish>().reply_to;
  send(wire::Abort{1}, 13);
  sent<wire::Done>(13);
  EXPECT_TRUE(effects.engine.empty());
  reply({.ticket = reply_to, .kind = Reply::Kind::committed, .tid = Tid(501)});
  EXPECT_EQ(sent<wire::Committed>(12).tid, Tid(501));
  EXPECT_EQ(session.held_bytes(), 0U);
  EXPECT_EQ(session.pending(), 0U);
}

}  // namespace
}  // namespace zeolite::server
