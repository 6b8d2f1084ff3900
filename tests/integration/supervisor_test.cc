#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "integration/cluster.h"
#include "support/etcd_process.h"

// `serve --supervise`: a process that watches the server, and ends its lease when it dies.
namespace zeolite::testing {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

// A lease that runs out ends this long after the server's death at the earliest: it is renewed each
// third. A standby that is elected serves a third after it last heard of the old primary.
constexpr seconds kLease{15};
constexpr seconds kLeaseLeft = kLease - kLease / 3;

class Supervisor : public ClusterTest {
 protected:
  void SetUp() override {
    if (!EtcdProcess::program()) GTEST_SKIP() << EtcdProcess::kMissing;
    ASSERT_TRUE(etcd_.start()) << etcd_.logs();
    a_ = std::make_unique<ServerProcess>(options("a", elects(true)));
    ASSERT_TRUE(a_->start()) << a_->standard_error();
    ASSERT_TRUE(wait_until([&] { return role(*a_) == "primary"; })) << a_->standard_error();
    server_ = child_of(a_->pid());
    ASSERT_TRUE(server_);
  }
  [[nodiscard]] std::vector<std::string> elects(bool supervised) const {
    std::vector<std::string> arguments = {"--etcd", etcd_.urls(), "--cluster",
                                          "test",   "--lease",    std::to_string(kLease.count())};
    if (supervised) arguments.emplace_back("--supervise");
    return arguments;
  }
  void start_standby() {
    b_ = std::make_unique<ServerProcess>(options("b", elects(false)));
    ASSERT_TRUE(b_->start()) << b_->standard_error();
    ASSERT_TRUE(wait_until([&] { return in_sync(*a_); })) << b_->standard_error();
  }
  // It has not waited for the lease to run out.
  void expect_takeover_since(steady_clock::time_point death) {
    EXPECT_TRUE(wait_until([&] { return role(*b_) == "primary"; }, kLease * 2))
        << b_->standard_error();
    EXPECT_LT(steady_clock::now() - death, kLeaseLeft);
  }
  static std::optional<pid_t> child_of(pid_t parent) {
    const std::string number = std::to_string(parent);
    std::ifstream children("/proc/" + number + "/task/" + number + "/children");
    pid_t child = 0;
    return children >> child ? std::optional(child) : std::nullopt;
  }
  // Also one that nobody has waited for.
  static bool ended(pid_t process) {
    std::ifstream stat("/proc/" + std::to_string(process) + "/stat");
    std::string number;
    std::string name;
    std::string state;
    return !(stat >> number >> name >> state) || state == "Z";
  }
  [[nodiscard]] bool said(const std::string& what) const {
    return a_->standard_error().find(what) != std::string::npos;
  }

  EtcdProcess etcd_;
  std::unique_ptr<ServerProcess> a_;  // supervised
  std::optional<pid_t> server_;       // what is supervised
  std::unique_ptr<ServerProcess> b_;
};

TEST_F(Supervisor, EndsTheLeaseOfAServerThatDies) {
  start_standby();
  const auto death = steady_clock::now();
  ASSERT_EQ(::kill(*server_, SIGKILL), 0);
  EXPECT_EQ(a_->wait_exit(seconds(10)), 1);
  EXPECT_TRUE(said("the server has died; its lease is ended")) << a_->standard_error();
  expect_takeover_since(death);
}

TEST_F(Supervisor, WhenItDiesTheServerStopsAndGivesTheLeaseBack) {
  start_standby();
  const auto death = steady_clock::now();
  a_->kill();
  EXPECT_TRUE(wait_until([&] { return ended(*server_); }));
  expect_takeover_since(death);
}

TEST_F(Supervisor, PassesASignalToStopOnAndSaysNothing) {
  start_standby();
  const auto death = steady_clock::now();
  EXPECT_EQ(a_->stop(), 0) << a_->standard_error();
  EXPECT_TRUE(ended(*server_));
  EXPECT_FALSE(said("died")) << a_->standard_error();
  expect_takeover_since(death);
}

// Here because another server has the directory; that one goes on.
TEST_F(Supervisor, EndsWithAServerThatCannotStart) {
  ServerProcess second(options("a", elects(true)));
  EXPECT_FALSE(second.start());
  EXPECT_EQ(second.wait_exit(seconds(20)), 4) << "the exit code of the server";
  EXPECT_EQ(second.standard_error().find("lease"), std::string::npos) << second.standard_error();
  EXPECT_EQ(role(*a_), "primary");
}

}  // namespace
}  // namespace zeolite::testing
