#include <gtest/gtest.h>

#include "client/client_session.h"
#include "client/fake_client.h"

// Requests, their answers and ends, and the outcomes of commits whose answer was lost.
namespace zeolite::client_core {
namespace {

using testing::FakeClient;

RecordPtr record(const std::string& text) { return std::make_shared<const std::string>(text); }

// Submits and keeps the answer.
std::shared_ptr<std::optional<Answer>> ask(FakeClient& client, Request request) {
  auto answer = std::make_shared<std::optional<Answer>>();
  request.done = [answer](Answer given) { *answer = std::move(given); };
  client.submit(std::move(request));
  return answer;
}
std::shared_ptr<std::optional<Answer>> ask(FakeClient& client, wire::Message message) {
  return ask(client, client.request(std::move(message)));
}

Request commit_of(FakeClient& client, Oid oid, const std::string& data, Tid base = kNoTid) {
  auto commit = std::make_shared<CommitRequest>();
  commit->writes.push_back({oid, base, false, record(data)});
  Request request;
  request.kind = Request::Kind::commit;
  request.commit = std::move(commit);
  request.deadline = client.call_deadline();
  return request;
}

TEST(ClientSessionRequests, AReaderOfStandbysCommitsNothing) {
  FakeClient client(1 << 20, true);
  client.server.role = wire::NodeRole::standby;
  client.connect();
  const auto commit = ask(client, commit_of(client, Oid(1), "a"));
  const auto oids = ask(client, wire::NewOids{});
  const auto outcome = ask(client, wire::OutcomeQuery{});
  for (const auto& answer : {commit, oids, outcome}) {
    ASSERT_TRUE(*answer);
    EXPECT_EQ((*answer)->error->code, ErrorCode::read_only);
  }
  EXPECT_FALSE((*ask(client, wire::Ping{}))->error);
  EXPECT_TRUE(client.session.ready());
}

TEST(ClientSessionRequests, ARequestThatOnlyThePrimaryAnswersNamesIt) {
  FakeClient client;
  client.connect();
  client.deliver = false;
  const auto answer = ask(client, wire::Load{Oid(1), kMaxTid});
  const std::uint32_t id = client.sent.back().request_id;
  client.receive(id, wire::ErrorReply{{ErrorCode::not_primary, "not any more"}, "b:2"});
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.leader, "b:2");
  EXPECT_FALSE(*answer);  // is asked there
}

// A request to wait for transaction 500, at most ten seconds.
Request await_of(const FakeClient& client) {
  return client.request(wire::Await{Epoch(), Tid(500), 10'000});
}

TEST(ClientSessionRequests, AStandbyThatDoesNotGetWhereAReaderWaitsIsLeft) {
  FakeClient client(1 << 20, true);
  client.server.role = wire::NodeRole::standby;
  client.connect();
  client.deliver = false;
  const auto answer = ask(client, await_of(client));
  EXPECT_EQ(client.session.next_deadline(), client.time + std::chrono::milliseconds(700));
  client.pass(std::chrono::milliseconds(699));
  EXPECT_FALSE(client.closed);
  client.pass(std::chrono::milliseconds(1));
  ASSERT_TRUE(client.closed);
  EXPECT_TRUE(client.elsewhere);
  EXPECT_FALSE(*answer);
  // The next standby gets as long; then the primary has it.
  client.closed.reset();
  client.connect();
  client.deliver_one();  // the welcome
  client.pass(std::chrono::milliseconds(699));
  EXPECT_FALSE(client.closed);
  client.pass(std::chrono::milliseconds(1));
  EXPECT_TRUE(client.closed);
  client.server.role = wire::NodeRole::primary;
  client.server.visible = Tid(500);
  client.session.accept_primary(true);
  client.deliver = true;
  client.connect();
  ASSERT_TRUE(*answer);
  EXPECT_FALSE((*answer)->error);
}

TEST(ClientSessionRequests, AStandbyThatGetsThereOrThatNobodyWaitsForIsNotLeft) {
  FakeClient client(1 << 20, true);
  client.server.role = wire::NodeRole::standby;
  client.connect();
  client.deliver = false;
  const auto answer = ask(client, await_of(client));
  client.receive(0, wire::Invalidate{Tid(500), {Oid(1)}, true});
  client.pass(std::chrono::seconds(2));
  EXPECT_FALSE(client.closed);
  const auto shorter = ask(client, await_of(client));
  client.server.outgoing.clear();
  client.receive(2, wire::Pong{{}, Tid(500)});
  ASSERT_TRUE(*shorter);
  client.pass(std::chrono::seconds(2));
  EXPECT_FALSE(client.closed);
}

TEST(ClientSessionRequests, ThePrimaryIsNotLeftByWhoWaitsForATransaction) {
  FakeClient client(1 << 20, true);
  client.session.accept_primary(true);
  client.connect();
  client.deliver = false;
  const auto answer = ask(client, await_of(client));
  client.pass(std::chrono::milliseconds(900));
  EXPECT_FALSE(client.closed);
}

TEST(ClientSessionRequests, AnswersWaitForAConnection) {
  FakeClient client;
  const auto answer = ask(client, wire::Ping{});
  EXPECT_FALSE(*answer);
  client.connect();
  ASSERT_TRUE(*answer);
  EXPECT_FALSE((*answer)->error);
}

TEST(ClientSessionRequests, ARequestWithoutAConnectionFailsAtItsDeadline) {
  FakeClient client;
  const auto answer = ask(client, wire::Ping{});
  SessionEffects effects;
  client.session.disconnected({ErrorCode::unavailable, "refused"}, effects);
  client.pass(std::chrono::seconds(10));
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->error->code, ErrorCode::unavailable);
  EXPECT_NE((*answer)->error->detail.find("refused"), std::string::npos);
  EXPECT_EQ(client.session.requests(), 0U);
}

TEST(ClientSessionRequests, RepeatableRequestsAreSentAgainOnTheNextConnection) {
  FakeClient client;
  client.connect();
  client.deliver = false;
  const auto answer = ask(client, wire::Load{Oid(1), kMaxTid});
  client.disconnect();
  EXPECT_FALSE(*answer);
  client.deliver = true;
  client.connect();
  ASSERT_TRUE(*answer);
  EXPECT_FALSE((*answer)->error);
}

TEST(ClientSessionRequests, AServerThatStepsDownIsLeftAndAskedForElsewhere) {
  FakeClient client;
  client.connect();
  client.deliver = false;
  const auto answer = ask(client, wire::Ping{});
  const std::uint32_t id = client.sent.back().request_id;
  client.receive(id, wire::ErrorReply{{ErrorCode::not_primary, "stepped down"}});
  ASSERT_TRUE(client.closed);
  EXPECT_FALSE(*answer);
  client.deliver = true;
  client.connect();
  EXPECT_TRUE(*answer);
}

TEST(ClientSessionRequests, AnAnswerThatComesTooLateIsIgnored) {
  FakeClient client;
  client.connect();
  client.deliver = false;
  const auto answer = ask(client, wire::Ping{});
  client.pass(std::chrono::seconds(4));
  client.receive(0, wire::Invalidate{Tid(110), {}, true});  // alive
  client.pass(std::chrono::seconds(4));
  client.receive(0, wire::Invalidate{Tid(120), {}, true});
  client.pass(std::chrono::seconds(4));
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->error->code, ErrorCode::timeout);
  client.server.outgoing.erase(client.server.outgoing.begin() + 1, client.server.outgoing.end());
  client.deliver_all();
  EXPECT_FALSE(client.closed);
  EXPECT_EQ(client.session.requests(), 0U);
}

TEST(ClientSessionRequests, AnAnswerToNothingEndsTheConnection) {
  FakeClient client;
  client.connect();
  client.receive(77, wire::Pong{});
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->code, ErrorCode::protocol_error);
}

TEST(ClientSessionRequests, PartialAnswersToALoadOfManyAreCompleted) {
  FakeClient client;
  for (std::uint64_t i = 0; i < 7; ++i) {
    client.server.put(Oid(i), std::to_string(i));
  }
  client.server.load_many_max = 3;
  client.connect();
  wire::LoadMany load;
  for (std::uint64_t i = 0; i < 7; ++i) load.oids.push_back(Oid(i));
  const auto answer = ask(client, load);
  ASSERT_TRUE(*answer);
  ASSERT_EQ((*answer)->records.size(), 7U);
  EXPECT_EQ(*(*answer)->records[6].data, "6");
  EXPECT_TRUE(client.cache().find(Oid(5), client.view().point().tid));
}

// ---- lost commits ------------------------------------------------------------------------------

// The first connection of `client` is lost with the reply. Its server has the commit, from when it
// is delivered.
std::shared_ptr<std::optional<Answer>> commit_and_lose_reply(FakeClient& client) {
  client.connect();
  client.deliver = false;
  auto answer = ask(client, commit_of(client, Oid(1), "a"));
  client.disconnect();
  return answer;
}

TEST(ClientSessionRequests, ACommitThatArrivedButWhoseReplyWasLostIsKnownAsCommitted) {
  FakeClient client;
  const auto answer = commit_and_lose_reply(client);
  EXPECT_FALSE(*answer);
  client.deliver = true;
  client.connect();
  ASSERT_TRUE(*answer);
  ASSERT_FALSE((*answer)->error);
  EXPECT_EQ(std::get<wire::Committed>((*answer)->message).tid, Tid(110));
  EXPECT_EQ(client.view().point().tid, Tid(110));
  EXPECT_EQ(client.server.count_received<wire::Commit>(), 1U);
}

TEST(ClientSessionRequests, WhatASilentServerLeftOpenIsAskedOfThePrimaryThatWasFound) {
  FakeClient client;
  client.connect();
  client.deliver = false;
  const auto answer = ask(client, commit_of(client, Oid(1), "a"));
  client.pass(std::chrono::seconds(1));
  client.pass(std::chrono::seconds(1));
  ASSERT_TRUE(client.session.suspects_server());
  client.find_primary(Epoch(2), "b:2");
  EXPECT_FALSE(*answer);
  client.server.epoch = Epoch(2);
  client.deliver = true;
  client.connect();
  ASSERT_TRUE(*answer);
  ASSERT_FALSE((*answer)->error);
  EXPECT_EQ(std::get<wire::Committed>((*answer)->message).tid, Tid(110));
  EXPECT_EQ(client.server.count_received<wire::OutcomeQuery>(), 1U);
  EXPECT_EQ(client.server.count_received<wire::Commit>(), 1U);
}

TEST(ClientSessionRequests, ACommitThatDidNotArriveIsKnownAsAborted) {
  FakeClient client;
  client.connect();
  client.server.lose_commit = true;
  const auto answer = ask(client, commit_of(client, Oid(1), "a"));
  client.reconnect();
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->error->code, ErrorCode::unavailable);
  EXPECT_FALSE(client.server.current(Oid(1)));
}

TEST(ClientSessionRequests, ACommitThatWasNotSentWaitsForTheConnectionAndIsSentOnce) {
  FakeClient client;
  const auto answer = ask(client, commit_of(client, Oid(1), "a"));
  client.connect();
  ASSERT_TRUE(*answer);
  EXPECT_FALSE((*answer)->error);
  EXPECT_EQ(client.server.count_received<wire::OutcomeQuery>(), 0U);
}

TEST(ClientSessionRequests, APendingOutcomeIsAskedAgainUntilItIsKnown) {
  FakeClient client;
  const auto answer = commit_and_lose_reply(client);
  client.deliver = true;
  client.server.hold_outcome = true;
  client.connect();
  client.pass(std::chrono::seconds(1));
  client.pass(std::chrono::seconds(1));
  EXPECT_FALSE(*answer);
  EXPECT_EQ(client.server.count_received<wire::OutcomeQuery>(), 3U);
  client.server.hold_outcome = false;
  client.pass(std::chrono::seconds(1));
  ASSERT_TRUE(*answer);
  EXPECT_FALSE((*answer)->error);
}

TEST(ClientSessionRequests, AnOutcomeThatNobodyWaitsForIsNotAskedForAgain) {
  FakeClient client;
  const auto answer = commit_and_lose_reply(client);
  client.server.hold_outcome = true;
  client.connect();
  client.deliver_one();  // the invalidation of the catch-up
  client.deliver_one();  // the welcome; the outcome is asked for
  client.pass(std::chrono::seconds(6));
  client.receive(0, wire::Invalidate{Tid(200), {}, true});  // alive
  client.pass(std::chrono::seconds(6));
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->error->code, ErrorCode::outcome_unknown);
  ASSERT_EQ(client.session.requests(), 1U);
  client.deliver_all();  // ask again later
  EXPECT_EQ(client.session.requests(), 0U);
  client.server.visible = Tid(200);
  client.reconnect();
  client.deliver_all();
  client.pass(std::chrono::seconds(1));
  EXPECT_EQ(client.server.count_received<wire::OutcomeQuery>(), 1U);
  EXPECT_TRUE(client.session.ready());
}

TEST(ClientSessionRequests, AnExpiredOutcomeIsUnknown) {
  FakeClient client;
  const auto answer = commit_and_lose_reply(client);
  client.deliver = true;
  client.server.expire_outcomes = true;
  client.connect();
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->error->code, ErrorCode::outcome_unknown);
  EXPECT_EQ((*answer)->commit_id.number, 1U);
}

TEST(ClientSessionRequests, ACommitWithoutAnAnswerUntilItsDeadlineIsUnknown) {
  FakeClient client;
  const auto answer = commit_and_lose_reply(client);
  client.pass(std::chrono::seconds(10));
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->error->code, ErrorCode::outcome_unknown);
  EXPECT_EQ((*answer)->begun, Tid(100));
  EXPECT_EQ(client.session.requests(), 0U);
}

TEST(ClientSessionRequests, AnErrorThatLeavesACommitOpenIsFollowedByTheQuestion) {
  FakeClient client;
  client.connect();
  client.server.refuse_commit = Error{ErrorCode::io_error, "sync failed"};
  const auto answer = ask(client, commit_of(client, Oid(1), "a"));
  EXPECT_FALSE(*answer);
  client.pass(std::chrono::seconds(1));
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->error->code, ErrorCode::unavailable);
  EXPECT_EQ(client.server.count_received<wire::OutcomeQuery>(), 1U);
}

TEST(ClientSessionRequests, AnErrorThatSaysNotCommittedIsHandedOn) {
  FakeClient client;
  client.connect();
  client.server.refuse_commit = Error{ErrorCode::out_of_space, "full"};
  const auto answer = ask(client, commit_of(client, Oid(1), "a"));
  ASSERT_TRUE(*answer);
  EXPECT_EQ((*answer)->error->code, ErrorCode::out_of_space);
}

TEST(ClientSessionRequests, AVoteDiesWithItsConnectionAndFinishSaysSo) {
  FakeClient client;
  client.connect();
  Request vote = commit_of(client, Oid(1), "a");
  vote.kind = Request::Kind::vote;
  const auto commit = vote.commit;
  const auto voted = ask(client, std::move(vote));
  ASSERT_TRUE(*voted);
  client.reconnect();
  Request finish;
  finish.kind = Request::Kind::finish;
  finish.commit = commit;
  finish.commit_id = (*voted)->commit_id;
  finish.connection = (*voted)->connection;
  finish.deadline = client.call_deadline();
  const auto finished = ask(client, std::move(finish));
  ASSERT_TRUE(*finished);
  EXPECT_EQ((*finished)->error->code, ErrorCode::aborted);
  EXPECT_EQ(client.server.count_received<wire::Finish>(), 0U);
}

TEST(ClientSessionRequests, AFinishWhoseReplyWasLostIsAskedFor) {
  FakeClient client;
  client.connect();
  Request vote = commit_of(client, Oid(1), "a");
  vote.kind = Request::Kind::vote;
  Request finish = vote;
  const auto voted = ask(client, std::move(vote));
  finish.kind = Request::Kind::finish;
  finish.commit_id = (*voted)->commit_id;
  finish.connection = (*voted)->connection;
  client.deliver = false;
  const auto finished = ask(client, std::move(finish));
  client.disconnect();
  client.deliver = true;
  client.connect();
  ASSERT_TRUE(*finished);
  EXPECT_FALSE((*finished)->error);
}

TEST(ClientSessionRequests, AVoteThatNobodyWaitsForIsAborted) {
  FakeClient client;
  client.connect();
  client.deliver = false;
  Request vote = commit_of(client, Oid(1), "a");
  vote.kind = Request::Kind::vote;
  vote.deadline = client.time + std::chrono::seconds(1);
  const auto voted = ask(client, std::move(vote));
  client.pass(std::chrono::seconds(1));
  ASSERT_TRUE(*voted);
  EXPECT_EQ((*voted)->error->code, ErrorCode::timeout);
  EXPECT_EQ(client.server.count_received<wire::Abort>(), 1U);
  client.deliver_all();
  EXPECT_FALSE(client.closed);
  EXPECT_EQ(client.session.requests(), 0U);
}

TEST(ClientSessionRequests, ShutDownEndsEveryRequestByWhatIsKnownOfIt) {
  FakeClient client;
  client.connect();
  client.deliver = false;
  const auto sent = ask(client, commit_of(client, Oid(1), "a"));
  const auto ping = ask(client, wire::Ping{});
  client.close();
  ASSERT_TRUE(*sent);
  ASSERT_TRUE(*ping);
  EXPECT_EQ((*sent)->error->code, ErrorCode::outcome_unknown);
  EXPECT_EQ((*ping)->error->code, ErrorCode::shutting_down);
  EXPECT_EQ(client.session.requests(), 0U);
}

}  // namespace
}  // namespace zeolite::client_core
