#include "net/listener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <vector>

#include "support/temporary_directory.h"

namespace zeolite::net {
namespace {

using boost::asio::ip::tcp;

class ListenerTest : public ::testing::Test {
 protected:
  ~ListenerTest() override {
    shard_.stop();
    shard_.join();
  }

  Result<std::unique_ptr<Listener>> listen(const ListenAddress& address) {
    return Listener::listen(
        shard_, address, [this]() -> IoShard& { return other_; },
        [this](Socket socket) {
          EXPECT_TRUE(other_.on_thread());
          accepted_.set_value(socket.available() == 0 && socket.is_open());
        });
  }
  // Whether somebody was accepted as it should be. The listener may go after that.
  bool was_accepted() {
    const bool accepted = accepted_.get_future().get();
    other_.run([] {});  // what the listener does after it told so
    return accepted;
  }
  void stop(Listener& listener) {
    shard_.run([&] { listener.stop(); });
  }

  IoShard shard_{"listen"};
  IoShard other_{"other"};
  std::promise<bool> accepted_;
};

TEST_F(ListenerTest, PortZeroPicksOne) {
  const auto listener = listen(HostPort{"127.0.0.1", 0});
  ASSERT_TRUE(listener) << listener.error().detail;
  EXPECT_NE((*listener)->address().tcp.port, 0);
  EXPECT_EQ((*listener)->address().tcp.host, "127.0.0.1");
}

// Whoever connects between two listeners waits for the second.
TEST_F(ListenerTest, AKeptPortStaysOpen) {
  auto first = listen(HostPort{"127.0.0.1", 0});
  ASSERT_TRUE(first) << first.error().detail;
  ASSERT_TRUE((*first)->start());
  const ListenAddress address = (*first)->address();
  std::unique_ptr<KeptPort> kept;
  std::promise<void> done;
  shard_.post([&] {
    kept = (*first)->keep();
    EXPECT_EQ((*first)->keep(), nullptr);
    done.set_value();
  });
  done.get_future().wait();
  ASSERT_NE(kept, nullptr);
  first->reset();

  boost::asio::io_context context;
  tcp::socket client(context);
  client.connect({boost::asio::ip::make_address("127.0.0.1"), address.tcp.port});
  const auto second = Listener::reopen(
      shard_, *kept, address, [this]() -> IoShard& { return other_; },
      [this](Socket socket) { accepted_.set_value(socket.is_open()); });
  ASSERT_TRUE(second) << second.error().detail;
  EXPECT_EQ((*second)->address().tcp.port, address.tcp.port);
  ASSERT_TRUE((*second)->start());
  EXPECT_TRUE(was_accepted());
  stop(**second);

  tcp::socket late(context);
  EXPECT_THROW(late.connect({boost::asio::ip::make_address("127.0.0.1"), address.tcp.port}),
               boost::system::system_error);
}

TEST_F(ListenerTest, AKeptPortThatNobodyTakesIsClosed) {
  auto first = listen(HostPort{"127.0.0.1", 0});
  ASSERT_TRUE(first) << first.error().detail;
  std::promise<void> done;
  shard_.post([&] {
    (void)(*first)->keep();
    done.set_value();
  });
  done.get_future().wait();
  EXPECT_TRUE(listen((*first)->address()));
}

// So that a killed process refuses before its peers learn that it is gone.
TEST_F(ListenerTest, HasAGreaterNumberThanConnections) {
  std::promise<int> accepted;
  auto listener = Listener::listen(
      shard_, HostPort{"127.0.0.1", 0}, [this]() -> IoShard& { return other_; },
      [&](Socket socket) { accepted.set_value(socket.native_handle()); });
  ASSERT_TRUE(listener) << listener.error().detail;
  ASSERT_TRUE((*listener)->start());
  boost::asio::io_context context;
  tcp::socket client(context);
  client.connect({boost::asio::ip::make_address("127.0.0.1"), (*listener)->address().tcp.port});
  const int connection = accepted.get_future().get();
  other_.run([] {});
  int socket = -1;
  shard_.run([&] { socket = (*listener)->keep()->take(); });
  EXPECT_GT(socket, connection + 500);
  EXPECT_EQ(::fcntl(socket, F_GETFD), FD_CLOEXEC);
  ::close(socket);
}

TEST_F(ListenerTest, APortInUseIsAnErrorThatSaysSo) {
  const auto first = listen(HostPort{"127.0.0.1", 0});
  ASSERT_TRUE(first);
  const auto second = listen((*first)->address());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::io_error);
  EXPECT_NE(second.error().detail.find("in use"), std::string::npos);
  EXPECT_NE(second.error().detail.find((*first)->address().to_string()), std::string::npos);
}

TEST_F(ListenerTest, AnAddressOfAnotherMachineIsAnError) {
  const auto listener = listen(HostPort{"192.0.2.1", 0});  // reserved for documentation
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, ErrorCode::io_error);
}

TEST_F(ListenerTest, HandsConnectionsToTheChosenShard) {
  const auto listener = listen(HostPort{"127.0.0.1", 0});
  ASSERT_TRUE(listener);
  ASSERT_TRUE((*listener)->start());
  boost::asio::io_context context;
  tcp::socket client(context);
  client.connect({boost::asio::ip::address_v4::loopback(), (*listener)->address().tcp.port});
  EXPECT_TRUE(was_accepted());
  stop(**listener);
}

TEST_F(ListenerTest, FreesItsPortWhenStopped) {
  const auto first = listen(HostPort{"127.0.0.1", 0});
  ASSERT_TRUE(first);
  ASSERT_TRUE((*first)->start());
  stop(**first);
  const auto second = listen((*first)->address());
  EXPECT_TRUE(second) << second.error().detail;
}

TEST_F(ListenerTest, AReservedPortRefusesUntilItIsStarted) {
  auto reserved = Listener::reserve(
      shard_, HostPort{"127.0.0.1", 0}, [this]() -> IoShard& { return shard_; }, [](Socket) {});
  ASSERT_TRUE(reserved);
  const auto connects = [&] {
    boost::asio::io_context context;
    boost::asio::ip::tcp::socket socket(context);
    boost::system::error_code error;
    socket.connect({boost::asio::ip::make_address("127.0.0.1"), (*reserved)->address().tcp.port},
                   error);
    return !error;
  };
  EXPECT_FALSE(connects());
  ASSERT_TRUE((*reserved)->start());
  EXPECT_TRUE(connects());
  stop(**reserved);
}

TEST_F(ListenerTest, PeersWaitWhileThereIsNoRoom) {
  constexpr std::size_t kRoom = 3;
  constexpr std::size_t kPeers = 8;
  std::atomic<std::size_t> room = kRoom;
  std::atomic<std::size_t> inside = 0;
  std::promise<void> refused;
  std::promise<void> room_taken;
  std::promise<void> all_inside;
  std::once_flag once;
  IoShard busy("busy");  // it does not get round to those it is given
  std::promise<void> free;
  busy.post([waits = free.get_future().share()] { waits.wait(); });
  auto listener = Listener::reserve(
      shard_, HostPort{"127.0.0.1", 0}, [&]() -> IoShard& { return busy; },
      [&](Socket) {
        const std::size_t now = ++inside;
        if (now == kRoom) room_taken.set_value();
        if (now == kPeers) all_inside.set_value();
      });
  ASSERT_TRUE(listener);
  (*listener)->accept_while([&](std::size_t under_way) {
    if (inside + under_way < room) return true;
    std::call_once(once, [&] { refused.set_value(); });
    return false;
  });
  ASSERT_TRUE((*listener)->start());
  boost::asio::io_context context;
  std::vector<tcp::socket> peers;
  for (std::size_t i = 0; i < kPeers; ++i) {
    tcp::socket& peer = peers.emplace_back(context);
    peer.connect({boost::asio::ip::address_v4::loopback(), (*listener)->address().tcp.port});
  }
  refused.get_future().wait();
  free.set_value();
  room_taken.get_future().wait();
  EXPECT_EQ(inside, kRoom);
  room = kPeers;
  all_inside.get_future().wait();
  stop(**listener);
  busy.stop();
  busy.join();
}

// What a stopped listener leaves to its shard is thrown away with that, after the shard it served.
TEST_F(ListenerTest, KeepsNothingOfTheShardsItServes) {
  auto served = std::make_unique<IoShard>("served");
  auto own = std::make_unique<IoShard>("own");
  auto listener = Listener::listen(
      *own, HostPort{"127.0.0.1", 0}, [&]() -> IoShard& { return *served; }, [](Socket) {});
  ASSERT_TRUE(listener);
  ASSERT_TRUE((*listener)->start());
  own->post([&] {
    (*listener)->stop();
    own->stop();  // before it hears of that
  });
  own->join();
  listener->reset();
  served.reset();
  own.reset();
}

class UnixListenerTest : public ListenerTest {
 protected:
  [[nodiscard]] ListenAddress address() const {
    ListenAddress result;
    result.unix_path = directory_.path() / "socket";
    return result;
  }
  testing::TemporaryDirectory directory_;
};

TEST_F(UnixListenerTest, AcceptsAndRemovesItsFileWhenStopped) {
  const auto listener = listen(address());
  ASSERT_TRUE(listener) << listener.error().detail;
  ASSERT_TRUE((*listener)->start());
  boost::asio::io_context context;
  boost::asio::local::stream_protocol::socket client(context);
  client.connect(boost::asio::local::stream_protocol::endpoint(address().unix_path));
  EXPECT_TRUE(was_accepted());
  stop(**listener);
  EXPECT_FALSE(std::filesystem::exists(address().unix_path));
}

// Whoever waits for the file may connect as soon as it is there.
TEST_F(UnixListenerTest, AReservedSocketHasNoFileUntilItIsStarted) {
  auto reserved = Listener::reserve(
      shard_, address(), [this]() -> IoShard& { return other_; },
      [this](Socket) { accepted_.set_value(true); });
  ASSERT_TRUE(reserved);
  EXPECT_FALSE(std::filesystem::exists(address().unix_path));
  ASSERT_TRUE((*reserved)->start());
  boost::asio::io_context context;
  boost::asio::local::stream_protocol::socket client(context);
  client.connect(boost::asio::local::stream_protocol::endpoint(address().unix_path));
  EXPECT_TRUE(was_accepted());
  stop(**reserved);
  EXPECT_FALSE(std::filesystem::exists(address().unix_path));
}

TEST_F(UnixListenerTest, AReservedSocketIsTakenByWhoListensFirst) {
  auto reserved =
      Listener::reserve(shard_, address(), [this]() -> IoShard& { return other_; }, [](Socket) {});
  ASSERT_TRUE(reserved);
  const auto first = listen(address());
  ASSERT_TRUE(first) << first.error().detail;
  const Result<> late = (*reserved)->start();
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().detail.find("in use"), std::string::npos);
  stop(**reserved);
  EXPECT_TRUE(std::filesystem::exists(address().unix_path));
}

TEST_F(UnixListenerTest, LeavesASocketThatIsBoundToItsServer) {
  boost::asio::io_context context;
  boost::asio::local::stream_protocol::acceptor bound(context);
  bound.open();
  bound.bind(boost::asio::local::stream_protocol::endpoint(address().unix_path));
  const auto second = listen(address());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().detail.find("in use"), std::string::npos);
}

TEST_F(UnixListenerTest, ReplacesASocketThatNobodyListensOn) {
  {
    boost::asio::io_context context;
    boost::asio::local::stream_protocol::acceptor dead(
        context, boost::asio::local::stream_protocol::endpoint(address().unix_path));
  }
  ASSERT_TRUE(std::filesystem::exists(address().unix_path));
  const auto listener = listen(address());
  EXPECT_TRUE(listener) << listener.error().detail;
}

TEST_F(UnixListenerTest, LeavesASocketInUseAndAnyOtherFileAlone) {
  const auto first = listen(address());
  ASSERT_TRUE(first);
  const auto second = listen(address());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::io_error);
  ListenAddress file;
  file.unix_path = directory_.path() / "file";
  std::ofstream(file.unix_path) << "precious";
  EXPECT_FALSE(listen(file));
  EXPECT_EQ(std::filesystem::file_size(file.unix_path), 8U);
}

}  // namespace
}  // namespace zeolite::net
