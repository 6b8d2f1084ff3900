#include "storage/high_water_mark.h"

#include <gtest/gtest.h>

#include <fstream>

#include "storage/store_builders.h"
#include "storage/tiny_disk.h"

namespace zeolite::storage::testing {
namespace {

Position position(std::uint64_t tid) {
  Position made{Epoch(2), Tid(tid), {}};
  made.chain.fill(static_cast<std::uint8_t>(tid));
  return made;
}

class HighWaterMarkTest : public ::testing::Test {
 protected:
  std::unique_ptr<HighWaterMark> open(bool read_only = false) {
    auto mark = HighWaterMark::open(path_, read_only);
    EXPECT_TRUE(mark) << mark.error().to_string();
    return mark ? std::move(*mark) : nullptr;
  }
  void flip_byte_at(std::streamoff offset) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const int byte = file.get();
    file.seekp(offset);
    file.put(static_cast<char>(byte ^ 1));
  }
  TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "HWM";
};

TEST_F(HighWaterMarkTest, NewOneSaysNothingWasAcknowledged) {
  ASSERT_TRUE(HighWaterMark::create(path_));
  EXPECT_EQ(open()->position(), Position{});
}

TEST_F(HighWaterMarkTest, LastWrittenComesBack) {
  ASSERT_TRUE(HighWaterMark::create(path_));
  for (std::uint64_t tid = 1; tid <= 5; ++tid) {
    const auto mark = open();
    EXPECT_EQ(mark->position().tid, Tid(tid - 1));
    ASSERT_TRUE(mark->write(position(tid)));
    EXPECT_EQ(mark->position(), position(tid));
  }
  EXPECT_EQ(open(true)->position(), position(5));
}

TEST_F(HighWaterMarkTest, TornSlotFallsBackToTheOneBefore) {
  ASSERT_TRUE(HighWaterMark::create(path_));
  {
    const auto mark = open();
    ASSERT_TRUE(mark->write(position(1)));
    ASSERT_TRUE(mark->write(position(2)));
    ASSERT_TRUE(mark->sync());
  }
  flip_byte_at(20);  // the third write, sequence 2, is in the first slot
  EXPECT_EQ(open()->position(), position(1));
  flip_byte_at(4096 + 20);
  const auto mark = HighWaterMark::open(path_, false);
  ASSERT_FALSE(mark);
  EXPECT_EQ(mark.error().code, ErrorCode::corruption);
}

TEST_F(HighWaterMarkTest, LoweredItIsAndStaysLower) {
  ASSERT_TRUE(HighWaterMark::create(path_));
  const auto mark = open();
  ASSERT_TRUE(mark->write(position(5)));
  ASSERT_TRUE(mark->lower(position(3)));
  EXPECT_EQ(mark->position(), position(3));
  EXPECT_EQ(open(true)->position(), position(3));
  ASSERT_TRUE(mark->lower(position(3)));
  ASSERT_TRUE(mark->lower(Position{}));
  EXPECT_EQ(open(true)->position(), Position{});
  ASSERT_TRUE(mark->write(position(1)));
  EXPECT_EQ(open(true)->position(), position(1));
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH((void)mark->lower(position(2)), "lowered, not raised");
}

TEST_F(HighWaterMarkTest, MissingOneIsCorruption) {
  const auto mark = HighWaterMark::open(path_, false);
  ASSERT_FALSE(mark);
  EXPECT_EQ(mark.error().code, ErrorCode::corruption);
}

TEST_F(HighWaterMarkTest, WriteThatFailsMovesNothing) {
  ASSERT_TRUE(HighWaterMark::create(path_));
  const auto read_only = open(true);
  const Result<> refused = read_only->write(position(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::io_error);
  EXPECT_EQ(read_only->position(), Position{}) << "nothing was written";
}

TEST_F(HighWaterMarkTest, DirectoryInItsPlaceIsRefused) {
  std::filesystem::create_directory(path_);
  for (const bool read_only : {false, true}) {
    const auto mark = HighWaterMark::open(path_, read_only);
    ASSERT_FALSE(mark);
    EXPECT_EQ(mark.error().code, ErrorCode::io_error) << mark.error().detail;
  }
  EXPECT_EQ(HighWaterMark::create(path_).error().code, ErrorCode::io_error);
}

TEST_F(HighWaterMarkTest, SecondSlotCutOffLeavesTheFirst) {
  ASSERT_TRUE(HighWaterMark::create(path_));
  {
    const auto mark = open();
    ASSERT_TRUE(mark->write(position(1)));
    ASSERT_TRUE(mark->write(position(2)));
  }
  std::filesystem::resize_file(path_, 4096 + 10);
  EXPECT_EQ(open()->position(), position(2));
  std::filesystem::resize_file(path_, 10);
  EXPECT_EQ(HighWaterMark::open(path_, false).error().code, ErrorCode::corruption);
}

TEST_F(HighWaterMarkTest, FullDiskLeavesNoHalfOne) {
  const auto disk = TinyDisk::mount();
  if (!disk) GTEST_SKIP() << "only root may mount a small disk: " << disk.error().detail;
  const std::filesystem::path path = (*disk)->path() / "HWM";
  std::ofstream(((*disk)->path() / "filler").string()) << std::string(4 << 20, 'x');
  EXPECT_EQ(HighWaterMark::create(path).error().code, ErrorCode::out_of_space);
  EXPECT_FALSE(std::filesystem::exists(path));
  std::filesystem::remove((*disk)->path() / "filler");
  ASSERT_TRUE(HighWaterMark::create(path));
  std::ofstream(((*disk)->path() / "filler").string()) << std::string(4 << 20, 'x');
  const auto mark = HighWaterMark::open(path, false).value();
  EXPECT_TRUE(mark->write(position(1))) << "its blocks are there from the start";
  EXPECT_TRUE(mark->sync());
}

TEST_F(HighWaterMarkTest, ShortFileIsCorruption) {
  std::ofstream(path_) << "short";
  EXPECT_EQ(HighWaterMark::open(path_, true).error().code, ErrorCode::corruption);
}

}  // namespace
}  // namespace zeolite::storage::testing
