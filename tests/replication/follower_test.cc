#include "replication/follower.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "replication/follower_fixture.h"

namespace zeolite::replication {
namespace {

// ---- greeting and comparing ---------------------------------------------------------------------

TEST_F(FollowerTest, GreetsWithTheEndOfItsLogAndItsPromise) {
  connect();
  const auto hello = sent<wire::ReplicaHello>();
  EXPECT_EQ(hello.cluster_id, kCluster);
  EXPECT_EQ(hello.node, kSelf);
  EXPECT_EQ(hello.name, "b");
  EXPECT_EQ(hello.address, "h:2");
  EXPECT_EQ(hello.promised, Epoch(2));
  EXPECT_EQ(hello.position, at(2, 20));
  EXPECT_EQ(hello.last, at(2, 20));
  EXPECT_TRUE(actions.empty());
}

TEST_F(FollowerTest, PromisesBeforeItAnswers) {
  connect();
  actions.clear();
  welcome(Decision::stream, 5, at(2, 20));
  EXPECT_EQ(first<Follower::StorePromise>().epoch, Epoch(5));
  const auto ack = sent<wire::ReplicaAck>();
  EXPECT_EQ(ack.epoch, Epoch(5));
  EXPECT_EQ(ack.flushed, at(2, 20));
  EXPECT_TRUE(actions.empty());
  EXPECT_EQ(follower.promised(), Epoch(5));
}

TEST_F(FollowerTest, PromisesEachEpochOnce) {
  connect();
  actions.clear();
  welcome(Decision::stream, 2, at(2, 20));
  sent<wire::ReplicaAck>();
  EXPECT_TRUE(actions.empty());
}

// Whatever is to become of the log, it is by the order of an epoch that was promised.
TEST_F(FollowerTest, PromisesBeforeItUndoesOrCopies) {
  for (const Decision decision : {Decision::ancestor, Decision::probe, Decision::checkpoint}) {
    Follower one({}, kCluster, at(2, 20), Epoch(2), kSilence);
    Follower::Actions asked;
    one.connected(now, asked);
    asked.clear();
    wire::ReplicaWelcome message;
    message.decision = decision;
    message.epoch = Epoch(3);
    message.cluster_id = kCluster;
    message.position = at(1, 10);
    one.on_welcome(message, now, asked);
    ASSERT_EQ(asked.size(), 2U);
    EXPECT_TRUE(std::holds_alternative<Follower::StorePromise>(asked[0]));
  }
}

TEST_F(FollowerTest, RefusesAWelcomeOfAnEndedEpoch) {
  for (const Decision decision :
       {Decision::stream, Decision::ancestor, Decision::probe, Decision::checkpoint}) {
    connect();
    actions.clear();
    welcome(decision, 1, at(1, 10));
    expect_refused_as_stale(2);
    follower.disconnected();
    actions.clear();
  }
}

TEST_F(FollowerTest, TellsWhyItWasRejectedAndWhomItMayFollow) {
  connect();
  actions.clear();
  wire::ReplicaWelcome message;
  message.reason = "not now";
  message.leader = "h:9";
  message.epoch = Epoch(9);
  follower.on_welcome(message, now, actions);
  const auto close = only<Follower::Close>();
  EXPECT_EQ(close.why, "not now");
  EXPECT_EQ(close.leader, "h:9");
  EXPECT_TRUE(close.refused);
  EXPECT_EQ(follower.promised(), Epoch(2)) << "who rejects is not obeyed";
}

TEST_F(FollowerTest, TakesNothingFromAnotherCluster) {
  for (const Id128& cluster : {Id128{0xc2}, Id128{}}) {
    connect();
    actions.clear();
    wire::ReplicaWelcome message;
    message.decision = Decision::stream;
    message.epoch = Epoch(9);
    message.cluster_id = cluster;
    message.position = at(2, 20);
    follower.on_welcome(message, now, actions);
    EXPECT_TRUE(only<Follower::Close>().refused);
    EXPECT_EQ(follower.promised(), Epoch(2));
    follower.disconnected();
    actions.clear();
  }
}

TEST_F(FollowerTest, TakesNothingFromWhoHasNoDatabaseEither) {
  Follower empty({}, Id128{}, {}, Epoch(0), kSilence);
  empty.connected(now, actions);
  actions.clear();
  wire::ReplicaWelcome message;
  message.decision = Decision::stream;
  message.epoch = Epoch(9);
  empty.on_welcome(message, now, actions);
  EXPECT_TRUE(only<Follower::Close>().refused);
}

TEST_F(FollowerTest, UndoesWhatIsBeyondTheCommonPositionAndGreetsAgain) {
  connect();
  actions.clear();
  welcome(Decision::ancestor, 2, at(1, 15));
  EXPECT_EQ(only<Follower::Rollback>().to, at(1, 15));
  EXPECT_FALSE(follower.settled());
  EXPECT_FALSE(follower.streaming());
  follower.rolled_back(at(1, 15), now, actions);
  EXPECT_TRUE(follower.settled());
  const auto hello = sent<wire::ReplicaHello>();
  EXPECT_EQ(hello.position, at(1, 15));
  EXPECT_EQ(hello.last, at(1, 15));
  actions.clear();
  welcome(Decision::stream, 2, at(1, 15));
  EXPECT_TRUE(follower.streaming());
}

TEST_F(FollowerTest, AnswersAProbeWithItsLastPositionOfThatEpoch) {
  connect();
  actions.clear();
  welcome(Decision::probe, 2, at(1, 0));
  EXPECT_EQ(only<Follower::Locate>().max, Epoch(1));
  follower.located(at(1, 12), now, actions);
  const auto hello = sent<wire::ReplicaHello>();
  EXPECT_EQ(hello.position, at(1, 12));
  EXPECT_EQ(hello.last, at(2, 20)) << "the end of the log stays where it is";
  // That one is common: what is beyond it is to be undone first.
  actions.clear();
  welcome(Decision::stream, 2, at(1, 12));
  EXPECT_EQ(only<Follower::Rollback>().to, at(1, 12));
  EXPECT_FALSE(follower.streaming());
}

// The other side took it for common, and it is not: what is older may be.
TEST_F(FollowerTest, LooksInAnEarlierEpochWhenThePositionIsNotItsOwn) {
  connect();
  actions.clear();
  welcome(Decision::ancestor, 2, at(2, 18));
  actions.clear();
  follower.rollback_refused(now, actions);
  EXPECT_EQ(only<Follower::Locate>().max, Epoch(1));
  EXPECT_TRUE(follower.settled());
  follower.located({}, now, actions);
  EXPECT_EQ(sent<wire::ReplicaHello>().position, Position{});
}

TEST_F(FollowerTest, CopiesTheDatabaseWhenToldToOrWhenItCannotUndo) {
  connect();
  actions.clear();
  welcome(Decision::checkpoint, 2);
  only<Follower::TakeCheckpoint>();
  EXPECT_FALSE(follower.settled());
  EXPECT_FALSE(follower.streaming());

  follower.disconnected();
  connect();
  actions.clear();
  welcome(Decision::ancestor, 2, at(1, 15));
  actions.clear();
  follower.needs_checkpoint(now, actions);
  only<Follower::TakeCheckpoint>();
}

TEST_F(FollowerTest, IgnoresAWelcomeThatItDidNotAskFor) {
  welcome(Decision::stream, 9, at(2, 20));
  EXPECT_TRUE(actions.empty());
  stream();
  welcome(Decision::ancestor, 9, at(1, 1));
  EXPECT_TRUE(actions.empty());
  EXPECT_EQ(follower.promised(), Epoch(2));
}

// ---- streaming ----------------------------------------------------------------------------------

TEST_F(FollowerTest, AcknowledgesWhatIsDurable) {
  stream();
  append(2, at(2, 20), {at(2, 21), at(2, 22)});
  EXPECT_EQ(only<Follower::Append>().group.records.size(), 2U);
  append(2, at(2, 22), {at(2, 23)});
  first<Follower::Append>();
  EXPECT_TRUE(actions.empty()) << "nothing is durable yet";
  EXPECT_TRUE(follower.appending());
  follower.appended(at(2, 22), now, actions);
  EXPECT_EQ(sent<wire::ReplicaAck>().flushed, at(2, 22));
  EXPECT_TRUE(follower.appending());
  follower.appended(at(2, 23), now, actions);
  EXPECT_EQ(sent<wire::ReplicaAck>().flushed, at(2, 23));
  EXPECT_FALSE(follower.appending());
  EXPECT_TRUE(actions.empty());
}

TEST_F(FollowerTest, PromisesALaterEpochBeforeItAppends) {
  stream();
  append(3, at(2, 20), {at(3, 21)});
  EXPECT_EQ(first<Follower::StorePromise>().epoch, Epoch(3));
  only<Follower::Append>();
  EXPECT_EQ(follower.promised(), Epoch(3));
}

TEST_F(FollowerTest, RefusesAllThatAnEndedEpochSends) {
  stream(4);
  append(3, at(2, 20), {at(3, 21)});
  expect_refused_as_stale(4);
  follower.disconnected();
  stream(4);
  beat(3, 20, 1);
  expect_refused_as_stale(4);
  follower.disconnected();
  stream(4);
  hand_over(3, at(2, 20));
  expect_refused_as_stale(4);
}

// It promised an epoch of its own, or of another primary, while it was streaming.
TEST_F(FollowerTest, RefusesWhatItStreamedFromOnceItHasPromisedLater) {
  stream();
  follower.promised(Epoch(3));
  append(2, at(2, 20), {at(2, 21)});
  expect_refused_as_stale(3);
}

TEST_F(FollowerTest, TakesOnlyGroupsThatFollow) {
  const std::vector<wire::ReplicaAppend> wrong = {
      group(2, at(2, 21), {at(2, 22)}),             // a gap
      group(2, at(2, 19), {at(2, 20)}),             // again
      group(2, at(2, 20), {at(2, 20)}),             // the tid does not increase
      group(2, at(2, 20), {at(2, 22), at(2, 21)}),  // nor within it
      group(2, at(2, 20), {at(1, 21)}),             // back to an earlier reign
      group(2, at(2, 20), {at(3, 21)}),             // of a later reign than the sender's
  };
  for (const wire::ReplicaAppend& one : wrong) {
    stream();
    follower.on_append(one, now, actions);
    EXPECT_FALSE(only<Follower::Close>().why.empty());
    EXPECT_FALSE(follower.appending());
    follower.disconnected();
  }
}

TEST_F(FollowerTest, ShowsWhatIsVisibleAndDurable) {
  stream();
  append(2, at(2, 20), {at(2, 21)});
  append(2, at(2, 21), {at(2, 22)});
  actions.clear();
  beat(2, 22, 0);
  EXPECT_EQ(only<Follower::Show>().visible, Tid(20)) << "no more than is durable here";
  follower.appended(at(2, 22), now, actions);
  EXPECT_EQ(first<Follower::Show>().visible, Tid(22));
  actions.clear();
  append(2, at(2, 22), {at(2, 23)});
  actions.clear();
  follower.appended(at(2, 23), now, actions);
  only<Follower::Send>();
  EXPECT_EQ(follower.visible(), Tid(22)) << "no more than the primary allows";
  beat(2, 21, 0);
  EXPECT_EQ(follower.visible(), Tid(22)) << "never back";
}

TEST_F(FollowerTest, AReaderSeesNothingThatIsUndone) {
  stream();
  beat(2, 20, 1);
  EXPECT_EQ(follower.visible(), Tid(20));
  follower.disconnected();
  connect();
  welcome(Decision::ancestor, 3, at(1, 15));
  follower.rolled_back(at(1, 15), now, actions);
  EXPECT_EQ(follower.visible(), Tid(15));
}

TEST_F(FollowerTest, EchoesEachBeatOnce) {
  stream();
  beat(2, 0, 4);
  EXPECT_EQ(sent<wire::ReplicaAck>().echo, 4U);
  beat(2, 0, 4);
  beat(2, 0, 3);
  EXPECT_TRUE(actions.empty());
  beat(2, 0, 5);
  EXPECT_EQ(sent<wire::ReplicaAck>().echo, 5U);
}

// Of another primary's beats none was obeyed.
TEST_F(FollowerTest, EchoesNothingOfAnEarlierConnection) {
  stream();
  beat(2, 0, 7);
  follower.disconnected();
  actions.clear();
  connect();
  actions.clear();
  welcome(Decision::stream, 3, at(2, 20));
  first<Follower::StorePromise>();
  EXPECT_EQ(sent<wire::ReplicaAck>().echo, 0U);
}

TEST_F(FollowerTest, IsInSyncAsLastToldByThisReign) {
  stream();
  EXPECT_FALSE(follower.in_sync());
  beat(2, 0, 1, true);
  EXPECT_TRUE(follower.in_sync());
  follower.disconnected();
  EXPECT_TRUE(follower.in_sync()) << "the primary may be dead: this is what counts then";
  stream(3);
  EXPECT_FALSE(follower.in_sync()) << "another reign says so for itself";
  beat(3, 0, 1, true);
  beat(3, 0, 2, false);
  EXPECT_FALSE(follower.in_sync());
}

TEST_F(FollowerTest, TakesOverWhatItHasWhole) {
  stream();
  hand_over(2, at(2, 20));
  EXPECT_EQ(only<Follower::HandedOver>().epoch, Epoch(2));
}

TEST_F(FollowerTest, DoesNotTakeOverWhatItLacks) {
  stream();
  hand_over(2, at(2, 21));
  only<Follower::Close>();

  follower.disconnected();
  stream();
  append(2, at(2, 20), {at(2, 21)});
  actions.clear();
  hand_over(2, at(2, 20));
  only<Follower::Close>();
}

TEST_F(FollowerTest, DoesNotTakeOverAnotherHistory) {
  stream();
  Position other = at(2, 20);
  other.chain[1] = 1;
  hand_over(2, other);
  only<Follower::Close>();
}

TEST_F(FollowerTest, LeavesWhoFollowsALaterEpoch) {
  stream();
  follower.on_stale({.promised = Epoch(3), .leader = "h:9"}, actions);
  EXPECT_EQ(only<Follower::Close>().leader, "h:9");
  EXPECT_EQ(follower.promised(), Epoch(2)) << "it obeys who leads, not who says so";
}

// ---- what outlives a connection -----------------------------------------------------------------

TEST_F(FollowerTest, GreetsWhenEarlierAppendsHaveEnded) {
  stream();
  append(2, at(2, 20), {at(2, 21)});
  append(2, at(2, 21), {at(2, 22)});
  follower.disconnected();
  actions.clear();
  connect();
  EXPECT_TRUE(actions.empty()) << "the end of the log still moves";
  append(2, at(2, 22), {at(2, 23)});
  beat(2, 22, 1);
  hand_over(2, at(2, 20));
  EXPECT_TRUE(actions.empty()) << "nothing late is taken for current";
  follower.appended(at(2, 21), now, actions);
  EXPECT_TRUE(actions.empty());
  follower.appended(at(2, 22), now, actions);
  EXPECT_EQ(sent<wire::ReplicaHello>().position, at(2, 22));
}

TEST_F(FollowerTest, GreetsWhenAnEarlierRollbackHasEnded) {
  for (const int end : {0, 1, 2}) {
    SCOPED_TRACE(end);
    Follower one({}, kCluster, at(2, 20), Epoch(2), kSilence);
    Follower::Actions asked;
    one.connected(now, asked);
    wire::ReplicaWelcome message;
    message.decision = Decision::ancestor;
    message.epoch = Epoch(2);
    message.cluster_id = kCluster;
    message.position = at(1, 15);
    one.on_welcome(message, now, asked);
    one.disconnected();
    asked.clear();
    one.connected(now, asked);
    EXPECT_TRUE(asked.empty());
    EXPECT_FALSE(one.settled());
    if (end == 0) one.rolled_back(at(1, 15), now, asked);
    if (end == 1) one.rollback_refused(now, asked);
    if (end == 2) one.needs_checkpoint(now, asked);
    ASSERT_EQ(asked.size(), 1U);
    const auto& send = std::get<Follower::Send>(asked[0]);
    EXPECT_EQ(std::get<wire::ReplicaHello>(send.message).position,
              end == 0 ? at(1, 15) : at(2, 20));
  }
}

TEST_F(FollowerTest, ComparesAnewWhenAGroupDidNotFit) {
  stream();
  append(2, at(2, 20), {at(2, 21)});
  actions.clear();
  follower.append_failed("another history", actions);
  EXPECT_EQ(only<Follower::Close>().why, "another history");
  EXPECT_FALSE(follower.appending());
  follower.disconnected();
  connect();
  EXPECT_EQ(sent<wire::ReplicaHello>().position, at(2, 20));
}

// ---- silence ------------------------------------------------------------------------------------

TEST_F(FollowerTest, LeavesWhoIsSilent) {
  connect();
  actions.clear();
  expect_closed_after_silence();

  follower.disconnected();
  stream();
  now = now + kSilence;
  beat(2, 0, 1);
  actions.clear();
  expect_closed_after_silence();
  EXPECT_FALSE(follower.streaming());
}

TEST_F(FollowerTest, IsPatientWhileItIsBusyItself) {
  connect();
  actions.clear();
  welcome(Decision::ancestor, 2, at(1, 15));
  actions.clear();
  now = now + 10 * kSilence;
  follower.tick(now, actions);
  EXPECT_TRUE(actions.empty());
  follower.rolled_back(at(1, 15), now, actions);
  actions.clear();
  follower.tick(now, actions);
  EXPECT_TRUE(actions.empty()) << "the time for an answer begins now";
}

// A large group over a slow link: nothing is whole for longer than anybody may be silent.
TEST_F(FollowerTest, DoesNotLeaveWhoseBytesCome) {
  stream();
  beat(2, 20, 7);
  actions.clear();
  const Instant heard = now;
  for (int acknowledged = 0; acknowledged < 25; ++acknowledged) {
    for (int ticks = 0; ticks < 100 && actions.empty(); ++ticks) {
      now = now + 50ms;
      follower.link_moves(now);
      follower.tick(now, actions);
    }
    // The upstream is not to take this node for gone either. Nothing else is said by it: a reign
    // counts on what was echoed, and clients on what is durable.
    const auto ack = sent<wire::ReplicaAck>();
    EXPECT_EQ(ack.echo, 7U);
    EXPECT_EQ(ack.flushed, at(2, 20));
    ASSERT_TRUE(actions.empty());
  }
  EXPECT_GE(now - heard, 3 * kSilence) << "that is more than has to be said";
  EXPECT_LE(now - heard, 5 * kSilence) << "the upstream may lose its patience in between";
  EXPECT_EQ(follower.heard_at(), heard) << "what may serve until when is reckoned from it";
  EXPECT_FALSE(follower.shown_as_of());
  expect_closed_after_silence();
}

TEST_F(FollowerTest, SaysNothingMoreWhileHeartbeatsAreAnswered) {
  stream();
  for (std::uint64_t i = 1; i < 100; ++i) {
    now = now + 50ms;
    follower.link_moves(now);
    follower.tick(now, actions);
    EXPECT_TRUE(actions.empty());
    now = now + 50ms;
    beat(2, 20, i);
    actions.clear();
  }
}

TEST_F(FollowerTest, WhatCameOverAnEarlierConnectionIsNoSign) {
  stream();
  follower.link_moves(now + 10 * kSilence);
  follower.disconnected();
  connect();
  actions.clear();
  expect_closed_after_silence();
}

TEST(FollowerDeathTest, PromisesDoNotGoDown) {
  Follower one({}, kCluster, at(2, 20), Epoch(2), kSilence);
  EXPECT_DEATH(one.promised(Epoch(1)), "promises");
}

}  // namespace
}  // namespace zeolite::replication
