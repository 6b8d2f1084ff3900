#include "storage/wal_file_system.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "storage/store_builders.h"

namespace zeolite::storage::testing {
namespace {

constexpr std::uint64_t kSize = 1 << 20;

class WalFileSystemTest : public ::testing::Test {
 protected:
  std::unique_ptr<WalFileSystem> make(std::uint64_t size, bool has_room = true) {
    return std::make_unique<WalFileSystem>(rocksdb::FileSystem::Default(), directory_.path(), size,
                                           [has_room](std::uint64_t) { return has_room; });
  }
  std::unique_ptr<rocksdb::FSWritableFile> create(WalFileSystem& files, const std::string& name) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    EXPECT_TRUE(files.NewWritableFile(path(name), {}, &file, nullptr).ok());
    return file;
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return (directory_.path() / name).string();
  }
  [[nodiscard]] ino_t inode(const std::string& name) const {
    struct stat info{};
    return ::stat(path(name).c_str(), &info) == 0 ? info.st_ino : 0;
  }
  TemporaryDirectory directory_;
};

TEST_F(WalFileSystemTest, LogFilesAreTheSpareAndAreOverwrittenFromTheirStart) {
  const auto files = make(kSize);
  const ino_t spare = inode("spare");
  ASSERT_NE(spare, 0U);
  const auto file = create(*files, "000001.log");
  EXPECT_EQ(inode("000001.log"), spare);
  ASSERT_TRUE(file->Append("hello", {}, nullptr).ok());
  ASSERT_TRUE(file->Sync({}, nullptr).ok());
  EXPECT_EQ(std::filesystem::file_size(path("000001.log")), kSize);
}

TEST_F(WalFileSystemTest, OtherFilesAreOrdinary) {
  const auto files = make(kSize);
  const ino_t spare = inode("spare");
  create(*files, "000001.sst");
  EXPECT_NE(inode("000001.sst"), spare);
  EXPECT_EQ(std::filesystem::file_size(path("000001.sst")), 0U);
}

TEST_F(WalFileSystemTest, WithoutRoomLogFilesAreOrdinary) {
  const auto files = make(kSize, false);
  EXPECT_EQ(inode("spare"), 0U);
  create(*files, "000001.log");
  EXPECT_EQ(std::filesystem::file_size(path("000001.log")), 0U);
}

TEST_F(WalFileSystemTest, NothingIsPreparedWhenTurnedOff) {
  const auto files = make(0);
  EXPECT_EQ(inode("spare"), 0U);
  create(*files, "000001.log");
  EXPECT_EQ(std::filesystem::file_size(path("000001.log")), 0U);
}

TEST_F(WalFileSystemTest, SpareIsRemovedAtTheEnd) {
  make(kSize);
  EXPECT_EQ(inode("spare"), 0U);
}

}  // namespace
}  // namespace zeolite::storage::testing
