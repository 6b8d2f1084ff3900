#include "daemon/check_slot.h"

#include <gtest/gtest.h>

namespace zeolite::daemon {
namespace {

TEST(CheckSlot, IsTakenByOneAtATime) {
  CheckSlot slot;
  const CheckSlot::Cancelled first = slot.take();
  ASSERT_NE(first, nullptr);
  EXPECT_FALSE(*first);
  EXPECT_EQ(slot.take(), nullptr);
  slot.give_back(first);
  const CheckSlot::Cancelled second = slot.take();
  ASSERT_NE(second, nullptr);
  slot.give_back(first);  // long over
  EXPECT_EQ(slot.take(), nullptr);
}

TEST(CheckSlot, StopEndsWhatRunsAndWhatBegins) {
  CheckSlot slot;
  const CheckSlot::Cancelled running = slot.take();
  slot.stop();
  EXPECT_TRUE(*running);
  slot.give_back(running);
  EXPECT_TRUE(*slot.take());
}

}  // namespace
}  // namespace zeolite::daemon
