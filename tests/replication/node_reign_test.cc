// A reign: how it ends, how long it lasts without the coordination service, and in which order
// standbys are published and waited for.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "replication/node_fixture.h"

namespace zeolite::replication {
namespace {

// ---- the first of all ---------------------------------------------------------------------------

TEST_F(NodeTest, LeadsAloneOnlyWhenNobodyCanHaveAnythingOfTheCluster) {
  options.leads = true;
  const auto leads_alone = [this](const Position& last, Epoch promised) {
    durable = {.last = last, .cluster = {}, .promised = promised};
    forget();
    start();
    return NodeTest::last<action::Lead>().alone;
  };
  EXPECT_TRUE(leads_alone({}, {}));
  EXPECT_FALSE(leads_alone(at(1, 1), {})) << "an import";
  EXPECT_FALSE(leads_alone({}, Epoch(1))) << "it has led, or followed";
  options.sync.strict = true;
  EXPECT_FALSE(leads_alone({}, {})) << "a standby is to confirm all";
}

TEST_F(NodeTest, DoesNotLeadAloneWhenItIsPromoted) {
  durable = {};
  options.upstream = "h:2";
  start();
  node().promote(1, true, now, actions);
  EXPECT_TRUE(last<action::Lead>().takeover);
  EXPECT_FALSE(last<action::Lead>().alone);
}

TEST_F(NodeTest, ServesAloneAndFeedsNobodyBeforeItsLogHasBegun) {
  durable = {};
  options.leads = true;
  start();
  node().reign_begun(Position{}, now, actions);
  node().database_made(kCluster);
  ASSERT_EQ(node().role(), Role::primary);
  EXPECT_EQ(last<action::Serve>().epoch, Epoch(1));
  greet(1, hello_of(kOther, Position{}, 0));
  ASSERT_TRUE(told<wire::ReplicaWelcome>(1));
  EXPECT_EQ(told<wire::ReplicaWelcome>(1)->decision, wire::ReplicaWelcome::Decision::reject);
  forget();
  durable_up_to(at(1, 4));
  greet(2, hello_of(kOther, Position{}, 0));
  compared(2, Comparison::Kind::same);
  EXPECT_EQ(told<wire::ReplicaWelcome>(2)->decision, wire::ReplicaWelcome::Decision::stream);
  ack(2, 1, at(1, 4));
  tick();
  wait_from(4);
  EXPECT_TRUE(node().peers().at(0).in_sync);
}

// ---- told of a later epoch ----------------------------------------------------------------------

TEST_F(NodeTest, StepsDownWhenAGreetingTellsOfALaterEpoch) {
  lead();
  greet(1, hello_of(kOther, at(4, 31), 4));
  EXPECT_TRUE(stepped_down());
  EXPECT_TRUE(closed(1));
  EXPECT_EQ(node().role(), Role::ended);
  EXPECT_EQ(node().serves_until(), Instant{}) << "nor are readers";
  forget();
  pass(1s);
  durable_up_to(at(3, 31));
  EXPECT_TRUE(actions.empty()) << "nobody is answered any more";
}

TEST_F(NodeTest, StepsDownBeforeItServesToo) {
  options.sync.strict = true;
  options.leads = true;
  start();
  node().reign_begun(at(3, 30), now, actions);
  ASSERT_EQ(node().role(), Role::promoting);
  greet(1, hello_of(kOther, at(4, 31), 4));
  EXPECT_TRUE(stepped_down());
}

TEST_F(NodeTest, StepsDownWhenAnAcknowledgementTellsOfALaterEpoch) {
  lead();
  attach_in_sync(3, at(3, 30));
  durable_up_to(at(3, 31));
  forget();
  ack(1, 4, at(3, 31));
  EXPECT_TRUE(stepped_down());
  EXPECT_EQ(count<action::Acknowledge>(), 0U);
}

TEST_F(NodeTest, StepsDownWhenAStandbyRefusesItsEpoch) {
  lead();
  attach_in_sync(3, at(3, 30));
  node().peer_stale(1, {.promised = Epoch(4), .leader = "h:3"}, now, actions);
  ASSERT_TRUE(stepped_down());
  EXPECT_EQ(last<action::StepDown>().leader, "h:3");
}

TEST_F(NodeTest, GoesOnWhenAStandbyRefusesAnEpochThatIsOver) {
  lead();
  attach(1, kOther, at(3, 30));
  node().peer_stale(1, {.promised = Epoch(3), .leader = {}}, now, actions);
  EXPECT_FALSE(stepped_down());
  EXPECT_TRUE(closed(1));
}

TEST_F(NodeTest, AStandbyOnlyLosesWhoRefusesIt) {
  follow();
  attach(1, kThird, at(2, 20));
  node().peer_stale(1, {.promised = Epoch(9), .leader = "h:3"}, now, actions);
  EXPECT_FALSE(stepped_down());
  EXPECT_EQ(node().promised(), Epoch(2));
}

TEST_F(NodeTest, StepsDownOnce) {
  lead();
  attach(1, kOther, at(3, 30));
  ack(1, 4, at(3, 30));
  ack(1, 4, at(3, 30));
  greet(2, hello_of(kThird, at(4, 31), 4));
  EXPECT_EQ(count<action::StepDown>(), 1U);
}

// ---- how long it leads --------------------------------------------------------------------------

class NodeReign : public NodeTest {
 protected:
  void SetUp() override {
    begin_election(kSelf);
    be_elected();
    ASSERT_EQ(node().role(), Role::primary);
  }
  // Its standbys answer each beat at once; the service does not answer.
  void pass_with_echoes(Duration time, const std::vector<PeerId>& peers) {
    for (const Instant until = now + time; now < until && !stepped_down();) {
      pass(kBeat);
      for (const PeerId peer : peers) {
        ack(peer, 3, at(3, 30), told<wire::ReplicaHeartbeat>(peer)->sequence);
      }
    }
  }
  // In Q and S.
  void join(PeerId peer, const NodeId& standby) {
    attach(peer, standby, at(3, 30));
    ack(peer, 3, at(3, 30));
    pass(kBeat);
    if (!waits_) wait_from(30);
    waits_ = true;
    answer_service();
    ASSERT_EQ(std::ranges::count(published.back().members, standby), 1);
  }
  bool waits_ = false;
};

TEST_F(NodeReign, EndsWhenTheServiceSaysSo) {
  still_leads = false;
  pass(kLease);
  EXPECT_TRUE(stepped_down());
}

TEST_F(NodeReign, EndsAtItsDeadlineWhenItIsAlone) {
  pass(500ms);
  service_reachable = false;
  pass(2s);
  EXPECT_FALSE(stepped_down());
  EXPECT_GT(node().serves_until(), now);
  pass(kLease);
  EXPECT_TRUE(stepped_down());
  EXPECT_EQ(count<action::Acknowledge>(), 0U);
  EXPECT_EQ(node().serves_until(), Instant{}) << "readers are not answered for ever";
}

TEST_F(NodeReign, AnswersNobodyOnceItsKeyIsGivenBack) {
  node().stop(now, actions);
  EXPECT_EQ(node().serves_until(), Instant{});
}

TEST_F(NodeTest, AnswersToTheEndWhereNobodyTakesOver) {
  lead();
  node().stop(now, actions);
  EXPECT_EQ(node().serves_until(), std::nullopt);
}

TEST_F(NodeReign, LastsWithoutTheServiceWhileAllOfQObeyIt) {
  join(1, kOther);
  join(2, kThird);
  service_reachable = false;
  pass_with_echoes(10 * kLease, {1, 2});
  EXPECT_FALSE(stepped_down());
  EXPECT_EQ(node().role(), Role::primary);
}

TEST_F(NodeReign, EndsWithoutTheServiceWhenOneOfQIsNotHeardOf) {
  options.sync.stall_timeout = 60s;
  join(1, kOther);
  join(2, kThird);
  service_reachable = false;
  pass_with_echoes(2 * kLease, {1});
  EXPECT_TRUE(stepped_down());
}

// Whoever is not waited for cannot vouch for it.
TEST_F(NodeReign, EndsWithoutTheServiceWhenOneOfQIsGone) {
  join(1, kOther);
  join(2, kThird);
  service_reachable = false;
  node().peer_lost(2, now, actions);
  pass_with_echoes(10 * kLease, {1});
  EXPECT_TRUE(stepped_down()) << "it may be the one that is promoted";
}

TEST_F(NodeTest, EndsWithoutTheServiceWhenItsStandbysAreNotWaitedFor) {
  options.sync.durability = Durability::local;
  begin_election(kSelf);
  be_elected();
  attach(1, kOther, at(3, 30));
  service_reachable = false;
  for (int i = 0; i < 60 && !stepped_down(); ++i) {
    pass(kBeat);
    ack(1, 3, at(3, 30), told<wire::ReplicaHeartbeat>(1)->sequence);
  }
  EXPECT_TRUE(stepped_down());
}

// An echo of an early beat says nothing about now.
TEST_F(NodeReign, EndsWithoutTheServiceWhenOldBeatsAreEchoed) {
  join(1, kOther);
  pass_with_echoes(1s, {1});
  const std::uint64_t old = told<wire::ReplicaHeartbeat>(1)->sequence;
  service_reachable = false;
  for (int i = 0; i < 60 && !stepped_down(); ++i) {
    pass(kBeat);
    ack(1, 3, at(3, 30), old);
  }
  EXPECT_TRUE(stepped_down());
}

// Who does not obey this epoch confirms nothing by its echo.
TEST_F(NodeReign, EndsWithoutTheServiceWhenEchoesAreOfAnEarlierEpoch) {
  join(1, kOther);
  service_reachable = false;
  for (int i = 0; i < 60 && !stepped_down(); ++i) {
    pass(kBeat);
    ack(1, 2, at(3, 30), told<wire::ReplicaHeartbeat>(1)->sequence);
  }
  EXPECT_TRUE(stepped_down());
}

// ---- R4: S is within Q --------------------------------------------------------------------------

TEST_F(NodeReign, WaitsForAStandbyBeforeItIsPublished) {
  attach(1, kOther, at(2, 20));
  ack(1, 3, at(3, 30));
  may_publish = false;
  forget();
  tick();
  ASSERT_TRUE(last<action::SetWaiting>().on);
  EXPECT_EQ(count<action::AskDcs>(), 0U) << "what was acknowledged until now is not known";
  // Two more were acknowledged before waiting took effect; it has one of them.
  durable_up_to(at(3, 32));
  wait_from(32);
  ack(1, 3, at(3, 31));
  answer_service();
  EXPECT_EQ(published.size(), 1U);
  EXPECT_EQ(count<action::AskDcs>(), 0U);
  ack(1, 3, at(3, 32));
  ASSERT_EQ(count<action::AskDcs>(), 1U);
  const auto put = std::get<dcs::PutSync>(last<action::AskDcs>().request);
  EXPECT_EQ(put.sync.members, std::vector<NodeId>{kOther});
  EXPECT_FALSE(node().peers()[0].in_sync);
  may_publish = true;
  answer_service();
  EXPECT_TRUE(node().peers()[0].in_sync);
}

// It follows, and nobody promotes it by itself: whoever is promoted may lack what only it has.
TEST_F(NodeReign, WhoTakesPartInNoElectionIsFedAndNotWaitedFor) {
  auto hello = hello_of(kOther, at(3, 30));
  hello.by_command = true;
  forget();
  greet(1, hello);
  compared(1, Comparison::Kind::same);
  EXPECT_EQ(count<action::Feed>(), 1U);
  EXPECT_NE(last<action::Note>().text.find("takes part in no election"), std::string::npos);
  ack(1, 3, at(3, 30));
  pass(1s);
  EXPECT_EQ(count<action::SetWaiting>(), 0U);
  EXPECT_FALSE(node().peers().at(0).in_sync);
  EXPECT_FALSE(node().peers().at(0).waited_for);
  EXPECT_TRUE(view.sync->members.empty());
  // Nor does it get the reign by a switchover.
  node().switchover(5, {.target = "b", .timeout_ms = 1000}, now, actions);
  EXPECT_EQ(refused(5), ErrorCode::conflict);
  // One that does is waited for.
  attach(2, kThird, at(3, 30));
  ack(2, 3, at(3, 30));
  pass(200ms);
  EXPECT_TRUE(last<action::SetWaiting>().on);
}

TEST_F(NodeReign, IsWaitedForUntilSWithoutItIsPublished) {
  join(1, kOther);
  durable_up_to(at(3, 31));
  may_publish = false;
  forget();
  node().peer_lost(1, now, actions);
  pass(2s);
  EXPECT_EQ(count<action::SetWaiting>(), 0U);
  EXPECT_EQ(count<action::Acknowledge>(), 0U);
  EXPECT_TRUE(node().waits());
  may_publish = true;
  answer_service();
  EXPECT_TRUE(published.back().members.empty());
  EXPECT_FALSE(last<action::SetWaiting>().on);
  EXPECT_FALSE(node().waits());
}

TEST_F(NodeReign, OneThatIsLostLeavesTheOtherWaitedFor) {
  join(1, kOther);
  join(2, kThird);
  durable_up_to(at(3, 31));
  ack(2, 3, at(3, 31));
  EXPECT_EQ(count<action::Acknowledge>(), 0U) << "all are waited for";
  node().peer_lost(1, now, actions);
  forget();
  pass_with_echoes(2s, {2});
  EXPECT_EQ(published.back().members, std::vector<NodeId>{kThird});
  EXPECT_EQ(last<action::Acknowledge>().up_to, Tid(31));
  EXPECT_EQ(count<action::SetWaiting>(), 0U);
}

// Nobody else may be promoted then, and the service cannot be asked for more.
TEST_F(NodeReign, DoesNotGoOnAloneWithoutTheService) {
  join(1, kOther);
  service_reachable = false;
  durable_up_to(at(3, 31));
  forget();
  node().peer_lost(1, now, actions);
  pass(2 * kLease);
  EXPECT_EQ(count<action::SetWaiting>(), 0U);
  EXPECT_EQ(count<action::Acknowledge>(), 0U);
  EXPECT_TRUE(stepped_down());
}

}  // namespace
}  // namespace zeolite::replication
