// Promotion, switchover and demotion by command.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "replication/node_fixture.h"

namespace zeolite::replication {
namespace {

using Decision = wire::ReplicaWelcome::Decision;

constexpr CommandId kCommand = 5;

// ---- promote ------------------------------------------------------------------------------------

// In which kSelf leads when it is promoted from epoch 2 without a service.
constexpr Epoch kPromoted{65536 + 256};
Position promoted_at(std::uint64_t tid) { return at(kPromoted.value(), tid); }

class NodePromote : public NodeTest {
 protected:
  void promote(bool force = false, CommandId command = kCommand) {
    node().promote(command, force, now, actions);
  }
  // Why the command was refused.
  std::string why() const {
    const auto given = answer(kCommand);
    return given && !*given ? given->error().detail : "it was not refused";
  }
  static inline const std::string kAllTheSame =
      "; to make it the primary all the same, type: zeolite promote --at h:1 --force";
  // Follows, in sync or not, and the primary is gone.
  void lose_the_primary(bool in_sync = true) {
    follow();
    upstream_beat(2, 20, in_sync);
    node().upstream_lost("closed", now, actions);
    forget();
  }
};

TEST_F(NodePromote, LeadsTheNextEpochAndAnswersWhenItServes) {
  lose_the_primary();
  promote();
  EXPECT_EQ(last<action::StorePromise>().epoch, kPromoted);
  EXPECT_EQ(last<action::Lead>().epoch, kPromoted);
  EXPECT_TRUE(last<action::Lead>().takeover);
  EXPECT_LT(place<action::StorePromise>(), place<action::Lead>());
  EXPECT_FALSE(answer(kCommand));
  node().reign_begun(promoted_at(30), now, actions);
  ASSERT_TRUE(answer(kCommand));
  ASSERT_TRUE(*answer(kCommand));
  EXPECT_EQ((*answer(kCommand))->role, wire::NodeRole::primary);
  EXPECT_EQ((*answer(kCommand))->epoch, kPromoted);
  EXPECT_EQ((*answer(kCommand))->primary, "h:1");
  EXPECT_LT(place<action::Serve>(), place<action::Answer>());
  pass(1s);
  EXPECT_EQ(count<action::Connect>(), 0U) << "it follows nobody any more";
}

TEST_F(NodePromote, TwoThatDoNotKnowOfEachOtherLeadDifferentEpochs) {
  std::vector<Epoch> epochs;
  for (const NodeId& id : {kSelf, kOther}) {
    options.id = id;
    options.upstream = "h:9";
    forget();
    start();
    follow();
    promote(true);
    epochs.push_back(last<action::Lead>().epoch);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  // Nor do they share one with the primary of both, however often that is restarted.
  options.leads = true;
  start();
  EXPECT_LT(last<action::Lead>().epoch, epochs[0]);
}

TEST_F(NodePromote, OfTwoReignsTheLaterOneEndsTheOther) {
  lose_the_primary();
  promote();
  node().reign_begun(promoted_at(30), now, actions);
  // That follows another which was promoted too.
  greet(1, hello_of(kThird, {}, kPromoted.value() + 256));
  EXPECT_TRUE(stepped_down());
}

TEST_F(NodePromote, IsAboveAllReignsItKnowsOf) {
  durable.last = at(kPromoted.value() + 700, 20);
  follow(kPromoted.value() + 700);
  promote(true);
  EXPECT_EQ(last<action::Lead>().epoch, Epoch(2 * 65536 + 256));
}

// One that has promised it would end the reign as soon as it connects.
TEST_F(NodePromote, IsAboveThoseThatOthersHavePromised) {
  start();
  const Epoch theirs{kPromoted.value() + 65536};
  greet(1, hello_of(kOther, at(2, 20), theirs.value()));
  promote(true);
  EXPECT_GT(last<action::Lead>().epoch, theirs);
  // Also when it is told by whom it follows.
  options.upstream = "h:2";
  forget();
  start();
  connect();
  welcome(Decision::reject, theirs.value(), {});
  promote(true);
  EXPECT_GT(last<action::Lead>().epoch, theirs);
  EXPECT_EQ(node().heard(), last<action::Lead>().epoch);
}

// And when it heard of them before it was started again.
TEST_F(NodePromote, WhatIsHeardIsStoredBeforeItIsAnswered) {
  start();
  const Epoch theirs{kPromoted.value() + 65536};
  greet(1, hello_of(kOther, at(2, 20), theirs.value()));
  EXPECT_EQ(last<action::StoreHeard>().epoch, theirs);
  EXPECT_LT(place<action::StoreHeard>(), place<action::ToPeer>());
  greet(1, hello_of(kOther, at(2, 20), theirs.value()));
  greet(2, hello_of(kThird, at(2, 20), theirs.value() - 1));
  EXPECT_EQ(count<action::StoreHeard>(), 1U) << "only when it rises";
  durable.heard = theirs;
  forget();
  start();
  promote(true);
  EXPECT_GT(last<action::Lead>().epoch, theirs);
  EXPECT_EQ(count<action::StoreHeard>(), 0U) << "the promise is above it";
}

TEST_F(NodePromote, WhatAStandbyOrThePrimaryHasPromisedIsStored) {
  options.upstream = "h:2";
  start();
  connect();
  welcome(Decision::reject, 70000, {});
  EXPECT_EQ(last<action::StoreHeard>().epoch, Epoch(70000));
  EXPECT_EQ(count<action::StorePromise>(), 0U) << "who rejects is not obeyed";
  pass(1s);
  connect();
  node().from_upstream(wire::StaleEpoch{.promised = Epoch(70001), .leader = {}}, now, actions);
  EXPECT_EQ(last<action::StoreHeard>().epoch, Epoch(70001));
  options.upstream.clear();
  for (const bool acknowledges : {true, false}) {
    forget();
    lead();
    attach(1, kOther, at(3, 30));
    if (acknowledges) {
      ack(1, 70002, at(3, 30));
    } else {
      node().peer_stale(1, {.promised = Epoch(70002), .leader = {}}, now, actions);
    }
    EXPECT_EQ(last<action::StoreHeard>().epoch, Epoch(70002));
    EXPECT_LT(place<action::StoreHeard>(), place<action::StepDown>());
  }
}

// So status tells it, and not the log alone.
TEST_F(NodePromote, WhatIsInTheWayOfAnElectionIsAdvice) {
  begin_election();
  view.sync->members = {};
  pass(1s);
  EXPECT_EQ(node().advice(), "");
  pass(5s);
  EXPECT_NE(node().advice().find("nobody leads"), std::string::npos) << node().advice();
  EXPECT_EQ(last<action::Note>().text, node().advice());
  other_leads();
  pass(1s);
  EXPECT_EQ(node().advice(), "");
}

TEST_F(NodePromote, ADifferentClusterSaysNothingOfEpochs) {
  start();
  auto hello = hello_of(kOther, at(2, 20), kPromoted.value() + 65536);
  hello.cluster_id = Id128{0xc2};
  greet(1, hello);
  promote(true);
  EXPECT_EQ(last<action::Lead>().epoch, kPromoted);
}

TEST_F(NodePromote, TheUpstreamLearnsOfItIfItIsAlive) {
  follow();
  forget();
  promote(true);
  ASSERT_TRUE(told_upstream<wire::StaleEpoch>());
  EXPECT_EQ(told_upstream<wire::StaleEpoch>()->promised, kPromoted);
  EXPECT_EQ(told_upstream<wire::StaleEpoch>()->leader, "h:1");
  EXPECT_LT(place<action::StorePromise>(), place<action::ToUpstream>());
  EXPECT_LT(place<action::ToUpstream>(), place<action::Disconnect>());
  forget();
  upstream_beat(9, 20);
  EXPECT_TRUE(actions.empty());
}

TEST_F(NodePromote, IsRefusedWhileThePrimaryIsAlive) {
  follow();
  promote();
  EXPECT_EQ(refused(kCommand), ErrorCode::conflict);
  EXPECT_EQ(count<action::Lead>(), 0U);
}

TEST_F(NodePromote, IsRefusedWhenCommitsMayBeMissingUnlessForced) {
  lose_the_primary(false);
  promote();
  EXPECT_EQ(refused(kCommand), ErrorCode::conflict);
  EXPECT_EQ(why(),
            "this standby was not in sync when it last heard of the primary, so "
            "acknowledged commits may be missing here" +
                kAllTheSame);
  EXPECT_EQ(node().advice(),
            "it cannot follow h:2 now; if that does not lead any more: this "
            "standby was not in sync when it last heard of the primary, so "
            "acknowledged commits may be missing here; to make this node the "
            "primary, type: zeolite promote --at h:1 --force");
  EXPECT_EQ(count<action::Lead>(), 0U);
  promote(true, kCommand + 1);
  EXPECT_EQ(count<action::Lead>(), 1U);
}

TEST_F(NodePromote, OfOneInSyncNeedsNoForceWhichItsAdviceSays) {
  lose_the_primary();
  EXPECT_EQ(node().advice(),
            "it cannot follow h:2 now; if that does not lead any more: this "
            "standby was in sync when it last heard of the primary; to make this "
            "node the primary, type: zeolite promote --at h:1");
  promote();
  EXPECT_EQ(count<action::Lead>(), 1U);
  EXPECT_EQ(node().advice(), "") << "it leads soon";
}

// It was the primary, and the one whose later epoch it heard of follows it.
TEST_F(NodePromote, OfOneThatSteppedDownIsRefusedWithWhatIsTheCase) {
  options.stepped_down = "standby b has promised a later epoch";
  start();
  const std::string lacks =
      "this node was the primary and stepped down (standby b has promised a later epoch), and has "
      "heard of no primary since; another that was promoted may have commits that this one lacks, "
      "and they would be lost";
  EXPECT_EQ(last<action::Note>().text,
            "nobody leads as far as this node knows, and it follows "
            "nobody; " +
                lacks +
                "; to make it the primary, type: "
                "zeolite promote --at h:1 --force");
  EXPECT_TRUE(last<action::Note>().warning);
  EXPECT_EQ(node().advice(), last<action::Note>().text);
  promote();
  EXPECT_EQ(refused(kCommand), ErrorCode::conflict);
  EXPECT_EQ(why(), lacks + kAllTheSame);
  promote(true, kCommand + 1);
  EXPECT_EQ(count<action::Lead>(), 1U);
}

TEST_F(NodePromote, OfOneThatHasHeardOfNoPrimaryIsRefusedWithWhatIsTheCase) {
  options.upstream = "h:2";
  start();
  node().upstream_lost("connection refused", now, actions);
  promote();
  EXPECT_EQ(why(),
            "this node has heard of no primary since it was started, so acknowledged "
            "commits may be missing here: promote the one that was in sync, or that served "
            "last" +
                kAllTheSame);
}

TEST_F(NodePromote, WhatToTypeIsNotSaidWhileItFollowsOrLeadsOrElects) {
  follow();
  EXPECT_EQ(node().advice(), "");
  options.leads = true;
  start();
  node().reign_begun(at(3, 30), now, actions);
  EXPECT_EQ(node().advice(), "");
  options.leads = false;
  options.upstream.clear();
  begin_election();
  EXPECT_EQ(node().advice(), "");
}

TEST_F(NodePromote, IsRefusedWhileTheLogIsUndoneOrReplacedAlsoIfForced) {
  for (const Decision decision : {Decision::ancestor, Decision::checkpoint}) {
    options.upstream = "h:2";
    forget();
    start();
    connect();
    welcome(decision, 2, at(1, 15));
    promote(true);
    EXPECT_EQ(refused(kCommand), ErrorCode::conflict);
    EXPECT_EQ(count<action::Lead>(), 0U);
  }
}

TEST_F(NodePromote, OfThePrimaryIsDoneAlready) {
  lead();
  promote();
  ASSERT_TRUE(answer(kCommand));
  EXPECT_EQ((*answer(kCommand))->role, wire::NodeRole::primary);
  EXPECT_EQ(count<action::Lead>(), 1U);
}

TEST_F(NodePromote, IsRefusedTwiceAndAfterTheEnd) {
  lose_the_primary();
  promote();
  promote(true, kCommand + 1);
  EXPECT_EQ(refused(kCommand + 1), ErrorCode::conflict);
  EXPECT_EQ(count<action::Lead>(), 1U);
  node().reign_begun(promoted_at(30), now, actions);
  attach(1, kOther, promoted_at(30));
  ack(1, kPromoted.value() + 1, promoted_at(30));
  ASSERT_TRUE(stepped_down());
  promote(true, kCommand + 2);
  EXPECT_EQ(refused(kCommand + 2), ErrorCode::conflict);
}

// Its owner need not wait until the service has not let it lead in time.
TEST_F(NodePromote, OfANodeThatIsNotInSyncIsRefusedAtOnceUnlessForced) {
  begin_election();
  view.sync->members = {kThird};
  other_leads();
  pass(1s);
  promote();
  EXPECT_EQ(refused(kCommand), ErrorCode::conflict);
  EXPECT_NE((*answer(kCommand)).error().detail.find("this node is not in sync"), std::string::npos);
  view.leader.reset();
  pass(5s);
  promote(false, kCommand + 1);
  EXPECT_EQ(refused(kCommand + 1), ErrorCode::conflict);
  EXPECT_NE((*answer(kCommand + 1)).error().detail.find("nobody leads"), std::string::npos);
  promote(true, kCommand + 2);
  pass(1s);
  EXPECT_EQ(count<action::Lead>(), 1U);
}

// What was read last may be out of date then.
TEST_F(NodePromote, IsTriedWhileTheServiceIsSilent) {
  begin_election();
  view.sync->members = {kThird};
  pass(1s);
  service_reachable = false;
  pass(1s);
  node().answered(dcs::Read{}, make_error(ErrorCode::timeout, "no answer"), now, now, actions);
  promote();
  EXPECT_FALSE(answer(kCommand));
}

TEST_F(NodePromote, TellsWhatIsMissingWhenStrictDemandsAStandby) {
  options.sync.strict = true;
  lose_the_primary();
  promote();
  node().reign_begun(promoted_at(30), now, actions);
  pass(10s);
  EXPECT_FALSE(answer(kCommand));
  pass(10s);
  EXPECT_EQ(refused(kCommand), ErrorCode::timeout);
  EXPECT_NE((*answer(kCommand)).error().detail.find("strict"), std::string::npos);
  attach(1, kOther, promoted_at(30));
  ack(1, kPromoted.value(), promoted_at(30));
  pass(kBeat);
  EXPECT_EQ(node().role(), Role::primary) << "the reign goes on";
}

TEST_F(NodePromote, FailsWhenTheRoleEndsFirst) {
  options.sync.strict = true;
  lose_the_primary();
  promote();
  node().reign_begun(promoted_at(30), now, actions);
  greet(1, hello_of(kOther, promoted_at(31), kPromoted.value() + 1));
  EXPECT_EQ(refused(kCommand), ErrorCode::unavailable);
  EXPECT_LT(place<action::Answer>(), place<action::StepDown>());
}

TEST_F(NodePromote, AsksTheServiceWhenThereIsOne) {
  begin_election();
  may_acquire = false;  // nor is it said that it may not
  promote();
  pass(16s);
  EXPECT_EQ(refused(kCommand), ErrorCode::timeout);
  EXPECT_EQ(count<action::Lead>(), 0U);
  may_acquire = true;
  promote(false, kCommand + 1);
  pass(1s);
  EXPECT_EQ(count<action::Lead>(), 1U);
}

// ---- switchover ---------------------------------------------------------------------------------

class NodeSwitchover : public NodeTest {
 protected:
  void switch_over(const std::string& target = {}, CommandId command = kCommand) {
    node().switchover(command, {.target = target, .timeout_ms = 2000}, now, actions);
  }
  void held(const Position& end) { node().commits_held(end, end.tid, now, actions); }
};

TEST_F(NodeSwitchover, HandsOverWhenTheTargetHasEverything) {
  lead();
  attach_in_sync(3, at(3, 30));
  durable_up_to(at(3, 31));
  forget();
  switch_over();
  EXPECT_EQ(count<action::HoldCommits>(), 1U);
  held(at(3, 32));
  ack(1, 3, at(3, 31));
  EXPECT_FALSE(told<wire::Handover>(1));
  EXPECT_FALSE(answer(kCommand));
  ack(1, 3, at(3, 32));
  ASSERT_TRUE(told<wire::Handover>(1));
  EXPECT_EQ(told<wire::Handover>(1)->epoch, Epoch(3));
  EXPECT_EQ(told<wire::Handover>(1)->last, at(3, 32));
  EXPECT_EQ(last<action::Acknowledge>().up_to, Tid(32)) << "what was held back has an answer";
  EXPECT_LT(place<action::Acknowledge>(), place<action::StepDown>());
  ASSERT_TRUE(answer(kCommand));
  ASSERT_TRUE(*answer(kCommand));
  EXPECT_EQ((*answer(kCommand))->role, wire::NodeRole::standby);
  EXPECT_EQ((*answer(kCommand))->primary, "h:2");
  EXPECT_LT(place<action::Answer>(), place<action::StepDown>());
  EXPECT_EQ(last<action::StepDown>().leader, "h:2");
  EXPECT_EQ(count<action::ReleaseCommits>(), 0U);
}

TEST_F(NodeSwitchover, GivesTheLeaderKeyBackAfterItTold) {
  begin_election(kSelf);
  be_elected();
  attach_in_sync(3, at(3, 30));
  forget();
  switch_over("b");
  held(at(3, 30));
  const std::size_t revoke = place<action::AskDcs>();
  ASSERT_LT(revoke, actions.size());
  EXPECT_TRUE(std::holds_alternative<dcs::Revoke>(last<action::AskDcs>().request));
  EXPECT_LT(place<action::ToPeer>(), revoke);
  EXPECT_TRUE(stepped_down());
}

TEST_F(NodeSwitchover, ChoosesTheStandbyThatIsFurthest) {
  lead();
  attach_in_sync(3, at(3, 30));
  attach(2, kThird, at(3, 30));
  ack(2, 3, at(3, 30));
  pass(kBeat);
  durable_up_to(at(3, 31));
  ack(2, 3, at(3, 31));
  switch_over();
  held(at(3, 31));
  EXPECT_FALSE(stepped_down()) << "all that are waited for have to have it";
  ack(1, 3, at(3, 31));
  EXPECT_TRUE(told<wire::Handover>(2));
  EXPECT_FALSE(told<wire::Handover>(1));
}

TEST_F(NodeSwitchover, GoesToTheOneThatWasNamed) {
  lead();
  attach_in_sync(3, at(3, 30));
  attach(2, kThird, at(2, 20));
  switch_over("c");
  held(at(3, 30));
  EXPECT_FALSE(stepped_down());
  ack(2, 3, at(3, 30));
  EXPECT_TRUE(told<wire::Handover>(2));
}

TEST_F(NodeSwitchover, IsRefusedWithoutATargetOrByAStandby) {
  lead();
  switch_over();
  EXPECT_EQ(refused(kCommand), ErrorCode::conflict);
  attach(1, kOther, at(2, 20));
  switch_over({}, kCommand + 1);
  EXPECT_EQ(refused(kCommand + 1), ErrorCode::conflict) << "it is not in sync";
  switch_over("nobody", kCommand + 2);
  EXPECT_EQ(refused(kCommand + 2), ErrorCode::conflict);
  EXPECT_EQ(count<action::HoldCommits>(), 0U);

  options.leads = false;
  options.upstream = "h:2";
  start();
  switch_over({}, kCommand + 3);
  EXPECT_EQ(refused(kCommand + 3), ErrorCode::not_primary);
}

TEST_F(NodeSwitchover, OneAtATime) {
  lead();
  attach_in_sync(3, at(3, 30));
  switch_over();
  switch_over({}, kCommand + 1);
  EXPECT_EQ(refused(kCommand + 1), ErrorCode::conflict);
  EXPECT_FALSE(answer(kCommand));
}

TEST_F(NodeSwitchover, GoesOnAsPrimaryWhenTheTargetIsNotInTime) {
  lead();
  attach_in_sync(3, at(3, 30));
  durable_up_to(at(3, 31));
  switch_over();
  held(at(3, 31));
  pass(1900ms);
  EXPECT_FALSE(answer(kCommand));
  pass(200ms);
  EXPECT_EQ(refused(kCommand), ErrorCode::timeout);
  EXPECT_EQ(count<action::ReleaseCommits>(), 1U);
  EXPECT_EQ(node().role(), Role::primary);
  ack(1, 3, at(3, 31));
  EXPECT_FALSE(told<wire::Handover>(1)) << "it was given up";
  EXPECT_EQ(last<action::Acknowledge>().up_to, Tid(31));
}

TEST_F(NodeSwitchover, GoesOnAsPrimaryWhenTheTargetIsLost) {
  lead();
  attach_in_sync(3, at(3, 30));
  switch_over();
  node().peer_lost(1, now, actions);
  EXPECT_EQ(refused(kCommand), ErrorCode::timeout);
  EXPECT_EQ(count<action::ReleaseCommits>(), 1U);
  held(at(3, 30));
  EXPECT_FALSE(stepped_down()) << "what was held late is not wanted";
}

TEST_F(NodeSwitchover, FailsWhenTheReignEndsFirst) {
  lead();
  attach_in_sync(3, at(3, 30));
  durable_up_to(at(3, 31));
  switch_over();
  held(at(3, 31));
  ack(1, 4, at(3, 31));
  EXPECT_EQ(refused(kCommand), ErrorCode::unavailable);
  EXPECT_FALSE(told<wire::Handover>(1));
}

// ---- the target ---------------------------------------------------------------------------------

TEST_F(NodeSwitchover, TheTargetLeadsALaterEpoch) {
  follow();
  forget();
  node().from_upstream(wire::Handover{.epoch = Epoch(2), .last = at(2, 20)}, now, actions);
  EXPECT_EQ(last<action::Lead>().epoch, kPromoted);
  EXPECT_LT(place<action::StorePromise>(), place<action::Lead>());
}

TEST_F(NodeSwitchover, TheTargetRefusesWhatItHasNotWhole) {
  follow();
  forget();
  node().from_upstream(wire::Handover{.epoch = Epoch(2), .last = at(2, 21)}, now, actions);
  EXPECT_EQ(count<action::Lead>(), 0U);
  EXPECT_EQ(count<action::Disconnect>(), 1U) << "so the primary learns of it";
}

TEST_F(NodeSwitchover, TheTargetIsElectedThoughSDoesNotNameIt) {
  other_leads();
  begin_election();
  view.sync->members = {};
  pass(500ms);
  follow();
  node().from_upstream(wire::Handover{.epoch = Epoch(2), .last = at(2, 20)}, now, actions);
  pass(1s);
  EXPECT_EQ(count<action::Lead>(), 0U) << "the primary has not given its key back";
  view.leader.reset();
  pass(200ms);
  EXPECT_EQ(count<action::Lead>(), 1U);
}

// ---- demote -------------------------------------------------------------------------------------

TEST_F(NodeTest, StepsDownByCommand) {
  lead();
  node().demote(kCommand, now, actions);
  ASSERT_TRUE(answer(kCommand));
  ASSERT_TRUE(*answer(kCommand));
  EXPECT_EQ((*answer(kCommand))->role, wire::NodeRole::standby);
  EXPECT_EQ((*answer(kCommand))->primary, "");
  EXPECT_LT(place<action::Answer>(), place<action::StepDown>());
}

TEST_F(NodeTest, GivesItsKeyBackWhenItStepsDownByCommand) {
  begin_election(kSelf);
  be_elected();
  forget();
  node().demote(kCommand, now, actions);
  EXPECT_TRUE(std::holds_alternative<dcs::Revoke>(last<action::AskDcs>().request));
  EXPECT_TRUE(stepped_down());
}

TEST_F(NodeTest, AStandbyIsDemotedAlready) {
  follow();
  node().demote(kCommand, now, actions);
  ASSERT_TRUE(answer(kCommand));
  EXPECT_EQ((*answer(kCommand))->role, wire::NodeRole::standby);
  EXPECT_EQ((*answer(kCommand))->primary, "h:2");
  EXPECT_FALSE(stepped_down());
}

}  // namespace
}  // namespace zeolite::replication
