#include "sim/model_dcs.h"

#include <gtest/gtest.h>

#include <optional>

namespace zeolite::sim {
namespace {

namespace dcs = replication::dcs;
using replication::LeaseId;
using replication::NodeId;
using std::chrono::milliseconds;
using std::chrono::seconds;

class ModelDcsTest : public testing::Test {
 protected:
  std::optional<Result<dcs::Answer>> ask(dcs::Request request) {
    std::optional<Result<dcs::Answer>> got;
    service_.ask(0, process_, std::move(request), [&](Result<dcs::Answer> answer) {
      EXPECT_FALSE(got);
      got = std::move(answer);
    });
    run(seconds(1));
    return got;
  }
  template <typename A>
  A told(dcs::Request request) {
    const auto got = ask(std::move(request));
    return got && *got ? std::get<A>(**got) : A{};
  }
  LeaseId lease(Duration ttl = seconds(30)) {
    return told<dcs::Leased>(dcs::GrantLease{ttl}).lease;
  }
  dcs::Guarded acquire(LeaseId under) {
    const replication::DcsView view = service_.view();
    return told<dcs::Guarded>(dcs::Acquire{.lease = under,
                                           .node = NodeId{1},
                                           .name = "one",
                                           .address = "0",
                                           .epoch = view.epoch.next(),
                                           .epoch_revision = view.epoch_revision,
                                           .sync_revision = view.sync ? view.sync->revision : 0,
                                           .cluster = {}});
  }
  void run(Duration time) { queue_.run_until(queue_.now() + time); }

  EventQueue queue_;
  Process process_;
  ModelDcs service_{queue_, Random(3), milliseconds(1)};
};

TEST_F(ModelDcsTest, OneLeadsWhileItsLeaseLives) {
  const LeaseId first = lease(seconds(5));
  const LeaseId second = lease();
  const dcs::Guarded got = acquire(first);
  EXPECT_TRUE(got.held);
  EXPECT_FALSE(acquire(second).held);
  EXPECT_TRUE(told<dcs::Guarded>(dcs::Confirm{got.revision}).held);
  EXPECT_EQ(told<dcs::Viewed>(dcs::Read{}).view.leader->epoch, Epoch(1));
  run(seconds(5));
  EXPECT_FALSE(told<dcs::Guarded>(dcs::Confirm{got.revision}).held);
  EXPECT_TRUE(acquire(second).held);
  EXPECT_EQ(service_.view().epoch, Epoch(2));
}

TEST_F(ModelDcsTest, KeepAliveKeepsAndRevokeEnds) {
  const LeaseId mine = lease(seconds(3));
  EXPECT_TRUE(acquire(mine).held);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(told<dcs::Leased>(dcs::KeepAlive{mine}).ttl, seconds(3));
  }
  ASSERT_TRUE(service_.view().leader);
  EXPECT_EQ(service_.view().leader->lease, mine);
  ask(dcs::Revoke{mine});
  EXPECT_FALSE(service_.view().leader);
  EXPECT_EQ(told<dcs::Leased>(dcs::KeepAlive{mine}).ttl, Duration{});
  const auto put = ask(dcs::Register{mine, {}});
  ASSERT_TRUE(put);
  ASSERT_FALSE(*put);
  EXPECT_EQ(put->error().code, ErrorCode::not_found);
}

TEST_F(ModelDcsTest, GuardsTheSyncKey) {
  const dcs::Guarded leader = acquire(lease());
  dcs::PutSync put{.leader_revision = leader.revision, .sync = {}};
  put.sync.members = {NodeId{2}};
  const auto first = told<dcs::Guarded>(put);
  EXPECT_TRUE(first.held);
  EXPECT_EQ(service_.view().sync->revision, first.revision);
  EXPECT_FALSE(told<dcs::Guarded>(put).held);  // replaces none
  put.sync.revision = first.revision;
  EXPECT_TRUE(told<dcs::Guarded>(put).held);
  EXPECT_TRUE(told<dcs::Guarded>(dcs::Release{leader.revision}).held);
  put.sync.revision = service_.view().sync->revision;
  EXPECT_FALSE(told<dcs::Guarded>(put).held);
}

TEST_F(ModelDcsTest, RegistersMembersWhileTheirLeaseLives) {
  const LeaseId mine = lease(seconds(3));
  ask(dcs::Register{mine,
                    {.node = NodeId{1}, .name = {}, .address = {}, .role = {}, .last_tid = {}}});
  EXPECT_EQ(service_.view().members.size(), 1U);
  run(seconds(5));
  EXPECT_TRUE(service_.view().members.empty());
}

TEST_F(ModelDcsTest, LosesRequestsAndAnswers) {
  const LeaseId mine = lease();
  service_.set_lies({.lost_request = 1});
  EXPECT_FALSE(ask(dcs::Read{})->has_value());
  EXPECT_FALSE(acquire(mine).held);
  EXPECT_FALSE(service_.view().leader);
  service_.set_lies({.lost_answer = 1});
  EXPECT_FALSE(acquire(mine).held);
  EXPECT_TRUE(service_.view().leader);
}

TEST_F(ModelDcsTest, LiesWhenToldTo) {
  const LeaseId mine = lease(seconds(3));
  acquire(mine);
  service_.set_lies({.spurious_revoke = 1});
  EXPECT_EQ(told<dcs::Leased>(dcs::KeepAlive{mine}).ttl, seconds(3));
  EXPECT_FALSE(service_.view().leader);
  service_.set_lies({.dead_keepalive = 1});
  EXPECT_EQ(told<dcs::Leased>(dcs::KeepAlive{mine}).ttl, seconds(3));
  acquire(lease());
  service_.set_lies({.stale_read = 1});
  bool old = false;
  for (int i = 0; i < 20; ++i) {
    old = old || !told<dcs::Viewed>(dcs::Read{}).view.leader;
  }
  EXPECT_TRUE(old);
}

TEST_F(ModelDcsTest, IsNotReachedInAnOutage) {
  service_.set_outage(true);
  EXPECT_FALSE(ask(dcs::Read{})->has_value());
  service_.heal();
  EXPECT_TRUE(ask(dcs::Read{})->has_value());
  service_.cut_off(0);
  EXPECT_FALSE(ask(dcs::Read{})->has_value());
}

TEST_F(ModelDcsTest, RestartGivesLeasesTheirTimeAnew) {
  const LeaseId mine = lease(seconds(3));
  acquire(mine);
  run(milliseconds(500));
  service_.restart();
  run(seconds(2));
  EXPECT_TRUE(service_.view().leader);
  run(seconds(2));
  EXPECT_FALSE(service_.view().leader);
}

TEST_F(ModelDcsTest, AnswersNobodyWhoHasDied) {
  bool answered = false;
  service_.ask(0, process_, dcs::Read{}, [&](const auto&) { answered = true; });
  process_.kill();
  run(seconds(2));
  EXPECT_FALSE(answered);
}

}  // namespace
}  // namespace zeolite::sim
