#include <gtest/gtest.h>

#include <charconv>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "daemon/role_file.h"
#include "daemon/server.h"
#include "support/raw_client.h"
#include "support/temporary_directory.h"

// What is true when the answer to a promotion is sent.
namespace zeolite::daemon {
namespace {

using testing::RawClient;
using testing::TemporaryDirectory;
using namespace std::chrono_literals;

std::uint16_t port_of(const std::string& address) {
  std::uint16_t port = 0;
  const char* const end = address.data() + address.size();
  std::from_chars(address.data() + address.rfind(':') + 1, end, port);
  return port;
}

// A standby of nobody that is there. Who logs that it is the primary now waits until the test says
// so.
class PromotionOrder : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerConfig config;
    config.storages.push_back({.name = "main", .directory = directory_ / "data", .blobs = {}});
    config.native = net::HostPort{"127.0.0.1", 0};
    config.replication.standby_of = net::HostPort{"127.0.0.1", 1};
    config.io_threads = 1;
    auto server = Server::start(std::move(config), [this](LogLevel, std::string_view message) {
      if (message.find("now primary") == std::string_view::npos) return;
      leads_.set_value(std::string(message));
      go_on_.get_future().wait();
    });
    ASSERT_TRUE(server) << server.error().detail;
    server_ = *std::move(server);
  }
  void TearDown() override {
    go_on();
    if (!server_) return;
    server_->request_stop();
    EXPECT_TRUE(server_->wait());
  }

  void go_on() {
    if (!std::exchange(goes_on_, true)) go_on_.set_value();
  }

  TemporaryDirectory directory_;
  bool goes_on_ = false;
  std::promise<std::string> leads_;
  std::promise<void> go_on_;
  std::unique_ptr<Server> server_;
};

// Else a client that was told of it, and writes at once, is refused; and a server that is restarted
// at once has forgotten it.
TEST_F(PromotionOrder, TheServerLeadsAndWillAfterARestart) {
  const std::uint16_t port = port_of(server_->native_address());
  wire::Hello tool;
  tool.wants_invalidations = false;
  tool.accepts_standby = true;
  Result<RawClient> commander = RawClient::open(port, tool);
  ASSERT_TRUE(commander) << commander.error().to_string();
  ASSERT_TRUE(commander->send(wire::Promote{.force = true}, 1));
  auto leads = leads_.get_future();
  ASSERT_EQ(leads.wait_for(20s), std::future_status::ready);
  const auto early = commander->receive_as<wire::RoleChanged>(1, 200ms);
  ASSERT_FALSE(early) << "answered before the server is the primary for everybody";
  EXPECT_EQ(early.error().code, ErrorCode::timeout);
  go_on();
  const auto promoted = commander->receive_as<wire::RoleChanged>(1);
  ASSERT_TRUE(promoted) << promoted.error().to_string();
  EXPECT_EQ(promoted->role, wire::NodeRole::primary);
  EXPECT_NE(leads.get().find("storage main: now primary, epoch " +
                             std::to_string(promoted->epoch.value())),
            std::string::npos);
  EXPECT_TRUE(RawClient::open(port, wire::Hello{})) << "one that writes";
  const auto role = read_role_file(directory_ / "data");
  ASSERT_TRUE(role && *role);
  EXPECT_TRUE((*role)->leads);
}

}  // namespace
}  // namespace zeolite::daemon
