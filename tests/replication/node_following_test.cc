// A standby and whom it follows, without an election.
#include <gtest/gtest.h>

#include <string>

#include "replication/node_fixture.h"

namespace zeolite::replication {
namespace {

using Decision = wire::ReplicaWelcome::Decision;

TEST_F(NodeTest, WaitsForACommandWhenItKnowsNobody) {
  start();
  ASSERT_EQ(actions.size(), 1U);
  const std::string text = last<action::Note>().text;
  EXPECT_NE(text.find("nobody leads as far as this node knows"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("type: zeolite promote --at h:1 --force")) << text;
  forget();
  pass(1s);
  EXPECT_TRUE(actions.empty());
  EXPECT_EQ(node().role(), Role::starting);
  EXPECT_EQ(node().advice(), text) << "status says so, too";
}

TEST_F(NodeTest, FollowsWhomItIsTold) {
  options.upstream = "h:2";
  start();
  EXPECT_EQ(last<action::Connect>().address, "h:2");
  EXPECT_EQ(node().role(), Role::standby);
  connect();
  ASSERT_TRUE(told_upstream<wire::ReplicaHello>());
  EXPECT_EQ(told_upstream<wire::ReplicaHello>()->last, at(2, 20));
  welcome(Decision::stream, 4, at(2, 20));
  EXPECT_EQ(last<action::StorePromise>().epoch, Epoch(4));
  EXPECT_LT(place<action::StorePromise>(), place<action::ToUpstream>());
  EXPECT_EQ(node().epoch(), Epoch(4));
  EXPECT_EQ(node().leader(), "h:2");
}

TEST_F(NodeTest, TriesAgainAfterPausesThatGrow) {
  options.upstream = "h:2";
  start();
  Duration before{};
  for (int i = 0; i < 5; ++i) {
    forget();
    node().upstream_lost("refused", now, actions);
    EXPECT_EQ(count<action::Connect>(), 0U);
    const Instant lost = now;
    while (count<action::Connect>() == 0) pass(10ms);
    EXPECT_GT(now - lost, before);
    EXPECT_LE(now - lost, 1s);
    before = now - lost;
  }
}

// A primary that takes it and loses it, again and again, is not tried without a pause.
TEST_F(NodeTest, AStreamThatDoesNotHoldDoesNotShortenThePauses) {
  follow();
  Instant lost;
  for (int i = 0; i < 6; ++i) {
    node().upstream_lost("closed", now, actions);
    lost = now;
    forget();
    while (count<action::Connect>() == 0 && now < lost + 5s) pass(10ms);
    connect();
    welcome(Decision::stream, 2, node().follower().last());
    ASSERT_TRUE(node().follower().streaming());
  }
  EXPECT_GT(now - lost, 500ms);
  EXPECT_LE(now - lost, 1s);
}

TEST_F(NodeTest, TellsOfATroubleOnceAndOfItsEndWithACount) {
  follow();
  forget();
  for (int i = 0; i < 4; ++i) {
    node().upstream_lost("closed", now, actions);
    pass(1s);
    node().upstream_lost("connection refused", now, actions);
    pass(1s);
    connect();
    welcome(Decision::stream, 2, node().follower().last());
  }
  ASSERT_EQ(count<action::Note>(), 2U);
  EXPECT_EQ(last<action::Note>().text, "cannot follow h:2: connection refused");
  forget();
  for (int i = 0; i < 60; ++i) {
    pass(100ms);
    upstream_beat(2, 20);
  }
  ASSERT_EQ(count<action::Note>(), 1U);
  EXPECT_EQ(last<action::Note>().text,
            "streams from h:2 again; until then it was lost or not reached 8 times");
  EXPECT_FALSE(last<action::Note>().warning);
  forget();
  node().upstream_lost("closed", now, actions);
  EXPECT_EQ(last<action::Note>().text, "the stream from h:2 ended: closed");
}

TEST_F(NodeTest, GivesUpAConnectionThatDoesNotComeAbout) {
  options.upstream = "h:2";
  start();
  forget();
  pass(options.silence_max);
  EXPECT_EQ(count<action::Disconnect>(), 0U);
  pass(2s);
  EXPECT_EQ(count<action::Disconnect>(), 1U);
  EXPECT_GE(count<action::Connect>(), 1U);
}

TEST_F(NodeTest, FollowsWhomARejectionNamesAndElseItsSetting) {
  options.upstream = "h:2";
  start();
  connect();
  wire::ReplicaWelcome rejected;
  rejected.reason = "not now";
  rejected.leader = "h:3";
  node().from_upstream(rejected, now, actions);
  pass(1s);
  EXPECT_EQ(last<action::Connect>().address, "h:3");
  node().upstream_lost("refused", now, actions);
  pass(1s);
  EXPECT_EQ(last<action::Connect>().address, "h:2");
  connect();
  rejected.leader = options.address;
  node().from_upstream(rejected, now, actions);
  pass(1s);
  EXPECT_EQ(last<action::Connect>().address, "h:2") << "not itself";
}

TEST_F(NodeTest, ShowsReadersWhatThePrimaryAllows) {
  follow();
  EXPECT_EQ(last<action::Show>().visible, Tid(20));
}

TEST_F(NodeTest, ForgetsWhatComesFromAConnectionThatEnded) {
  follow();
  node().upstream_lost("closed", now, actions);
  forget();
  upstream_beat(9, 20);
  EXPECT_TRUE(actions.empty());
  EXPECT_EQ(node().promised(), Epoch(2));
}

}  // namespace
}  // namespace zeolite::replication
