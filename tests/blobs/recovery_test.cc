#include "blobs/recovery.h"

#include <array>

#include "blobs/blob_fixture.h"
#include "blobs/blob_workload.h"
#include "storage/crash_point.h"
#include "storage/killed_child.h"
#include "storage/rocks_object_store.h"

namespace zeolite::blobs::testing {
namespace {

namespace fs = std::filesystem;
using storage::testing::kAll;
using storage::testing::KilledChild;
using storage::testing::kKilled;

constexpr Oid kOid{7};

// A pack whose record has tid 8, and one removal at 9.
void append_pack(storage::ObjectStore& store, const std::vector<RevisionKey>& removed) {
  TransactionRecord pack;
  pack.kind = RecordKind::pack;
  pack.epoch = Epoch(1);
  pack.tid = Tid(8);
  pack.pack_horizon = Tid(7);
  const TransactionRecord gone = storage::testing::removal(9, 8, removed);
  ASSERT_TRUE(store.append(std::vector{pack, gone}));
}

class Recovery : public BlobFixture {
 protected:
  // As after a crash: what is staged stays, what is only in memory is forgotten.
  RecoveryReport crash_and_recover() {
    reopen();
    const auto report = recover(blobs(), store_);
    EXPECT_TRUE(report) << report.error().to_string();
    EXPECT_TRUE(waiting().empty());
    return report.value_or(RecoveryReport{});
  }
};

TEST_F(Recovery, ACommittedBlobGetsItsName) {
  (void)staged(kOid, "content").release();
  append(Tid(5), kOid, "content");
  const RecoveryReport report = crash_and_recover();
  EXPECT_EQ(report.installed, 1U);
  EXPECT_EQ(report.removed, 0U);
  EXPECT_EQ(content_of(kOid, Tid(5)), "content");
}

TEST_F(Recovery, ABlobWithoutTransactionIsRemoved) {
  append(Tid(5), kOid, "other");
  (void)staged(kOid, "content").release();
  (void)staged(Oid(8), "other").release();
  EXPECT_EQ(crash_and_recover().removed, 2U);
}

TEST_F(Recovery, AnInstalledBlobLosesItsStagedName) {
  commit(Tid(5), kOid, "content");
  EXPECT_EQ(waiting().size(), 1U);
  crash_and_recover();
  EXPECT_EQ(content_of(kOid, Tid(5)), "content");
}

TEST_F(Recovery, EveryRevisionOfEqualContentGetsAFile) {
  for (const Tid tid : {Tid(5), Tid(6), Tid(7)}) {
    (void)staged(kOid, "content").release();
    append(tid, kOid, "content");
  }
  EXPECT_EQ(crash_and_recover().installed, 3U);
  for (const Tid tid : {Tid(5), Tid(6), Tid(7)}) EXPECT_EQ(content_of(kOid, tid), "content");
}

TEST_F(Recovery, AnUndoThatSharesAFileGetsItsOwnName) {
  commit(Tid(5), kOid, "content");
  ASSERT_TRUE(blobs().settle());
  auto again = blobs().restage(kOid, Tid(5), info_of("content"));
  ASSERT_TRUE(again);
  (void)again->release();
  append(Tid(6), kOid, "content");
  crash_and_recover();
  EXPECT_EQ(content_of(kOid, Tid(5)), "content");
  EXPECT_EQ(content_of(kOid, Tid(6)), "content");
}

TEST_F(Recovery, AnUndoThatWasNotCommittedLeavesTheOldBlob) {
  commit(Tid(5), kOid, "content");
  ASSERT_TRUE(blobs().settle());
  (void)blobs().restage(kOid, Tid(5), info_of("content"))->release();
  crash_and_recover();
  EXPECT_EQ(content_of(kOid, Tid(5)), "content");
}

TEST_F(Recovery, AStagedFileWithoutItsContentIsNotUsed) {
  (void)staged(kOid, "content").release();
  const std::string hollow = format_staged_name({kOid, info_of("content"), 0});
  write_file(private_path() / hollow, "");
  append(Tid(5), kOid, "content");
  crash_and_recover();
  EXPECT_EQ(content_of(kOid, Tid(5)), "content");
}

TEST_F(Recovery, ADamagedFileIsReplacedByTheStagedOne) {
  (void)staged(kOid, "content").release();
  append(Tid(5), kOid, "content");
  fs::create_directories(blobs().path_of(kOid, Tid(5)).parent_path());
  write_file(blobs().path_of(kOid, Tid(5)), "");
  crash_and_recover();
  EXPECT_EQ(content_of(kOid, Tid(5)), "content");
}

TEST_F(Recovery, OrphansAreRemovedAndNothingElse) {
  commit(Tid(5), kOid, "a");
  commit(Tid(6), kOid, "b");
  commit(Tid(7), Oid(8), "c");
  append_pack(store_, {{kOid, Tid(5)}, {Oid(8), Tid(7)}});
  EXPECT_EQ(remove_orphans(blobs(), store_, nullptr), 2U);
  EXPECT_EQ(remove_orphans(blobs(), store_, nullptr), 0U);
  EXPECT_EQ(content_of(kOid, Tid(6)), "b");
  EXPECT_FALSE(fs::exists(blobs().path_of(Oid(8), Tid(7)).parent_path()));
}

TEST_F(Recovery, FilesOfARemovalGoWithIt) {
  commit(Tid(5), kOid, "a");
  commit(Tid(6), kOid, "b");
  commit(Tid(7), Oid(8), "c");
  const std::vector<RevisionKey> keys = {{kOid, Tid(5)}, {kOid, Tid(4)}, {Oid(9), Tid(7)}};
  std::uint64_t removed = 0;
  ASSERT_TRUE(remove_packed(blobs(), keys, removed));
  EXPECT_EQ(removed, 1U) << "the others have no blobs";
  ASSERT_TRUE(remove_packed(blobs(), keys, removed));
  EXPECT_EQ(removed, 1U);
  EXPECT_EQ(content_of(kOid, Tid(6)), "b");
  EXPECT_EQ(content_of(Oid(8), Tid(7)), "c");
}

TEST_F(Recovery, AFileThatCannotBeRemovedDoesNotKeepTheOthers) {
  commit(Tid(5), kOid, "a");
  fs::create_directories(blobs().path_of(Oid(8), Tid(7)) / "no file");
  std::uint64_t removed = 0;
  const std::vector<RevisionKey> keys = {{Oid(8), Tid(7)}, {kOid, Tid(5)}};
  EXPECT_FALSE(remove_packed(blobs(), keys, removed));
  EXPECT_EQ(removed, 1U);
}

TEST_F(Recovery, RemovalsAtTheEndOfTheLogAreRepeated) {
  commit(Tid(5), kOid, "a");
  commit(Tid(6), kOid, "b");
  append_pack(store_, {{kOid, Tid(5)}});
  for (std::uint64_t tid = 10; tid < 3000; ++tid) {
    const TransactionRecord later = storage::testing::record(tid).data(1, "x");
    ASSERT_TRUE(store_.append(std::span(&later, 1)));
  }
  EXPECT_EQ(recover(blobs(), store_)->packed, 1U);
  EXPECT_EQ(recover(blobs(), store_)->packed, 0U);
  EXPECT_EQ(content_of(kOid, Tid(6)), "b");
  EXPECT_FALSE(fs::exists(blobs().path_of(kOid, Tid(5))));
}

// Has started after the removal of a revision. A file of its blob tells whether that is looked for
// again.
class RemovedOnce : public Recovery {
 protected:
  RemovedOnce() {
    commit(Tid(5), kOid, "a");
    commit(Tid(6), Oid(8), "b");
    append_pack(store_, {{kOid, Tid(5)}});
    EXPECT_EQ(recover(blobs(), store_)->packed, 1U);
    fs::create_directories(removed_.parent_path());
    write_file(removed_, "a");
  }

  const fs::path removed_ = blobs().path_of(kOid, Tid(5));
};

TEST_F(RemovedOnce, IsNotRepeatedAtEveryStart) {
  EXPECT_EQ(crash_and_recover().packed, 0U);
  EXPECT_TRUE(fs::exists(removed_));
}

TEST_F(RemovedOnce, WhatWasRemovedSinceIsRepeated) {
  const TransactionRecord gone = storage::testing::removal(10, 8, {{Oid(8), Tid(6)}});
  ASSERT_TRUE(store_.append(std::span(&gone, 1)));
  EXPECT_EQ(crash_and_recover().packed, 1U);
  EXPECT_FALSE(fs::exists(blobs().path_of(Oid(8), Tid(6))));
  EXPECT_TRUE(fs::exists(removed_));
}

// That of a copy that took the place of the database.
TEST_F(RemovedOnce, InAnotherLogTheSameTidIsAnotherRemoval) {
  storage::MemoryObjectStore other;
  for (const auto& [tid, oid] : {std::pair(Tid(5), kOid), std::pair(Tid(6), Oid(8))}) {
    const TransactionRecord record = blob_transaction(tid, oid, info_of("a"));
    ASSERT_TRUE(other.append(std::span(&record, 1)));
  }
  append_pack(other, {{Oid(8), Tid(6)}});
  EXPECT_EQ(recover(blobs(), other)->packed, 1U);
  EXPECT_FALSE(fs::exists(blobs().path_of(Oid(8), Tid(6))));
}

// --- Killed processes

// A running blob_child; tells the last committed tid.
KilledChild child_on(const fs::path& directory, std::size_t transactions,
                     const std::string& crash_point) {
  return {{BLOB_CHILD, directory.string(), std::to_string(transactions)}, crash_point};
}

// Every blob that the log names is there, with its content, and there is nothing else.
void expect_log_and_files_agree(const fs::path& directory, std::uint64_t committed) {
  storage::RocksStoreOptions options;
  options.directory = directory / "db";
  options.reserve_bytes = 0;
  const auto store = storage::RocksObjectStore::open(options);
  ASSERT_TRUE(store) << store.error().to_string();
  const auto blobs = BlobDirectory::open({.path = directory / "blobs", .reserve_bytes = 0});
  ASSERT_TRUE(blobs) << blobs.error().to_string();
  ASSERT_TRUE(recover(**blobs, **store));
  EXPECT_TRUE((*blobs)->staged().value().empty());

  const std::uint64_t last = (*store)->last_position().tid.value();
  EXPECT_GE(last, committed);
  std::size_t named = 0;
  for (std::uint64_t tid = 1; tid <= last; ++tid) {
    const Oid oid = workload_oid(tid);
    if (is_own(tid) || !has_revision(**store, oid, Tid(tid)).value()) continue;
    ++named;
    const auto verified = (*blobs)->verify(oid, Tid(tid), workload_info(tid), nullptr);
    EXPECT_TRUE(verified) << verified.error().to_string();
  }
  std::size_t found = 0;
  EXPECT_TRUE((*blobs)->walk([&](Oid, Tid) -> Result<> {
    ++found;
    return {};
  }));
  EXPECT_EQ(found, named);
  EXPECT_GE(named, std::min(last, kObjects));
}

TEST(BlobKill, AtAnyPointNoBlobIsLostAndNoneTooMany) {
  for (const std::string_view name : storage::blob_crash_point_names()) {
    const TemporaryDirectory directory;
    std::uint64_t committed = 0;
    // The later hits come on top of what the earlier ones left behind.
    for (const unsigned hit : {1U, 2U, 5U}) {
      SCOPED_TRACE(std::string(name) + ":" + std::to_string(hit));
      KilledChild child =
          child_on(directory.path(), 60, std::string(name) + ":" + std::to_string(hit));
      committed = std::max(committed, child.read_last(kAll));
      EXPECT_EQ(child.wait(), kKilled);
      expect_log_and_files_agree(directory.path(), committed);
    }
  }
}

TEST(BlobKill, AtAnyTimeNoBlobIsLostAndNoneTooMany) {
  const TemporaryDirectory directory;
  std::uint64_t committed = 0;
  for (std::size_t round = 0; round < 10; ++round) {
    KilledChild child = child_on(directory.path(), 100'000, "");
    (void)child.read_last(1 + round * 7);
    child.kill();
    committed = std::max(committed, child.read_last(kAll));
    EXPECT_EQ(child.wait(), kKilled);
    if (round % 3 == 2) expect_log_and_files_agree(directory.path(), committed);
  }
  expect_log_and_files_agree(directory.path(), committed);
}

}  // namespace
}  // namespace zeolite::blobs::testing
