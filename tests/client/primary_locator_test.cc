#include "client/primary_locator.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace zeolite::client_core {
namespace {

using std::chrono::milliseconds;

constexpr Instant kNow{std::chrono::seconds(60)};

// Addresses a:1, a:2, ...
std::vector<net::HostPort> addresses(std::uint16_t count) {
  std::vector<net::HostPort> result;
  for (std::uint16_t i = 1; i <= count; ++i) result.push_back({"a", i});
  return result;
}

TEST(PrimaryLocator, TriesAllAddressesBeforeItPauses) {
  PrimaryLocator locator(addresses(3), milliseconds(100), milliseconds(1000));
  EXPECT_EQ(locator.current().port, 1);
  EXPECT_EQ(locator.failed(0.5), Duration(0));
  EXPECT_EQ(locator.current().port, 2);
  EXPECT_EQ(locator.failed(0.5), Duration(0));
  EXPECT_EQ(locator.failed(0.5), milliseconds(75));
  EXPECT_EQ(locator.current().port, 1);
}

TEST(PrimaryLocator, PausesDoubleUpToTheMaximumWithJitter) {
  PrimaryLocator locator(addresses(1), milliseconds(100), milliseconds(300));
  EXPECT_EQ(locator.failed(0), milliseconds(50));
  EXPECT_EQ(locator.failed(0), milliseconds(100));
  EXPECT_EQ(locator.failed(0), milliseconds(150));
  EXPECT_EQ(locator.failed(0), milliseconds(150));
  EXPECT_LT(locator.failed(0.999), milliseconds(300));
}

TEST(PrimaryLocator, ReturnsToTheLostAddressAfterALittleJitter) {
  PrimaryLocator locator(addresses(2), milliseconds(100), milliseconds(1000));
  static_cast<void>(locator.failed(0));
  locator.established(Instant{std::chrono::seconds(10)});
  EXPECT_EQ(locator.lost(Instant{std::chrono::seconds(60)}, 0.5), milliseconds(50));
  EXPECT_EQ(locator.current().port, 2);
}

TEST(PrimaryLocator, LeavesForTheNextAddress) {
  PrimaryLocator locator(addresses(2), milliseconds(100), milliseconds(1000));
  locator.established(Instant{std::chrono::seconds(10)});
  EXPECT_EQ(locator.left(Instant{std::chrono::seconds(60)}, 0.5), Duration(0));
  EXPECT_EQ(locator.current().port, 2);
  // Two servers that are both left at once are not called in a busy loop.
  locator.established(Instant{std::chrono::seconds(60)});
  EXPECT_GT(locator.left(Instant{std::chrono::seconds(60)}, 0.5), Duration(0));
  EXPECT_EQ(locator.current().port, 1);
}

TEST(PrimaryLocator, NamesTheOtherAddressesOnce) {
  std::vector<net::HostPort> given = addresses(3);
  given.push_back(given[1]);
  given.push_back(given[0]);
  const PrimaryLocator locator(given, milliseconds(100), milliseconds(1000));
  EXPECT_EQ(locator.others(), (std::vector<net::HostPort>{given[1], given[2]}));
}

TEST(PrimaryLocator, AServerThatHangsUpAtOnceIsNotCalledInABusyLoop) {
  PrimaryLocator locator(addresses(1), milliseconds(100), milliseconds(1000));
  Duration last{};
  for (int i = 0; i < 3; ++i) {
    locator.established(Instant{std::chrono::seconds(10)});
    const Duration pause = locator.lost(Instant{std::chrono::seconds(10)}, 0.5);
    EXPECT_GT(pause, last);
    last = pause;
  }
}

TEST(PrimaryLocator, GoesWhereItIsSentWithoutAPause) {
  PrimaryLocator locator(addresses(3), milliseconds(100), milliseconds(1000));
  EXPECT_EQ(locator.redirected("a:3", kNow, 0.5), Duration(0));
  EXPECT_EQ(locator.current().port, 3);
}

TEST(PrimaryLocator, GoesToAPrimaryThatItWasNotToldOf) {
  PrimaryLocator locator(addresses(1), milliseconds(100), milliseconds(1000));
  EXPECT_EQ(locator.redirected("b:9", kNow, 0.5), Duration(0));
  EXPECT_EQ(locator.current(), (net::HostPort{"b", 9}));
  EXPECT_EQ(locator.size(), 2U);
}

TEST(PrimaryLocator, BeingSentElsewhereIsNoFailedAttempt) {
  PrimaryLocator locator(addresses(2), milliseconds(100), milliseconds(1000));
  EXPECT_EQ(locator.redirected("a:2", kNow, 0.5), Duration(0));
  EXPECT_EQ(locator.failed(0.5), Duration(0));       // the second: one of two has failed
  EXPECT_EQ(locator.failed(0.5), milliseconds(75));  // the first
}

TEST(PrimaryLocator, IsNotSentToOneThatFailedInThisRound) {
  PrimaryLocator locator(addresses(3), milliseconds(100), milliseconds(1000));
  EXPECT_EQ(locator.failed(0.5), Duration(0));
  EXPECT_EQ(locator.redirected("a:1", kNow, 0.5), Duration(0));
  EXPECT_EQ(locator.current().port, 3);
  // In the next round it may be tried again.
  EXPECT_EQ(locator.failed(0.5), milliseconds(75));
  EXPECT_EQ(locator.redirected("a:2", kNow, 0.5), Duration(0));
  EXPECT_EQ(locator.current().port, 2);
}

TEST(PrimaryLocator, AServerThatSteppedDownSendsToOneThatHadFailedBefore) {
  PrimaryLocator locator(addresses(2), milliseconds(100), milliseconds(1000));
  static_cast<void>(locator.failed(0.5));
  locator.established(Instant{std::chrono::seconds(10)});
  EXPECT_EQ(locator.redirected("a:1", kNow, 0.5), Duration(0));
  EXPECT_EQ(locator.current().port, 1);
}

TEST(PrimaryLocator, ServersThatSendEachOtherAreLeftInTime) {
  PrimaryLocator locator(addresses(2), milliseconds(100), milliseconds(1000));
  int steps = 0;
  while (locator.redirected(locator.current().port == 1 ? "a:2" : "a:1", kNow, 0.5) ==
         Duration(0)) {
    ASSERT_LT(++steps, 10);
  }
}

TEST(PrimaryLocator, ANameThatIsNoAddressIsAFailedAttempt) {
  PrimaryLocator locator(addresses(1), milliseconds(100), milliseconds(1000));
  EXPECT_EQ(locator.redirected("nowhere:port", kNow, 0.5), milliseconds(75));
  EXPECT_EQ(locator.redirected("", kNow, 0.5), milliseconds(150));
  EXPECT_EQ(locator.redirected("a:1", kNow, 0.5), milliseconds(300));  // itself
  EXPECT_EQ(locator.size(), 1U);
}

TEST(PrimaryLocator, LearnsTheNodesInPlaceOfThoseItLearnedBefore) {
  PrimaryLocator locator(addresses(2), milliseconds(100), milliseconds(1000));
  static_cast<void>(locator.failed(0));
  locator.learn({"b:1", "a:1", "b:2", "no address:"});
  EXPECT_EQ(locator.size(), 4U);
  EXPECT_EQ(locator.current().port, 2);
  locator.learn({"b:2"});
  EXPECT_EQ(locator.size(), 3U);
  static_cast<void>(locator.failed(0));
  EXPECT_EQ(locator.current(), (net::HostPort{"b", 2}));
}

TEST(PrimaryLocator, KeepsTheAddressInUseThoughTheClusterDoesNotNameIt) {
  PrimaryLocator locator(addresses(1), milliseconds(100), milliseconds(1000));
  static_cast<void>(locator.redirected("b:9", kNow, 0));
  locator.learn({"c:1"});
  EXPECT_EQ(locator.current(), (net::HostPort{"b", 9}));
}

TEST(PrimaryLocator, DoesNotLearnWithoutEnd) {
  PrimaryLocator locator(addresses(1), milliseconds(100), milliseconds(1000));
  std::vector<std::string> nodes;
  for (int i = 0; i < 1000; ++i) nodes.push_back("b:" + std::to_string(i + 1));
  locator.learn(nodes);
  EXPECT_EQ(locator.size(), 65U);
}

}  // namespace
}  // namespace zeolite::client_core
