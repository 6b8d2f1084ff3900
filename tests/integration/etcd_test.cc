// The client and the transactions against a real etcd: one member, and three that fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "etcd/etcd_client.h"
#include "etcd/etcd_json.h"
#include "support/etcd_process.h"

namespace zeolite {
namespace {

using namespace std::chrono_literals;
namespace dcs = replication::dcs;
using replication::DcsView;
using replication::LeaseId;
using replication::Revision;
using testing::EtcdProcess;
using SteadyClock = std::chrono::steady_clock;

constexpr Id128 kNode = {1};
constexpr Id128 kOther = {2};
constexpr Id128 kCluster = {0xc1};
constexpr Duration kTimeout = 10s;

// One cluster of nodes in an etcd, as the one thread of a node sees it.
class Coordination {
 public:
  Coordination(const EtcdProcess& etcd, const std::string& name)
      : client_(context_, etcd.endpoints(), etcd::key_prefix(name).value()) {}

  Result<dcs::Answer> ask(dcs::Request request, Duration timeout = kTimeout) {
    std::optional<Result<dcs::Answer>> answer;
    client_.send(std::move(request), timeout,
                 [&](Result<dcs::Answer> got) { answer = std::move(got); });
    while (!answer) context_.run_one();
    return *std::move(answer);
  }
  template <typename T>
  T get(dcs::Request request) {
    auto answer = ask(std::move(request));
    EXPECT_TRUE(answer) << answer.error().detail;
    return answer ? std::get<T>(*std::move(answer)) : T{};
  }
  dcs::Guarded guarded(dcs::Request request) { return get<dcs::Guarded>(std::move(request)); }
  DcsView view() { return get<dcs::Viewed>(dcs::Read{}).view; }
  LeaseId lease(Duration ttl = 30s) { return get<dcs::Leased>(dcs::GrantLease{ttl}).lease; }

  // As a node would ask for the leadership now.
  dcs::Acquire acquisition(LeaseId lease, const Id128& node = kNode) {
    const DcsView now = view();
    return {.lease = lease,
            .node = node,
            .name = "a",
            .address = "127.0.0.1:1",
            .ttl = std::chrono::seconds(3),
            .epoch = now.epoch.next(),
            .epoch_revision = now.epoch_revision,
            .sync_revision = now.sync ? now.sync->revision : 0,
            .cluster = kCluster,
            .cluster_seen = now.cluster.has_value()};
  }
  // The leader key's revision.
  Revision lead(LeaseId lease) {
    const dcs::Guarded acquired = guarded(acquisition(lease));
    EXPECT_TRUE(acquired.held);
    return acquired.revision;
  }
  dcs::PutSync sync(Revision leader, Revision replaced, std::vector<Id128> members) {
    return {leader,
            {.leader = kNode,
             .epoch = Epoch(1),
             .members = std::move(members),
             .automatic = true,
             .revision = replaced}};
  }

 private:
  boost::asio::io_context context_{1};
  etcd::EtcdClient client_;
};

// Each test has a cluster of nodes of its own in one etcd.
class EtcdServer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!EtcdProcess::program()) return;
    etcd_ = std::make_unique<EtcdProcess>();
    ASSERT_TRUE(etcd_->start()) << etcd_->logs();
  }
  static void TearDownTestSuite() { etcd_.reset(); }
  void SetUp() override {
    if (!etcd_) GTEST_SKIP() << EtcdProcess::kMissing;
    name_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    nodes_ = std::make_unique<Coordination>(*etcd_, name_);
  }

  static inline std::unique_ptr<EtcdProcess> etcd_;
  std::string name_;
  std::unique_ptr<Coordination> nodes_;
};

TEST_F(EtcdServer, IsEmptyAtFirst) { EXPECT_EQ(nodes_->view(), DcsView{}); }

TEST_F(EtcdServer, GivesTheLeadershipOnce) {
  const LeaseId lease = nodes_->lease();
  const dcs::Acquire first = nodes_->acquisition(lease);
  dcs::Acquire second = nodes_->acquisition(nodes_->lease(), kOther);
  const dcs::Guarded acquired = nodes_->guarded(first);
  EXPECT_TRUE(acquired.held);
  EXPECT_FALSE(nodes_->guarded(second).held);
  // Nor with all that can be seen now: there is a leader.
  second = nodes_->acquisition(second.lease, kOther);
  EXPECT_FALSE(nodes_->guarded(second).held);

  const DcsView view = nodes_->view();
  ASSERT_TRUE(view.leader);
  EXPECT_EQ(*view.leader, (replication::LeaderKey{.node = kNode,
                                                  .name = "a",
                                                  .address = "127.0.0.1:1",
                                                  .epoch = Epoch(1),
                                                  .revision = acquired.revision,
                                                  .lease = lease,
                                                  .ttl = first.ttl}));
  EXPECT_EQ(view.epoch, Epoch(1));
  EXPECT_EQ(view.cluster, kCluster);
  EXPECT_EQ(view.sync, std::nullopt);
}

TEST_F(EtcdServer, ConfirmsOnlyThePresentLeader) {
  const Revision leader = nodes_->lead(nodes_->lease());
  EXPECT_TRUE(nodes_->guarded(dcs::Confirm{leader}).held);
  EXPECT_FALSE(nodes_->guarded(dcs::Confirm{leader - 1}).held);
  EXPECT_FALSE(nodes_->guarded(dcs::Confirm{leader + 1}).held);
  EXPECT_FALSE(nodes_->guarded(dcs::Release{leader + 1}).held);
  EXPECT_TRUE(nodes_->guarded(dcs::Release{leader}).held);
  EXPECT_FALSE(nodes_->guarded(dcs::Confirm{leader}).held);
  EXPECT_FALSE(nodes_->guarded(dcs::Release{leader}).held);
  EXPECT_EQ(nodes_->view().leader, std::nullopt);
  EXPECT_EQ(nodes_->view().epoch, Epoch(1));
}

TEST_F(EtcdServer, CountsEveryReign) {
  const LeaseId lease = nodes_->lease();
  for (std::uint64_t epoch = 1; epoch <= 3; ++epoch) {
    const Revision leader = nodes_->lead(lease);
    EXPECT_EQ(nodes_->view().epoch, Epoch(epoch));
    EXPECT_TRUE(nodes_->guarded(dcs::Release{leader}).held);
  }
}

TEST_F(EtcdServer, RefusesWhoeverSawAnOlderState) {
  const LeaseId lease = nodes_->lease();
  const dcs::Acquire before_all = nodes_->acquisition(lease);
  const Revision leader = nodes_->lead(lease);
  EXPECT_TRUE(nodes_->guarded(nodes_->sync(leader, 0, {})).held);
  EXPECT_TRUE(nodes_->guarded(dcs::Release{leader}).held);

  const dcs::Acquire good = nodes_->acquisition(lease);
  dcs::Acquire old_epoch = good;
  old_epoch.epoch_revision = before_all.epoch_revision;
  dcs::Acquire old_sync = good;
  old_sync.sync_revision = before_all.sync_revision;
  dcs::Acquire other_database = good;
  other_database.cluster = kOther;
  dcs::Acquire unnamed = good;
  unnamed.cluster_seen = false;
  for (const dcs::Acquire& old : {before_all, old_epoch, old_sync, other_database, unnamed}) {
    EXPECT_FALSE(nodes_->guarded(old).held);
  }
  EXPECT_TRUE(nodes_->guarded(good).held);
}

TEST_F(EtcdServer, ReplacesTheSyncKeyOnlyForTheLeaderThatSawIt) {
  const Revision leader = nodes_->lead(nodes_->lease());
  const dcs::Guarded first = nodes_->guarded(nodes_->sync(leader, 0, {}));
  ASSERT_TRUE(first.held);
  EXPECT_FALSE(nodes_->guarded(nodes_->sync(leader, 0, {kOther})).held);
  EXPECT_FALSE(nodes_->guarded(nodes_->sync(leader + 1, first.revision, {kOther})).held);
  const dcs::Guarded second = nodes_->guarded(nodes_->sync(leader, first.revision, {kOther}));
  ASSERT_TRUE(second.held);
  EXPECT_GT(second.revision, first.revision);
  EXPECT_FALSE(nodes_->guarded(nodes_->sync(leader, first.revision, {})).held);
  EXPECT_EQ(nodes_->view().sync, nodes_->sync(0, second.revision, {kOther}).sync);
  // It outlives its leader.
  EXPECT_TRUE(nodes_->guarded(dcs::Release{leader}).held);
  EXPECT_FALSE(nodes_->guarded(nodes_->sync(leader, second.revision, {})).held);
  EXPECT_TRUE(nodes_->view().sync);
}

TEST_F(EtcdServer, KnowsWhoIsThere) {
  const LeaseId lease = nodes_->lease();
  const replication::MemberKey member{
      .node = kNode, .name = "a", .address = "h:1", .role = "standby", .last_tid = Tid(7)};
  nodes_->guarded(dcs::Register{lease, member});
  EXPECT_EQ(nodes_->view().members, std::vector{member});
  EXPECT_TRUE(nodes_->guarded(dcs::Revoke{lease}).held);
  EXPECT_TRUE(nodes_->view().members.empty());
  EXPECT_FALSE(nodes_->guarded(dcs::Revoke{lease}).held);
}

// Asked for one second, it grants two: the granted time counts.
TEST_F(EtcdServer, EndsTheLeadershipWithTheLease) {
  const auto leased = nodes_->get<dcs::Leased>(dcs::GrantLease{1s});
  EXPECT_EQ(leased.ttl, 2s);
  const Revision leader = nodes_->lead(leased.lease);
  const auto kept = nodes_->get<dcs::Leased>(dcs::KeepAlive{leased.lease});
  EXPECT_EQ(kept.ttl, 2s);
  const auto last = SteadyClock::now();
  while (nodes_->guarded(dcs::Confirm{leader}).held) {
    ASSERT_LT(SteadyClock::now() - last, 20s) << "the lease does not end";
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_GE(SteadyClock::now() - last, 2s - 50ms);
  EXPECT_EQ(nodes_->view().leader, std::nullopt);
  EXPECT_EQ(nodes_->get<dcs::Leased>(dcs::KeepAlive{leased.lease}).ttl, Duration{});
}

TEST_F(EtcdServer, PutsNothingUnderALeaseThatIsGone) {
  const LeaseId lease = nodes_->lease();
  const dcs::Acquire acquire = nodes_->acquisition(lease);
  EXPECT_TRUE(etcd::revoke(etcd_->endpoints(), lease, kTimeout));
  const auto acquired = nodes_->ask(acquire);
  ASSERT_FALSE(acquired);
  EXPECT_EQ(acquired.error().code, ErrorCode::not_found);
  const auto registered = nodes_->ask(dcs::Register{lease, {}});
  ASSERT_FALSE(registered);
  EXPECT_EQ(registered.error().code, ErrorCode::not_found);
  EXPECT_EQ(nodes_->view(), DcsView{});
}

TEST_F(EtcdServer, LetsASupervisorEndTheLeadership) {
  const LeaseId lease = nodes_->lease();
  const Revision leader = nodes_->lead(lease);
  EXPECT_TRUE(etcd::revoke(etcd_->endpoints(), lease, kTimeout));
  EXPECT_FALSE(nodes_->guarded(dcs::Confirm{leader}).held);
  EXPECT_TRUE(etcd::revoke(etcd_->endpoints(), lease, kTimeout)) << "it is gone already";
}

TEST_F(EtcdServer, KeepsClustersApart) {
  nodes_->lead(nodes_->lease());
  Coordination longer(*etcd_, name_ + "2");
  Coordination shorter(*etcd_, name_.substr(0, name_.size() - 1));
  EXPECT_EQ(longer.view(), DcsView{});
  EXPECT_EQ(shorter.view(), DcsView{});
}

// ---- three members, some of which fail ----------------------------------------------------------

class EtcdCluster : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdProcess::program()) GTEST_SKIP() << EtcdProcess::kMissing;
    etcd_ = std::make_unique<EtcdProcess>(3);
    ASSERT_TRUE(etcd_->start()) << etcd_->logs();
    nodes_ = std::make_unique<Coordination>(*etcd_, "c");
    leader_ = nodes_->lead(nodes_->lease(60s));
  }
  // Errors are unknown outcomes, and are tried again; never may a guard fail.
  void expect_confirmed_again() {
    const auto until = SteadyClock::now() + 30s;
    while (true) {
      const auto answer = nodes_->ask(dcs::Confirm{leader_}, 1s);
      if (answer) {
        EXPECT_TRUE(std::get<dcs::Guarded>(*answer).held);
        return;
      }
      ASSERT_LT(SteadyClock::now(), until) << answer.error().detail;
    }
  }

  std::unique_ptr<EtcdProcess> etcd_;
  std::unique_ptr<Coordination> nodes_;
  Revision leader_ = 0;
};

TEST_F(EtcdCluster, AnswersWhileOneIsDown) {
  const std::size_t leading = etcd_->leader().value_or(0);
  const std::size_t down = (leading + 1) % 3;
  etcd_->kill(down);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(nodes_->guarded(dcs::Confirm{leader_}).held);
  etcd_->restart(down);
  EXPECT_TRUE(etcd_->wait_ready()) << etcd_->logs();
  EXPECT_TRUE(nodes_->guarded(dcs::Confirm{leader_}).held);
}

// A member that hangs still takes connections.
TEST_F(EtcdCluster, GoesOnFromOneThatHangs) {
  const std::size_t leading = etcd_->leader().value_or(0);
  for (const std::size_t hanging : {(leading + 1) % 3, (leading + 2) % 3}) {
    etcd_->stop(hanging);
    const auto answer = nodes_->ask(dcs::Confirm{leader_}, 3s);
    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_TRUE(std::get<dcs::Guarded>(*answer).held);
    etcd_->cont(hanging);
  }
}

TEST_F(EtcdCluster, KeepsTheLeadershipWhenItsOwnLeaderIsKilled) {
  const auto leading = etcd_->leader();
  ASSERT_TRUE(leading);
  etcd_->kill(*leading);
  expect_confirmed_again();
}

TEST_F(EtcdCluster, SaysNothingWithoutAMajority) {
  etcd_->kill(1);
  etcd_->stop(2);
  for (int i = 0; i < 3; ++i) {
    const auto answer = nodes_->ask(dcs::Confirm{leader_}, 700ms);
    ASSERT_FALSE(answer);
    EXPECT_TRUE(answer.error().code == ErrorCode::timeout ||
                answer.error().code == ErrorCode::unavailable)
        << answer.error().to_string();
  }
  etcd_->cont(2);
  expect_confirmed_again();
}

}  // namespace
}  // namespace zeolite
