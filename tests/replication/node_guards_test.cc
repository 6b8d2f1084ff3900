// What a node checks though it hardly ever matters: a message that comes late, a claim that is not
// true any more, a peer that is not what it was.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>

#include "replication/node_fixture.h"

namespace zeolite::replication {
namespace {

using Decision = wire::ReplicaWelcome::Decision;
using Kind = Comparison::Kind;

class NodeGuards : public NodeTest {
 protected:
  // In which epoch it tried to lead last; zero: it did not.
  [[nodiscard]] Epoch tried() const {
    Epoch epoch;
    for (const Action& action : actions) {
      const auto* ask = std::get_if<action::AskDcs>(&action);
      const auto* acquire = ask == nullptr ? nullptr : std::get_if<dcs::Acquire>(&ask->request);
      if (acquire != nullptr) epoch = acquire->epoch;
    }
    return epoch;
  }
  void hand_over() {
    node().from_upstream(wire::Handover{.epoch = Epoch(2), .last = at(2, 20)}, now, actions);
  }
  // kThird led epoch 3, with these in S.
  void third_has_led(std::vector<NodeId> members) {
    view.leader.reset();
    view.epoch = Epoch(3);
    view.epoch_revision = ++revision_;
    view.sync = SyncKey{.leader = kThird,
                        .epoch = Epoch(3),
                        .members = std::move(members),
                        .automatic = true,
                        .revision = ++revision_};
  }
};

// ---- who may lead -------------------------------------------------------------------------------

TEST_F(NodeGuards, DoesNotTryToLeadWhileItsLogIsUndone) {
  other_leads();
  begin_election();
  pass(1s);
  connect();
  welcome(Decision::ancestor, 2, at(2, 15));
  view.leader.reset();
  pass(5s);
  EXPECT_EQ(tried(), Epoch{});
  node().rolled_back(at(2, 15), now, actions);
  pass(5s);
  EXPECT_EQ(tried(), Epoch(3));
}

TEST_F(NodeGuards, DoesNotTryToLeadAnEpochItHasRefusedUnlessForced) {
  durable.promised = Epoch(7);
  begin_election();
  pass(5s);
  EXPECT_EQ(tried(), Epoch{}) << "the counter is older than its promise";
  node().promote(1, true, now, actions);
  pass(1s);
  EXPECT_EQ(tried(), Epoch(8));
}

TEST_F(NodeGuards, AHandoverIsNoClaimAgainstWhoHasLedSince) {
  other_leads();
  begin_election();
  pass(1s);
  follow();
  hand_over();
  third_has_led({});
  pass(5s);
  EXPECT_EQ(tried(), Epoch{});
}

// It has heard of another primary since, which may serve readers for a while yet.
TEST_F(NodeGuards, AHandoverSavesNoWaitInALaterReign) {
  other_leads();
  begin_election();
  pass(10s);
  follow();
  hand_over();
  third_has_led({kSelf});
  view.leader = LeaderKey{
      .node = kThird, .name = "c", .address = "h:3", .epoch = Epoch(3), .revision = 9, .lease = 8};
  pass(200ms);
  ASSERT_EQ(last<action::Connect>().address, "h:3");
  connect();
  welcome(Decision::stream, 3, at(2, 20));
  wire::ReplicaAppend begin{.epoch = Epoch(3), .previous = at(2, 20), .records = {}};
  begin.records.emplace_back().tid = Tid(25);
  begin.records.back().epoch = Epoch(3);
  node().from_upstream(std::move(begin), now, actions);
  node().appended(at(3, 25), now, actions);
  upstream_beat(3, 25);
  const Instant heard = now;
  view.leader.reset();
  while (node().role() != Role::promoting) {
    ASSERT_LT(now - heard, kLease / 3);
    pass(50ms);
  }
  node().reign_begun(at(4, 30), now, actions);
  answer_service();
  EXPECT_EQ(node().role(), Role::promoting);
  pass(heard + kLease / 3 - now + 50ms);
  EXPECT_EQ(node().role(), Role::primary);
}

TEST_F(NodeGuards, PromotedByCommandItIsAboveWhatItHasPromised) {
  durable.promised = Epoch(70'000);
  options.upstream = "h:2";
  start();
  node().promote(1, true, now, actions);
  EXPECT_GT(last<action::Lead>().epoch, Epoch(70'000));
}

TEST_F(NodeGuards, ACopyThatWasCutOffDoesNotKeepItFromBeingPromoted) {
  options.upstream = "h:2";
  start();
  connect();
  welcome(Decision::checkpoint, 2, {});
  node().promote(1, true, now, actions);
  EXPECT_TRUE(refused(1));
  node().upstream_lost("gone", now, actions);
  node().promote(2, true, now, actions);
  EXPECT_EQ(count<action::Lead>(), 1U);
}

TEST_F(NodeGuards, BetweenACopyAndItsInstallationNothingHappensToTheLog) {
  options.upstream = "h:2";
  start();
  connect();
  welcome(Decision::checkpoint, 2, {});
  node().copied(kCluster, at(2, 30), now, actions);
  ASSERT_EQ(count<action::InstallCheckpoint>(), 1U);
  EXPECT_EQ(last<action::InstallCheckpoint>().replaces, at(2, 20));
  node().promote(1, true, now, actions);
  EXPECT_TRUE(refused(1));
  node().upstream_lost("gone", now, actions);
  pass(10s);
  EXPECT_EQ(count<action::Lead>(), 0U);
  EXPECT_EQ(count<action::Connect>(), 1U);
  EXPECT_EQ(count<action::InstallCheckpoint>(), 1U);
}

TEST_F(NodeGuards, AnElectedOneThatInstallsACopyIsElectedNoMore) {
  other_leads();
  begin_election();
  pass(500ms);
  connect();
  welcome(Decision::checkpoint, 2, {});
  view.leader.reset();
  node().copied(kCluster, at(2, 30), now, actions);
  pass(3 * kLease);
  EXPECT_EQ(count<action::Lead>(), 0U);
}

TEST_F(NodeGuards, CopiesThatWereBegunGoWhenItStreamsOrLeads) {
  follow();
  EXPECT_EQ(count<action::DiscardCopy>(), 1U);
  forget();
  node().promote(1, true, now, actions);
  ASSERT_EQ(count<action::Lead>(), 1U);
  EXPECT_LT(place<action::DiscardCopy>(), place<action::Lead>());
}

TEST_F(NodeGuards, LeavesWhomItFollowedWhenItTakesOver) {
  follow();
  forget();
  node().promote(1, true, now, actions);
  ASSERT_EQ(count<action::Disconnect>(), 1U);
  EXPECT_LT(place<action::ToUpstream>(), place<action::Disconnect>());
}

TEST_F(NodeGuards, IsDemotedBeforeItServesToo) {
  options.sync.strict = true;
  options.leads = true;
  start();
  node().reign_begun(at(3, 30), now, actions);
  ASSERT_EQ(node().role(), Role::promoting);
  node().demote(1, now, actions);
  EXPECT_TRUE(stepped_down());
}

// ---- what a reign begins with -------------------------------------------------------------------

TEST_F(NodeGuards, StrictWaitsFromTheBeginning) {
  options.sync.strict = true;
  options.leads = true;
  start();
  node().reign_begun(at(3, 30), now, actions);
  EXPECT_TRUE(last<action::SetWaiting>().on);
  EXPECT_EQ(count<action::Serve>(), 0U);
}

TEST_F(NodeGuards, ItsOwnStandbysAreCountedOnOnceTheyHaveItsBeginning) {
  follow();
  attach(1, kThird, at(2, 20));
  node().promote(1, true, now, actions);
  const std::uint64_t epoch = last<action::Lead>().epoch.value();
  node().reign_begun(at(epoch, 30), now, actions);
  tick();
  EXPECT_EQ(count<action::SetWaiting>(), 0U);
  ack(1, epoch, at(epoch, 30));
  tick();
  EXPECT_EQ(count<action::SetWaiting>(), 1U);
}

TEST_F(NodeGuards, NothingIsVisibleAnywhereBeforeItServes) {
  begin_election();
  may_publish = false;
  be_elected();
  attach(1, kOther, at(3, 30));
  pass(kBeat);
  EXPECT_EQ(told<wire::ReplicaHeartbeat>(1)->visible, kNoTid);
}

TEST_F(NodeGuards, KnowsUntilWhenItMayAnswerReaders) {
  lead();
  EXPECT_EQ(node().serves_until(), std::nullopt) << "nobody else is elected";
  options.leads = false;
  forget();
  begin_election(kSelf);
  be_elected();
  ASSERT_EQ(node().role(), Role::primary);
  ASSERT_TRUE(node().serves_until());
  EXPECT_GT(*node().serves_until(), now);
  EXPECT_LE(*node().serves_until(), now + kLease);
}

TEST_F(NodeGuards, WhatWasAcknowledgedWhenItBeganToWaitIsNotWhatIsDurable) {
  lead();
  attach(1, kOther, at(3, 30));
  ack(1, 3, at(3, 30));
  tick();
  durable_up_to(at(3, 31));
  wait_from(30);
  ack(1, 3, at(3, 31));
  ASSERT_EQ(count<action::Acknowledge>(), 1U);
  EXPECT_EQ(last<action::Acknowledge>().up_to, Tid(31));
}

// ---- what could not be stored
// --------------------------------------------------------------------

TEST_F(NodeGuards, ThatCannotStoreItsPromiseItGivesTheKeyBackAndEnds) {
  begin_election();
  node().promote(1, true, now, actions);
  while (node().role() != Role::promoting) pass(50ms);
  ASSERT_LT(place<action::StorePromise>(), place<action::Lead>());
  forget();
  node().storing_failed({ErrorCode::out_of_space, "full"}, now, actions);
  ASSERT_EQ(count<action::AskDcs>(), 1U);
  EXPECT_TRUE(std::holds_alternative<dcs::Revoke>(last<action::AskDcs>().request));
  EXPECT_EQ(refused(1), ErrorCode::out_of_space);
  EXPECT_EQ(actions.size(), 2U) << "and asks for nothing else";
  EXPECT_EQ(node().role(), Role::ended);
  forget();
  pass(10s);
  node().reign_begun(at(3, 30), now, actions);
  EXPECT_TRUE(actions.empty());
}

TEST_F(NodeGuards, APrimaryThatCannotStoreServesNobodyAnyMore) {
  lead();
  node().storing_failed({ErrorCode::out_of_space, "full"}, now, actions);
  EXPECT_EQ(node().serves_until(), Instant{});
}

// Who was the primary may have shown more.
TEST_F(NodeGuards, BeforeItServesWhatItShowsIsAsOldAsBefore) {
  follow();
  wire::ReplicaHeartbeat beat;
  beat.epoch = Epoch(2);
  beat.visible = beat.last = Tid(20);
  beat.sequence = 100;
  beat.answers = told_upstream<wire::ReplicaAck>()->question;
  node().from_upstream(beat, now, actions);
  const std::optional<Instant> before = node().shown_as_of();
  ASSERT_TRUE(before);
  options.sync.strict = true;
  now = now + 1s;
  node().promote(1, true, now, actions);
  ASSERT_EQ(node().role(), Role::promoting);
  EXPECT_EQ(node().shown_as_of(), before);
}

// ---- peers --------------------------------------------------------------------------------------

TEST_F(NodeGuards, APeerOfAnotherClusterIsRejectedWhateverItPromised) {
  lead();
  auto hello = hello_of(kOther, at(2, 20));
  hello.cluster_id = Id128{0xc2};
  greet(1, hello);
  EXPECT_TRUE(closed(1));
  EXPECT_EQ(count<action::Compare>(), 0U);
}

TEST_F(NodeGuards, APeerIsFedOnce) {
  lead();
  attach(1, kOther, at(3, 30));
  compared(1, Kind::same);
  EXPECT_EQ(count<action::Feed>(), 1U);
}

TEST_F(NodeGuards, APeerThatAskedAnewAndNeverStreamsIsLetGo) {
  lead();
  attach_in_sync(3, at(3, 30));
  greet(1, hello_of(kOther, at(3, 30), 3));
  pass(options.sync.lost_timeout + kBeat);
  EXPECT_FALSE(last<action::SetWaiting>().on);
}

// A group is sent before it is appended.
TEST_F(NodeGuards, HandsOverToATargetThatHasWhatFoundNoRoomHere) {
  lead();
  attach_in_sync(3, at(3, 30));
  durable_up_to(at(3, 31));
  forget();
  node().switchover(1, {.target = "b", .timeout_ms = 2000}, now, actions);
  node().commits_held(at(3, 31), Tid(33), now, actions);
  ack(1, 3, at(3, 31));
  ack(1, 3, at(3, 32));
  EXPECT_FALSE(told<wire::Handover>(1)) << "more is on its way to it";
  ack(1, 3, at(3, 33));
  ASSERT_TRUE(told<wire::Handover>(1));
  EXPECT_EQ(told<wire::Handover>(1)->last, at(3, 33)) << "it has nothing beyond what it is told";
  EXPECT_EQ(last<action::Acknowledge>().up_to, Tid(31)) << "what is not durable here has no answer";
  EXPECT_TRUE(stepped_down());
}

TEST_F(NodeGuards, DoesNotHandOverToAnotherHistory) {
  lead();
  attach_in_sync(3, at(3, 30));
  node().switchover(1, {.target = "b", .timeout_ms = 2000}, now, actions);
  Position other = at(3, 31);
  other.chain[1] = 1;
  node().commits_held(other, Tid(31), now, actions);
  ack(1, 3, at(3, 31));
  EXPECT_FALSE(told<wire::Handover>(1));
}

TEST_F(NodeGuards, APeerThatAsksAnewIsNotHandedOverTo) {
  lead();
  attach_in_sync(3, at(3, 30));
  durable_up_to(at(3, 31));
  node().switchover(1, {.target = "b", .timeout_ms = 2000}, now, actions);
  node().commits_held(at(3, 31), Tid(31), now, actions);
  greet(1, hello_of(kOther, at(3, 30), 3));
  ack(1, 3, at(3, 31));
  EXPECT_FALSE(told<wire::Handover>(1));
  compared(1, Kind::same);
  ack(1, 3, at(3, 31));
  EXPECT_TRUE(told<wire::Handover>(1));
}

TEST_F(NodeGuards, APeerThatAsksAnewIsNotHandedOverToThoughItHasEverything) {
  lead();
  attach_in_sync(3, at(3, 30));
  node().switchover(1, {.target = "b", .timeout_ms = 2000}, now, actions);
  greet(1, hello_of(kOther, at(3, 30), 3));
  node().commits_held(at(3, 30), Tid(30), now, actions);
  EXPECT_FALSE(told<wire::Handover>(1));
  compared(1, Kind::same);
  ack(1, 3, at(3, 30));
  EXPECT_TRUE(told<wire::Handover>(1));
}

TEST_F(NodeGuards, APeerThatDoesNotStreamIsNoTarget) {
  lead();
  greet(1, hello_of(kOther, at(3, 30)));
  node().switchover(1, {.target = "b", .timeout_ms = 2000}, now, actions);
  EXPECT_EQ(refused(1), ErrorCode::conflict);
  EXPECT_EQ(count<action::HoldCommits>(), 0U);
}

TEST_F(NodeGuards, APeerIsToldThatItMayBePromotedWhenItMay) {
  lead();
  attach(1, kOther, at(3, 30));
  ack(1, 3, at(3, 30));
  tick();  // waited for from now on; what is acknowledged until then is not known yet
  pass(kBeat);
  EXPECT_FALSE(told<wire::ReplicaHeartbeat>(1)->in_sync);
  wait_from(30);
  pass(kBeat);
  EXPECT_TRUE(told<wire::ReplicaHeartbeat>(1)->in_sync);
}

// ---- a standby's standby ------------------------------------------------------------------------

// Its promise may be later than the end of its log.
TEST_F(NodeGuards, AStandbyPassesThePromiseOn) {
  follow(3);
  attach(1, kThird, at(2, 20));
  EXPECT_EQ(told<wire::ReplicaWelcome>(1)->epoch, Epoch(3));
  EXPECT_EQ(told<wire::ReplicaHeartbeat>(1)->epoch, Epoch(3));
}

TEST_F(NodeGuards, AStandbyTellsTheAgeOfWhatItShows) {
  follow();
  attach(1, kThird, at(2, 20));
  wire::ReplicaAck asks;
  asks.epoch = Epoch(2);
  asks.flushed = at(2, 20);
  asks.question = 5;
  node().peer_ack(1, asks, now, actions);
  pass(kBeat);
  EXPECT_EQ(told<wire::ReplicaHeartbeat>(1)->answers, 0U) << "its own age is not known";
  wire::ReplicaHeartbeat beat;
  beat.epoch = Epoch(2);
  beat.visible = beat.last = Tid(20);
  beat.sequence = 100;
  beat.answers = told_upstream<wire::ReplicaAck>()->question;
  node().from_upstream(beat, now, actions);
  pass(500ms);
  EXPECT_EQ(told<wire::ReplicaHeartbeat>(1)->answers, 5U);
  EXPECT_GE(told<wire::ReplicaHeartbeat>(1)->age_ms, 500U);
}

// ---- full disks ---------------------------------------------------------------------------------

class NodeFullDisk : public NodeTest {
 protected:
  void switch_over(const std::string& target = {}) {
    node().switchover(kCommand, {.target = target, .timeout_ms = 2000}, now, actions);
  }
  static constexpr CommandId kCommand = 5;
};

TEST_F(NodeFullDisk, TheUpstreamIsToldOfIt) {
  follow();
  for (const bool full : {true, false}) {
    forget();
    node().disk_is_full(full);
    upstream_beat(2, 20);
    ASSERT_TRUE(told_upstream<wire::ReplicaAck>());
    EXPECT_EQ(told_upstream<wire::ReplicaAck>()->disk_full, full);
  }
}

TEST_F(NodeFullDisk, OfTheOnlyStandbyMakesASwitchoverFailAtOnce) {
  lead();
  attach_in_sync(3, at(3, 30));
  ack(1, 3, at(3, 30), 0, true);
  for (const char* target : {"", "b"}) {
    forget();
    switch_over(target);
    EXPECT_EQ(refused(kCommand), ErrorCode::out_of_space);
    EXPECT_EQ(count<action::HoldCommits>(), 0U);
  }
  ack(1, 3, at(3, 30));
  forget();
  switch_over();
  EXPECT_EQ(count<action::HoldCommits>(), 1U) << "there is room again";
}

TEST_F(NodeFullDisk, OfOneStandbyMakesAnotherTheTarget) {
  lead();
  attach_in_sync(3, at(3, 30));
  attach(2, kThird, at(3, 29));
  ack(2, 3, at(3, 30));
  tick();
  durable_up_to(at(3, 31));
  ack(1, 3, at(3, 31), 0, true);
  forget();
  switch_over();
  ASSERT_EQ(count<action::HoldCommits>(), 1U);
  node().commits_held(at(3, 31), Tid(31), now, actions);
  ack(2, 3, at(3, 31));
  EXPECT_TRUE(told<wire::Handover>(2));
}

TEST_F(NodeFullDisk, ThatFillsDuringASwitchoverEndsIt) {
  lead();
  attach_in_sync(3, at(3, 30));
  forget();
  switch_over();
  node().commits_held(at(3, 31), Tid(31), now, actions);
  ack(1, 3, at(3, 31), 0, true);
  EXPECT_FALSE(told<wire::Handover>(1));
  EXPECT_EQ(refused(kCommand), ErrorCode::timeout);
  EXPECT_EQ(count<action::ReleaseCommits>(), 1U);
  EXPECT_EQ(node().role(), Role::primary);
}

}  // namespace
}  // namespace zeolite::replication
