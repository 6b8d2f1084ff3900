#include "filestorage/byte_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace zeolite::filestorage {
namespace {

// A file in the tests' temporary directory, removed at the end.
class ByteSourceTest : public testing::Test {
 protected:
  void SetUp() override { std::ofstream(path_) << "0123456789"; }
  void TearDown() override { std::filesystem::remove(path_); }

  std::filesystem::path path_ = std::filesystem::path(testing::TempDir()) /
                                ("byte_source_test." + std::to_string(::getpid()));
};

TEST_F(ByteSourceTest, ReadsAnyPartOfAFile) {
  const auto source = open_file_source(path_);
  ASSERT_TRUE(source.has_value());
  EXPECT_EQ((*source)->size(), 10U);
  std::string part(4, '\0');
  ASSERT_TRUE((*source)->read_at(6, part.data(), part.size()).has_value());
  EXPECT_EQ(part, "6789");
}

TEST_F(ByteSourceTest, FileThatBecameShorterIsAnErrorNotACrash) {
  const auto source = open_file_source(path_);
  ASSERT_TRUE(source.has_value());
  std::filesystem::resize_file(path_, 5);
  std::string part(4, '\0');
  const auto read = (*source)->read_at(3, part.data(), part.size());
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, ErrorCode::io_error);
  EXPECT_NE(read.error().detail.find("became shorter than 10 bytes"), std::string::npos);
}

TEST_F(ByteSourceTest, MissingFileIsNotFound) {
  const auto source = open_file_source(path_.string() + ".absent");
  ASSERT_FALSE(source.has_value());
  EXPECT_EQ(source.error().code, ErrorCode::not_found);
}

TEST_F(ByteSourceTest, DirectoryIsRefused) {
  const auto source = open_file_source(path_.parent_path());
  ASSERT_FALSE(source.has_value());
  EXPECT_EQ(source.error().code, ErrorCode::invalid_argument);
}

TEST_F(ByteSourceTest, MemoryReadsLikeAFile) {
  const std::string bytes = "0123456789";
  const auto source = make_memory_source(bytes);
  EXPECT_EQ(source->size(), 10U);
  std::string part(3, '\0');
  ASSERT_TRUE(source->read_at(7, part.data(), part.size()).has_value());
  EXPECT_EQ(part, "789");
}

}  // namespace
}  // namespace zeolite::filestorage
