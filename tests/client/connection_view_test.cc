#include "client/connection_view.h"

#include <gtest/gtest.h>

#include <future>

namespace zeolite::client_core {
namespace {

constexpr auto kPast = ConnectionView::Deadline::min();
constexpr auto kNever = ConnectionView::Deadline::max();

Position at(std::uint64_t tid) { return {Epoch(1), Tid(tid), {}}; }

TEST(ConnectionView, HasNoLineBeforeTheFirstConnection) {
  ConnectionView view;
  view.set_initial(at(10), Id128{1});
  EXPECT_EQ(view.point().tid, kNoTid);
  EXPECT_EQ(view.place().position.tid, Tid(10));
  EXPECT_EQ(view.point().history, 0U);
  EXPECT_FALSE(view.wait_point(kPast));
}

TEST(ConnectionView, MovesWithTheSession) {
  ConnectionView view;
  view.begin_history();
  view.set_connected(at(10), Id128{1});
  EXPECT_TRUE(view.connected());
  view.advance(at(20));
  EXPECT_EQ(view.point().tid, Tid(20));
  EXPECT_EQ(view.point().history, 1U);
  EXPECT_TRUE(view.wait_for(Tid(20), kPast));
  EXPECT_FALSE(view.wait_for(Tid(21), kPast));
  view.set_disconnected("cut");
  EXPECT_FALSE(view.connected());
  EXPECT_EQ(view.last_failure(), "cut");
  ASSERT_TRUE(view.wait_point(kPast));  // the line stays readable
  EXPECT_EQ(view.wait_point(kPast)->tid, Tid(20));
}

TEST(ConnectionView, HasNoLineWhileAHistoryBegins) {
  ConnectionView view;
  view.begin_history();
  EXPECT_EQ(view.point().history, 0U);
  EXPECT_FALSE(view.wait_point(kPast));
  view.set_connected(at(20), Id128{1});
  EXPECT_EQ(view.point().tid, Tid(20));
  view.begin_history();
  EXPECT_EQ(view.point().history, 0U);
  EXPECT_EQ(view.point().tid, kNoTid);
  EXPECT_FALSE(view.wait_point(kPast));
  EXPECT_FALSE(view.wait_for(Tid(20), kPast));
  view.set_connected(at(10), Id128{1});
  EXPECT_EQ(view.point().history, 2U);
  EXPECT_EQ(view.point().tid, Tid(10));
}

TEST(ConnectionView, WakesWhoWaits) {
  ConnectionView view;
  view.set_connected(at(10), Id128{1});
  auto waiting = std::async(std::launch::async, [&] { return view.wait_for(Tid(30), kNever); });
  view.advance(at(20));
  view.advance(at(30));
  EXPECT_TRUE(waiting.get());
}

TEST(ConnectionView, ShutDownEndsEveryWait) {
  ConnectionView view;
  auto waiting = std::async(std::launch::async, [&] { return view.wait_point(kNever); });
  view.shut_down();
  EXPECT_FALSE(waiting.get());
}

}  // namespace
}  // namespace zeolite::client_core
