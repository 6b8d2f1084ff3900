#include "storage/rocks_options.h"

#include <gtest/gtest.h>
#include <rocksdb/env.h>

namespace zeolite::storage {
namespace {

// What was measured to lose or falsify data when set otherwise; see docs/storage-format.md.
TEST(RocksOptions, SettingsThatKeepDataSafe) {
  const auto horizon = std::make_shared<std::atomic<std::uint64_t>>(0);
  RocksStoreOptions options;
  options.memtable_bytes = 1 << 20;
  const RocksSettings settings =
      make_rocks_settings(options, rocksdb::Env::Default(), nullptr, horizon);
  const rocksdb::DBOptions& database = settings.database;
  EXPECT_NE(database.info_log, nullptr);
  EXPECT_EQ(database.wal_recovery_mode, rocksdb::WALRecoveryMode::kPointInTimeRecovery);
  EXPECT_EQ(database.max_bgerror_resume_count, 0);
  EXPECT_EQ(database.wal_bytes_per_sync, 0U);
  EXPECT_EQ(database.wal_compression, rocksdb::kNoCompression);
  EXPECT_EQ(database.recycle_log_file_num, 0U);
  EXPECT_FALSE(database.manual_wal_flush);
  EXPECT_FALSE(database.unordered_write);
  EXPECT_FALSE(database.two_write_queues);
  EXPECT_FALSE(database.enable_pipelined_write);
  EXPECT_FALSE(database.track_and_verify_wals_in_manifest);
  EXPECT_TRUE(database.atomic_flush);
  EXPECT_TRUE(database.paranoid_checks);
  EXPECT_EQ(database.max_total_wal_size, 4U << 20);
  for (const auto& family : settings.families) {
    EXPECT_FALSE(family.options.enable_blob_files);
    EXPECT_TRUE(family.options.force_consistency_checks);
  }
}

}  // namespace
}  // namespace zeolite::storage
