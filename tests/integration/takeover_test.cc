#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "integration/cluster.h"
#include "integration/commit_load.h"
#include "support/etcd_process.h"

// One server leads, another follows and takes over: promoted by command, or by election.
namespace zeolite::testing {
namespace {

using boost::asio::ip::tcp;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kClients = 4;
constexpr std::size_t kValueBytes = 300;

class Takeover : public ClusterTest {};

TEST_F(Takeover, APromotedStandbyHasEverythingThatWasAcknowledged) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  ServerProcess& b = *pair->standby;
  EXPECT_EQ(role(a), "primary");
  EXPECT_EQ(role(b), "standby");

  CommitLoad load(kClients, kValueBytes);
  load.start(a.port());
  ASSERT_TRUE(load.wait_acknowledged(300));
  a.kill();
  load.join();
  const ProgramResult promoted = zeolite({"promote", "--at", b.address()});
  ASSERT_EQ(promoted.exit_code, 0) << promoted.error << b.standard_error();
  EXPECT_EQ(role(b), "primary");
  load.check(b.port());

  const std::uint64_t before = load.acknowledged();
  load.start(b.port());
  ASSERT_TRUE(load.wait_acknowledged(before + 100));

  // The old primary comes back: what only it had is kept aside and undone, then it follows.
  ServerProcess again(options("a", standby_of(b)));
  ASSERT_TRUE(again.start()) << again.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(b); })) << again.standard_error();
  load.stop();
  load.join();
  load.check_everything(b.port());
  ASSERT_TRUE(wait_until([&] { return same_end(b, again); }));
  EXPECT_EQ(digest(b), digest(again));
  EXPECT_EQ(again.stop(), 0) << again.standard_error();
  EXPECT_EQ(b.stop(), 0) << b.standard_error();
  EXPECT_EQ(verify(directory_ / "a").exit_code, 0);
  EXPECT_EQ(verify(directory_ / "b").exit_code, 0);
}

TEST_F(Takeover, SwitchoverUnderLoadLosesNothingAndGoesBack) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  ServerProcess& b = *pair->standby;
  CommitLoad load(kClients, kValueBytes);
  load.start(a.port());
  ASSERT_TRUE(load.wait_acknowledged(200));
  const ProgramResult there = zeolite({"switchover", "--at", a.address()});
  ASSERT_EQ(there.exit_code, 0) << there.error << a.standard_error();
  load.join();
  ASSERT_TRUE(wait_until([&] { return role(b) == "primary"; })) << b.standard_error();
  load.check(b.port());
  // In the same process, on the same port, as a standby of the new primary.
  ASSERT_TRUE(wait_until([&] { return role(a) == "standby" && in_sync(b); })) << a.standard_error();
  load.start(b.port());
  ASSERT_TRUE(load.wait_acknowledged(load.acknowledged() + 100));
  const ProgramResult back = zeolite({"switchover", "--at", b.address() + "," + a.address()});
  ASSERT_EQ(back.exit_code, 0) << back.error << b.standard_error();
  load.join();
  ASSERT_TRUE(wait_until([&] { return role(a) == "primary" && in_sync(a); }))
      << a.standard_error() << b.standard_error();
  load.check_everything(a.port());
  ASSERT_TRUE(wait_until([&] { return same_end(a, b); }));
  EXPECT_EQ(digest(a), digest(b));
}

// How often a connection to the server's native port was refused until stopped.
class RefusalCounter {
 public:
  explicit RefusalCounter(const ServerProcess& server)
      : thread_([this, port = server.port()] { run(port); }) {}
  std::uint64_t stop() {
    stopped_ = true;
    thread_.join();
    return refused_;
  }

 private:
  void run(std::uint16_t port) {
    const tcp::endpoint there(boost::asio::ip::make_address("127.0.0.1"), port);
    while (!stopped_) {
      boost::asio::io_context context;
      tcp::socket socket(context);
      boost::system::error_code error;
      socket.connect(there, error);
      if (error == boost::asio::error::connection_refused) ++refused_;
      std::this_thread::sleep_for(milliseconds(1));
    }
  }

  std::atomic<bool> stopped_ = false;
  std::uint64_t refused_ = 0;
  std::thread thread_;  // last: it uses the others
};

// It begins anew in its process; who connects in between waits.
TEST_F(Takeover, TheNativePortStaysOpenWhenAPrimaryStepsDown) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  RefusalCounter refusals(a);
  EXPECT_EQ(zeolite({"switchover", "--at", a.address()}).exit_code, 0) << a.standard_error();
  EXPECT_TRUE(wait_until([&] { return role(a) == "standby" && in_sync(*pair->standby); }))
      << a.standard_error();
  EXPECT_EQ(refusals.stop(), 0U);
}

TEST_F(Takeover, RolesDecidedByCommandOutliveTheProcess) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  ServerProcess& b = *pair->standby;
  ASSERT_EQ(zeolite({"switchover", "--at", a.address()}).exit_code, 0);
  ASSERT_TRUE(wait_until([&] { return role(b) == "primary" && in_sync(b); }));
  EXPECT_EQ(b.stop(), 0) << b.standard_error();
  EXPECT_EQ(a.stop(), 0) << a.standard_error();
  ASSERT_TRUE(b.start()) << b.standard_error();
  EXPECT_EQ(role(b), "primary");
  ASSERT_TRUE(a.start()) << a.standard_error();
  EXPECT_NE(role(a), "primary");
}

// An option that was forgotten must not make two primaries.
TEST_F(Takeover, AStandbyThatIsStartedWithoutItsOptionStaysOne) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  // It counts as one from when it shows what it has: a heartbeat later.
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(directory_ / "b" / "ROLE"); }));
  EXPECT_EQ(pair->standby->stop(), 0) << pair->standby->standard_error();
  ServerProcess b(options("b"));
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(a); })) << b.standard_error();
  EXPECT_EQ(role(b), "standby");
  EXPECT_NE(b.standard_error().find("was a standby of " + a.address()), std::string::npos);
  a.kill();
  EXPECT_EQ(zeolite({"promote", "--force", "--at", b.address()}).exit_code, 0);
  EXPECT_EQ(b.stop(), 0) << b.standard_error();
  ASSERT_TRUE(b.start()) << b.standard_error();
  EXPECT_EQ(role(b), "primary") << "somebody decided so";
}

// As a supervisor does it: with the command line it always had.
TEST_F(Takeover, AnOldPrimaryThatIsRestartedFollowsWhoWasPromotedInItsPlace) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  ServerProcess& b = *pair->standby;
  a.kill();
  // It does not wait for standbys that are not there, or that wait for it.
  ServerProcess again(options("a"));
  ASSERT_TRUE(again.start()) << again.standard_error();
  EXPECT_EQ(role(again), "primary");
  again.kill();
  const ProgramResult promoted = zeolite({"promote", "--force", "--at", b.address()});
  ASSERT_EQ(promoted.exit_code, 0) << promoted.error << b.standard_error();

  ServerProcess later(options("a"));
  ASSERT_TRUE(later.start()) << later.standard_error();
  // It has a second for its question; on a slow machine that may not do.
  EXPECT_TRUE(role(later) != "primary" ||
              later.standard_error().find("without having been able to ask") != std::string::npos)
      << later.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(b); })) << later.standard_error();
  EXPECT_EQ(role(later), "standby");
  EXPECT_EQ(role(b), "primary");
  // It belongs to that reign now, also when nobody is there to tell it so.
  later.kill();
  b.kill();
  ServerProcess alone(options("a"));
  ASSERT_TRUE(alone.start()) << alone.standard_error();
  EXPECT_NE(role(alone), "primary");
}

TEST_F(Takeover, ALostStandbyIsLetGoUnlessCommitsAreStrict) {
  for (const bool strict : {false, true}) {
    SCOPED_TRACE(strict ? "strict" : "relaxed");
    const std::string suffix = strict ? "-strict" : "";
    std::vector<std::string> more = {"--lease", "2"};
    if (strict) more.insert(more.end(), {"--durability", "standby", "--strict"});
    const std::optional<ServerPair> pair = start_pair(suffix, more);
    ASSERT_TRUE(pair);
    ServerProcess& a = *pair->primary;
    ServerProcess& b = *pair->standby;
    CommitLoad load(kClients, kValueBytes);
    load.start(a.port());
    ASSERT_TRUE(load.wait_acknowledged(100));
    b.send_signal(SIGSTOP);
    if (strict) {
      std::this_thread::sleep_for(seconds(3));
      const std::uint64_t held = load.acknowledged();
      std::this_thread::sleep_for(milliseconds(500));
      EXPECT_EQ(load.acknowledged(), held) << "acknowledged without its standby";
      EXPECT_TRUE(wait_until([&] { return status(a).at("blocked").as_bool(); }));
      EXPECT_NE(a.standard_error().find("commits wait: no standby is there"), std::string::npos);
    } else {
      const std::uint64_t before = load.acknowledged();
      EXPECT_TRUE(load.wait_acknowledged(before + 500)) << a.standard_error();
      EXPECT_EQ(status(a).at("delayed_groups").to_number<int>(), 1);
      EXPECT_GE(status(a).at("longest_delay_ms").to_number<int>(), 1000);
      EXPECT_EQ(status(a).at("sync_changes").to_number<int>(), 2) << "entered, and left";
    }
    b.send_signal(SIGCONT);
    ASSERT_TRUE(load.wait_acknowledged(load.acknowledged() + 100)) << a.standard_error();
    ASSERT_TRUE(wait_until([&] { return in_sync(a); })) << a.standard_error();
    EXPECT_FALSE(status(a).at("blocked").as_bool());
    EXPECT_EQ(a.standard_error().find("commits are confirmed again") != std::string::npos, strict);
    load.stop();
    load.join();
    load.check_everything(a.port());
  }
}

TEST_F(Takeover, AStandbyDoesNotTakeWritesAndSaysWhoDoes) {
  ServerProcess a(options("a"));
  ASSERT_TRUE(a.start()) << a.standard_error();
  ServerProcess b(options("b", standby_of(a)));
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return role(b) == "standby"; }));
  const Result<RawClient> refused = RawClient::open(b.port(), wire::Hello{});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::not_primary);
  EXPECT_EQ(zeolite({"promote", "--at", b.address()}).exit_code, 4) << "its primary is alive";
}

TEST_F(Takeover, ANewStandbyGetsACopyWhenTheLogIsNotComplete) {
  ServerProcess a(options("a"));
  ASSERT_TRUE(a.start()) << a.standard_error();
  CommitLoad load(kClients, kValueBytes);
  load.start(a.port());
  ASSERT_TRUE(load.wait_acknowledged(2000));
  load.stop();
  load.join();
  const ProgramResult packed = zeolite({"pack", "--days", "0", "--no-gc", "--at", a.address()});
  ASSERT_EQ(packed.exit_code, 0) << packed.error;
  ServerProcess b(options("b", standby_of(a)));
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(a); })) << a.standard_error() << b.standard_error();
  EXPECT_NE(b.standard_error().find("copy"), std::string::npos);
  ASSERT_TRUE(wait_until([&] { return same_end(a, b); }));
  EXPECT_EQ(digest(a), digest(b));
  // And it is a standby like any other.
  a.kill();
  ASSERT_EQ(zeolite({"promote", "--at", b.address()}).exit_code, 0) << b.standard_error();
  const std::uint64_t before = load.acknowledged();
  load.start(b.port());
  EXPECT_TRUE(load.wait_acknowledged(before + 100)) << b.standard_error();
  load.stop();
  load.join();
}

TEST_F(Takeover, WhatAPackRemovedIsGoneOnEveryNode) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  ServerProcess& b = *pair->standby;
  CommitLoad load(kClients, kValueBytes);
  load.start(a.port());
  ASSERT_TRUE(load.wait_acknowledged(500));
  load.stop();
  load.join();
  ASSERT_EQ(zeolite({"pack", "--days", "0", "--no-gc", "--at", a.address()}).exit_code, 0);
  ASSERT_TRUE(wait_until([&] { return same_end(a, b); })) << b.standard_error();
  EXPECT_EQ(digest(a), digest(b));
}

TEST_F(Takeover, AStandbyOfAStandbyFollowsAsWell) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  ServerProcess& b = *pair->standby;
  ServerProcess c(options("c", standby_of(b)));
  ASSERT_TRUE(c.start()) << c.standard_error();
  CommitLoad load(kClients, kValueBytes);
  load.start(a.port());
  ASSERT_TRUE(load.wait_acknowledged(500));
  load.stop();
  load.join();
  ASSERT_TRUE(wait_until([&] { return same_end(a, c); })) << c.standard_error();
  EXPECT_EQ(digest(a), digest(c));
}

// By election: three members of etcd, whose leader dies together with the primary.
TEST_F(Takeover, ThePrimaryAndTheLeaderOfEtcdDieAndAStandbyTakesOverByItself) {
  if (!EtcdProcess::program()) GTEST_SKIP() << EtcdProcess::kMissing;
  EtcdProcess etcd(3);
  ASSERT_TRUE(etcd.start()) << etcd.logs();
  const std::vector<std::string> elects = {"--etcd", etcd.urls(), "--cluster", "test"};
  ServerProcess a(options("a", elects));
  ASSERT_TRUE(a.start()) << a.standard_error();
  ASSERT_TRUE(wait_until([&] { return role(a) == "primary"; })) << a.standard_error();
  ServerProcess b(options("b", elects));
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(a); })) << a.standard_error() << b.standard_error();
  CommitLoad load(kClients, kValueBytes);
  load.start(a.port());
  ASSERT_TRUE(load.wait_acknowledged(300));
  const std::optional<std::size_t> leader = etcd.leader();
  ASSERT_TRUE(leader);
  etcd.kill(*leader);
  a.kill();
  load.join();
  ASSERT_TRUE(wait_until([&] { return role(b) == "primary"; }, seconds(30))) << b.standard_error();
  load.check(b.port());
  const std::uint64_t before = load.acknowledged();
  load.start(b.port());
  ASSERT_TRUE(load.wait_acknowledged(before + 100));
  ASSERT_TRUE(a.start()) << a.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(b); })) << a.standard_error();
  load.stop();
  load.join();
  load.check_everything(b.port());
  ASSERT_TRUE(wait_until([&] { return same_end(b, a); }));
  EXPECT_EQ(digest(a), digest(b));
  // And back: a third reign.
  b.kill();
  ASSERT_TRUE(wait_until([&] { return role(a) == "primary"; }, seconds(30))) << a.standard_error();
  load.check_everything(a.port());
}

}  // namespace
}  // namespace zeolite::testing
