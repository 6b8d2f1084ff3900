#include "net/listener.h"

#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <future>

namespace zeolite::net {
namespace {

using boost::asio::ip::tcp;

class ListenerTest : public ::testing::Test {
 protected:
  ~ListenerTest() override {
    shard_.stop();
    shard_.join();
  }

  Result<std::unique_ptr<Listener>> listen(const HostPort& address) {
    return Listener::listen(
        shard_, address, [this]() -> IoShard& { return other_; },
        [this](tcp::socket socket) {
          EXPECT_TRUE(other_.on_thread());
          accepted_.set_value(socket.remote_endpoint().port());
        });
  }
  void stop(Listener& listener) {
    std::promise<void> stopped;
    shard_.post([&] {
      listener.stop();
      stopped.set_value();
    });
    stopped.get_future().wait();
  }

  IoShard shard_{"listen"};
  IoShard other_{"other"};
  std::promise<std::uint16_t> accepted_;
};

TEST_F(ListenerTest, PortZeroPicksOne) {
  const auto listener = listen({"127.0.0.1", 0});
  ASSERT_TRUE(listener) << listener.error().detail;
  EXPECT_NE((*listener)->address().port, 0);
  EXPECT_EQ((*listener)->address().host, "127.0.0.1");
}

TEST_F(ListenerTest, APortInUseIsBusy) {
  const auto first = listen({"127.0.0.1", 0});
  ASSERT_TRUE(first);
  const auto second = listen((*first)->address());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::busy);
  EXPECT_NE(second.error().detail.find((*first)->address().to_string()), std::string::npos);
}

TEST_F(ListenerTest, AnAddressOfAnotherMachineIsAnError) {
  const auto listener = listen({"192.0.2.1", 0});  // reserved for documentation
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, ErrorCode::io_error);
}

TEST_F(ListenerTest, HandsConnectionsToTheChosenShard) {
  const auto listener = listen({"127.0.0.1", 0});
  ASSERT_TRUE(listener);
  (*listener)->start();
  boost::asio::io_context context;
  tcp::socket client(context);
  client.connect({boost::asio::ip::address_v4::loopback(), (*listener)->address().port});
  EXPECT_EQ(accepted_.get_future().get(), client.local_endpoint().port());
  stop(**listener);
}

TEST_F(ListenerTest, FreesItsPortWhenStopped) {
  const auto first = listen({"127.0.0.1", 0});
  ASSERT_TRUE(first);
  (*first)->start();
  stop(**first);
  const auto second = listen((*first)->address());
  EXPECT_TRUE(second) << second.error().detail;
}

}  // namespace
}  // namespace zeolite::net
