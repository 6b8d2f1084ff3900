#include "replication/checkpoint_shelf.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <variant>

namespace zeolite::replication {
namespace {

using namespace std::chrono_literals;

Position at(std::uint64_t tid) { return {Epoch(1), Tid(tid), {}}; }
Id128 named(std::uint8_t number) { return {number}; }

class CheckpointShelfTest : public ::testing::Test {
 protected:
  void ask(CopyUser user, const Position& from, const Id128& resumed = {}) {
    shelf.ask(user, resumed, from, now, effects);
    take();
  }
  void made(std::uint8_t number, std::uint64_t tid) {
    ASSERT_TRUE(std::exchange(making, false));
    shelf.made(named(number), at(tid), now, effects);
    there.emplace(named(number), at(tid));
    take();
  }
  void ended(CopyUser user, bool complete) {
    shelf.ended(user, complete, now, effects);
    given.erase(user);
    take();
  }
  void tick() {
    shelf.tick(now, effects);
    take();
  }
  void take() {
    for (const auto& effect : std::exchange(effects, {})) {
      if (const auto* give = std::get_if<CheckpointShelf::Give>(&effect)) {
        EXPECT_TRUE(there.contains(give->id)) << "it was removed";
        EXPECT_TRUE(given.emplace(give->user, give->id).second) << "one is given one, once";
      } else if (const auto* refuse = std::get_if<CheckpointShelf::Refuse>(&effect)) {
        refused[refuse->user] = refuse->why;
      } else if (std::holds_alternative<CheckpointShelf::Make>(effect)) {
        EXPECT_FALSE(std::exchange(making, true)) << "one at a time";
      } else if (const auto* removed = std::get_if<CheckpointShelf::Remove>(&effect)) {
        EXPECT_EQ(there.erase(removed->id), 1U);
        for (const auto& [user, id] : given) EXPECT_NE(id, removed->id) << "it is being sent";
      }
    }
  }

  CheckpointShelf shelf{{.count_max = 2, .shared_for = 1min, .kept_for = 5min}};
  CheckpointShelf::Effects effects;
  Instant now{};
  bool making = false;
  std::map<Id128, Position> there;
  std::map<CopyUser, Id128> given;
  std::map<CopyUser, std::string> refused;
};

TEST_F(CheckpointShelfTest, WhoAsksAtTheSameTimeSharesOne) {
  ask(1, at(0));
  EXPECT_TRUE(making);
  ask(2, at(3));
  made(1, 10);
  ask(3, at(9));
  EXPECT_FALSE(making);
  EXPECT_EQ(given.size(), 3U);
}

TEST_F(CheckpointShelfTest, ACopyGoesOnWithItsOwnWhateverOthersAreGiven) {
  ask(1, at(0));
  made(1, 10);
  now = now + 2min;
  ask(2, at(0));
  made(2, 20);
  EXPECT_EQ(given[1], named(1));
  EXPECT_EQ(given[2], named(2));
  ended(1, false);
  ask(3, at(0), named(1));
  EXPECT_EQ(given[3], named(1)) << "that it was cut off from";
}

TEST_F(CheckpointShelfTest, NobodyIsGivenLessThanItHas) {
  ask(1, at(0));
  made(1, 10);
  ended(1, false);
  ask(2, at(11), named(1));
  ASSERT_TRUE(making) << "it has streamed since, and confirmed more";
  made(2, 12);
  EXPECT_EQ(given[2], named(2));
  ask(3, at(12));
  EXPECT_TRUE(making) << "from one that ends there it would come back";
  ask(4, at(30));
  made(3, 13);
  EXPECT_EQ(given[3], named(3));
  EXPECT_FALSE(given.contains(4));
}

TEST_F(CheckpointShelfTest, WhoHasMoreThanThereIsIsRefused) {
  ask(1, at(30));
  made(1, 13);
  EXPECT_TRUE(refused.contains(1));
  EXPECT_FALSE(making);
  EXPECT_TRUE(there.empty());
}

TEST_F(CheckpointShelfTest, GoesWhenTheLastCopyOfItIsComplete) {
  ask(1, at(0));
  ask(2, at(0));
  made(1, 10);
  ended(1, true);
  EXPECT_EQ(there.size(), 1U);
  ended(2, true);
  EXPECT_TRUE(there.empty());
}

TEST_F(CheckpointShelfTest, StaysAWhileForWhoWasCutOff) {
  ask(1, at(0));
  ask(2, at(0));
  made(1, 10);
  ended(1, false);
  ended(2, true);
  now = now + (5min - 1ms);
  tick();
  EXPECT_EQ(there.size(), 1U);
  ask(3, at(0), named(1));
  now = now + 1h;
  tick();
  EXPECT_EQ(there.size(), 1U) << "it is being sent";
  ended(3, false);
  now = now + 5min;
  tick();
  EXPECT_TRUE(there.empty());
}

TEST_F(CheckpointShelfTest, WhoCameBackDoesNotKeepItFurther) {
  ask(1, at(0));
  made(1, 10);
  ended(1, false);
  ask(2, at(0), named(1));
  ended(2, true);
  EXPECT_TRUE(there.empty());
}

TEST_F(CheckpointShelfTest, ThereAreOnlySoMany) {
  ask(1, at(0));
  made(1, 10);
  now = now + 2min;
  ask(2, at(0));
  made(2, 20);
  now = now + 2min;
  ask(3, at(10));
  EXPECT_EQ(given[3], named(2)) << "an older one, but no third";
  ask(4, at(20));
  EXPECT_TRUE(refused.contains(4));
  ended(1, false);
  ask(5, at(20));
  EXPECT_TRUE(making) << "one that nobody is sent makes room";
  EXPECT_FALSE(there.contains(named(1)));
}

TEST_F(CheckpointShelfTest, OneThatHasLostAFileIsNotGivenAgain) {
  ask(1, at(0));
  ask(2, at(0));
  made(1, 10);
  shelf.spoiled(named(1), effects);
  take();
  EXPECT_EQ(there.size(), 1U) << "others are sent it";
  ended(1, false);
  ask(3, at(0), named(1));
  ASSERT_TRUE(making);
  made(2, 10);
  EXPECT_EQ(given[3], named(2));
  ended(2, false);
  EXPECT_FALSE(there.contains(named(1)));
}

TEST_F(CheckpointShelfTest, WhatWasMadeBeforeTheLogWasUndoneIsNotGiven) {
  ask(1, at(0));
  made(1, 10);
  ended(1, false);
  now = now + 2min;
  ask(2, at(0));
  shelf.log_undone(effects);
  take();
  EXPECT_TRUE(there.empty());
  made(2, 10);
  EXPECT_FALSE(given.contains(2));
  ASSERT_TRUE(making) << "it is made anew";
  made(3, 9);
  EXPECT_EQ(given[2], named(3));
}

TEST_F(CheckpointShelfTest, WhoWaitsIsToldThatNoneCanBeMade) {
  ask(1, at(0));
  ask(2, at(0));
  ended(2, false);
  making = false;
  shelf.not_made("no space", effects);
  take();
  EXPECT_EQ(refused, (std::map<CopyUser, std::string>{{1, "no space"}}));
  ask(3, at(0));
  EXPECT_TRUE(making);
}

TEST_F(CheckpointShelfTest, OneThatNobodyWaitsForAnyMoreGoesAtOnce) {
  ask(1, at(0));
  ended(1, false);
  made(1, 10);
  EXPECT_TRUE(there.empty());
}

}  // namespace
}  // namespace zeolite::replication
