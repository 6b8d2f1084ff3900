#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "storage/rocks_object_store.h"
#include "support/temporary_directory.h"

namespace zeolite::storage {
namespace {

using zeolite::testing::TemporaryDirectory;

RocksStoreOptions options_at(const std::filesystem::path& directory) {
  RocksStoreOptions options;
  options.directory = directory;
  options.reserve_bytes = 0;
  options.wal_file_bytes = 0;
  return options;
}

TransactionRecord record(std::uint64_t tid) {
  TransactionRecord made;
  made.epoch = Epoch(1);
  made.tid = Tid(tid);
  made.writes.push_back({.oid = Oid(tid % 10),
                         .previous = Tid(tid > 10 ? tid - 10 : 0),
                         .data = Bytes(std::string(100, 'a') + std::to_string(tid)),
                         .back = kNoTid});
  return made;
}

void append(RocksObjectStore& store, std::uint64_t tid) {
  const std::vector<TransactionRecord> group = {record(tid)};
  ASSERT_TRUE(store.append(group));
}

TEST(RocksCheckpointTest, IsADatabaseWithTheSameHistory) {
  const TemporaryDirectory directory;
  auto store = *RocksObjectStore::open(options_at(directory / "db"));
  for (std::uint64_t tid = 1; tid <= 50; ++tid) append(*store, tid);
  const Result<Position> position = store->make_checkpoint(directory / "copy");
  ASSERT_TRUE(position) << position.error().detail;
  EXPECT_EQ(*position, store->last_position());
  append(*store, 51);  // what comes later is not in it
  const auto copy = RocksObjectStore::open(options_at(directory / "copy"));
  ASSERT_TRUE(copy) << copy.error().detail;
  EXPECT_EQ((*copy)->last_position(), *position);
  EXPECT_EQ((*copy)->cluster_id(), store->cluster_id());
  const auto loaded = (*copy)->load_before(Oid(7), kMaxTid, kMaxTid, ReadTier::disk);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->tid, Tid(47));
  append(**copy, 52);  // and lives on by itself
}

TEST(RocksCheckpointTest, IsMadeWhileGroupsAreAppended) {
  const TemporaryDirectory directory;
  auto store = *RocksObjectStore::open(options_at(directory / "db"));
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (std::uint64_t tid = 1; !stop; ++tid) append(*store, tid);
  });
  for (int round = 0; round < 5; ++round) {
    const Position before = store->last_position();
    const std::filesystem::path copy = directory / ("copy" + std::to_string(round));
    const Result<Position> position = store->make_checkpoint(copy);
    ASSERT_TRUE(position) << position.error().detail;
    EXPECT_GE(position->tid, before.tid) << "all that was durable when it was asked for";
    const auto entry = store->log_entry(position->tid);
    ASSERT_TRUE(entry);
    if (*entry) {
      EXPECT_EQ((*entry)->position, *position) << "of the same history";
    }
  }
  stop = true;
  writer.join();
}

TEST(RocksCheckpointTest, OfAnEmptyDatabaseIsEmpty) {
  const TemporaryDirectory directory;
  auto store = *RocksObjectStore::open(options_at(directory / "db"));
  const Result<Position> position = store->make_checkpoint(directory / "copy");
  ASSERT_TRUE(position) << position.error().detail;
  EXPECT_EQ(*position, Position{});
  EXPECT_TRUE(RocksObjectStore::open(options_at(directory / "copy")));
}

}  // namespace
}  // namespace zeolite::storage
