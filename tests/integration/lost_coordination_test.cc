#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "etcd/etcd_client.h"
#include "etcd/etcd_json.h"
#include "integration/cluster.h"
#include "integration/commit_load.h"
#include "support/etcd_process.h"
#include "support/tcp_proxy.h"

// Servers that elect, some of which do not reach etcd for a while, or are not there when they are
// to lead. That a server is cut off as a whole is tested in tests/cluster.
namespace zeolite::testing {
namespace {

namespace dcs = replication::dcs;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kLease{3};
constexpr int kClients = 4;
constexpr std::size_t kValueBytes = 300;

class LostCoordination : public ClusterTest {
 protected:
  void SetUp() override {
    if (!EtcdProcess::program()) GTEST_SKIP() << EtcdProcess::kMissing;
    ASSERT_TRUE(etcd_.start()) << etcd_.logs();
    way_of_a_ = std::make_unique<TcpProxy>(etcd_.endpoints()[0].port);
    way_of_b_ = std::make_unique<TcpProxy>(etcd_.endpoints()[0].port);
    a_ = std::make_unique<ServerProcess>(options("a", elects(*way_of_a_)));
    ASSERT_TRUE(a_->start()) << a_->standard_error();
    ASSERT_TRUE(wait_until([&] { return role(*a_) == "primary"; })) << a_->standard_error();
    b_ = std::make_unique<ServerProcess>(options("b", elects(*way_of_b_)));
    ASSERT_TRUE(b_->start()) << b_->standard_error();
    ASSERT_TRUE(wait_until([&] { return in_sync(*a_); })) << b_->standard_error();
    epoch_ = epoch(*a_);
    load_.start(a_->port());
    ASSERT_TRUE(load_.wait_acknowledged(100));
  }
  static std::vector<std::string> elects(const TcpProxy& way, seconds lease = kLease) {
    return {"--etcd",  "http://" + way.address(),    "--cluster", "test",
            "--lease", std::to_string(lease.count())};
  }
  static std::uint64_t epoch(const ServerProcess& server) {
    return status(server).at("epoch").to_number<std::uint64_t>();
  }
  static bool says(const ServerProcess& server, const std::string& words) {
    return server.standard_error().find(words) != std::string::npos;
  }
  // Whether etcd has a leader's key.
  [[nodiscard]] bool led() const {
    boost::asio::io_context context;
    etcd::EtcdClient client(context, etcd_.endpoints(), *etcd::key_prefix("test"));
    bool found = true;
    client.send(dcs::Read{}, seconds(5), [&](const Result<dcs::Answer>& answer) {
      if (answer) found = std::get<dcs::Viewed>(*answer).view.leader.has_value();
      context.stop();
    });
    context.run();
    return found;
  }
  // What was acknowledged is at the server, which commits more, in a later reign.
  void expect_took_over(const ServerProcess& server) {
    ASSERT_TRUE(wait_until([&] { return role(server) == "primary"; })) << server.standard_error();
    EXPECT_GT(epoch(server), epoch_);
    load_.join();
    load_.check(server.port());
    const std::uint64_t before = load_.acknowledged();
    load_.start(server.port());
    EXPECT_TRUE(load_.wait_acknowledged(before + 100)) << server.standard_error();
    load_.stop();
    load_.join();
    load_.check_everything(server.port());
  }

  EtcdProcess etcd_;
  std::unique_ptr<TcpProxy> way_of_a_;
  std::unique_ptr<TcpProxy> way_of_b_;
  std::unique_ptr<ServerProcess> a_;  // leads at first
  std::unique_ptr<ServerProcess> b_;
  std::uint64_t epoch_ = 0;
  CommitLoad load_{kClients, kValueBytes};
};

TEST_F(LostCoordination, APrimaryCutFromEtcdIsReplacedAndFollowsWhenItIsBack) {
  way_of_a_->hold();
  expect_took_over(*b_);
  // It is not primary any more in the same process, and knows of nobody whom it could follow.
  EXPECT_NE(role(*a_), "primary");
  EXPECT_FALSE(in_sync(*b_));
  way_of_a_->release();
  ASSERT_TRUE(wait_until([&] { return in_sync(*b_); })) << a_->standard_error();
  EXPECT_EQ(role(*a_), "standby");
  ASSERT_TRUE(wait_until([&] { return same_end(*b_, *a_); }));
  EXPECT_EQ(digest(*a_), digest(*b_));
}

// The standby in sync confirms what etcd cannot. When etcd is back, nobody has been replaced.
TEST_F(LostCoordination, WithoutAnyEtcdAPrimaryWithItsStandbyServesOn) {
  const auto lost = steady_clock::now();
  etcd_.kill(0);
  ASSERT_TRUE(wait_until([&] { return steady_clock::now() > lost + kLease * 3 / 2; }));
  EXPECT_TRUE(load_.wait_acknowledged(load_.acknowledged() + 100)) << a_->standard_error();
  for (const ServerProcess* server : {a_.get(), b_.get()}) {
    EXPECT_TRUE(wait_until([&] { return says(*server, "service does not answer"); }))
        << server->standard_error();
  }
  etcd_.restart(0);
  ASSERT_TRUE(etcd_.wait_ready()) << etcd_.logs();
  for (const ServerProcess* server : {a_.get(), b_.get()}) {
    EXPECT_TRUE(wait_until([&] { return says(*server, "service answers again"); }))
        << server->standard_error();
  }
  EXPECT_TRUE(load_.wait_acknowledged(load_.acknowledged() + 100)) << a_->standard_error();
  EXPECT_EQ(role(*a_), "primary");
  EXPECT_EQ(epoch(*a_), epoch_);
  EXPECT_TRUE(in_sync(*a_));
  a_->kill();
  expect_took_over(*b_);
}

// It is fed and waited for all the while; but who leads is decided in etcd.
TEST_F(LostCoordination, AStandbyCutFromEtcdTakesOverWhenItIsBackAndNotBefore) {
  way_of_b_->hold();
  ASSERT_TRUE(wait_until([&] { return says(*b_, "service does not answer"); }))
      << b_->standard_error();
  EXPECT_TRUE(load_.wait_acknowledged(load_.acknowledged() + 100)) << a_->standard_error();
  EXPECT_TRUE(in_sync(*a_));
  a_->kill();
  ASSERT_TRUE(wait_until([&] { return !led(); })) << etcd_.logs();
  EXPECT_EQ(role(*b_), "standby");
  way_of_b_->release();
  expect_took_over(*b_);
}

// What it needs to know for that is in etcd and on its disk. It cannot remember up to when it
// confirmed the old primary, so it keeps the time that this might have served after that.
TEST_F(LostCoordination, AStandbyThatIsNotThereWhenThePrimaryDiesTakesOverAfterItsStart) {
  a_->kill();
  b_->kill();
  ASSERT_TRUE(wait_until([&] { return !led(); })) << etcd_.logs();
  // So long that a start takes less than the time to be kept.
  constexpr seconds kLongLease{12};
  b_ = std::make_unique<ServerProcess>(options("b", elects(*way_of_b_, kLongLease)));
  const auto started = steady_clock::now();
  ASSERT_TRUE(b_->start()) << b_->standard_error();
  ASSERT_TRUE(wait_until([&] { return role(*b_) == "primary"; })) << b_->standard_error();
  EXPECT_GE(steady_clock::now() - started, kLongLease / 3);
  expect_took_over(*b_);
}

}  // namespace
}  // namespace zeolite::testing
