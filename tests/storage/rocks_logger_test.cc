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

TEST(RocksLogger, MessagesAreOneLineWithoutTheirPlaceInTheSource) {
  std::vector<std::string> lines;
  RocksLogger logger([&lines](int, std::string_view line) { lines.emplace_back(line); });
  rocksdb::Log(rocksdb::InfoLogLevel::WARN_LEVEL, &logger, "first\n\tsecond %d\n", 2);
  for (const char* const message :
       {"[db/db_impl/db_impl.cc:484] [default] slow", "[JOB 3] done", "[no end", "[a:b] x"}) {
    rocksdb::Log(rocksdb::InfoLogLevel::WARN_LEVEL, &logger, "%s", message);
  }
  EXPECT_THAT(lines, ::testing::ElementsAre("first  second 2", "[default] slow", "[JOB 3] done",
                                            "[no end", "[a:b] x"));
}

TEST(RocksLogger, WithoutASinkNothingHappens) {
  RocksLogger logger(nullptr);
  rocksdb::Log(rocksdb::InfoLogLevel::FATAL_LEVEL, &logger, "dropped");
}

}  // namespace
}  // namespace zeolite::storage
