#include "storage/rocks_logger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace zeolite::storage {
namespace {

TEST(RocksLogger, WarningsAndWorseReachTheSink) {
  std::vector<std::pair<int, std::string>> lines;
  RocksLogger logger(
      [&lines](int level, std::string_view line) { lines.emplace_back(level, line); });
  rocksdb::Log(rocksdb::InfoLogLevel::INFO_LEVEL, &logger, "quiet");
  rocksdb::Log(rocksdb::InfoLogLevel::WARN_LEVEL, &logger, "warning %d", 7);
  rocksdb::Log(rocksdb::InfoLogLevel::ERROR_LEVEL, &logger, "%s", std::string(5000, 'x').c_str());
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], std::make_pair(2, std::string("warning 7")));
  EXPECT_EQ(lines[1], std::make_pair(3, std::string(1023, 'x')));
}

TEST(RocksLogger, WithoutASinkNothingHappens) {
  RocksLogger logger(nullptr);
  rocksdb::Log(rocksdb::InfoLogLevel::FATAL_LEVEL, &logger, "dropped");
}

}  // namespace
}  // namespace zeolite::storage
