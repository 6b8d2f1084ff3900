#include "filestorage/append_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "support/temporary_directory.h"

namespace zeolite::filestorage {
namespace {

using ::testing::HasSubstr;

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string read_back(const AppendFile& file, std::uint64_t offset, std::size_t count) {
  std::string bytes(count, '\0');
  EXPECT_TRUE(file.read_at(offset, bytes.data(), count).has_value());
  return bytes;
}

TEST(AppendFile, PiecesOfAllSizesStandOneAfterTheOther) {
  const zeolite::testing::TemporaryDirectory directory;
  auto file = AppendFile::create(directory / "file").value();
  std::string expected;
  for (const std::size_t size : {1U, 1'000'000U, 100'000U, 0U, 3'000'000U, 10U, 9'000'000U}) {
    const std::string piece(size, static_cast<char>('a' + expected.size() % 23));
    ASSERT_TRUE(file.append(piece).has_value());
    expected += piece;
    EXPECT_EQ(file.size(), expected.size());
  }
  ASSERT_TRUE(file.finish().has_value());
  EXPECT_EQ(content_of(directory / "file"), expected);
}

TEST(AppendFile, WhatWasAppendedCanBeReadBackWhereverItIs) {
  const zeolite::testing::TemporaryDirectory directory;
  auto file = AppendFile::create(directory / "file").value();
  const std::string written(1'100'000, 'w');
  ASSERT_TRUE(file.append(written).has_value());
  ASSERT_TRUE(file.append("buffered").has_value());
  EXPECT_EQ(read_back(file, 5, 3), "www");
  EXPECT_EQ(read_back(file, written.size() + 2, 4), "ffer");
  EXPECT_EQ(read_back(file, written.size() - 2, 5), "wwbuf");
  EXPECT_EQ(read_back(file, file.size(), 0), "");
}

TEST(AppendFile, AFileThatIsThereIsEmptied) {
  const zeolite::testing::TemporaryDirectory directory;
  std::ofstream(directory / "file") << "what was there before";
  auto file = AppendFile::create(directory / "file").value();
  ASSERT_TRUE(file.append("new").has_value());
  ASSERT_TRUE(file.finish().has_value());
  EXPECT_EQ(content_of(directory / "file"), "new");
}

TEST(AppendFile, OneWriterAtATime) {
  const zeolite::testing::TemporaryDirectory directory;
  auto first = AppendFile::create(directory / "file").value();
  ASSERT_TRUE(first.append("first").has_value());
  const auto second = AppendFile::create(directory / "file");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::busy);
  ASSERT_TRUE(first.finish().has_value());
  EXPECT_EQ(content_of(directory / "file"), "first");
}

TEST(AppendFile, AFullDiskIsOutOfSpace) {
  auto file = AppendFile::create("/dev/full").value();
  const auto appended = file.append(std::string(2'000'000, 'x'));
  ASSERT_FALSE(appended.has_value());
  EXPECT_EQ(appended.error().code, ErrorCode::out_of_space);
  EXPECT_THAT(appended.error().detail, HasSubstr("/dev/full"));
}

TEST(AppendFile, MissingDirectoryIsAnErrorWithTheName) {
  const auto file = AppendFile::create("/nowhere/at/all");
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().code, ErrorCode::io_error);
  EXPECT_THAT(file.error().detail, HasSubstr("/nowhere/at/all"));
}

}  // namespace
}  // namespace zeolite::filestorage
