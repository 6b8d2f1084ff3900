#include "storage/directory_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/rocks_object_store.h"
#include "storage/store_builders.h"

namespace zeolite::storage::testing {
namespace {

using Access = DirectoryLock::Access;

class DirectoryLockTest : public ::testing::Test {
 protected:
  TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "deep" / "database";
};

TEST_F(DirectoryLockTest, OnlyCreatingMakesTheDirectory) {
  EXPECT_EQ(DirectoryLock::take(path_, Access::read).error().code, ErrorCode::not_found);
  EXPECT_EQ(DirectoryLock::take(path_, Access::write).error().code, ErrorCode::not_found);
  const auto lock = DirectoryLock::take(path_, Access::create);
  ASSERT_TRUE(lock) << lock.error().to_string();
  EXPECT_EQ((*lock)->path(), path_);
  EXPECT_TRUE((*lock)->may_write());
  const std::filesystem::perms mode = std::filesystem::status(path_).permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_all);
}

TEST_F(DirectoryLockTest, ReadingMakesNothing) {
  std::filesystem::create_directories(path_);
  EXPECT_EQ(DirectoryLock::take(path_, Access::read).error().code, ErrorCode::not_found);
  EXPECT_TRUE(std::filesystem::is_empty(path_));
  ASSERT_TRUE(DirectoryLock::take(path_, Access::write));
  EXPECT_FALSE(DirectoryLock::take(path_, Access::read).value()->may_write());
}

TEST_F(DirectoryLockTest, EveryOtherOneIsRefusedWhileItLives) {
  auto lock = DirectoryLock::take(path_, Access::create).value();
  const std::shared_ptr<const DirectoryLock> shared = lock;
  lock.reset();
  for (const Access access : {Access::read, Access::write, Access::create}) {
    EXPECT_EQ(DirectoryLock::take(path_ / "." / "", access).error().code, ErrorCode::busy);
  }
}

TEST_F(DirectoryLockTest, DatabaseOpensAndClosesUnderALockOfTheCaller) {
  RocksStoreOptions options;
  options.directory = path_;
  options.reserve_bytes = 0;
  options.wal_file_bytes = 0;
  options.cluster_id.emplace().fill(4);
  const auto lock = DirectoryLock::take(path_, Access::create).value();
  EXPECT_EQ(RocksObjectStore::open(options).error().code, ErrorCode::busy);
  options.lock = lock;
  for (int i = 0; i < 2; ++i) {
    const auto store = RocksObjectStore::open(options);
    ASSERT_TRUE(store) << store.error().to_string();
    EXPECT_EQ((*store)->cluster_id(), *options.cluster_id);
  }
  options.lock = nullptr;
  EXPECT_EQ(RocksObjectStore::open(options).error().code, ErrorCode::busy) << "still locked";
}

}  // namespace
}  // namespace zeolite::storage::testing
