#include "storage/file_descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "storage/store_builders.h"

namespace zeolite::storage::testing {
namespace {

TEST(FileDescriptor, ClosesWhatItOwnsOnce) {
  int number = -1;
  {
    FileDescriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = file.get();
    const FileDescriptor moved = std::move(file);
    EXPECT_TRUE(moved.is_open());
  }
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST(FileDescriptor, ReplaceFileReplacesAndLeavesNothingElse) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "file";
  EXPECT_FALSE(read_small_file(path).value());
  ASSERT_TRUE(replace_file(path, "one"));
  ASSERT_TRUE(replace_file(path, std::string(10'000, 'x')));
  EXPECT_EQ(read_small_file(path).value(), std::string(10'000, 'x'));
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "file.new"));
}

TEST(FileDescriptor, ReplaceFileChangesNothingWhenTheDiskIsFull) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "file";
  ASSERT_TRUE(replace_file(path, "one"));
  std::filesystem::create_symlink("/dev/full", directory.path() / "file.new");
  const Result<> replaced = replace_file(path, "two");
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().code, ErrorCode::out_of_space);
  EXPECT_NE(replaced.error().detail.find("No space left"), std::string::npos);
  EXPECT_EQ(read_small_file(path).value(), "one");
}

TEST(FileDescriptor, ErrorsNameThePathAndTheReason) {
  const Result<> replaced = replace_file("/nowhere/file", "x");
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().code, ErrorCode::io_error);
  EXPECT_EQ(replaced.error().detail, "cannot create /nowhere/file.new: No such file or directory");
  EXPECT_FALSE(sync_directory("/nowhere"));
}

}  // namespace
}  // namespace zeolite::storage::testing
