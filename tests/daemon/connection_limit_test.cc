#include "daemon/connection_limit.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace zeolite::daemon {
namespace {

using ZeoClient = ConnectionLimit::ZeoClient;

class ConnectionLimitTest : public testing::Test {
 protected:
  void open(int count) {
    for (int i = 0; i < count; ++i) limit_.opened();
  }
  bool has_room(std::size_t under_way) { return limit_.has_room(under_way, ZeoClient::served); }
  bool has_room_to_park() { return limit_.has_room(0, ZeoClient::parked); }

  std::vector<std::string> lines_;
  ConnectionLimit limit_{4, [this](LogLevel, std::string_view line) { lines_.emplace_back(line); }};
};

TEST_F(ConnectionLimitTest, TakesAsManyAsItIsTold) {
  open(3);
  EXPECT_TRUE(limit_.admits());
  EXPECT_TRUE(has_room(0));
  limit_.opened();
  EXPECT_FALSE(limit_.admits());
  EXPECT_FALSE(has_room(0));
  limit_.closed();
  EXPECT_EQ(limit_.open(), 3U);
  EXPECT_TRUE(limit_.admits());
  EXPECT_TRUE(has_room(0));
}

TEST_F(ConnectionLimitTest, CountsThoseUnderWay) {
  open(2);
  EXPECT_TRUE(has_room(1));
  EXPECT_FALSE(has_room(2));
}

TEST_F(ConnectionLimitTest, SaysEachTimeThatClientsHaveToWaitButNotHowOftenTheyAsk) {
  open(4);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(has_room(0));
  EXPECT_EQ(lines_,
            std::vector<std::string>{"ZEO clients have to wait: there are 4 connections already"});
  limit_.closed();
  EXPECT_TRUE(has_room(0));
  limit_.opened();
  EXPECT_FALSE(has_room(0));
  EXPECT_EQ(lines_.size(), 2U);
}

TEST_F(ConnectionLimitTest, ParkedClientsLeaveRoomForOthers) {
  open(1);
  EXPECT_TRUE(has_room_to_park());
  open(1);
  EXPECT_FALSE(has_room_to_park());
  EXPECT_TRUE(has_room(0));
  EXPECT_TRUE(limit_.admits());
  // Both ports ask, in turn.
  EXPECT_FALSE(has_room_to_park());
  EXPECT_EQ(lines_,
            std::vector<std::string>{"ZEO clients have to wait: there are 2 connections already"});
}

TEST_F(ConnectionLimitTest, SaysOfEachThatItIsRefused) {
  open(4);
  EXPECT_FALSE(limit_.admits());
  EXPECT_FALSE(limit_.admits());
  EXPECT_EQ(lines_, std::vector<std::string>(
                        2, "a connection was refused: there are 4 connections already"));
}

}  // namespace
}  // namespace zeolite::daemon
