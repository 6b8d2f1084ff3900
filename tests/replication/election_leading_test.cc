// An election from when it leads to its end.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "replication/election_fixture.h"

namespace zeolite::replication {
namespace {

// Nobody would lead by it, and it is kept alive with the lease.
TEST_F(ElectionTest, GivesBackAKeyOfATryBeforeTheLast) {
  try_to_lead();
  fail<dcs::Acquire>();
  local.heard = Epoch(6);  // so the next try is for another epoch
  hurry(Election::Trust{});
  show(view);
  tick();
  ASSERT_NE(asked<dcs::Acquire>(), nullptr);
  ASSERT_EQ(asked<dcs::Acquire>()->epoch, Epoch(7));
  fail<dcs::Acquire>();
  view.leader = own_key();  // the first, of epoch 5
  live(500ms);
  ASSERT_NE(asked<dcs::Revoke>(), nullptr);
  EXPECT_EQ(asked<dcs::Revoke>()->lease, kGranted);
  answer<dcs::Revoke>(dcs::Guarded{true, 0});
  view.leader.reset();
  grant(kGranted + 1);
  live(500ms);
  EXPECT_NE(asked<dcs::Acquire>(), nullptr);
}

// ---- leading ------------------------------------------------------------------------------------

TEST_F(ElectionTest, ConfirmsAndKeepsAliveEachThirdOfTheLease) {
  lead();
  pass(kTtl / 3);
  ASSERT_NE(asked<dcs::Confirm>(), nullptr);
  EXPECT_EQ(asked<dcs::Confirm>()->leader_revision, kLeaderRevision);
  EXPECT_NE(asked<dcs::KeepAlive>(), nullptr);
  live(30s);
  EXPECT_TRUE(election.leading());
}

TEST_F(ElectionTest, CountsFromWhenTheConfirmedGuardWasSent) {
  lead();
  live(2s);
  while (asked<dcs::Confirm>() == nullptr) live(50ms, true, false);
  const Instant sent = now;
  live(1500ms, true, false);
  EXPECT_LT(election.lead_until(), sent + kTtl);
  answer<dcs::Confirm>(dcs::Guarded{true, 0});
  EXPECT_EQ(election.lead_until(), sent + kTtl) << "kept alive since, but not confirmed";
}

TEST_F(ElectionTest, CountsFromWhenTheKeepaliveWasSent) {
  lead();
  live(2s);
  while (asked<dcs::KeepAlive>() == nullptr) live(50ms, false);
  const Instant sent = now;
  live(1500ms, false);
  answer<dcs::KeepAlive>(dcs::Leased{kGranted, kTtl});
  EXPECT_EQ(election.lead_until(), sent + kTtl) << "confirmed since, but not kept alive";
}

TEST_F(ElectionTest, ALeaseLastsFromWhenItWasAskedFor) {
  start();
  const Instant sent = now;
  show(view);
  pass(500ms);
  grant();
  live(1s, false);
  ASSERT_NE(asked<dcs::Acquire>(), nullptr);
  answer<dcs::Acquire>(dcs::Guarded{true, kLeaderRevision});
  ASSERT_TRUE(election.leading());
  EXPECT_EQ(election.lead_until(), sent + kTtl);
}

TEST_F(ElectionTest, ALeaseLastsAsLongAsItWasGrantedFor) {
  start();
  answer<dcs::GrantLease>(dcs::Leased{kGranted, 2s});
  show(view);
  live(1s);
  answer<dcs::Acquire>(dcs::Guarded{true, kLeaderRevision});
  ASSERT_TRUE(election.leading());
  EXPECT_LE(election.lead_until(), now + 2s);
}

TEST_F(ElectionTest, LeadsFromWhenItTriedTo) {
  try_to_lead();
  Instant sent = now;
  for (const UnderWay& one : under_way) {
    if (std::holds_alternative<dcs::Acquire>(one.request)) sent = one.sent;
  }
  live(1200ms);  // it is kept alive meanwhile
  answer<dcs::Acquire>(dcs::Guarded{true, kLeaderRevision});
  ASSERT_TRUE(election.leading());
  EXPECT_EQ(election.lead_until(), sent + kTtl);
}

TEST_F(ElectionTest, StepsDownAtItsDeadline) {
  lead();
  while (now + 50ms < election.lead_until()) live(50ms, true, false);
  EXPECT_TRUE(election.leading());
  now = election.lead_until();
  tick();
  EXPECT_EQ(decided<Election::StepDown>(), 1U);
  EXPECT_FALSE(election.leading());
}

// A keepalive's answer alone is not believed, nor is a guard beyond the lease it lives by.
TEST_F(ElectionTest, StepsDownWithoutConfirmations) {
  lead();
  live(kTtl + 1s, true, false);
  EXPECT_EQ(decided<Election::StepDown>(), 1U);
}

TEST_F(ElectionTest, StepsDownWithoutKeepalives) {
  lead();
  live(kTtl + 1s, false, true);
  EXPECT_EQ(decided<Election::StepDown>(), 1U);
}

TEST_F(ElectionTest, ServesOnAsLongAsAllOfQObeys) {
  lead();
  for (int i = 0; i < 10; ++i) {
    election.quorum_confirmed(now);
    live(election.quorum_validity() - 100ms, false, false);
  }
  EXPECT_TRUE(election.leading());
  const Instant last = now;
  election.quorum_confirmed(last);
  election.quorum_confirmed(last + (-5s));
  EXPECT_EQ(election.lead_until(), last + election.quorum_validity())
      << "an old confirmation takes nothing back";
  EXPECT_LE(election.quorum_validity(), kTtl / 3) << "who takes over from a dead one waits for it";
  live(kTtl + 100ms, false, false);
  EXPECT_EQ(decided<Election::StepDown>(), 1U);
}

TEST_F(ElectionTest, StepsDownWhenItsGuardFailsWhateverQSays) {
  lead();
  pass(kTtl / 3);
  election.quorum_confirmed(now);
  answer<dcs::Confirm>(dcs::Guarded{false, 0});
  EXPECT_EQ(decided<Election::StepDown>(), 1U);
  EXPECT_FALSE(election.leading());
}

TEST_F(ElectionTest, AsksAtOnceWhenItsLeaseSeemsGone) {
  lead();
  live(kTtl / 3 + 50ms, false);
  ASSERT_NE(asked<dcs::KeepAlive>(), nullptr);
  const Instant until = election.lead_until();
  answer<dcs::KeepAlive>(dcs::Leased{kGranted, Duration{}});
  EXPECT_TRUE(election.leading()) << "a hint";
  EXPECT_NE(asked<dcs::Confirm>(), nullptr);
  live(1s, false);
  EXPECT_EQ(asked<dcs::GrantLease>(), nullptr) << "its key does not live by another one";
  EXPECT_EQ(election.lease(), kGranted);
  EXPECT_EQ(election.lead_until(), until);
}

TEST_F(ElectionTest, DoesNotBelieveAViewWithAnotherLeader) {
  lead();
  view.leader = other_key();
  live(kTtl / 2 + 200ms);
  EXPECT_TRUE(election.leading());
  EXPECT_EQ(decided<Election::Follow>(), 0U);
}

TEST_F(ElectionTest, EndsItsLeaseWhenItResigns) {
  lead();
  Election::Effects effects;
  election.resign(now, effects);
  take(std::move(effects));
  ASSERT_NE(asked<dcs::Revoke>(), nullptr);
  EXPECT_EQ(asked<dcs::Revoke>()->lease, kGranted);
  EXPECT_FALSE(election.leading());
  under_way.clear();
  decisions.clear();
  pass(5s);
  EXPECT_TRUE(under_way.empty());
  EXPECT_TRUE(decisions.empty());
}

TEST_F(ElectionTest, IgnoresAnswersAfterItsEnd) {
  lead();
  pass(kTtl / 3);
  Election::Effects effects;
  election.resign(now, effects);
  take(std::move(effects));
  decisions.clear();
  answer<dcs::Confirm>(dcs::Guarded{false, 0});
  EXPECT_TRUE(decisions.empty());
}

// ---- publishing ---------------------------------------------------------------------------------

TEST_F(ElectionTest, ReplacesTheSyncKeyItAcquiredWith) {
  try_to_lead();
  // Read after the Acquire was sent: not what the guard compared.
  DcsView later = view;
  later.sync->revision = 30;
  if (asked<dcs::Read>() == nullptr) pass(300ms);
  show(later);
  answer<dcs::Acquire>(dcs::Guarded{true, kLeaderRevision});
  publish({});
  ASSERT_NE(asked<dcs::PutSync>(), nullptr);
  EXPECT_EQ(asked<dcs::PutSync>()->leader_revision, kLeaderRevision);
  EXPECT_EQ(asked<dcs::PutSync>()->sync.revision, 41);
  answer<dcs::PutSync>(dcs::Guarded{true, 51});
  EXPECT_EQ(decided<Election::Published>(), 1U);
  publish({kOther});
  EXPECT_EQ(asked<dcs::PutSync>()->sync.revision, 51);
}

class ElectionPublishing : public ElectionTest {
 protected:
  // S was {} at 51, then {kOther} at 52.
  void SetUp() override {
    lead();
    publish({});
    answer<dcs::PutSync>(dcs::Guarded{true, 51});
    publish({kOther});
    answer<dcs::PutSync>(dcs::Guarded{true, 52});
    decisions.clear();
  }
  void show_sync(std::vector<NodeId> members, Revision revision) {
    view.sync = sync_of(std::move(members));
    view.sync->revision = revision;
    if (asked<dcs::Read>() == nullptr) pass(2s, 40ms);
    ASSERT_NE(asked<dcs::Read>(), nullptr);
    show(view);
  }
};

TEST_F(ElectionPublishing, FindsThatItsLostPutWasCarriedOut) {
  publish({});
  fail<dcs::PutSync>();
  show_sync({}, 53);
  EXPECT_EQ(decided<Election::Published>(), 1U);
  publish({kOther});
  EXPECT_EQ(asked<dcs::PutSync>()->sync.revision, 53);
}

TEST_F(ElectionPublishing, PutsAgainWhatWasNotCarriedOut) {
  publish({});
  fail<dcs::PutSync>();
  show_sync({kOther}, 52);
  EXPECT_EQ(decided<Election::Published>(), 0U);
  ASSERT_NE(asked<dcs::PutSync>(), nullptr);
  EXPECT_EQ(asked<dcs::PutSync>()->sync.revision, 52);
  answer<dcs::PutSync>(dcs::Guarded{true, 54});
  EXPECT_EQ(decided<Election::Published>(), 1U);
}

// The first try arrives after the read that did not find it: the second fails because of it.
TEST_F(ElectionPublishing, FindsAPutThatArrivedLate) {
  publish({});
  fail<dcs::PutSync>();
  show_sync({kOther}, 52);
  answer<dcs::PutSync>(dcs::Guarded{false, 0});
  EXPECT_EQ(decided<Election::Published>(), 0U);
  show_sync({}, 53);
  EXPECT_EQ(decided<Election::Published>(), 1U);
}

// An old read shows S as it was before kOther was in it. Taken for the one wanted, kOther could be
// promoted although nobody waits for it any more.
TEST_F(ElectionPublishing, DoesNotTakeAnOlderSWithTheSameMembersForTheNewOne) {
  publish({});
  fail<dcs::PutSync>();
  show_sync({}, 51);
  EXPECT_EQ(decided<Election::Published>(), 0U);
  EXPECT_EQ(asked<dcs::PutSync>(), nullptr) << "it reads again first";
  show_sync({kOther}, 52);
  EXPECT_NE(asked<dcs::PutSync>(), nullptr);
}

TEST_F(ElectionPublishing, StepsDownIfTheGuardTellsThatItIsOver) {
  publish({});
  answer<dcs::PutSync>(dcs::Guarded{false, 0});
  EXPECT_TRUE(election.leading()) << "it may have been an earlier try";
  answer<dcs::Confirm>(dcs::Guarded{false, 0});
  EXPECT_EQ(decided<Election::StepDown>(), 1U);
}

}  // namespace
}  // namespace zeolite::replication
