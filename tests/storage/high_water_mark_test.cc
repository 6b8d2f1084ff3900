#include "storage/high_water_mark.h"

#include <gtest/gtest.h>

#include <fstream>

#include "storage/store_builders.h"

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

TEST_F(HighWaterMarkTest, MissingOneIsCorruption) {
  const auto mark = HighWaterMark::open(path_, false);
  ASSERT_FALSE(mark);
  EXPECT_EQ(mark.error().code, ErrorCode::corruption);
}

TEST_F(HighWaterMarkTest, ShortFileIsCorruption) {
  std::ofstream(path_) << "short";
  EXPECT_EQ(HighWaterMark::open(path_, true).error().code, ErrorCode::corruption);
}

}  // namespace
}  // namespace zeolite::storage::testing
