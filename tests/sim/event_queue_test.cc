#include "sim/event_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace zeolite::sim {
namespace {

using std::chrono::milliseconds;
constexpr Instant kEnd{std::chrono::hours(1)};

TEST(EventQueue, GoesByTimeAndThenByOrder) {
  EventQueue queue;
  std::string order;
  queue.after(milliseconds(2), [&] { order += 'c'; });
  queue.after(milliseconds(1), [&] { order += 'a'; });
  queue.after(milliseconds(1), [&] {
    order += 'b';
    queue.after(Duration{}, [&] { order += '!'; });
  });
  queue.run_until(kEnd);
  EXPECT_EQ(order, "ab!c");
  EXPECT_EQ(queue.now(), kEnd);
  EXPECT_EQ(queue.events(), 4U);
}

TEST(EventQueue, StopsAtTheTimeGiven) {
  EventQueue queue;
  bool happened = false;
  queue.after(milliseconds(5), [&] { happened = true; });
  queue.run_until({milliseconds(4)});
  EXPECT_FALSE(happened);
  EXPECT_EQ(queue.now(), Instant{milliseconds(4)});
  queue.run_until({milliseconds(5)});
  EXPECT_TRUE(happened);
}

TEST(EventQueue, DropsWhatIsOfTheDead) {
  EventQueue queue;
  Process process;
  std::string order;
  queue.after(milliseconds(1), process, [&] { order += 'a'; });
  queue.after(milliseconds(3), process, [&] { order += 'x'; });
  queue.after(milliseconds(2), [&] {
    process.kill();
    queue.after(milliseconds(1), process, [&] { order += 'b'; });
  });
  queue.run_until(kEnd);
  EXPECT_EQ(order, "ab");
}

TEST(EventQueue, HoldsWhatIsOfThePaused) {
  EventQueue queue;
  Process process;
  std::string order;
  process.pause_until({milliseconds(10)});
  queue.after(milliseconds(1), process, [&] { order += 'a'; });
  queue.after(milliseconds(10), process, [&] { order += 'c'; });
  queue.after(milliseconds(2), process, [&] { order += 'b'; });
  queue.after(milliseconds(5), [&] { order += '-'; });
  queue.run_until(kEnd);
  // What came first of the held goes first, at the end of the pause.
  EXPECT_EQ(order, "-acb");
}

}  // namespace
}  // namespace zeolite::sim
