#include "daemon/answer_room.h"

#include <gtest/gtest.h>

namespace zeolite::daemon {
namespace {

TEST(AnswerRoom, IsGivenAsFarAsItGoes) {
  AnswerRoom room(100);
  EXPECT_TRUE(room.take(60));
  EXPECT_FALSE(room.take(41));
  EXPECT_TRUE(room.take(40));
  EXPECT_EQ(room.taken(), 100U);
  room.give_back(60);
  EXPECT_TRUE(room.take(60));
}

TEST(AnswerRoom, WhatIsUnsentTakesRoom) {
  AnswerRoom room(100);
  room.set_unsent(50);
  EXPECT_FALSE(room.empty());
  EXPECT_FALSE(room.take(51));
  EXPECT_TRUE(room.take(50));
  room.set_unsent(200);
  EXPECT_FALSE(room.take(1));
}

TEST(AnswerRoom, AnyAnswerFitsWhenNothingWaits) {
  AnswerRoom room(100);
  EXPECT_TRUE(room.empty());
  EXPECT_TRUE(room.take(1000));
  EXPECT_FALSE(room.take(1));
  room.give_back(1000);
  EXPECT_TRUE(room.empty());
}

TEST(AnswerRoom, IsWithoutBoundsOnceLifted) {
  AnswerRoom room(100);
  EXPECT_TRUE(room.take(100));
  room.lift();
  EXPECT_TRUE(room.take(1'000'000));
  EXPECT_TRUE(room.take(1));
}

}  // namespace
}  // namespace zeolite::daemon
