#include "storage/disk_space.h"

#include <gtest/gtest.h>

namespace zeolite::storage {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

class ManualClock final : public Clock {
 public:
  [[nodiscard]] Now now() const override { return {Instant{time_}, WallTime{}}; }
  void advance(Duration step) { time_ += step; }

 private:
  Duration time_{};
};

class DiskSpaceTest : public ::testing::Test {
 protected:
  DiskSpace make(std::optional<std::uint64_t> reserve) {
    return DiskSpace(
        [this]() -> Result<DiskUsage> {
          ++probes_;
          return usage_;
        },
        reserve, clock_);
  }
  ManualClock clock_;
  DiskUsage usage_{100 * kMiB, 1000 * kMiB};
  int probes_ = 0;
};

TEST_F(DiskSpaceTest, RefusesWhenTheReserveWouldBeTouched) {
  DiskSpace space = make(90 * kMiB);
  EXPECT_TRUE(space.check(10 * kMiB));
  const Result<> refused = space.check(10 * kMiB + 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::out_of_space);
  EXPECT_EQ(refused.error().detail,
            "the disk is nearly full: 100 MiB free, 90 MiB kept back and 10 MiB needed to write; "
            "writes return when space does");
}

TEST_F(DiskSpaceTest, DefaultReserveIsATenthWithinBounds) {
  EXPECT_TRUE(make(std::nullopt).check(0));
  EXPECT_FALSE(make(std::nullopt).check(1));
  usage_ = {16 * kMiB, 20 * kMiB};
  EXPECT_TRUE(make(std::nullopt).check(0));
  usage_ = {256 * kMiB, 1'000'000 * kMiB};
  EXPECT_TRUE(make(std::nullopt).check(0));
  EXPECT_FALSE(make(std::nullopt).check(1));
}

TEST_F(DiskSpaceTest, AsksAtMostEvery100MsAndCountsWhatWasWrittenMeanwhile) {
  DiskSpace space = make(90 * kMiB);
  EXPECT_TRUE(space.check(kMiB));
  space.spent(9 * kMiB);
  EXPECT_TRUE(space.check(kMiB));
  EXPECT_FALSE(space.check(kMiB + 1));
  clock_.advance(std::chrono::milliseconds(99));
  EXPECT_FALSE(space.check(2 * kMiB));
  EXPECT_EQ(probes_, 1);
  clock_.advance(std::chrono::milliseconds(1));
  EXPECT_TRUE(space.check(2 * kMiB));
  EXPECT_EQ(probes_, 2);
}

TEST_F(DiskSpaceTest, WritesReturnWhenSpaceOrTheReserveDoes) {
  DiskSpace space = make(200 * kMiB);
  EXPECT_FALSE(space.check(0));
  space.set_reserve(50 * kMiB);
  EXPECT_TRUE(space.check(0));
  space.set_reserve(200 * kMiB);
  EXPECT_FALSE(space.check(0));
  usage_.free = 300 * kMiB;
  clock_.advance(std::chrono::milliseconds(100));
  EXPECT_TRUE(space.check(0));
}

TEST(DiskUsage, OfAMissingPathIsAnError) {
  EXPECT_GT(read_disk_usage("/")->total, 0U);
  EXPECT_EQ(read_disk_usage("/nowhere/at/all").error().code, ErrorCode::io_error);
}

}  // namespace
}  // namespace zeolite::storage
