#include <gtest/gtest.h>

#include "client/client_session.h"
#include "client/fake_client.h"

// What the cache relies on: the order of replies and invalidations on one connection (the rules I1
// to I4 of the ordering that ZEO's clients rely on, too), and what happens to it across
// connections.
namespace zeolite::client_core {
namespace {

using testing::FakeClient;

std::string cached(FakeClient& client, Oid oid) {
  const auto revision = client.cache().find(oid, client.view().point().tid);
  return revision ? *revision->data : "(miss)";
}

class ClientSessionOrder : public ::testing::Test {
 protected:
  ClientSessionOrder() {
    first_ = client_.server.put(Oid(1), "old");
    client_.connect();
    client_.deliver = false;
  }
  void load(Oid oid, Tid before = kMaxTid) {
    Request request = client_.request(wire::Load{oid, before});
    request.done = [this](Answer answer) {
      line_at_answer_ = client_.view().point().tid;
      answer_ = std::move(answer);
    };
    client_.submit(std::move(request));
  }

  FakeClient client_;
  Tid first_;
  std::optional<Answer> answer_;
  Tid line_at_answer_;
};

TEST_F(ClientSessionOrder, AReplyBeforeAnInvalidationIsCachedAndThenEnds) {
  load(Oid(1));
  const Tid second = client_.server.put(Oid(1), "new");
  client_.deliver_one();
  EXPECT_EQ(cached(client_, Oid(1)), "old");
  client_.deliver_one();
  EXPECT_EQ(client_.view().point().tid, second);
  EXPECT_EQ(cached(client_, Oid(1)), "(miss)");
  EXPECT_EQ(*client_.cache().find(Oid(1), first_)->data, "old");
}

TEST_F(ClientSessionOrder, AReplyAfterAnInvalidationIsCurrent) {
  client_.server.put(Oid(1), "new");
  load(Oid(1));
  client_.deliver_all();
  EXPECT_EQ(cached(client_, Oid(1)), "new");
}

TEST_F(ClientSessionOrder, AReplyForAnOldSnapshotIsCachedWithItsEnd) {
  client_.server.put(Oid(1), "new");
  load(Oid(1), first_.next());
  client_.deliver_all();
  EXPECT_EQ(cached(client_, Oid(1)), "(miss)");
  EXPECT_EQ(*client_.cache().find(Oid(1), first_)->data, "old");
}

TEST_F(ClientSessionOrder, AReplyAboveTheLineEndsTheConnection) {
  load(Oid(1));
  const std::uint32_t id = client_.sent.back().request_id;
  wire::Loaded loaded;
  loaded.status = wire::LoadedStatus::found;
  loaded.data = Bytes(std::string("from the future"));
  loaded.tid = Tid(first_.value() + 1);
  client_.receive(id, loaded);
  ASSERT_TRUE(client_.closed);
  EXPECT_EQ(client_.closed->code, ErrorCode::protocol_error);
  EXPECT_EQ(cached(client_, Oid(1)), "(miss)");
  EXPECT_FALSE(answer_);  // asked again on the next connection
}

TEST_F(ClientSessionOrder, InvalidationsOutOfOrderEndTheConnection) {
  client_.receive(0, wire::Invalidate{Tid(200), {}, true});
  client_.receive(0, wire::Invalidate{Tid(200), {}, true});
  ASSERT_TRUE(client_.closed);
  EXPECT_EQ(client_.closed->code, ErrorCode::protocol_error);
}

TEST_F(ClientSessionOrder, TheLineMovesWithTheLastPartOfAnInvalidation) {
  load(Oid(1));
  client_.deliver_all();
  client_.receive(0, wire::Invalidate{Tid(200), {Oid(1)}, false});
  EXPECT_EQ(client_.view().point().tid, first_);
  EXPECT_EQ(cached(client_, Oid(1)), "old");
  client_.receive(0, wire::Invalidate{Tid(200), {Oid(2)}, true});
  EXPECT_EQ(client_.view().point().tid, Tid(200));
  EXPECT_EQ(cached(client_, Oid(1)), "(miss)");
}

TEST_F(ClientSessionOrder, APartialInvalidationIsForgottenWithItsConnection) {
  load(Oid(1));
  client_.deliver_all();
  client_.receive(0, wire::Invalidate{Tid(200), {Oid(1)}, false});
  client_.deliver = true;
  client_.reconnect();
  EXPECT_EQ(cached(client_, Oid(1)), "old");
}

TEST_F(ClientSessionOrder, TheLineHasMovedWhenAnAnswerIsHandedOn) {
  const Tid second = client_.server.put(Oid(2), "x");
  load(Oid(1));
  client_.deliver_all();
  EXPECT_EQ(line_at_answer_, second);
}

TEST_F(ClientSessionOrder, APongMovesTheLineOverWhatNothingIsToldOf) {
  load(Oid(1));
  const Tid oids_mark = client_.server.commit_elsewhere({}, false);
  client_.submit(client_.request(wire::Ping{}));
  client_.deliver_all();
  EXPECT_EQ(client_.view().point().tid, oids_mark);
  EXPECT_EQ(cached(client_, Oid(1)), "old");
  const Tid pack = client_.server.commit_elsewhere({}, false);
  client_.submit(client_.request(wire::Await{Epoch(), pack, 1'000}));
  client_.deliver_all();
  EXPECT_EQ(client_.view().point().tid, pack);
  // So does the answer to a ping of the session's own.
  const Tid last = client_.server.commit_elsewhere({}, false);
  client_.pass(std::chrono::seconds(5));
  client_.deliver_all();
  EXPECT_EQ(client_.view().point().tid, last);
}

TEST_F(ClientSessionOrder, APongBetweenThePartsOfAnInvalidationMovesNothing) {
  load(Oid(1));
  client_.deliver_all();
  client_.submit(client_.request(wire::Ping{}));
  const std::uint32_t id = client_.sent.back().request_id;
  client_.receive(0, wire::Invalidate{Tid(200), {Oid(1)}, false});
  client_.receive(id, wire::Pong{{}, Tid(200)});
  EXPECT_EQ(client_.view().point().tid, first_);
  EXPECT_EQ(cached(client_, Oid(1)), "old");
  client_.receive(0, wire::Invalidate{Tid(200), {Oid(2)}, true});
  EXPECT_EQ(client_.view().point().tid, Tid(200));
  EXPECT_FALSE(client_.closed);
}

TEST_F(ClientSessionOrder, AnOwnCommitEndsTheOldRevisionAndIsCachedAtTheNewLine) {
  load(Oid(1));
  client_.deliver_all();
  auto commit = std::make_shared<CommitRequest>();
  commit->writes.push_back({Oid(1), first_, false, std::make_shared<const std::string>("mine")});
  Request request;
  request.kind = Request::Kind::commit;
  request.commit = commit;
  request.deadline = client_.call_deadline();
  client_.submit(std::move(request));
  EXPECT_EQ(cached(client_, Oid(1)), "old");
  client_.deliver_all();
  EXPECT_EQ(cached(client_, Oid(1)), "mine");
  EXPECT_EQ(*client_.cache().find(Oid(1), first_)->data, "old");
}

TEST_F(ClientSessionOrder, AnOwnCommitThatNobodyWaitsForStillCounts) {
  load(Oid(1));
  client_.deliver_all();
  auto commit = std::make_shared<CommitRequest>();
  commit->writes.push_back({Oid(1), first_, true, nullptr});
  Request request;
  request.kind = Request::Kind::commit;
  request.commit = commit;
  request.deadline = client_.time + std::chrono::seconds(1);
  client_.submit(std::move(request));
  client_.pass(std::chrono::seconds(1));  // its caller is told that the outcome is unknown
  client_.deliver_all();
  EXPECT_EQ(cached(client_, Oid(1)), "(miss)");
  EXPECT_EQ(client_.view().point().tid, client_.server.visible);
}

// ---- across connections
// --------------------------------------------------------------------------

TEST_F(ClientSessionOrder, TheCatchUpEndsWhatChangedMeanwhileAndKeepsTheRest) {
  client_.deliver = true;
  client_.server.put(Oid(2), "stays");
  client_.deliver_all();
  load(Oid(1));
  load(Oid(2));
  client_.disconnect();
  client_.server.commit_elsewhere({{Oid(1), "new"}}, false);
  const Tid last = client_.server.commit_elsewhere({{Oid(3), "other"}}, false);
  client_.connect();
  EXPECT_EQ(client_.view().point().tid, last);
  EXPECT_EQ(client_.view().point().history, 1U);
  EXPECT_EQ(cached(client_, Oid(1)), "(miss)");
  EXPECT_EQ(cached(client_, Oid(2)), "stays");
  // When exactly it changed was not told: right up to the old line, and no further.
  EXPECT_FALSE(client_.cache().find(Oid(1), last.previous()));
}

TEST_F(ClientSessionOrder, AnUnknownPositionBeginsANewHistoryWithAnEmptyCache) {
  client_.deliver = true;
  load(Oid(1));
  ASSERT_EQ(cached(client_, Oid(1)), "old");
  client_.disconnect();
  client_.server.position_known = false;
  client_.connect();
  EXPECT_EQ(client_.view().point().history, 2U);
  EXPECT_EQ(cached(client_, Oid(1)), "(miss)");
  EXPECT_EQ(client_.counters().caches_dropped, 1U);
}

TEST_F(ClientSessionOrder, RequestsOfALostHistoryFail) {
  Request request = client_.request(wire::Load{Oid(1), first_.next()});
  request.history = client_.view().history();
  request.done = [this](Answer answer) { answer_ = std::move(answer); };
  client_.submit(std::move(request));
  client_.disconnect();
  client_.server.position_known = false;
  client_.deliver = true;
  client_.connect();
  ASSERT_TRUE(answer_);
  EXPECT_EQ(answer_->error->code, ErrorCode::unavailable);
}

TEST(ClientSessionStart, ACacheFromDiskIsKeptWhenTheServerKnowsItsPosition) {
  FakeClient client;
  const Tid tid = client.server.put(Oid(1), "a");
  ConnectionView& view = client.view();
  view.set_initial({Epoch(1), tid, {}}, client.server.cluster_id);
  client.cache().insert(Oid(1), {tid, kNoTid, std::make_shared<const std::string>("a")});
  // The session takes the place when it is made.
  ClientSession session({"main", "", SessionId{1}, std::chrono::seconds(5)}, client.cache(), view,
                        client.counters());
  SessionEffects effects;
  session.connected(client.time, effects);
  EXPECT_EQ(std::get<wire::Hello>(effects.send.at(0).message).cache.tid, tid);
  wire::Welcome welcome;
  welcome.role = wire::NodeRole::primary;
  welcome.cluster_id = client.server.cluster_id;
  welcome.visible.tid = tid;
  welcome.cache_valid = true;
  session.received(0, welcome, client.time, effects);
  EXPECT_TRUE(session.ready());
  EXPECT_EQ(cached(client, Oid(1)), "a");
}

TEST(ClientSessionStart, ACacheFromDiskOfAnotherClusterIsDropped) {
  FakeClient client;
  ConnectionView& view = client.view();
  view.set_initial({Epoch(1), Tid(50), {}}, Id128{99});
  client.cache().insert(Oid(1), {Tid(50), kNoTid, std::make_shared<const std::string>("a")});
  ClientSession session({"main", "", SessionId{1}, std::chrono::seconds(5)}, client.cache(), view,
                        client.counters());
  SessionEffects effects;
  session.connected(client.time, effects);
  wire::Welcome welcome;
  welcome.role = wire::NodeRole::primary;
  welcome.cluster_id = Id128{7};
  welcome.visible.tid = Tid(60);
  welcome.cache_valid = true;
  session.received(0, welcome, client.time, effects);
  EXPECT_EQ(cached(client, Oid(1)), "(miss)");
}

}  // namespace
}  // namespace zeolite::client_core
