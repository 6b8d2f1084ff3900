#include "blobs/open_directory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "blobs/blob_fixture.h"

namespace zeolite::blobs::testing {
namespace {

using IfMissing = OpenDirectory::IfMissing;

TEST(OpenDirectory, DescendsAndMakesWhatIsMissing) {
  const TemporaryDirectory temporary;
  const auto base = OpenDirectory::open(temporary.path());
  ASSERT_TRUE(base);
  EXPECT_EQ(code_of(base->descend("a/b", IfMissing::fail)), ErrorCode::not_found);
  const auto below = base->descend("a/b", IfMissing::create);
  ASSERT_TRUE(below) << below.error().to_string();
  EXPECT_EQ(below->path(), temporary / "a/b");
  write_file(temporary / "a/b/file", "content");
  EXPECT_EQ(below->names(), (std::vector<std::string>{"file"}));
  EXPECT_TRUE(below->open_file("file"));
  EXPECT_EQ(below->unlink("file"), true);
  EXPECT_EQ(below->unlink("file"), false);
  EXPECT_EQ(code_of(below->open_file("file")), ErrorCode::not_found);
  EXPECT_FALSE(below->status("file").value());
}

TEST(OpenDirectory, FollowsNoSymbolicLink) {
  const TemporaryDirectory temporary;
  std::filesystem::create_directories(temporary / "base");
  std::filesystem::create_directories(temporary / "outside");
  write_file(temporary / "outside/secret", "secret");
  std::filesystem::create_symlink(temporary / "outside", temporary / "base/link");
  std::filesystem::create_symlink(temporary / "outside/secret", temporary / "base/file");
  const auto base = OpenDirectory::open(temporary / "base");
  ASSERT_TRUE(base);
  EXPECT_FALSE(base->descend("link", IfMissing::fail));
  EXPECT_FALSE(base->descend("link/sub", IfMissing::create));
  EXPECT_EQ(code_of(base->open_file("file")), ErrorCode::corruption);
  EXPECT_FALSE(base->create_file("file", 0600));
  EXPECT_TRUE(S_ISLNK(base->status("file").value()->st_mode));
  EXPECT_EQ(read_file(temporary / "outside/secret"), "secret");
}

TEST(OpenDirectory, WhatIsNoFileIsNotRead) {
  const TemporaryDirectory temporary;
  const auto base = OpenDirectory::open(temporary.path());
  std::filesystem::create_directory(temporary / "directory");
  ASSERT_EQ(::mkfifo((temporary / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(code_of(base->open_file("directory")), ErrorCode::corruption);
  EXPECT_EQ(code_of(base->open_file("pipe")), ErrorCode::corruption);
}

TEST(OpenDirectory, ErrorsTellFullDisksAndMissingFilesApart) {
  EXPECT_EQ(file_error("write", "x", ENOSPC).error().code, ErrorCode::out_of_space);
  EXPECT_EQ(file_error("write", "x", EDQUOT).error().code, ErrorCode::out_of_space);
  EXPECT_EQ(file_error("open", "x", ENOENT).error().code, ErrorCode::not_found);
  EXPECT_EQ(file_error("open", "x", EIO).error().code, ErrorCode::io_error);
}

}  // namespace
}  // namespace zeolite::blobs::testing
