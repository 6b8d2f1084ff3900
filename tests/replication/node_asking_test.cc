// A primary that is started again, and its former standbys.
#include <gtest/gtest.h>

#include <string>

#include "replication/node_fixture.h"

namespace zeolite::replication {
namespace {

using Decision = wire::ReplicaWelcome::Decision;

class NodeAsking : public NodeTest {
 protected:
  void SetUp() override {
    options.leads = true;
    options.ask_first = {"h:2", "h:3"};
    start();
  }
  void rejected(std::uint64_t promised, const std::string& leader) {
    wire::ReplicaWelcome message;
    message.reason = "not now";
    message.epoch = Epoch(promised);
    message.cluster_id = kCluster;
    message.leader = leader;
    node().from_upstream(message, now, actions);
  }
  // Until it asks one more.
  void ask_again() {
    forget();
    for (const Instant until = now + 10s; count<action::Connect>() == 0 && now < until;) pass(50ms);
  }
};

TEST_F(NodeAsking, LeadsWhenNobodyAnswers) {
  EXPECT_EQ(last<action::Connect>().address, "h:2");
  EXPECT_EQ(node().role(), Role::starting);
  EXPECT_EQ(count<action::Lead>(), 0U);
  node().upstream_lost("refused", now, actions);
  EXPECT_EQ(last<action::Connect>().address, "h:3");
  pass(900ms);
  EXPECT_EQ(count<action::Lead>(), 0U);
  pass(200ms);
  EXPECT_EQ(last<action::Lead>().epoch, Epoch(3));
  EXPECT_EQ(count<action::Connect>(), 2U);
  node().reign_begun(at(3, 30), now, actions);
  EXPECT_EQ(node().role(), Role::primary);
}

// They wait for it.
TEST_F(NodeAsking, LeadsWhenNobodyKnowsOfALaterEpoch) {
  connect();
  ASSERT_TRUE(told_upstream<wire::ReplicaHello>());
  rejected(2, options.address);
  EXPECT_EQ(last<action::Connect>().address, "h:3");
  EXPECT_LT(place<action::Disconnect>(), place<action::Connect>());
  connect();
  // A stream of the epoch that it led itself is one of its own that is not known to have ended.
  welcome(Decision::stream, 2, at(2, 20));
  EXPECT_EQ(last<action::Lead>().epoch, Epoch(3));
  EXPECT_FALSE(node().follower().streaming());
}

TEST_F(NodeAsking, FollowsWhoLeadsALaterEpoch) {
  node().upstream_lost("refused", now, actions);
  connect();
  welcome(Decision::stream, 9, at(2, 20));
  EXPECT_EQ(node().role(), Role::standby);
  EXPECT_TRUE(node().follower().streaming());
  EXPECT_EQ(node().promised(), Epoch(9));
  EXPECT_EQ(node().leader(), "h:3");
  pass(2s);
  EXPECT_EQ(count<action::Lead>(), 0U);
  // And goes on to.
  node().upstream_lost("closed", now, actions);
  pass(1s);
  EXPECT_EQ(last<action::Connect>().address, "h:3");
}

// Who has promised it may have confirmed what this node lacks.
TEST_F(NodeAsking, DoesNotLeadWhenALaterEpochWasPromised) {
  connect();
  rejected(9, "h:7");
  EXPECT_EQ(node().role(), Role::standby);
  pass(1s);
  EXPECT_EQ(last<action::Connect>().address, "h:7") << "who leads, as the other said";
  node().upstream_lost("closed", now, actions);
  pass(1s);
  EXPECT_EQ(last<action::Connect>().address, "h:7");
  EXPECT_EQ(count<action::Lead>(), 0U);
  EXPECT_EQ(node().promised(), Epoch(2)) << "who rejects is not obeyed";
}

TEST_F(NodeAsking, StaysWithWhoNamesNobodyElse) {
  connect();
  rejected(9, "");
  pass(5s);
  EXPECT_EQ(last<action::Connect>().address, "h:2");
  EXPECT_EQ(count<action::Lead>(), 0U);
}

// It was killed when it had heard of that and had not yet stepped down.
TEST_F(NodeAsking, DoesNotLeadBelowWhatItHasHeardOf) {
  durable.heard = Epoch(70000);
  forget();
  start();
  EXPECT_EQ(last<action::Connect>().address, "h:2");
  node().upstream_lost("refused", now, actions);
  node().upstream_lost("refused", now, actions);
  EXPECT_EQ(node().role(), Role::starting);
  EXPECT_TRUE(last<action::Note>().warning);
  EXPECT_NE(last<action::Note>().text.find("epoch 70000 was promised elsewhere"), std::string::npos)
      << last<action::Note>().text;
  EXPECT_EQ(node().advice(), last<action::Note>().text);
  // Its warning is not repeated with every question.
  pass(30s);
  EXPECT_EQ(count<action::Note>(), 1U);
  EXPECT_EQ(count<action::Lead>(), 0U);
  // Who leads in it may come back.
  ask_again();
  connect();
  welcome(Decision::stream, 70000, at(2, 20));
  EXPECT_EQ(node().role(), Role::standby);
  EXPECT_TRUE(node().follower().streaming());
}

TEST_F(NodeAsking, LeadsAboveWhatItHasHeardOfByCommand) {
  durable.heard = Epoch(70000);
  forget();
  start();
  node().promote(5, false, now, actions);
  EXPECT_EQ(refused(5), ErrorCode::conflict);
  node().promote(6, true, now, actions);
  EXPECT_GT(last<action::Lead>().epoch, Epoch(70000));
}

TEST_F(NodeAsking, AnotherClusterIsNotAsked) {
  connect();
  wire::ReplicaWelcome message;
  message.epoch = Epoch(9);
  message.cluster_id = Id128{0xc2};
  node().from_upstream(message, now, actions);
  EXPECT_EQ(last<action::Connect>().address, "h:3");
}

TEST_F(NodeAsking, LeadsAtOnceByCommand) {
  node().promote(5, true, now, actions);
  EXPECT_EQ(count<action::Lead>(), 1U);
  pass(5s);
  EXPECT_EQ(count<action::Lead>(), 1U);
  EXPECT_EQ(count<action::Connect>(), 1U);
}

// It may have been promoted, and be cut off from this node.
class NodeStillAsking : public NodeAsking {
 protected:
  // h:2 answers, h:3 does not; it leads in epoch 3.
  void SetUp() override {
    NodeAsking::SetUp();
    connect();
    rejected(2, "");
    node().upstream_lost("refused", now, actions);
    node().reign_begun(at(3, 30), now, actions);
    ASSERT_EQ(node().role(), Role::primary);
  }
  void ask_again() {
    NodeAsking::ask_again();
    ASSERT_EQ(last<action::Connect>().address, "h:3");
  }
};

TEST_F(NodeStillAsking, SaysThatItLeadsWithoutHavingAsked) {
  const std::string text = last<action::Note>().text;
  EXPECT_TRUE(last<action::Note>().warning);
  EXPECT_NE(text.find("leads without having been able to ask its standbys (h:3)"),
            std::string::npos)
      << text;
}

TEST_F(NodeStillAsking, GoesOnAndStepsDownWhenOneWasPromoted) {
  for (int i = 0; i < 3; ++i) {
    ask_again();
    node().upstream_lost("refused", now, actions);
    EXPECT_EQ(node().role(), Role::primary);
  }
  ask_again();
  connect();
  EXPECT_EQ(told_upstream<wire::ReplicaHello>()->promised, Epoch(3));
  welcome(Decision::stream, 70000, at(2, 20));
  ASSERT_TRUE(stepped_down());
  EXPECT_EQ(last<action::StepDown>().leader, "h:3");
  EXPECT_NE(last<action::StepDown>().why.find("h:3 has promised epoch 70000"), std::string::npos);
  EXPECT_EQ(node().promised(), Epoch(3)) << "the next of this process obeys it";
}

TEST_F(NodeStillAsking, FollowsWhomItNames) {
  ask_again();
  connect();
  rejected(70000, "h:7");
  ASSERT_TRUE(stepped_down());
  EXPECT_EQ(last<action::StepDown>().leader, "h:7");
}

TEST_F(NodeStillAsking, EndsWithAnAnswer) {
  ask_again();
  connect();
  rejected(3, "h:1");
  EXPECT_EQ(count<action::Disconnect>(), 1U);
  forget();
  pass(30s);
  EXPECT_EQ(count<action::Connect>(), 0U);
  EXPECT_EQ(node().role(), Role::primary);
}

TEST_F(NodeStillAsking, DoesNotWaitForAnAnswer) {
  ask_again();
  pass(900ms);
  EXPECT_EQ(count<action::Disconnect>(), 0U);
  pass(200ms);
  EXPECT_EQ(count<action::Disconnect>(), 1U);
  EXPECT_EQ(node().role(), Role::primary);
  ask_again();
}

// Its greeting says what it has promised.
TEST_F(NodeStillAsking, EndsWhenTheStandbyComesByItself) {
  attach(1, kThird, at(2, 20));
  forget();
  pass(1s);
  EXPECT_EQ(count<action::Connect>(), 0U);
}

TEST_F(NodeStillAsking, ALaterEpochInItsGreetingEndsTheReign) {
  greet(1, hello_of(kThird, at(2, 20), 70000));
  EXPECT_TRUE(stepped_down());
}

TEST_F(NodeStillAsking, PausesGrow) {
  std::size_t asked = 0;
  for (int i = 0; i < 100; ++i) {
    forget();
    pass(1s);
    if (count<action::Connect>() == 0) continue;
    ++asked;
    node().upstream_lost("refused", now, actions);
  }
  EXPECT_GE(asked, 15U);
  EXPECT_LE(asked, 40U);
}

TEST_F(NodeAsking, TellsOthersThatAskWhatItHasPromised) {
  greet(1, hello_of(kOther, at(1, 20), 1));
  ASSERT_TRUE(told<wire::ReplicaWelcome>(1));
  EXPECT_EQ(told<wire::ReplicaWelcome>(1)->epoch, Epoch(2));
  EXPECT_EQ(told<wire::ReplicaWelcome>(1)->cluster_id, kCluster);
}

}  // namespace
}  // namespace zeolite::replication
