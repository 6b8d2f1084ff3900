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
