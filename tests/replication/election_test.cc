#include "replication/election.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "replication/election_fixture.h"

namespace zeolite::replication {
namespace {

// ---- who may try --------------------------------------------------------------------------------

TEST_F(ElectionTest, AcquiresWithWhatItSaw) {
  try_to_lead();
  const dcs::Acquire& acquire = *asked<dcs::Acquire>();
  EXPECT_EQ(acquire.lease, kGranted);
  EXPECT_EQ(acquire.node, kSelf);
  EXPECT_EQ(acquire.address, "h:1");
  EXPECT_EQ(acquire.epoch, Epoch(5));
  EXPECT_EQ(acquire.epoch_revision, 40);
  EXPECT_EQ(acquire.sync_revision, 41);
  EXPECT_EQ(acquire.cluster, kCluster);
  EXPECT_TRUE(acquire.cluster_seen);
  answer<dcs::Acquire>(dcs::Guarded{true, kLeaderRevision});
  ASSERT_EQ(decided<Election::Lead>(), 1U);
  EXPECT_EQ(std::get<Election::Lead>(decisions.back()).epoch, Epoch(5));
  EXPECT_FALSE(std::get<Election::Lead>(decisions.back()).own_sync) << "another may have served";
}

TEST_F(ElectionTest, NamesTheClusterThatNobodyNamed) {
  view = {};
  try_to_lead();
  EXPECT_EQ(asked<dcs::Acquire>()->cluster, kCluster);
  EXPECT_FALSE(asked<dcs::Acquire>()->cluster_seen);
}

TEST_F(ElectionTest, FollowsWhileThereIsALeader) {
  view.leader = other_key();
  EXPECT_FALSE(tries());
  ASSERT_EQ(decided<Election::Follow>(), 1U);
  EXPECT_EQ(std::get<Election::Follow>(decisions[0]).leader, *view.leader);
  view.leader = std::nullopt;
  live(2s);
  EXPECT_EQ(decided<Election::NoLeader>(), 1U);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

TEST_F(ElectionTest, TellsOnceOfALeaderWithAnotherLease) {
  start();
  grant();
  view.leader = other_key();
  view.leader->ttl = 3 * kTtl;
  show(view);
  live(2s);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_EQ(notes[0],
            "the leader b has a lease of 9000 ms, this node one of 3000 ms: set all nodes to the "
            "same --lease");
  EXPECT_EQ(election.predecessor_validity(), kTtl);
  EXPECT_EQ(election.quorum_validity(), kTtl / 3);
  // The one before may have been echoed as well; the one before that was long ago.
  for (const LeaseId lease : {101, 102}) {
    EXPECT_EQ(election.predecessor_validity(), kTtl) << lease;
    view.leader = other_key();
    view.leader->lease = lease;
    live(1s);
  }
  EXPECT_EQ(election.predecessor_validity(), kTtl / 3);
  EXPECT_EQ(notes.size(), 1U);
}

TEST_F(ElectionTest, DoesNotTryOutsideOfS) {
  view.sync->members = {kThird};
  EXPECT_FALSE(tries());
  EXPECT_EQ(election.obstacle(), "") << "one that is in S may be about to";
}

TEST_F(ElectionTest, SaysOnceWhyNobodyLeadsUntilSomebodyDoes) {
  view.sync->members = {};
  EXPECT_FALSE(tries(10s));
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("nobody leads, and acknowledged commits may be missing here"),
            std::string::npos);
  EXPECT_EQ(election.obstacle(), notes[0]);
  view.leader = other_key();
  live(1s);
  EXPECT_EQ(election.obstacle(), "");
  view.leader = std::nullopt;
  live(1s);
  EXPECT_EQ(election.obstacle(), "");
  live(10s);
  EXPECT_EQ(notes.size(), 2U) << "it is another time";
  view.sync->members = {kSelf};
  live(1s);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
  EXPECT_EQ(election.obstacle(), "");
}

TEST_F(ElectionTest, TriesIfItWroteSItself) {
  view.sync = SyncKey{
      .leader = kSelf, .epoch = Epoch(4), .members = {}, .automatic = false, .revision = 41};
  ASSERT_TRUE(tries());
  // An old read in between says nothing about what it was won with.
  DcsView old = view;
  old.sync->leader = kOther;
  old.sync->revision = 30;
  if (asked<dcs::Read>() == nullptr) pass(300ms);
  show(old);
  answer<dcs::Acquire>(dcs::Guarded{true, kLeaderRevision});
  ASSERT_EQ(decided<Election::Lead>(), 1U);
  EXPECT_TRUE(std::get<Election::Lead>(decisions.back()).own_sync);
}

// Who is named in S had the beginning of that reign on its disk: this is an older copy of it.
TEST_F(ElectionTest, DoesNotTryWithALogThatEndsBeforeTheReignOfS) {
  for (const bool led : {false, true}) {
    SCOPED_TRACE(led ? "it wrote S" : "it is in S");
    ElectionRun run;
    if (led) run.view.sync->leader = kSelf;
    run.local.last.epoch = Epoch(3);
    run.local.heard = Epoch(4);  // a promise alone says nothing of what the log has
    EXPECT_FALSE(run.tries(10s));
    ASSERT_EQ(run.notes.size(), 1U) << "said once";
    EXPECT_NE(run.notes[0].find("its data is older than what it had"), std::string::npos);
    EXPECT_EQ(run.election.obstacle(), run.notes[0]);
    run.hurry(Election::Trust{});
    run.live(1s);
    EXPECT_NE(run.asked<dcs::Acquire>(), nullptr) << "somebody decided so";
  }
}

TEST_F(ElectionTest, DoesNotTryByItselfIfPromotionIsNotAutomatic) {
  view.sync->automatic = false;
  EXPECT_FALSE(tries());
}

TEST_F(ElectionTest, WaitsForTheNodeWithDataIfNobodyEverLed) {
  view = {};
  view.members = {member(kSelf, 0), member(kOther, 9)};
  local = {};
  EXPECT_FALSE(tries());
}

// The coordination service may be new, and the nodes not.
TEST_F(ElectionTest, LeavesItToWhoHasMoreIfNobodyEverServed) {
  view = {};
  view.members = {member(kOther, 101)};
  EXPECT_FALSE(tries());
  view.members = {member(kOther, 100)};
  live(2s);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

TEST_F(ElectionTest, LooksForTheOthersFirstIfNobodyEverServed) {
  view = {};
  EXPECT_FALSE(tries(700ms));
  live(300ms);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

TEST_F(ElectionTest, TriesWithoutDataIfNobodyHasAny) {
  view = {};
  view.members = {member(kSelf, 0), member(kOther, 0)};
  local = {};
  EXPECT_TRUE(tries());
}

TEST_F(ElectionTest, LeavesItToOthersWhileItAbstains) {
  local.abstains = true;
  EXPECT_FALSE(tries());
  local.abstains = false;
  live(1s);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

TEST_F(ElectionTest, DoesNotTryWhileItsLogIsUndone) {
  local.settled = false;
  EXPECT_FALSE(tries());
  hurry(Election::Trust{});
  live(1s);
  EXPECT_EQ(asked<dcs::Acquire>(), nullptr) << "whatever was decided";
  local.settled = true;
  live(1s);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

TEST_F(ElectionTest, DoesNotTryWithAnotherDatabase) {
  view.cluster = kOther;
  EXPECT_FALSE(tries());
  ASSERT_EQ(notes.size(), 1U) << "said once";
  EXPECT_NE(notes[0].find("another database"), std::string::npos);
}

// Also if it was the leader, whose directory was emptied.
TEST_F(ElectionTest, DoesNotTryWithoutADatabaseForAClusterThatHasOne) {
  view.sync->leader = kSelf;
  local = {};
  EXPECT_FALSE(tries());
  hurry(Election::Trust{});
  live(1s);
  EXPECT_EQ(asked<dcs::Acquire>(), nullptr) << "whatever was decided";
  EXPECT_TRUE(notes.empty());
}

// Its S may be as old as its counter.
TEST_F(ElectionTest, RefusesACounterBelowWhatWasPromised) {
  local.heard = Epoch(6);
  EXPECT_FALSE(tries(10s));
  ASSERT_EQ(notes.size(), 1U) << "said once";
  EXPECT_NE(notes[0].find("backup"), std::string::npos);
  EXPECT_EQ(election.obstacle(), notes[0]);
}

TEST_F(ElectionTest, DoesNotTakeAnOldReadForABackup) {
  local.heard = Epoch(6);
  EXPECT_FALSE(tries(1s));
  EXPECT_TRUE(notes.empty());
  view.epoch = Epoch(6);
  live(1s);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
  EXPECT_TRUE(notes.empty());
}

TEST_F(ElectionTest, LeadsAboveWhatWasPromisedWhenSomebodyDecidedSo) {
  local.heard = Epoch(6);
  EXPECT_FALSE(tries());
  hurry(Election::Trust{});
  show(view);
  tick();
  ASSERT_NE(asked<dcs::Acquire>(), nullptr);
  EXPECT_EQ(asked<dcs::Acquire>()->epoch, Epoch(7));
}

// It may have lost its data, or the name may be wrong: who served last, it cannot tell.
TEST_F(ElectionTest, DoesNotLeadByItselfWhereTheServiceKnowsNothing) {
  view = {};
  local.heard = Epoch(6);
  EXPECT_FALSE(tries(10s));
  ASSERT_EQ(notes.size(), 1U) << "said once";
  EXPECT_NE(notes[0].find("no cluster of this name"), std::string::npos);
  hurry(Election::Trust{});
  show(view);
  tick();
  ASSERT_NE(asked<dcs::Acquire>(), nullptr) << "somebody decided so";
  EXPECT_EQ(asked<dcs::Acquire>()->epoch, Epoch(7));
}

TEST_F(ElectionTest, TellsOnceThatTheServiceDoesNotAnswer) {
  start();
  grant();
  const auto fail_for = [&](Duration time) {
    for (const Instant until = now + time; now < until;) {
      pass(50ms);
      if (asked<dcs::Read>() == nullptr) continue;
      answer<dcs::Read>(make_error(ErrorCode::unavailable, "Connection refused"));
    }
  };
  fail_for(kTtl - 100ms);
  EXPECT_TRUE(notes.empty()) << "it may be a short one";
  fail_for(2 * kTtl);
  const std::string silent = "the coordination service does not answer: Connection refused";
  EXPECT_EQ(notes, std::vector<std::string>{silent});
  live(1s);
  EXPECT_EQ(notes, (std::vector<std::string>{silent, "the coordination service answers again"}));
}

// ---- when it tries ------------------------------------------------------------------------------

TEST_F(ElectionTest, LetsThoseAheadGoFirst) {
  view.sync->members = {kSelf, kThird};
  view.members = {member(kOther, 102), member(kThird, 101)};
  start();
  grant();
  show(view);
  live(700ms);
  EXPECT_EQ(asked<dcs::Acquire>(), nullptr) << "two are ahead: a quarter of the lease";
  live(300ms);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

// It could take no commits. One that is to hurry is alone.
TEST_F(ElectionTest, LetsAllOthersGoFirstWhileItsDiskIsFull) {
  local.disk_full = true;
  start();
  grant();
  show(view);
  live(kTtl - 200ms);
  EXPECT_EQ(asked<dcs::Acquire>(), nullptr);
  live(400ms);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

TEST_F(ElectionTest, DoesNotWaitForWhoMayNotLead) {
  view.members = {member(kThird, 101), member(kSelf, 50)};
  start();
  grant();
  show(view);
  live(200ms);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

TEST_F(ElectionTest, TriesOnceForEachView) {
  try_to_lead();
  answer<dcs::Acquire>(dcs::Guarded{false, 0});
  pass(1s);
  EXPECT_EQ(asked<dcs::Acquire>(), nullptr) << "nothing was read since";
  show(view);
  pass(100ms);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

TEST_F(ElectionTest, HurriesForWhomItIsHandedOverTo) {
  view.leader = other_key();
  view.sync->members = {};
  local.abstains = true;
  start();
  grant();
  show(view);
  hurry(Election::Trust{Epoch(4)});
  EXPECT_NE(asked<dcs::Read>(), nullptr);
  show(view);
  view.leader.reset();
  pass(50ms);
  show(view);
  tick();
  EXPECT_NE(asked<dcs::Acquire>(), nullptr) << "no pause, S does not count";
}

TEST_F(ElectionTest, IsTrustedOnlyForAWhile) {
  view.leader = other_key();
  view.sync->members = {};
  start();
  grant();
  show(view);
  hurry(Election::Trust{Epoch(4)});
  live(11s);
  view.leader.reset();
  live(2s);
  EXPECT_EQ(asked<dcs::Acquire>(), nullptr);
}

// What another reign acknowledged since, it need not have.
TEST_F(ElectionTest, IsTrustedOnlyUntilAnotherLeads) {
  for (const auto counter : {std::optional<Epoch>(), std::optional(Epoch(4))}) {
    SCOPED_TRACE(counter ? "handed over" : "by command");
    ElectionRun run;
    run.view.leader = run.other_key();
    run.view.sync->members = {};
    run.start();
    run.grant();
    run.show(run.view);
    run.hurry(Election::Trust{counter});
    run.show(run.view);
    run.view.leader.reset();
    run.view.epoch = Epoch(5);
    run.view.epoch_revision = 43;
    run.live(2s);
    EXPECT_EQ(run.asked<dcs::Acquire>(), nullptr);
  }
}

// Its own view may be older than what it was told.
TEST_F(ElectionTest, IsTrustedForTheEpochThatWasHandedOver) {
  view.leader = other_key();
  view.epoch = Epoch(3);
  view.sync->members = {};
  start();
  grant();
  show(view);
  hurry(Election::Trust{Epoch(4)});
  view.leader.reset();
  view.epoch = Epoch(4);
  view.epoch_revision = 43;
  live(1s);
  ASSERT_NE(asked<dcs::Acquire>(), nullptr);
  EXPECT_EQ(asked<dcs::Acquire>()->epoch, Epoch(5));
}

TEST_F(ElectionTest, HurriesWithinTheRulesUnlessTrusted) {
  view.sync->members = {};
  start();
  grant();
  show(view);
  hurry({});
  live(1s);
  EXPECT_EQ(asked<dcs::Acquire>(), nullptr);
}

// ---- answers that are lost ----------------------------------------------------------------------

TEST_F(ElectionTest, ConfirmsAnAcquireWhoseAnswerWasLost) {
  try_to_lead();
  fail<dcs::Acquire>();
  EXPECT_TRUE(decisions.empty());
  view.leader = own_key();
  if (asked<dcs::Read>() == nullptr) pass(300ms);
  show(view);
  ASSERT_NE(asked<dcs::Confirm>(), nullptr);
  EXPECT_EQ(asked<dcs::Confirm>()->leader_revision, kLeaderRevision);
  EXPECT_TRUE(decisions.empty()) << "what was read decides nothing";
  const Instant sent = now;
  now = now + 100ms;
  answer<dcs::Confirm>(dcs::Guarded{true, 0});
  ASSERT_EQ(decided<Election::Lead>(), 1U);
  EXPECT_EQ(std::get<Election::Lead>(decisions.back()).epoch, Epoch(5));
  EXPECT_LE(election.lead_until(), sent + kTtl);
}

TEST_F(ElectionTest, TriesAgainIfTheLostAcquireWasNotCarriedOut) {
  try_to_lead();
  fail<dcs::Acquire>(ErrorCode::unavailable);
  live(1s);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

TEST_F(ElectionTest, DoesNotLeadIfTheLostAcquireIsOverBeforeItIsConfirmed) {
  try_to_lead();
  fail<dcs::Acquire>();
  view.leader = own_key();
  live(300ms, true, false);
  answer<dcs::Confirm>(dcs::Guarded{false, 0});
  EXPECT_FALSE(election.leading());
  view.leader.reset();
  view.epoch = Epoch(5);
  view.epoch_revision = 50;
  live(1s);
  ASSERT_NE(asked<dcs::Acquire>(), nullptr);
  EXPECT_EQ(asked<dcs::Acquire>()->epoch, Epoch(6));
}

TEST_F(ElectionTest, DoesNotLeadByALeaseThatEndedWhileItWasConfirmed) {
  try_to_lead();
  fail<dcs::Acquire>();
  view.leader = own_key();
  live(1s, false, false);
  ASSERT_NE(asked<dcs::Confirm>(), nullptr);
  answer<dcs::KeepAlive>(dcs::Leased{kGranted, Duration{}});
  answer<dcs::Confirm>(dcs::Guarded{true, 0});
  EXPECT_FALSE(election.leading());
  EXPECT_TRUE(decisions.empty());
}

TEST_F(ElectionTest, AsksAgainWhenTheConfirmationIsLostToo) {
  try_to_lead();
  fail<dcs::Acquire>();
  view.leader = own_key();
  live(300ms, true, false);
  fail<dcs::Confirm>();
  live(300ms, true, false);
  answer<dcs::Confirm>(dcs::Guarded{true, 0});
  EXPECT_TRUE(election.leading());
}

TEST_F(ElectionTest, WaitsOutAKeyOfAnEarlierProcess) {
  view.leader = own_key();
  view.leader->lease = kGranted - 1;
  EXPECT_FALSE(tries(10s));
  EXPECT_EQ(asked<dcs::Confirm>(), nullptr);
  EXPECT_TRUE(decisions.empty());
  view.leader.reset();
  live(1s);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

// A request that the earlier process sent arrives late: the same node, the same epoch.
TEST_F(ElectionTest, DoesNotTakeALateKeyOfAnEarlierProcessForItsOwn) {
  try_to_lead();
  fail<dcs::Acquire>();
  view.leader = own_key();
  view.leader->lease = kGranted - 1;
  live(2s, true, false);
  EXPECT_EQ(asked<dcs::Confirm>(), nullptr);
  EXPECT_FALSE(election.leading());
}

TEST_F(ElectionTest, DoesNotLeadByALeaseThatEndedWhileItTried) {
  try_to_lead();
  live(1s, false);
  answer<dcs::KeepAlive>(dcs::Leased{kGranted, Duration{}});
  answer<dcs::Acquire>(dcs::Guarded{true, kLeaderRevision});
  EXPECT_FALSE(election.leading());
  EXPECT_TRUE(decisions.empty());
}

// The process was stopped: its lease was not kept alive, and the answer lay there all the time.
TEST_F(ElectionTest, DoesNotLeadWhenItsDeadlineHasPassedAlready) {
  try_to_lead();
  now = now + kTtl;
  answer<dcs::Acquire>(dcs::Guarded{true, kLeaderRevision});
  EXPECT_FALSE(election.leading());
  EXPECT_TRUE(decisions.empty());
}

TEST_F(ElectionTest, GetsAnotherLeaseWhenItsOwnIsGone) {
  try_to_lead();
  fail<dcs::Acquire>(ErrorCode::not_found);
  pass(300ms);
  ASSERT_NE(asked<dcs::GrantLease>(), nullptr);
  grant(kGranted + 1);
  live(1s);
  ASSERT_NE(asked<dcs::Acquire>(), nullptr);
  EXPECT_EQ(asked<dcs::Acquire>()->lease, kGranted + 1);
}

TEST_F(ElectionTest, GetsAnotherLeaseWhenItsOwnMustHaveEnded) {
  view.leader = other_key();
  start();
  grant();
  show(view);
  live(kTtl, false);
  EXPECT_EQ(asked<dcs::GrantLease>(), nullptr);
  live(200ms, false);
  EXPECT_NE(asked<dcs::GrantLease>(), nullptr);
}

TEST_F(ElectionTest, IgnoresTheEndOfALeaseItLeft) {
  start();
  grant();
  pass(50ms);
  ASSERT_NE(asked<dcs::KeepAlive>(), nullptr);
  answer<dcs::Register>(make_error(ErrorCode::not_found, "gone"));
  pass(300ms);
  grant(kGranted + 1);
  answer<dcs::KeepAlive>(dcs::Leased{kGranted, Duration{}});
  EXPECT_EQ(election.lease(), kGranted + 1);
}

TEST_F(ElectionTest, AsksForALeaseUntilItGetsOne) {
  start();
  fail<dcs::GrantLease>(ErrorCode::unavailable);
  pass(300ms);
  EXPECT_NE(asked<dcs::GrantLease>(), nullptr);
}

TEST_F(ElectionTest, DoesNotTryWithoutALease) {
  start();
  show(view);
  pass(2s);
  EXPECT_EQ(asked<dcs::Acquire>(), nullptr);
}

TEST_F(ElectionTest, WarnsOfStrangeAnswersOnce) {
  start();
  for (int i = 0; i < 3; ++i) {
    fail<dcs::Read>(ErrorCode::protocol_error);
    while (asked<dcs::Read>() == nullptr) pass(50ms);
  }
  EXPECT_EQ(notes.size(), 1U);
  fail<dcs::Read>(ErrorCode::unavailable);
  EXPECT_EQ(notes.size(), 1U) << "that it is away is nothing strange";
}

// How many requests it makes in ten seconds, when each is answered at once with this error.
class ElectionPace : public ElectionTest {
 protected:
  std::size_t asks(ErrorCode code) {
    std::size_t count = 0;
    for (int i = 0; i < 200; ++i) {
      pass(50ms);
      for (; asked<dcs::Read>() != nullptr; ++count) fail<dcs::Read>(code);
      for (; asked<dcs::GrantLease>() != nullptr; ++count) fail<dcs::GrantLease>(code);
    }
    return count;
  }
};

// Something else is there, at a wrong address.
TEST_F(ElectionPace, IsSlowWithWhatAnswersStrangely) {
  start();
  (void)asks(ErrorCode::protocol_error);
  const std::size_t count = asks(ErrorCode::protocol_error);
  EXPECT_LE(count, 30U) << "of two kinds, a second apart or a little less";
  EXPECT_GE(count, 15U);
}

TEST_F(ElectionPace, IsSlowWithOneThatHasBeenAwayForALeaseAndQuickWhenItIsBack) {
  start();
  EXPECT_GE(asks(ErrorCode::unavailable), 32U) << "as long as it may be back at once";
  EXPECT_LE(asks(ErrorCode::unavailable), 30U);
  while (asked<dcs::Read>() == nullptr) pass(50ms);
  show(view);
  std::size_t count = 0;
  for (const Instant until = now + 2s; now < until;) {
    pass(50ms);
    if (asked<dcs::Read>() == nullptr) continue;
    ++count;
    show(view);
  }
  EXPECT_GE(count, 6U);
}

}  // namespace
}  // namespace zeolite::replication
