#include "filestorage/tail_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "filestorage/sample_file.h"

namespace zeolite::filestorage {
namespace {

using testing::HasSubstr;

TEST(TailCheck, CutAtEveryByteOfTheLastTransactionIsATail) {
  Sample sample;
  const std::string whole = sample.file.bytes();
  for (std::uint64_t size = sample.third + 1; size < whole.size(); ++size) {
    const Read result = read(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(result.error.has_value()) << "cut at " << size << ": " << result.error->detail;
    ASSERT_TRUE(result.tail.has_value()) << "cut at " << size;
    EXPECT_EQ(result.tail->offset, sample.third);
    EXPECT_EQ(result.tail->bytes, size - sample.third);
    EXPECT_EQ(result.tail->tid, size < sample.third + 8 ? kNoTid : kT3);
    EXPECT_EQ(result.transactions.size(), 2U);
  }
}

TEST(TailCheck, CutBetweenTransactionsIsACleanEnd) {
  Sample sample;
  const Read result = read(std::string_view(sample.file.bytes()).substr(0, sample.third));
  EXPECT_FALSE(result.error.has_value());
  EXPECT_FALSE(result.tail.has_value());
  EXPECT_EQ(result.transactions.size(), 2U);
}

TEST(TailCheck, CutAtEveryByteOfALargeTransactionWithinTheWindowIsATail) {
  DataFsBuilder file;
  file.commit(kT1, kA, "one");
  const auto begin = file.begin(kT2);
  for (std::uint64_t i = 0; i < 40; ++i) file.data(Oid(i), std::string(i + 1, '\0'));
  file.end();
  const std::string whole = file.bytes();
  for (std::uint64_t size = begin + 1; size < whole.size(); ++size) {
    const Read result = read(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(result.error.has_value()) << "cut at " << size << ": " << result.error->detail;
    ASSERT_TRUE(result.tail.has_value());
  }
}

TEST(TailCheck, UnfinishedTransactionIsATail) {
  DataFsBuilder file;
  file.commit(kT1, kA, "one");
  const auto begin = file.begin(kT2, 'c');
  file.data(kA, "two");
  file.end();
  const Read result = read(file.bytes());
  ASSERT_FALSE(result.error.has_value());
  ASSERT_TRUE(result.tail.has_value());
  EXPECT_EQ(result.tail->offset, begin);
  EXPECT_EQ(result.tail->tid, kT2);
  EXPECT_THAT(result.tail->reason, HasSubstr("never finished"));
  EXPECT_EQ(result.transactions.size(), 1U);
}

TEST(TailCheck, UnfinishedTransactionInTheMiddleIsDamage) {
  Sample sample;
  sample.file.bytes()[sample.second + 16] = 'c';
  const Read result = read(sample.file.bytes());
  ASSERT_TRUE(result.error.has_value());
  EXPECT_EQ(result.error->code, ErrorCode::corruption);
  EXPECT_THAT(result.error->detail, HasSubstr("not the last"));
}

TEST(TailCheck, BlocksOfZerosAtTheEndAreATail) {
  for (const std::size_t zeros : {1U, 22U, 23U, 4096U, 3'000'000U}) {
    Sample sample;
    const auto end = sample.file.size();
    sample.file.bytes().append(zeros, '\0');
    const Read result = read(sample.file.bytes());
    ASSERT_FALSE(result.error.has_value()) << result.error->detail;
    ASSERT_TRUE(result.tail.has_value());
    EXPECT_EQ(result.tail->offset, end);
    EXPECT_EQ(result.transactions.size(), 3U);
  }
}

TEST(TailCheck, TransactionThatFadesIntoZerosIsATail) {
  Sample sample;
  const std::string whole = sample.file.bytes();
  // The last block was given to the file but not written: from some record's header on, zeros.
  for (const std::uint64_t zeros_from : {sample.third_b, sample.third_b + 20}) {
    std::string torn = whole.substr(0, zeros_from);
    torn.append(200, '\0');
    const Read result = read(torn);
    ASSERT_FALSE(result.error.has_value()) << result.error->detail;
    ASSERT_TRUE(result.tail.has_value());
    EXPECT_EQ(result.tail->offset, sample.third);
  }
}

}  // namespace
}  // namespace zeolite::filestorage
