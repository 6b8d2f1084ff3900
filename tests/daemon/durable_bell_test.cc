#include "daemon/durable_bell.h"

#include <gtest/gtest.h>

namespace zeolite::daemon {
namespace {

TEST(DurableBell, IsSilentWhileNobodyAsks) {
  DurableBell bell;
  EXPECT_FALSE(bell.rings());
}

TEST(DurableBell, RingsOnceForAllWhoAsked) {
  DurableBell bell;
  bell.ask();
  bell.ask();
  EXPECT_TRUE(bell.rings());
  EXPECT_FALSE(bell.rings());
  bell.ask();
  EXPECT_TRUE(bell.rings());
}

}  // namespace
}  // namespace zeolite::daemon
