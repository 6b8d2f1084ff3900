#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "etcd/etcd_client.h"
#include "etcd/etcd_json.h"
#include "integration/cluster.h"
#include "integration/commit_load.h"
#include "support/etcd_process.h"
#include "support/tcp_proxy.h"

namespace zeolite::testing {

// Two servers that elect by one etcd, which each reaches by a way of its own: `a_` leads in
// `epoch_`, `b_` is in sync, and `load_` commits at `a_`.
class ElectedPair : public ClusterTest {
 protected:
  explicit ElectedPair(std::chrono::seconds lease = std::chrono::seconds(3)) : lease_(lease) {}

  void SetUp() override {
    if (!EtcdProcess::program()) GTEST_SKIP() << EtcdProcess::kMissing;
    ASSERT_TRUE(etcd_.start()) << etcd_.logs();
    way_of_a_ = std::make_unique<TcpProxy>(etcd_.endpoints()[0].port);
    way_of_b_ = std::make_unique<TcpProxy>(etcd_.endpoints()[0].port);
    a_ = std::make_unique<ServerProcess>(options("a", elects(*way_of_a_, lease_)));
    ASSERT_TRUE(a_->start()) << a_->standard_error();
    ASSERT_TRUE(wait_until([&] { return role(*a_) == "primary"; })) << a_->standard_error();
    b_ = std::make_unique<ServerProcess>(options("b", elects(*way_of_b_, lease_)));
    ASSERT_TRUE(b_->start()) << b_->standard_error();
    ASSERT_TRUE(wait_until([&] { return in_sync(*a_); })) << b_->standard_error();
    epoch_ = epoch(*a_);
    load_.start(a_->port());
    ASSERT_TRUE(load_.wait_acknowledged(100));
  }
  static std::vector<std::string> elects(const TcpProxy& way, std::chrono::seconds lease) {
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
    namespace dcs = replication::dcs;
    boost::asio::io_context context;
    etcd::EtcdClient client(context, etcd_.endpoints(), *etcd::key_prefix("test"));
    bool found = true;
    client.send(dcs::Read{}, std::chrono::seconds(5), [&](const Result<dcs::Answer>& answer) {
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

  const std::chrono::seconds lease_;
  EtcdProcess etcd_;
  std::unique_ptr<TcpProxy> way_of_a_;
  std::unique_ptr<TcpProxy> way_of_b_;
  std::unique_ptr<ServerProcess> a_;  // leads at first
  std::unique_ptr<ServerProcess> b_;
  std::uint64_t epoch_ = 0;
  CommitLoad load_{4, 300};
};

}  // namespace zeolite::testing
