#include "client/primary_locator.h"

#include <gtest/gtest.h>

namespace zeolite::client_core {
namespace {

using std::chrono::milliseconds;

TEST(PrimaryLocator, TriesAllAddressesBeforeItPauses) {
  PrimaryLocator locator(3, milliseconds(100), milliseconds(1000));
  EXPECT_EQ(locator.current(), 0U);
  EXPECT_EQ(locator.failed(0.5), Duration(0));
  EXPECT_EQ(locator.current(), 1U);
  EXPECT_EQ(locator.failed(0.5), Duration(0));
  EXPECT_EQ(locator.failed(0.5), milliseconds(75));
  EXPECT_EQ(locator.current(), 0U);
}

TEST(PrimaryLocator, PausesDoubleUpToTheMaximumWithJitter) {
  PrimaryLocator locator(1, milliseconds(100), milliseconds(300));
  EXPECT_EQ(locator.failed(0), milliseconds(50));
  EXPECT_EQ(locator.failed(0), milliseconds(100));
  EXPECT_EQ(locator.failed(0), milliseconds(150));
  EXPECT_EQ(locator.failed(0), milliseconds(150));
  EXPECT_LT(locator.failed(0.999), milliseconds(300));
}

TEST(PrimaryLocator, ReturnsToTheLostAddressAfterALittleJitter) {
  PrimaryLocator locator(2, milliseconds(100), milliseconds(1000));
  static_cast<void>(locator.failed(0));
  locator.established(Instant{std::chrono::seconds(10)});
  EXPECT_EQ(locator.lost(Instant{std::chrono::seconds(60)}, 0.5), milliseconds(50));
  EXPECT_EQ(locator.current(), 1U);
}

TEST(PrimaryLocator, AServerThatHangsUpAtOnceIsNotCalledInABusyLoop) {
  PrimaryLocator locator(1, milliseconds(100), milliseconds(1000));
  Duration last{};
  for (int i = 0; i < 3; ++i) {
    locator.established(Instant{std::chrono::seconds(10)});
    const Duration pause = locator.lost(Instant{std::chrono::seconds(10)}, 0.5);
    EXPECT_GT(pause, last);
    last = pause;
  }
}

}  // namespace
}  // namespace zeolite::client_core
