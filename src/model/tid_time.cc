#include "model/tid_time.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace zeolite {

namespace {

constexpr std::int64_t kMinuteUs = 60'000'000;
constexpr std::int64_t kDayUs = 86'400'000'000;

}  // namespace

Tid tid_from_time(WallTime time) {
  using namespace std::chrono;
  static constexpr std::int64_t kMin = -2'208'988'800'000'000;   // 1900-01-01
  static constexpr std::int64_t kMax = 124'299'454'079'999'999;  // 5908-11-23: kMaxTid
  const std::int64_t us = std::clamp(time.unix_us, kMin, kMax);
  const auto day = floor<days>(sys_time<microseconds>(microseconds(us)));
  const year_month_day ymd(day);
  const std::int64_t in_day = us - day.time_since_epoch().count() * kDayUs;
  const auto years = static_cast<std::uint64_t>(static_cast<int>(ymd.year()) - 1900);
  const std::uint64_t months = years * 12 + static_cast<unsigned>(ymd.month()) - 1;
  const std::uint64_t days_total = months * 31 + static_cast<unsigned>(ymd.day()) - 1;
  const std::uint64_t minutes = days_total * 1440 + static_cast<std::uint64_t>(in_day / kMinuteUs);
  const auto us_in_minute = static_cast<std::uint64_t>(in_day % kMinuteUs);
  // Rounded up, so that decoding (which rounds down) gives the same microsecond back.
  const std::uint64_t low = ((us_in_minute << 32) + kMinuteUs - 1) / kMinuteUs;
  return Tid((minutes << 32) | low);
}

WallTime time_of_tid(Tid tid) {
  using namespace std::chrono;
  const std::uint64_t minutes = tid.value() >> 32;
  const std::uint64_t low = tid.value() & 0xFFFFFFFFULL;
  const std::uint64_t days_total = minutes / 1440;
  const std::uint64_t months = days_total / 31;
  const auto date = sys_days(year(static_cast<int>(months / 12) + 1900) /
                             month(static_cast<unsigned>(months % 12) + 1) / day(1)) +
                    days(days_total % 31);
  const std::int64_t us = date.time_since_epoch().count() * kDayUs +
                          static_cast<std::int64_t>(minutes % 1440) * kMinuteUs +
                          static_cast<std::int64_t>((low * kMinuteUs + (1ULL << 31)) >> 32);
  return WallTime{us};
}

std::string format_time(WallTime time) {
  using namespace std::chrono;
  const auto point = sys_time<microseconds>(microseconds(time.unix_us));
  const auto date = floor<days>(point);
  const year_month_day ymd(date);
  const hh_mm_ss clock(point - date);
  char buffer[64];
  std::snprintf(
      buffer, sizeof buffer, "%04d-%02u-%02u %02d:%02d:%02d.%06d", static_cast<int>(ymd.year()),
      static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return buffer;
}

}  // namespace zeolite
