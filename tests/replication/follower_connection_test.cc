// A follower's connections, and the copies that come over them: what is kept of an earlier one, and
// when one is left.
#include <gtest/gtest.h>

#include "replication/follower_fixture.h"

namespace zeolite::replication {
namespace {

// ---- what is kept -------------------------------------------------------------------------------

TEST_F(FollowerTest, ForgetsWhatWasVisibleOverAnEarlierConnection) {
  stream();
  beat(2, 25, 1);  // acknowledged by one who may have been alone
  follower.disconnected();
  stream(3);
  append(3, at(2, 20), {at(3, 25)});
  follower.appended(at(3, 25), now, actions);
  EXPECT_EQ(follower.visible(), Tid(20)) << "of this history nothing more is known to be visible";
  beat(3, 25, 1);
  EXPECT_EQ(follower.visible(), Tid(25));
}

TEST_F(FollowerTest, IsNotToldToShowLessByALateBeat) {
  stream();
  append(2, at(2, 20), {at(2, 21), at(2, 22)});
  beat(2, 22, 2);
  beat(2, 21, 1);
  actions.clear();
  follower.appended(at(2, 22), now, actions);
  EXPECT_EQ(follower.visible(), Tid(22));
}

TEST_F(FollowerTest, TakesNothingOverAConnectionThatEnded) {
  stream();
  follower.disconnected();
  EXPECT_FALSE(follower.streaming());
  append(2, at(2, 20), {at(2, 21)});
  beat(2, 20, 1);
  hand_over(2, at(2, 20));
  EXPECT_TRUE(actions.empty());
}

// ---- copies -------------------------------------------------------------------------------------

// Its primary may be gone without a word: then nothing ever comes over the connection.
TEST_F(FollowerTest, LeavesACopyOfWhichNothingMoreComes) {
  connect();
  actions.clear();
  welcome(Decision::checkpoint, 2);
  only<Follower::TakeCheckpoint>();
  // Making a copy takes its time, and so does a piece of it; meanwhile the other side is alive.
  for (int i = 0; i < 3; ++i) {
    now = now + kSilence;
    beat(2, 20, 1);
    follower.tick(now, actions);
    now = now + kSilence;
    follower.link_moves(now);
    follower.tick(now, actions);
  }
  EXPECT_TRUE(actions.empty());
  expect_closed_after_silence();
  EXPECT_TRUE(follower.settled());
}

TEST_F(FollowerTest, HasTimeForACopyWhenItCannotUndo) {
  connect();
  actions.clear();
  welcome(Decision::ancestor, 2, at(1, 15));
  actions.clear();
  now = now + 10 * kSilence;
  follower.needs_checkpoint(now, actions);
  only<Follower::TakeCheckpoint>();
  EXPECT_FALSE(follower.settled());
  follower.tick(now, actions);
  EXPECT_TRUE(actions.empty()) << "the time for an answer begins now";
}

TEST_F(FollowerTest, GivesUpACopyWhenAnotherReignBegins) {
  connect();
  actions.clear();
  welcome(Decision::checkpoint, 2);
  only<Follower::TakeCheckpoint>();
  beat(3, 20, 1);
  only<Follower::Close>();
  EXPECT_EQ(follower.promised(), Epoch(2)) << "it is promised when it is greeted";
}

TEST_F(FollowerTest, InstallsACopyThatHasAllThatItHas) {
  connect();
  actions.clear();
  welcome(Decision::checkpoint, 2);
  const auto take = only<Follower::TakeCheckpoint>();
  EXPECT_EQ(take.cluster, kCluster);
  EXPECT_EQ(take.from, at(2, 20));
  follower.copied(kCluster, at(2, 20), actions);
  const auto install = only<Follower::InstallCheckpoint>();
  EXPECT_EQ(install.position, at(2, 20));
  EXPECT_EQ(install.replaces, at(2, 20));
}

// It has confirmed that, and it may be acknowledged.
TEST_F(FollowerTest, InstallsNoCopyThatLacksWhatItHas) {
  connect();
  actions.clear();
  welcome(Decision::checkpoint, 2);
  EXPECT_FALSE(Follower::may_replace(only<Follower::TakeCheckpoint>(), kCluster, at(2, 19)));
  follower.copied(kCluster, at(2, 19), actions);
  only<Follower::Close>();
}

TEST_F(FollowerTest, WhatItCannotUndoNeedNotBeInACopy) {
  connect();
  actions.clear();
  welcome(Decision::ancestor, 2, at(1, 15));
  actions.clear();
  follower.needs_checkpoint(now, actions);
  EXPECT_EQ(only<Follower::TakeCheckpoint>().from, at(1, 15));
  follower.copied(kCluster, at(1, 16), actions);
  EXPECT_EQ(only<Follower::InstallCheckpoint>().replaces, at(2, 20));
}

TEST_F(FollowerTest, InstallsNoCopyOfAnotherCluster) {
  connect();
  actions.clear();
  welcome(Decision::checkpoint, 2);
  actions.clear();
  follower.copied(Id128{0x77}, at(2, 30), actions);
  only<Follower::Close>();
}

// Its end arrives late: from a disk that was slow, while another connection was made.
TEST_F(FollowerTest, InstallsNoCopyThatWasGivenUp) {
  connect();
  actions.clear();
  welcome(Decision::checkpoint, 2);
  follower.disconnected();
  actions.clear();
  follower.copied(kCluster, at(2, 30), actions);
  EXPECT_TRUE(actions.empty());
  stream();
  follower.copied(kCluster, at(2, 30), actions);
  EXPECT_TRUE(actions.empty());
}

// It is of use as it is, then: it may be promoted with it.
TEST_F(FollowerTest, KeepsItsOwnLogWhenTheConnectionEndsDuringACopy) {
  connect();
  actions.clear();
  welcome(Decision::checkpoint, 2);
  ASSERT_FALSE(follower.settled());
  follower.disconnected();
  EXPECT_TRUE(follower.settled());
}

}  // namespace
}  // namespace zeolite::replication
