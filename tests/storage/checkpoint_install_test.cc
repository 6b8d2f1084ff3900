#include "storage/checkpoint_install.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/node_runs.h"
#include "storage/rocks_object_store.h"
#include "support/temporary_directory.h"

namespace zeolite::storage::testing {
namespace {

namespace fs = std::filesystem;
using zeolite::testing::TemporaryDirectory;

RocksStoreOptions options_at(const fs::path& directory) {
  RocksStoreOptions options;
  options.directory = directory;
  options.reserve_bytes = 0;
  options.wal_file_bytes = 0;
  return options;
}

// Makes a database with `count` transactions, or has it go on up to there; returns where its log
// ends.
Position make_database(const fs::path& directory, std::uint64_t count,
                       const std::optional<fs::path>& checkpoint = std::nullopt) {
  auto store = *RocksObjectStore::open(options_at(directory));
  for (std::uint64_t tid = store->last_position().tid.value() + 1; tid <= count; ++tid) {
    TransactionRecord record;
    record.epoch = Epoch(1);
    record.tid = Tid(tid);
    record.writes.push_back(
        {.oid = Oid(tid), .previous = kNoTid, .data = Bytes(std::string("x")), .back = kNoTid});
    const std::vector<TransactionRecord> group = {record};
    EXPECT_TRUE(store->append(group));
  }
  if (checkpoint) {
    EXPECT_TRUE(store->make_checkpoint(*checkpoint));
  }
  return store->last_position();
}

// A data directory with a database of its own and a complete copy of another one, with a blob.
Position prepare(const fs::path& data, const fs::path& scratch, std::uint64_t own) {
  const Position replaces = make_database(data, own);
  fs::remove_all(scratch);
  const Position position = make_database(scratch, 20, data / kIncomingFolder);
  fs::create_directories(data / kIncomingFolder / "blobs" / "0x00");
  std::ofstream(data / kIncomingFolder / "blobs" / "0x00" / "1.blob") << "content";
  EXPECT_TRUE(complete_incoming(data, {.position = position, .replaces = replaces}));
  return position;
}

Result<InstallOutcome> install(const fs::path& data) {
  ASSIGN_OR_RETURN(const auto lock, DirectoryLock::take(data, DirectoryLock::Access::create));
  return install_checkpoint(*lock, data / "blobs");
}

void expect_installed(const fs::path& data, const Position& position) {
  const auto store = RocksObjectStore::open(options_at(data));
  ASSERT_TRUE(store) << store.error().detail;
  EXPECT_EQ((*store)->last_position(), position);
  EXPECT_TRUE(fs::exists(data / "blobs" / "0x00" / "1.blob"));
  EXPECT_FALSE(fs::exists(data / kIncomingFolder / "COMPLETE"));
}

TEST(CheckpointInstall, TakesThePlaceOfTheDatabaseAndKeepsThat) {
  const TemporaryDirectory directory;
  const fs::path data = directory / "data";
  const Position position = prepare(data, directory / "other", 3);
  const Result<InstallOutcome> installed = install(data);
  ASSERT_TRUE(installed) << installed.error().detail;
  EXPECT_EQ(*installed, InstallOutcome::installed);
  expect_installed(data, position);
  RocksStoreOptions reads = options_at(data / ("old-" + to_hex(position.tid)));
  reads.read_only = true;
  const auto old = RocksObjectStore::open(reads);
  ASSERT_TRUE(old) << old.error().detail;
  EXPECT_EQ((*old)->last_position().tid, Tid(3));
  EXPECT_EQ(former_databases(data).count, 1U);
  EXPECT_GT(former_databases(data).bytes, 100U);
  EXPECT_EQ(*install(data), InstallOutcome::nothing) << "once";
}

TEST(CheckpointInstall, AnEmptyDatabaseIsNotKept) {
  const TemporaryDirectory directory;
  const fs::path data = directory / "data";
  const Position position = prepare(data, directory / "other", 0);
  ASSERT_EQ(*install(data), InstallOutcome::installed);
  expect_installed(data, position);
  EXPECT_FALSE(fs::exists(data / ("old-" + to_hex(position.tid))));
  EXPECT_EQ(former_databases(data).count, 0U);
}

// What came was checked; what is there may be damaged, or of another history.
TEST(CheckpointInstall, ABlobOfTheSameNameIsReplaced) {
  const TemporaryDirectory directory;
  const fs::path data = directory / "data";
  prepare(data, directory / "other", 3);
  const fs::path blob = data / "blobs" / "0x00" / "1.blob";
  fs::create_directories(blob.parent_path());
  std::ofstream(blob) << "damaged";
  ASSERT_EQ(*install(data), InstallOutcome::installed);
  std::ifstream in(blob);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "content");
}

TEST(CheckpointInstall, WhatCannotBeLookedAtIsNotTakenForMissing) {
  const TemporaryDirectory directory;
  const fs::path loop = directory / "loop";
  fs::create_symlink("loop", loop);
  const Result<> discarded = discard_incoming(loop);
  ASSERT_FALSE(discarded);
  EXPECT_EQ(discarded.error().code, ErrorCode::io_error);
  EXPECT_FALSE(has_complete_copy(loop));
}

TEST(CheckpointInstall, WhatIsNotCompleteIsNotTaken) {
  const TemporaryDirectory directory;
  const fs::path data = directory / "data";
  prepare(data, directory / "other", 3);
  fs::remove(data / kIncomingFolder / "COMPLETE");
  EXPECT_EQ(*install(data), InstallOutcome::nothing);
  EXPECT_EQ((*RocksObjectStore::open(options_at(data)))->last_position().tid, Tid(3));
  std::ofstream(data / kIncomingFolder / "COMPLETE") << "something";
  const Result<InstallOutcome> damaged = install(data);
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, ErrorCode::corruption);
}

// It was complete, and then the node streamed or led instead.
TEST(CheckpointInstall, IsNotInstalledOverALogThatHasGoneOn) {
  const TemporaryDirectory directory;
  const fs::path data = directory / "data";
  prepare(data, directory / "other", 3);
  const Position confirmed = make_database(data, 4);
  const Result<InstallOutcome> installed = install(data);
  ASSERT_TRUE(installed) << installed.error().detail;
  EXPECT_EQ(*installed, InstallOutcome::outdated);
  EXPECT_EQ((*RocksObjectStore::open(options_at(data)))->last_position(), confirmed);
  EXPECT_FALSE(fs::exists(data / kIncomingFolder));
}

TEST(CheckpointInstall, NorOverADatabaseThatWasMadeSince) {
  const TemporaryDirectory directory;
  const fs::path data = directory / "data";
  prepare(data, directory / "other", 0);
  const Position confirmed = make_database(directory / "made", 1);
  for (const char* part : {"FORMAT", "HWM", "records"}) {
    fs::remove_all(data / part);
    fs::rename(directory / "made" / part, data / part);
  }
  EXPECT_EQ(*install(data), InstallOutcome::outdated);
  EXPECT_EQ((*RocksObjectStore::open(options_at(data)))->last_position(), confirmed);
}

TEST(CheckpointInstall, WhatIsKeptBesideStaysWhenAnotherCopyHasTheSameEnd) {
  const TemporaryDirectory directory;
  const fs::path data = directory / "data";
  const Position position = prepare(data, directory / "other", 3);
  const fs::path old = data / ("old-" + to_hex(position.tid));
  make_database(old, 2);
  ASSERT_EQ(*install(data), InstallOutcome::installed);
  expect_installed(data, position);
  EXPECT_EQ((*RocksObjectStore::open(options_at(old)))->last_position().tid, Tid(2));
  EXPECT_EQ((*RocksObjectStore::open(options_at(old.string() + "-2")))->last_position().tid,
            Tid(3));
}

TEST(CheckpointInstall, ADatabaseWhoseMarkIsDamagedIsKept) {
  const TemporaryDirectory directory;
  const fs::path data = directory / "data";
  const Position position = prepare(data, directory / "other", 3);
  fs::resize_file(data / "HWM", 0);
  ASSERT_EQ(*install(data), InstallOutcome::installed);
  expect_installed(data, position);
  EXPECT_TRUE(fs::exists(data / ("old-" + to_hex(position.tid)) / "records"));
}

TEST(CheckpointInstall, DiscardedAtAnyMomentItIsNeverInstalled) {
  for_each_crash("install.forgotten", [](const std::string& crash_point) {
    const TemporaryDirectory directory;
    const fs::path data = directory / "data";
    prepare(data, directory / "other", 3);
    make_database(data, 4);
    const bool killed = run_node("install", data.string(), "0", crash_point);
    EXPECT_EQ(*install(data), InstallOutcome::nothing);
    EXPECT_EQ((*RocksObjectStore::open(options_at(data)))->last_position().tid, Tid(4));
    return killed;
  });
}

TEST(CheckpointInstall, KilledAnywhereTheNextCallCompletesIt) {
  for_each_crash("install.", [](const std::string& crash_point) {
    const TemporaryDirectory directory;
    const fs::path data = directory / "data";
    const Position position = prepare(data, directory / "other", 3);
    const bool killed = run_node("install", data.string(), "0", crash_point);
    EXPECT_TRUE(install(data));
    expect_installed(data, position);
    return killed;
  });
}

}  // namespace
}  // namespace zeolite::storage::testing
