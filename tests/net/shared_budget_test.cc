#include "net/shared_budget.h"

#include <gtest/gtest.h>

namespace zeolite::net {
namespace {

TEST(SharedBudget, OneAloneMayTakeHalf) {
  SharedBudget budget(1000);
  budget.add(500);
  EXPECT_TRUE(budget.allows(500));
  budget.add(1);
  EXPECT_FALSE(budget.allows(501));
}

TEST(SharedBudget, TheNextMayTakeHalfOfWhatIsLeft) {
  SharedBudget budget(1000);
  budget.add(500);
  budget.add(250);
  EXPECT_TRUE(budget.allows(250));
  budget.add(1);
  EXPECT_FALSE(budget.allows(251));
}

TEST(SharedBudget, WhoNeedsLittleFindsRoomBesideTheGreedy) {
  SharedBudget budget(1 << 20);
  for (int greedy = 0; greedy < 10; ++greedy) {
    std::uint64_t held = 0;
    while (budget.allows(held + 1)) {
      budget.add(1);
      ++held;
      if (!budget.allows(held)) break;
    }
  }
  budget.add(100);
  EXPECT_TRUE(budget.allows(100));
}

TEST(SharedBudget, WhatIsGivenBackIsFree) {
  SharedBudget budget(1000);
  budget.add(900);
  EXPECT_FALSE(budget.allows(900));
  budget.remove(900);
  EXPECT_EQ(budget.used(), 0U);
  budget.add(400);
  EXPECT_TRUE(budget.allows(400));
}

TEST(SharedBudget, NothingIsAllowedWhenMoreIsUsedThanThereIs) {
  SharedBudget budget(1000);
  budget.add(1001);
  EXPECT_FALSE(budget.allows(0));
  EXPECT_FALSE(budget.allows(1));
}

TEST(SharedBudget, ExactlyAllMayBeUsed) {
  SharedBudget budget(1000);
  budget.add(1000);
  EXPECT_TRUE(budget.allows(0));
  EXPECT_FALSE(budget.allows(1));
}

TEST(BudgetCharge, OneAtATimeMayHoldWhatThereIsNoRoomFor) {
  SharedBudget budget(1000);
  BudgetCharge large(&budget);
  EXPECT_FALSE(large.settle(5000));
  EXPECT_TRUE(large.settle_beyond(5000));
  EXPECT_EQ(budget.used(), 0U);  // others have their room
  EXPECT_TRUE(large.settle(4000));
  EXPECT_EQ(budget.used(), 0U);
  BudgetCharge other(&budget);
  EXPECT_FALSE(other.settle(2000));
  EXPECT_FALSE(other.settle_beyond(2000));
  (void)other.settle(0);
  EXPECT_TRUE(large.settle(400));  // there is room for this
  EXPECT_EQ(budget.used(), 400U);
  EXPECT_FALSE(other.settle(2000));
  EXPECT_TRUE(other.settle_beyond(2000));
}

TEST(BudgetCharge, WhoMayGoBeyondGivesThatBackAtItsEnd) {
  SharedBudget budget(1000);
  {
    BudgetCharge large(&budget);
    EXPECT_FALSE(large.settle(5000));
    EXPECT_TRUE(large.settle_beyond(5000));
  }
  BudgetCharge next(&budget);
  EXPECT_FALSE(next.settle(5000));
  EXPECT_TRUE(next.settle_beyond(5000));
}

}  // namespace
}  // namespace zeolite::net
