#include "replication/node.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "replication/node_fixture.h"

namespace zeolite::replication {
namespace {

using Decision = wire::ReplicaWelcome::Decision;

// ---- beginning, without an election -------------------------------------------------------------

TEST_F(NodeTest, PromisesItsEpochBeforeItLeads) {
  options.leads = true;
  start();
  EXPECT_EQ(last<action::StorePromise>().epoch, Epoch(3));
  EXPECT_EQ(last<action::Lead>().epoch, Epoch(3));
  EXPECT_FALSE(last<action::Lead>().takeover);
  EXPECT_LT(place<action::StorePromise>(), place<action::Lead>());
  EXPECT_EQ(count<action::Serve>(), 0U) << "its beginning is not durable";
  EXPECT_EQ(node().role(), Role::promoting);
  node().reign_begun(at(3, 30), now, actions);
  EXPECT_EQ(last<action::Serve>().epoch, Epoch(3));
  EXPECT_EQ(last<action::Serve>().visible, Tid(30));
  EXPECT_EQ(node().role(), Role::primary);
  EXPECT_EQ(node().leader(), "h:1");
}

// Also of its own epoch: who led it last resumes nothing.
TEST_F(NodeTest, LeadsAboveAllItHasPromisedAndHas) {
  options.leads = true;
  durable.promised = Epoch(6);
  start();
  EXPECT_EQ(last<action::Lead>().epoch, Epoch(7));

  forget();
  durable.last = at(9, 20);
  start();
  EXPECT_EQ(last<action::Lead>().epoch, Epoch(10));
}

// ---- leading again, without an election ---------------------------------------------------------

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

TEST_F(NodeAsking, TellsOthersThatAskWhatItHasPromised) {
  greet(1, hello_of(kOther, at(1, 20), 1));
  ASSERT_TRUE(told<wire::ReplicaWelcome>(1));
  EXPECT_EQ(told<wire::ReplicaWelcome>(1)->epoch, Epoch(2));
  EXPECT_EQ(told<wire::ReplicaWelcome>(1)->cluster_id, kCluster);
}

// ---- following, without an election -------------------------------------------------------------

TEST_F(NodeTest, WaitsForACommandWhenItKnowsNobody) {
  start();
  pass(1s);
  EXPECT_TRUE(actions.empty());
  EXPECT_EQ(node().role(), Role::starting);
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

// ---- waiting and acknowledging, without an election ---------------------------------------------

TEST_F(NodeTest, AcknowledgesWhatAllThatAreWaitedForHave) {
  lead();
  EXPECT_EQ(count<action::SetWaiting>(), 0U) << "nobody to wait for";
  attach_in_sync(3, at(3, 30));
  forget();
  durable_up_to(at(3, 31));
  EXPECT_EQ(count<action::Acknowledge>(), 0U);
  ack(1, 3, at(3, 31));
  EXPECT_EQ(last<action::Acknowledge>().up_to, Tid(31));
  EXPECT_EQ(told<wire::ReplicaHeartbeat>(1)->visible, Tid(31));
  EXPECT_LT(place<action::ToPeer>(), place<action::Acknowledge>()) << "who is answered finds it";
  ack(1, 3, at(3, 32));
  EXPECT_EQ(count<action::Acknowledge>(), 1U) << "32 is not durable here";
}

TEST_F(NodeTest, GoesOnAloneUnlessStrict) {
  for (const bool strict : {false, true}) {
    SCOPED_TRACE(strict);
    options.sync.strict = strict;
    options.leads = true;
    forget();
    start();
    node().reign_begun(at(3, 30), now, actions);
    EXPECT_EQ(node().role(), strict ? Role::promoting : Role::primary);
    attach(1, kOther, at(2, 20));
    ack(1, 3, at(3, 30));
    tick();
    if (!strict) wait_from(30);
    EXPECT_EQ(node().role(), Role::primary) << "a standby has what the reign begins with";
    EXPECT_EQ(last<action::Serve>().visible, Tid(30));
    EXPECT_EQ(count<action::Acknowledge>(), 0U) << "Serve says it";
    forget();
    durable_up_to(at(3, 31));
    node().peer_lost(1, now, actions);
    pass(10s);
    EXPECT_EQ(count<action::SetWaiting>(), strict ? 0U : 1U);
    EXPECT_EQ(count<action::Acknowledge>(), 0U);
    EXPECT_EQ(node().waits(), strict);
    EXPECT_TRUE(strict || !last<action::SetWaiting>().on);
  }
}

TEST_F(NodeTest, WaitsForNobodyWhenDurabilityIsLocal) {
  options.sync.durability = Durability::local;
  lead();
  attach(1, kOther, at(3, 30));
  pass(1s);
  EXPECT_EQ(count<action::SetWaiting>(), 0U);
}

// ---- with an election ---------------------------------------------------------------------------

TEST_F(NodeTest, ServesOnceTheEmptySIsPublished) {
  begin_election(kSelf);
  may_publish = false;
  pass(2s);
  ASSERT_EQ(count<action::Lead>(), 1U);
  EXPECT_EQ(last<action::Lead>().epoch, Epoch(3));
  EXPECT_TRUE(last<action::Lead>().takeover);
  EXPECT_LT(place<action::StorePromise>(), place<action::Lead>());
  node().reign_begun(at(3, 30), now, actions);
  attach(1, kOther, at(3, 30));
  ack(1, 3, at(3, 30));
  pass(1s);
  EXPECT_EQ(count<action::Serve>(), 0U);
  EXPECT_EQ(count<action::SetWaiting>(), 0U) << "one publication at a time";
  may_publish = true;
  answer_service();
  ASSERT_EQ(published.size(), 1U);
  EXPECT_EQ(published[0].leader, kSelf);
  EXPECT_EQ(published[0].epoch, Epoch(3));
  EXPECT_TRUE(published[0].members.empty());
  EXPECT_TRUE(published[0].automatic);
  EXPECT_EQ(count<action::Serve>(), 1U);
}

TEST_F(NodeTest, SaysInSWhenNobodyIsToBePromotedByItself) {
  options.sync.durability = Durability::local;
  begin_election(kSelf);
  be_elected();
  ASSERT_EQ(published.size(), 1U);
  EXPECT_FALSE(published[0].automatic);
}

TEST_F(NodeTest, FollowsWhoIsElected) {
  other_leads();
  begin_election();
  pass(500ms);
  EXPECT_EQ(last<action::Connect>().address, "h:2");
  follow();
  forget();
  view.leader->address = "h:3";
  view.leader->node = kThird;
  view.leader->epoch = Epoch(3);
  pass(500ms);
  EXPECT_EQ(count<action::Disconnect>(), 1U);
  EXPECT_EQ(last<action::Connect>().address, "h:3");
  EXPECT_LT(place<action::Disconnect>(), place<action::Connect>());
}

// It may serve on as long as its standbys obey it.
TEST_F(NodeTest, KeepsFollowingWhenTheLeaderKeyIsGone) {
  other_leads();
  begin_election();
  view.sync->members = {};
  pass(500ms);
  follow();
  forget();
  view.leader.reset();
  pass(1s);
  EXPECT_EQ(count<action::Disconnect>(), 0U);
  EXPECT_TRUE(node().follower().streaming());
}

TEST_F(NodeTest, AbstainsForAWhile) {
  options.abstain = 5s;
  begin_election();
  pass(4s);
  EXPECT_EQ(count<action::Lead>(), 0U);
  pass(2s);
  EXPECT_EQ(count<action::Lead>(), 1U);
}

// Another reign began, and was promised to, while the answer was on its way.
TEST_F(NodeTest, IsNotElectedForAnEpochThatHasEnded) {
  other_leads();
  begin_election();
  pass(500ms);
  view.leader.reset();
  may_acquire = false;
  pass(1s);
  follow(3);
  may_acquire = true;
  answer_service();
  EXPECT_EQ(count<action::Lead>(), 0U);
  EXPECT_TRUE(stepped_down());
  EXPECT_TRUE(std::holds_alternative<dcs::Revoke>(last<action::AskDcs>().request))
      << "the others need not wait for the end of its lease";
}

TEST_F(NodeTest, DoesNotLeadWhileItsLogIsUndone) {
  other_leads();
  begin_election();
  pass(500ms);
  view.leader.reset();
  may_acquire = false;
  pass(1s);
  connect();
  welcome(Decision::ancestor, 2, at(1, 15));
  ASSERT_EQ(count<action::Rollback>(), 1U);
  may_acquire = true;
  answer_service();
  EXPECT_EQ(count<action::Lead>(), 0U);
  EXPECT_TRUE(stepped_down());
}

TEST_F(NodeTest, GivesItsKeyBackWhenItIsStopped) {
  begin_election(kSelf);
  be_elected();
  forget();
  node().stop(now, actions);
  EXPECT_TRUE(std::holds_alternative<dcs::Revoke>(last<action::AskDcs>().request));
  EXPECT_FALSE(stepped_down()) << "the process ends anyway";
  forget();
  tick();
  EXPECT_TRUE(actions.empty());
}

// ---- from when on a new primary serves ----------------------------------------------------------

class NodeTakingOver : public NodeTest {
 protected:
  Duration validity() const { return kLease / 3; }
  // Follows, and echoes a beat at `heard`; then the leader is gone.
  void follow_then_lose_the_leader() {
    other_leads();
    begin_election();
    pass(10s);
    follow();
    heard = now;
    view.leader.reset();
  }
  void reach_promoting() {
    while (node().role() != Role::promoting) {
      ASSERT_LT(now - heard, 10s);
      pass(50ms);
    }
    node().reign_begun(at(3, 30), now, actions);
    answer_service();
  }

  Instant heard{};
};

// Whose beat it echoed may serve readers for so long.
TEST_F(NodeTakingOver, WaitsOutTheLastBeatItEchoed) {
  follow_then_lose_the_leader();
  reach_promoting();
  ASSERT_LT(now - heard, validity());
  EXPECT_EQ(node().role(), Role::promoting);
  pass(heard + validity() - now - 1ms);
  EXPECT_EQ(count<action::Serve>(), 0U);
  pass(50ms);
  EXPECT_EQ(count<action::Serve>(), 1U);
}

// Its lease may be longer than the own one.
TEST_F(NodeTakingOver, WaitsOutTheLastBeatAsLongAsItsLeaderWasSetTo) {
  leader_ttl = 2 * kLease;
  follow_then_lose_the_leader();
  reach_promoting();
  pass(heard + 2 * validity() - now - 1ms);
  EXPECT_EQ(count<action::Serve>(), 0U);
  pass(50ms);
  EXPECT_EQ(count<action::Serve>(), 1U);
}

TEST_F(NodeTakingOver, ServesAtOnceWhenThePrimaryHandedOver) {
  follow_then_lose_the_leader();
  node().from_upstream(wire::Handover{.epoch = Epoch(2), .last = at(2, 20)}, now, actions);
  reach_promoting();
  EXPECT_LT(now - heard, 1s);
  EXPECT_EQ(node().role(), Role::primary);
}

// What it may have echoed before this process began, it does not know.
TEST_F(NodeTakingOver, WaitsAfterItsStart) {
  begin_election();
  const Instant started = now;
  heard = now;
  reach_promoting();
  EXPECT_EQ(node().role(), Role::promoting);
  while (node().role() != Role::primary) pass(50ms);
  EXPECT_GE(now - started, validity());
  EXPECT_LE(now - started, validity() + 100ms);
}

TEST_F(NodeTakingOver, ServesAtOnceWhenNobodyElseHasServedSince) {
  begin_election(kSelf);
  heard = now;
  reach_promoting();
  EXPECT_EQ(node().role(), Role::primary);
  EXPECT_LT(now - heard, validity());
}

}  // namespace
}  // namespace zeolite::replication
