#include "model/tid_time.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace zeolite {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

WallTime at(int year, unsigned month, unsigned day, int hour = 0, int minute = 0, int second = 0,
            int microsecond = 0) {
  using namespace std::chrono;
  const sys_days date(std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(day));
  const auto us = duration_cast<microseconds>(date.time_since_epoch() + hours(hour) +
                                              minutes(minute) + seconds(second));
  return WallTime{us.count() + microsecond};
}

struct KnownTid {
  WallTime time;
  std::uint64_t tid;
};

TEST(TidTime, EncodesWholeSecondsAsTimeStampDoes) {
  // The upper half by the definition, the lower half is seconds * 2^32 / 60.
  const KnownTid known[] = {
      {at(1900, 1, 1), 0},
      {at(1900, 1, 1, 0, 1), 0x00000001'00000000},
      {at(1900, 1, 2), 0x000005A0'00000000},
      {at(1900, 2, 1), 0x0000AE60'00000000},
      {at(1970, 1, 1), (70ULL * 12 * 31 * 1440) << 32},
      {at(1998, 12, 30, 2, 23), 0x03292ACF'00000000},
      {at(1998, 12, 30, 2, 23, 15), 0x03292ACF'40000000},
      {at(1998, 12, 30, 2, 23, 30), 0x03292ACF'80000000},
      {at(1998, 12, 30, 2, 23, 45), 0x03292ACF'C0000000},
  };
  for (const KnownTid& k : known) {
    EXPECT_EQ(to_hex(tid_from_time(k.time)), to_hex(Tid(k.tid))) << format_time(k.time);
    EXPECT_EQ(time_of_tid(Tid(k.tid)), k.time) << format_time(k.time);
  }
}

TEST(TidTime, DecodesATidOfARealDatabase) {
  EXPECT_EQ(time_of_tid(Tid(0x03292acfb11228b3)), at(1998, 12, 30, 2, 23, 41, 501'000));
}

TEST(TidTime, EncodesAFractionWithinOneStepOfTheExactValue) {
  const Tid tid = tid_from_time(at(1998, 12, 30, 2, 23, 41, 501'000));
  EXPECT_EQ(tid.value() >> 32, 0x03292ACFU);
  EXPECT_NEAR(static_cast<double>(tid.value() & 0xFFFFFFFF), 2970757295.85, 1.0);
}

TEST(TidTime, RoundTripsToTheMicrosecond) {
  std::mt19937_64 random(1);
  std::uniform_int_distribution<std::int64_t> us(at(1900, 1, 1).unix_us, at(2500, 1, 1).unix_us);
  for (int i = 0; i < 100'000; ++i) {
    const WallTime time{us(random)};
    ASSERT_EQ(time_of_tid(tid_from_time(time)), time) << format_time(time);
  }
}

TEST(TidTime, RoundTripsAtTheEdgesOfAMinute) {
  for (const int us : {0, 1, 2, 59'999'998, 59'999'999}) {
    const WallTime time{at(2024, 2, 29, 23, 59).unix_us + us};
    EXPECT_EQ(time_of_tid(tid_from_time(time)), time) << us;
  }
}

TEST(TidTime, GrowsWithTime) {
  std::mt19937_64 random(2);
  std::uniform_int_distribution<std::int64_t> step(1, 40LL * 24 * 3600 * kSecondUs);
  WallTime time = at(1990, 1, 1);
  Tid last = tid_from_time(time);
  while (time < at(2200, 1, 1)) {
    time.unix_us += step(random);
    const Tid next = tid_from_time(time);
    ASSERT_GT(next, last) << format_time(time);
    last = next;
  }
}

TEST(TidTime, OneMicrosecondIsAnotherTid) {
  const WallTime time = at(2026, 11, 21, 12, 0, 59, 999'998);
  EXPECT_LT(tid_from_time(time), tid_from_time({time.unix_us + 1}));
  EXPECT_LT(tid_from_time({time.unix_us + 1}), tid_from_time({time.unix_us + 2}));
}

TEST(TidTime, RoundTripsTheLastMomentOfEveryMonth) {
  for (const int year : {1900, 1999, 2000, 2023, 2024, 2100}) {
    for (unsigned month = 1; month <= 12; ++month) {
      const WallTime first = month == 12 ? at(year + 1, 1, 1) : at(year, month + 1, 1);
      const WallTime last{first.unix_us - 1};
      EXPECT_EQ(time_of_tid(tid_from_time(last)), last) << year << '-' << month;
      EXPECT_LT(tid_from_time(last), tid_from_time(first));
    }
  }
}

TEST(TidTime, KnowsLeapYears) {
  EXPECT_EQ(format_time(time_of_tid(tid_from_time(at(2024, 2, 29)))).substr(0, 10), "2024-02-29");
  EXPECT_EQ(format_time(time_of_tid(tid_from_time(at(2000, 2, 29)))).substr(0, 10), "2000-02-29");
  // The day after the 28th.
  const std::int64_t day = 24 * 3600 * kSecondUs;
  const WallTime next{at(1900, 2, 28).unix_us + day};
  EXPECT_EQ(format_time(time_of_tid(tid_from_time(next))).substr(0, 10), "1900-03-01");
}

TEST(TidTime, CarriesOverADayThatItsMonthDoesNotHave) {
  // 1999-02-31 cannot be written by tid_from_time, but any tid decodes.
  const std::uint64_t days = (99ULL * 12 + 1) * 31 + 30;
  EXPECT_EQ(time_of_tid(Tid((days * 1440) << 32)), at(1999, 3, 3));
}

TEST(TidTime, ClampsTimesBefore1900) {
  EXPECT_EQ(tid_from_time({at(1900, 1, 1).unix_us - 1}), Tid(0));
  EXPECT_EQ(tid_from_time({INT64_MIN}), Tid(0));
}

TEST(TidTime, ClampsTimesAfterTheLastTid) {
  const Tid last = tid_from_time({INT64_MAX});
  EXPECT_LE(last, kMaxTid);
  EXPECT_EQ(tid_from_time(at(9999, 12, 31)), last);
  EXPECT_EQ(format_time(time_of_tid(last)).substr(0, 4), "5908");
  EXPECT_LT(tid_from_time(at(5908, 11, 22)), last);
  // Nothing is lost below the limit: the clamp is within a minute of the last tid there is.
  EXPECT_EQ(last.value() >> 32, kMaxTid.value() >> 32);
}

TEST(TidTime, RoundsToTheNearestMicrosecond) {
  // Half a microsecond is 2^32 / 60e6 / 2 = 35.8 steps.
  const Tid tid = tid_from_time(at(2024, 2, 29, 12, 30, 15));
  EXPECT_EQ(time_of_tid(Tid(tid.value() + 35)), at(2024, 2, 29, 12, 30, 15));
  EXPECT_EQ(time_of_tid(Tid(tid.value() + 36)), at(2024, 2, 29, 12, 30, 15, 1));
  EXPECT_EQ(time_of_tid(Tid(tid.value() - 35)), at(2024, 2, 29, 12, 30, 15));
  EXPECT_EQ(time_of_tid(Tid(tid.value() | 0xFFFFFFFF)), at(2024, 2, 29, 12, 31));
}

TEST(TidTime, FormatsInUtcWithMicroseconds) {
  EXPECT_EQ(format_time(at(1998, 12, 3, 14, 22, 9, 123'456)), "1998-12-03 14:22:09.123456");
  EXPECT_EQ(format_time({0}), "1970-01-01 00:00:00.000000");
  EXPECT_EQ(format_time({-1}), "1969-12-31 23:59:59.999999");
}

}  // namespace
}  // namespace zeolite
