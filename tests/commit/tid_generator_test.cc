#include "commit/tid_generator.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "model/tid_time.h"

namespace zeolite::commit {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kWallStartUs = 912'694'929'000'000;

// Both clocks; the wall clock can be moved alone.
struct Clocks {
  Now now{.instant = {}, .wall = {kWallStartUs}};

  Now pass(Duration duration) {
    now.instant = now.instant + duration;
    return step(duration);
  }
  Now step(Duration duration) {
    now.wall.unix_us += std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    return now;
  }
};

TEST(TidGenerator, FollowsTheClock) {
  Clocks clocks;
  TidGenerator tids(kNoTid, clocks.now);
  EXPECT_EQ(tids.next(clocks.now), tid_from_time(clocks.now.wall));
  clocks.pass(seconds(5));
  EXPECT_EQ(tids.next(clocks.now), tid_from_time(clocks.now.wall));
  clocks.pass(hours(24 * 365));
  EXPECT_EQ(tids.next(clocks.now), tid_from_time(clocks.now.wall));
  EXPECT_FALSE(tids.distrusts_clock());
}

TEST(TidGenerator, GoesOnByOneWhileTheClockStandsStill) {
  Clocks clocks;
  TidGenerator tids(kNoTid, clocks.now);
  const Tid first = tids.next(clocks.now);
  EXPECT_EQ(tids.next(clocks.now), first.next());
  EXPECT_EQ(tids.next(clocks.now), first.next().next());
  EXPECT_EQ(tids.last(), first.next().next());
}

TEST(TidGenerator, StepsWhateverTheClockSays) {
  Clocks clocks;
  TidGenerator tids(kNoTid, clocks.now);
  EXPECT_EQ(tids.step(clocks.now), Tid(1));
  EXPECT_EQ(tids.step(clocks.pass(seconds(5))), Tid(2));
  EXPECT_EQ(tids.next(clocks.now), tid_from_time(clocks.now.wall));
}

TEST(TidGenerator, StepsTakeNoteOfTheClock) {
  Clocks clocks;
  TidGenerator tids(kNoTid, clocks.now);
  clocks.step(hours(1));
  EXPECT_EQ(tids.step(clocks.now), Tid(1));
  EXPECT_TRUE(tids.distrusts_clock());
  clocks.pass(TidGenerator::kTrustAfter);
  EXPECT_EQ(tids.step(clocks.now), Tid(2));
  EXPECT_FALSE(tids.distrusts_clock());
}

TEST(TidGenerator, UsesTidsFromElsewhereAboveTheLast) {
  Clocks clocks;
  TidGenerator tids(Tid(100), clocks.now);
  EXPECT_FALSE(tids.accepts(Tid(99)));
  EXPECT_FALSE(tids.accepts(Tid(100)));
  ASSERT_TRUE(tids.accepts(Tid(101)));
  tids.use(Tid(101));
  EXPECT_EQ(tids.last(), Tid(101));
  EXPECT_EQ(tids.next(clocks.now), tid_from_time(clocks.now.wall));
  const Tid ahead = tid_from_time({kWallStartUs + 3'600'000'000});
  tids.use(ahead);
  EXPECT_EQ(tids.next(clocks.now), ahead.next());
}

TEST(TidGenerator, RefusesTidsThatLeaveNoRoom) {
  Clocks clocks;
  const TidGenerator tids(Tid(100), clocks.now);
  EXPECT_FALSE(tids.accepts(kMaxTid));
  EXPECT_FALSE(tids.accepts(Tid(~std::uint64_t{0})));
  EXPECT_FALSE(tids.accepts(Tid(kMaxTid.value() - (std::uint64_t{1} << 47))));
  EXPECT_TRUE(tids.accepts(Tid(kMaxTid.value() - (std::uint64_t{1} << 49))));
}

TEST(TidGenerator, NeverGoesBelowTheLogItInherits) {
  Clocks clocks;
  const Tid inherited = tid_from_time({kWallStartUs + 3'600'000'000});
  TidGenerator tids(inherited, clocks.now);
  EXPECT_EQ(tids.next(clocks.now), inherited.next());
}

TEST(TidGenerator, GoesOnByOneWhenTheClockStepsBack) {
  for (const Duration step : {Duration(milliseconds(1)), Duration(seconds(59)), Duration(hours(1)),
                              Duration(hours(24 * 400))}) {
    Clocks clocks;
    TidGenerator tids(kNoTid, clocks.now);
    const Tid before = tids.next(clocks.pass(seconds(1)));
    clocks.step(-step);
    EXPECT_EQ(tids.next(clocks.now), before.next()) << step.count();
    EXPECT_EQ(tids.next(clocks.now), before.next().next()) << step.count();
  }
}

TEST(TidGenerator, FollowsASmallJumpAhead) {
  Clocks clocks;
  TidGenerator tids(kNoTid, clocks.now);
  clocks.step(seconds(60));
  EXPECT_EQ(tids.next(clocks.now), tid_from_time(clocks.now.wall));
  EXPECT_FALSE(tids.distrusts_clock());
}

TEST(TidGenerator, DoesNotFollowOneBadReading) {
  Clocks clocks;
  TidGenerator tids(kNoTid, clocks.now);
  const Now good = clocks.pass(seconds(1));
  clocks.step(hours(24 * 365));
  EXPECT_EQ(tids.next(clocks.now), tid_from_time(good.wall));
  EXPECT_TRUE(tids.distrusts_clock());
  clocks.step(-hours(24 * 365));
  EXPECT_GT(tids.next(clocks.pass(seconds(1))), tid_from_time(good.wall));
  EXPECT_EQ(tids.last(), tid_from_time(clocks.now.wall));
  EXPECT_FALSE(tids.distrusts_clock());
}

TEST(TidGenerator, ExtrapolatesByTheMonotonicClockWhileItDistrusts) {
  Clocks clocks;
  TidGenerator tids(kNoTid, clocks.now);
  clocks.step(hours(1));
  for (int second = 1; second <= 60; ++second) {
    clocks.pass(seconds(1));
    EXPECT_EQ(tids.next(clocks.now), tid_from_time({kWallStartUs + second * 1'000'000LL}));
    EXPECT_TRUE(tids.distrusts_clock());
  }
}

TEST(TidGenerator, FollowsTheNewClockOnceItAgreedWithItselfForAMinute) {
  Clocks clocks;
  TidGenerator tids(kNoTid, clocks.now);
  clocks.step(hours(1));
  (void)tids.next(clocks.now);
  (void)tids.next(clocks.pass(seconds(59)));
  EXPECT_TRUE(tids.distrusts_clock());
  clocks.pass(seconds(1));
  EXPECT_EQ(tids.next(clocks.now), tid_from_time(clocks.now.wall));
  EXPECT_FALSE(tids.distrusts_clock());
  clocks.pass(seconds(1));
  EXPECT_EQ(tids.next(clocks.now), tid_from_time(clocks.now.wall));
}

TEST(TidGenerator, AClockThatKeepsJumpingIsNeverFollowed) {
  Clocks clocks;
  TidGenerator tids(kNoTid, clocks.now);
  std::int64_t passed_us = 0;
  for (int i = 0; i < 50; ++i) {
    clocks.step(hours(1));
    clocks.pass(seconds(10));
    passed_us += 10'000'000;
    EXPECT_EQ(tids.next(clocks.now), tid_from_time({kWallStartUs + passed_us}));
    EXPECT_TRUE(tids.distrusts_clock());
  }
}

TEST(TidGenerator, AClockThatWasSetBackIsBelievedAfterAMinute) {
  Clocks clocks;
  TidGenerator tids(kNoTid, clocks.now);
  const Tid before = tids.next(clocks.now);
  clocks.step(-hours(1));
  EXPECT_EQ(tids.next(clocks.now), before.next());
  EXPECT_TRUE(tids.distrusts_clock());
  (void)tids.next(clocks.pass(seconds(61)));
  EXPECT_FALSE(tids.distrusts_clock());
  // Once it has caught up with the log, tids are its time again.
  clocks.pass(hours(2));
  EXPECT_EQ(tids.next(clocks.now), tid_from_time(clocks.now.wall));
}

TEST(TidGenerator, AShortStepBackIsForgottenWhenTheClockReturns) {
  Clocks clocks;
  TidGenerator tids(kNoTid, clocks.now);
  (void)tids.next(clocks.now);
  clocks.step(-hours(1));
  (void)tids.next(clocks.now);
  clocks.step(hours(1));
  clocks.pass(seconds(1));
  EXPECT_EQ(tids.next(clocks.now), tid_from_time(clocks.now.wall));
  EXPECT_FALSE(tids.distrusts_clock());
}

TEST(TidGeneratorDeath, TheGreatestTidIsTheEnd) {
  Clocks clocks;
  TidGenerator tids(kMaxTid, clocks.now);
  EXPECT_DEATH((void)tids.next(clocks.now), "greatest");
}

}  // namespace
}  // namespace zeolite::commit
