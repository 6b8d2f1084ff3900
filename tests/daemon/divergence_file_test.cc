#include "daemon/divergence_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "storage/memory_object_store.h"
#include "support/temporary_directory.h"
#include "wire/frame.h"

namespace zeolite::daemon {
namespace {

using testing::TemporaryDirectory;

TransactionRecord record(std::uint64_t tid, std::size_t bytes = 50) {
  TransactionRecord made;
  made.epoch = Epoch(2);
  made.tid = Tid(tid);
  made.metadata.user = "somebody";
  made.writes.push_back({.oid = Oid(tid),
                         .previous = kNoTid,
                         .data = Bytes(std::string(bytes, 'x')),
                         .back = kNoTid});
  return made;
}

class DivergenceFileTest : public ::testing::Test {
 protected:
  void append(std::uint64_t tid, std::size_t bytes = 50) {
    const std::vector<TransactionRecord> group = {record(tid, bytes)};
    ASSERT_TRUE(store_.append(group));
  }

  TemporaryDirectory directory_;
  storage::MemoryObjectStore store_;
};

TEST_F(DivergenceFileTest, HasEverythingAfterTheCommonHistory) {
  append(1);
  const Position common = store_.last_position();
  for (std::uint64_t tid = 2; tid <= 2500; ++tid) append(tid);
  const auto file = write_divergence_file(store_, directory_.path(), common);
  ASSERT_TRUE(file) << file.error().detail;
  const auto read = read_divergence_file(*file);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->ancestor, common);
  ASSERT_EQ(read->records.size(), 2499U);
  EXPECT_EQ(read->records.front(), record(2));
  EXPECT_EQ(read->records.back(), record(2500));
}

TEST_F(DivergenceFileTest, AnotherTryOfTheSameReplacesIt) {
  append(1);
  ASSERT_TRUE(write_divergence_file(store_, directory_.path(), {}));
  const auto again = write_divergence_file(store_, directory_.path(), {});
  ASSERT_TRUE(again);
  EXPECT_EQ(read_divergence_file(*again)->records.size(), 1U);
}

TEST_F(DivergenceFileTest, DamageIsFound) {
  append(1);
  append(2);
  const auto file = write_divergence_file(store_, directory_.path(), {});
  ASSERT_TRUE(file);
  std::ifstream in(*file, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  for (const std::size_t at : {std::size_t{0}, whole.size() / 2, whole.size() - 1}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream(*file, std::ios::binary | std::ios::trunc) << damaged;
    EXPECT_FALSE(read_divergence_file(*file)) << "byte " << at;
  }
  std::ofstream(*file, std::ios::binary | std::ios::trunc) << whole.substr(0, whole.size() - 8);
  const auto cut = read_divergence_file(*file);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::corruption);
}

// Each group is whole, but the file is not.
TEST_F(DivergenceFileTest, AGroupThatIsMissingIsFound) {
  for (std::uint64_t tid = 1; tid <= 3; ++tid) append(tid, std::size_t{1} << 20);
  const auto file = write_divergence_file(store_, directory_.path(), {});
  ASSERT_TRUE(file);
  ASSERT_EQ(read_divergence_file(*file)->records.size(), 3U);
  std::ifstream in(*file, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  // A frame begins with the length of its body, which is padded (wire/frame.h).
  const auto frame_end = [&](std::size_t begin) {
    std::uint32_t body = 0;
    std::memcpy(&body, whole.data() + begin, sizeof body);
    return begin + wire::kFrameHeaderSize + (body + 7) / 8 * 8;
  };
  const std::size_t first = frame_end(0);
  const std::size_t second = frame_end(first);
  ASSERT_LT(second, whole.size()) << "large records make groups of their own";
  std::ofstream(*file, std::ios::binary | std::ios::trunc)
      << whole.substr(0, first) << whole.substr(second);
  const auto read = read_divergence_file(*file);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::corruption);
  EXPECT_NE(read.error().detail.find("group 2"), std::string::npos) << read.error().detail;
}

}  // namespace
}  // namespace zeolite::daemon
