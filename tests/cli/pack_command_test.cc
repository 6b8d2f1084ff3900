#include "cli/pack_command.h"

#include <gtest/gtest.h>

#include "model/tid_time.h"

namespace zeolite::cli {
namespace {

// 2026-11-20 14:30:05 UTC.
constexpr std::int64_t kThen = 1'795'185'005'000'000;

TEST(ParsePointInTime, TakesDaysMinutesAndSecondsAsUtc) {
  const Tid then = tid_from_time(WallTime{kThen});
  EXPECT_EQ(parse_point_in_time("2026-11-20T14:30:05Z"), then);
  EXPECT_EQ(parse_point_in_time("2026-11-20T14:30:05"), then);
  EXPECT_EQ(parse_point_in_time("2026-11-20 14:30:05"), then);
  EXPECT_EQ(parse_point_in_time("2026-11-20 14:30"), tid_from_time(WallTime{kThen - 5'000'000}));
  EXPECT_EQ(parse_point_in_time("2026-11-20"),
            tid_from_time(WallTime{kThen - (14 * 3600 + 30 * 60 + 5) * 1'000'000LL}));
}

TEST(ParsePointInTime, TakesATid) {
  EXPECT_EQ(parse_point_in_time("0352f5a1c3d4e5f6"), Tid(0x0352f5a1c3d4e5f6));
}

TEST(ParsePointInTime, SaysWhatItExpects) {
  for (const char* text : {"", "yesterday", "2026-13-01", "2026-11-20T14:30:05+01:00",
                           "2026-11-20 ", "0352f5a1c3d4e5f", "0352f5a1c3d4e5fg"}) {
    const auto tid = parse_point_in_time(text);
    ASSERT_FALSE(tid) << text;
    EXPECT_EQ(tid.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(tid.error().detail.find("2026-11-20T14:30:00Z"), std::string::npos);
  }
}

}  // namespace
}  // namespace zeolite::cli
