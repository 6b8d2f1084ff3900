#include "sim/network.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace zeolite::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Two hosts that write down what they hear.
class NetworkTest : public testing::Test {
 protected:
  NetworkTest() {
    for (std::size_t host = 0; host < 2; ++host) {
      std::string& log = heard_[host];
      network_.add_host(processes_[host],
                        {.accepted =
                             [this, &log](ConnectionId id, Host) {
                               accepted_ = id;
                               log += "accepted ";
                             },
                         .connected = [&log](ConnectionId) { log += "connected "; },
                         .lost = [&log](ConnectionId, const std::string&) { log += "lost "; },
                         .received =
                             [&log](ConnectionId, const std::any& message) {
                               log += std::to_string(std::any_cast<int>(message)) + " ";
                             }});
    }
  }
  void run(Duration time) { queue_.run_until(queue_.now() + time); }
  ConnectionId connect() {
    const ConnectionId id = network_.connect(0, 1);
    run(milliseconds(500));
    heard_ = {};
    return id;
  }

  EventQueue queue_;
  std::array<Process, 2> processes_;
  Network network_{queue_, Random(1), milliseconds(2)};
  std::array<std::string, 2> heard_;
  ConnectionId accepted_ = 0;
};

TEST_F(NetworkTest, ConnectsAndKeepsTheOrder) {
  const ConnectionId id = network_.connect(0, 1);
  run(seconds(1));
  EXPECT_EQ(heard_[0], "connected ");
  EXPECT_EQ(heard_[1], "accepted ");
  EXPECT_EQ(accepted_, id);
  std::string sent = "accepted ";
  for (int i = 0; i < 300; ++i) {
    network_.send(0, id, i);
    sent += std::to_string(i) + " ";
  }
  network_.send(1, id, 7);
  run(seconds(10));
  EXPECT_EQ(heard_[1], sent);
  EXPECT_EQ(heard_[0], "connected 7 ");
}

TEST_F(NetworkTest, BlocksOneWayAndGoesOnInOrder) {
  const ConnectionId id = connect();
  network_.send(0, id, 1);
  network_.block(0, 1);
  network_.send(0, id, 2);
  network_.send(1, id, 3);
  run(seconds(10));
  EXPECT_EQ(heard_[0], "3 ");
  EXPECT_EQ(heard_[1], "");
  network_.send(0, id, 4);
  network_.unblock(0, 1);
  network_.send(0, id, 5);
  run(seconds(10));
  EXPECT_EQ(heard_[1], "1 2 4 5 ");
}

TEST_F(NetworkTest, GivesUpConnectingToWhoDoesNotAnswer) {
  network_.block(0, 1);
  network_.connect(0, 1);
  run(seconds(10));
  EXPECT_EQ(heard_[0], "lost ");
  EXPECT_EQ(heard_[1], "");
}

TEST_F(NetworkTest, DeliversWhatWasSentBeforeTheClose) {
  const ConnectionId id = connect();
  network_.send(0, id, 1);
  network_.close(0, id);
  network_.send(0, id, 2);
  network_.send(1, id, 3);
  run(seconds(10));
  EXPECT_EQ(heard_[1], "1 lost ");
  EXPECT_EQ(heard_[0], "");
  EXPECT_TRUE(network_.connections().empty());
}

TEST_F(NetworkTest, ResetLosesWhatIsUnderWay) {
  const ConnectionId id = connect();
  network_.send(0, id, 1);
  network_.reset(id);
  run(seconds(10));
  EXPECT_EQ(heard_[0], "lost ");
  EXPECT_EQ(heard_[1], "lost ");
}

TEST_F(NetworkTest, TellsOfAProcessThatEnded) {
  connect();
  processes_[1].kill();
  network_.host_died(1, false);
  run(seconds(10));
  EXPECT_EQ(heard_[0], "lost ");
  EXPECT_EQ(heard_[1], "");
  network_.connect(0, 1);
  run(seconds(10));
  EXPECT_EQ(heard_[0], "lost lost ");
}

TEST_F(NetworkTest, AHostWithoutPowerIsSilentUntilItIsBack) {
  const ConnectionId id = connect();
  processes_[1].kill();
  network_.host_died(1, true);
  network_.send(0, id, 1);
  run(seconds(10));
  EXPECT_EQ(heard_[0], "");
  network_.host_lives(1);
  network_.send(0, id, 2);
  run(seconds(10));
  EXPECT_EQ(heard_[0], "lost ");
  EXPECT_EQ(heard_[1], "");
}

}  // namespace
}  // namespace zeolite::sim
