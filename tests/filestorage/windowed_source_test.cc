#include "filestorage/windowed_source.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace zeolite::filestorage {
namespace {

// Serves `bytes` and notes each read; fails when told.
class RecordingSource final : public ByteSource {
 public:
  struct Log {
    std::vector<std::pair<std::uint64_t, std::size_t>> reads;
    bool failing = false;
  };
  RecordingSource(const std::string& bytes, Log& log) : bytes_(bytes), log_(log) {}

  std::uint64_t size() const override { return bytes_.size(); }
  Result<> read_at(std::uint64_t offset, char* out, std::size_t count) const override {
    if (log_.failing) return make_error(ErrorCode::io_error, "the disk is gone");
    log_.reads.emplace_back(offset, count);
    bytes_.copy(out, count, static_cast<std::size_t>(offset));
    return {};
  }

 private:
  const std::string& bytes_;
  Log& log_;
};

class WindowedSourceTest : public testing::Test {
 protected:
  std::string bytes_ = std::string(3 * WindowedSource::kWindowBytes, 'x') + "end";
  RecordingSource::Log log_;
  WindowedSource source_{std::make_unique<RecordingSource>(bytes_, log_)};
};

TEST_F(WindowedSourceTest, ReadsAMegabyteForManyViews) {
  for (std::uint64_t offset = 0; offset < 1000; ++offset) {
    ASSERT_TRUE(source_.view(offset, 10).has_value());
  }
  ASSERT_EQ(log_.reads.size(), 1U);
  EXPECT_EQ(log_.reads[0].second, WindowedSource::kWindowBytes);
}

TEST_F(WindowedSourceTest, ViewAtTheEndIsShort) {
  const auto view = source_.view(bytes_.size() - 3, 3);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(*view, "end");
}

TEST_F(WindowedSourceTest, CopyOutsideTheWindowReadsNoMoreThanAsked) {
  ASSERT_TRUE(source_.view(0, 1).has_value());
  std::string copy(3, '\0');
  ASSERT_TRUE(source_.copy(bytes_.size() - 3, copy.data(), copy.size()).has_value());
  EXPECT_EQ(copy, "end");
  ASSERT_TRUE(source_.view(1, 1).has_value());
  ASSERT_EQ(log_.reads.size(), 2U) << "the window stayed where it was";
  EXPECT_EQ(log_.reads[1].second, 3U);
}

TEST_F(WindowedSourceTest, FailedReadLeavesNoStaleWindow) {
  ASSERT_TRUE(source_.view(0, 1).has_value());
  log_.failing = true;
  EXPECT_FALSE(source_.view(bytes_.size() - 3, 3).has_value());
  EXPECT_FALSE(source_.view(bytes_.size() - 3, 3).has_value());
  log_.failing = false;
  EXPECT_EQ(source_.view(bytes_.size() - 3, 3).value(), "end");
}

TEST_F(WindowedSourceTest, OnlyZerosIsDecidedByEveryByte) {
  bytes_.replace(10, bytes_.size() - 10, bytes_.size() - 10, '\0');
  EXPECT_TRUE(source_.only_zeros_from(10).value());
  EXPECT_FALSE(source_.only_zeros_from(9).value());
  EXPECT_TRUE(source_.only_zeros_from(bytes_.size()).value());
  bytes_.back() = 'x';
  EXPECT_FALSE(source_.only_zeros_from(10).value());
}

}  // namespace
}  // namespace zeolite::filestorage
