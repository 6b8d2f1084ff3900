#include "daemon/zeo_uploads.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/zeo_blob_fixture.h"
#include "storage/tiny_disk.h"

namespace zeolite::daemon {
namespace {

using zeo::bytes;
using zeo::list;
using zeo::none;
using zeo::oid;
using zeo::text;
using zeo::value_of;

using ZeoUploadsTest = ZeoBlobTest;

TEST_F(ZeoUploadsTest, TwoLargeUploadsOfOneTransaction) {
  peer_.begin();
  upload(peer_, 1, kNoTid, std::string(200'000, 'a'));
  upload(peer_, 2, kNoTid, std::string(300'000, 'b'));
  EXPECT_EQ(peer_.vote(), list({}));
  const Tid tid = peer_.finish();
  EXPECT_EQ(download(peer_, 1, tid), std::string(200'000, 'a'));
  EXPECT_EQ(download(peer_, 2, tid), std::string(300'000, 'b'));
}

TEST_F(ZeoUploadsTest, AnAbortLeavesNoFile) {
  peer_.begin();
  upload(peer_, 1, kNoTid, "content");
  peer_.one_way("storeBlobStart");
  EXPECT_EQ(peer_.ask("ping"), none());
  EXPECT_EQ(staged(), 2U);
  EXPECT_EQ(peer_.ask("tpc_abort", {ZeoPeer::kTransaction}), none());
  EXPECT_EQ(staged(), 0U);
  peer_.begin();
  upload(peer_, 1, kNoTid, "content");
  EXPECT_EQ(peer_.vote(), list({}));
  EXPECT_EQ(staged(), 1U);
  EXPECT_EQ(peer_.ask("tpc_abort", {ZeoPeer::kTransaction}), none());
  EXPECT_EQ(staged(), 0U);
}

// A large one takes long: to be synced, or taken over from the shared directory.
TEST_F(ZeoUploadsTest, ReadsDoNotWaitForThem) {
  const Tid tid = peer_.commit(7, kNoTid, "data");
  ZeoPeer loader = connect_zeo();
  hold_blob_pool();
  peer_.begin();
  upload(peer_, 1, kNoTid, "content");
  peer_.call(40, "vote", {ZeoPeer::kTransaction});
  EXPECT_EQ(peer_.ask("ping"), none());
  control_->set_cold(true);
  EXPECT_EQ(loader.ask("getTid", {oid(7)}), value_of(tid));
  pool_gate_.open();
  EXPECT_EQ(peer_.result(40), list({}));
}

TEST_F(ZeoUploadsTest, TheyDoNotWaitForReads) {
  hold_pool();
  peer_.begin();
  upload(peer_, 1, kNoTid, "content");
  EXPECT_EQ(peer_.vote(), list({}));
  const Tid tid = peer_.finish();
  pool_gate_.open();
  EXPECT_EQ(download(peer_, 1, tid), "content");
}

// To give the room of a large file back takes long as well.
TEST_F(ZeoUploadsTest, TheShardRemovesNoFile) {
  ZeoPeer leaver = connect_zeo();
  for (ZeoPeer* peer : {&peer_, &leaver}) {
    peer->begin();
    upload(*peer, peer == &peer_ ? 1 : 2, kNoTid, "content");
    EXPECT_EQ(peer->vote(), list({}));
  }
  hold_blob_pool();
  EXPECT_EQ(peer_.ask("tpc_abort", {ZeoPeer::kTransaction}), none());
  leaver.close();
  closed_.wait_for(1);
  run([] {});
  EXPECT_EQ(staged_files(), 2U);
  pool_gate_.open();
  EXPECT_EQ(staged(), 0U);
}

TEST_F(ZeoUploadsTest, ADroppedConnectionLeavesNoFile) {
  ZeoPeer dropped = connect_zeo();
  dropped.begin();
  upload(dropped, 1, kNoTid, "content");
  dropped.one_way("storeBlobStart");
  dropped.one_way("storeBlobChunk", {bytes("half of it")});
  EXPECT_EQ(dropped.ask("ping"), none());
  EXPECT_EQ(staged(), 2U);
  dropped.close();
  closed_.wait_for(1);
  run([] {});
  EXPECT_EQ(staged(), 0U);
}

TEST_F(ZeoUploadsTest, AnUndoneBlobLeavesNoFileWhenItIsAborted) {
  peer_.begin();
  upload(peer_, 1, kNoTid, "first");
  EXPECT_EQ(peer_.vote(), list({}));
  const Tid first = peer_.finish();
  peer_.begin();
  upload(peer_, 1, first, "second");
  EXPECT_EQ(peer_.vote(), list({}));
  const Tid second = peer_.finish();
  ASSERT_TRUE(engine_->blobs()->settle());
  EXPECT_EQ(staged(), 0U);
  for (const bool commits : {false, true}) {
    peer_.begin();
    peer_.one_way("undoa", {value_of(second), ZeoPeer::kTransaction});
    EXPECT_EQ(peer_.vote(), list({oid(1)}));
    EXPECT_EQ(staged(), 1U);
    if (commits) {
      EXPECT_EQ(download(peer_, 1, peer_.finish()), "first");
    } else {
      EXPECT_EQ(peer_.ask("tpc_abort", {ZeoPeer::kTransaction}), none());
      EXPECT_EQ(staged(), 0U);
    }
  }
}

TEST_F(ZeoUploadsTest, ABlobThatIsDeletedAfterAllIsDropped) {
  peer_.begin();
  peer_.store(1, kNoTid, "x");
  EXPECT_EQ(peer_.vote(), list({}));
  const Tid tid = peer_.finish();
  peer_.begin();
  upload(peer_, 1, tid, "content");
  peer_.one_way("deleteObject", {oid(1), value_of(tid), ZeoPeer::kTransaction});
  EXPECT_EQ(peer_.vote(), list({}));
  peer_.finish();
  EXPECT_EQ(peer_.ask("ping"), none());
  EXPECT_EQ(staged(), 0U);
}

TEST_F(ZeoUploadsTest, ThoseOfATransactionThatIsTooLargeGoBeforeItsVote) {
  config_.transaction_bytes_max = 100'000;
  ZeoPeer peer = connect_zeo();
  peer.begin();
  upload(peer, 1, kNoTid, std::string(1'000'000, 'a'));
  EXPECT_EQ(peer.ask("ping"), none());
  EXPECT_EQ(staged(), 1U);
  peer.store(2, kNoTid, std::string(100'000, 'x'));
  EXPECT_EQ(peer.ask("ping"), none());
  EXPECT_EQ(staged(), 0U);
  upload(peer, 3, kNoTid, std::string(1'000'000, 'a'));
  EXPECT_EQ(peer.ask("ping"), none());
  EXPECT_EQ(staged(), 0U);
  EXPECT_EQ(peer.ask_error("vote", {ZeoPeer::kTransaction}).class_name,
            "ZODB.POSException.StorageError");
  peer.begin();
  upload(peer, 1, kNoTid, "content");
  EXPECT_EQ(peer.vote(), list({}));
  EXPECT_EQ(download(peer, 1, peer.finish()), "content");
}

TEST_F(ZeoUploadsTest, AFileInTheSharedDirectoryIsTakenOver) {
  const std::filesystem::path place = engine_->blobs()->path_of(Oid(1), Tid(1)).parent_path();
  std::filesystem::create_directories(place);
  std::ofstream(place / "BUSHY.tmp") << "shared content";
  peer_.begin();
  peer_.one_way("storeBlobShared", {oid(1), value_of(kNoTid), bytes("blob"), text("BUSHY.tmp"),
                                    ZeoPeer::kTransaction});
  EXPECT_EQ(peer_.vote(), list({}));
  EXPECT_EQ(download(peer_, 1, peer_.finish()), "shared content");
  EXPECT_FALSE(std::filesystem::exists(place / "BUSHY.tmp"));
}

// Of files that wait for their transaction, how many are open.
std::size_t open_uploads() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string path = std::filesystem::read_symlink(entry.path(), gone);
    if (path.ends_with(".upload") || path.ends_with(".staged")) ++count;
  }
  return count;
}

TEST_F(ZeoUploadsTest, WhatIsCompleteIsClosed) {
  peer_.begin();
  for (std::uint64_t object = 1; object <= 20; ++object) upload(peer_, object, kNoTid, "content");
  EXPECT_EQ(peer_.ask("ping"), none());
  EXPECT_EQ(staged(), 20U);
  EXPECT_EQ(open_uploads(), 0U);
  EXPECT_EQ(peer_.vote(), list({}));
  EXPECT_EQ(open_uploads(), 0U);
  const Tid tid = peer_.finish();
  EXPECT_EQ(download(peer_, 20, tid), "content");
}

class ZeoSharedUploadsTest : public ZeoUploadsTest {
 protected:
  ZeoSharedUploadsTest() { std::filesystem::create_directories(place_); }
  void tell(ZeoPeer& peer, const std::string& name) {
    std::ofstream(place_ / name) << "shared content";
    peer.one_way("storeBlobShared",
                 {oid(1), value_of(kNoTid), bytes("blob"), text(name), ZeoPeer::kTransaction});
  }
  bool empty() { return staged() == 0 && std::filesystem::is_empty(place_); }

  const std::filesystem::path place_ = engine_->blobs()->path_of(Oid(1), Tid(1)).parent_path();
};

TEST_F(ZeoSharedUploadsTest, OfAClientThatDiedNoneStays) {
  ZeoPeer dying = connect_zeo();
  dying.begin();
  tell(dying, "a.tmp-");
  tell(dying, "b.tmp-");
  EXPECT_EQ(dying.ask("ping"), none());
  EXPECT_EQ(staged(), 1U);  // the second takes the place of the first
  dying.close();
  closed_.wait_for(1);
  run([] {});
  EXPECT_TRUE(empty());
}

TEST_F(ZeoSharedUploadsTest, OfAClientThatDiedBeforeTheyWereTakenOverNoneStays) {
  ZeoPeer dying = connect_zeo();
  hold_blob_pool();
  dying.begin();
  tell(dying, "a.tmp-");
  tell(dying, "b.tmp-");
  EXPECT_EQ(dying.ask("ping"), none());
  dying.close();
  closed_.wait_for(1);
  pool_gate_.open();
  EXPECT_TRUE(empty());
}

TEST_F(ZeoSharedUploadsTest, AnAbortLeavesNone) {
  peer_.begin();
  tell(peer_, "a.tmp-");
  EXPECT_EQ(peer_.ask("tpc_abort", {ZeoPeer::kTransaction}), none());
  EXPECT_TRUE(empty());
}

TEST_F(ZeoSharedUploadsTest, OfATransactionThatIsTooLargeNoneStays) {
  config_.transaction_bytes_max = 1'000;
  ZeoPeer peer = connect_zeo();
  peer.begin();
  tell(peer, "a.tmp-");
  peer.store(2, kNoTid, std::string(1'000, 'x'));
  tell(peer, "b.tmp-");
  EXPECT_EQ(peer.ask("ping"), none());
  EXPECT_TRUE(empty());
}

TEST_F(ZeoSharedUploadsTest, OneThatIsDeletedAfterAllIsDropped) {
  peer_.begin();
  peer_.store(1, kNoTid, "x");
  EXPECT_EQ(peer_.vote(), list({}));
  const Tid tid = peer_.finish();
  peer_.begin();
  tell(peer_, "a.tmp-");
  peer_.one_way("deleteObject", {oid(1), value_of(tid), ZeoPeer::kTransaction});
  EXPECT_EQ(peer_.vote(), list({}));
  peer_.finish();
  EXPECT_EQ(peer_.ask("ping"), none());
  EXPECT_TRUE(empty());
}

TEST_F(ZeoUploadsTest, NoNameLeadsOutOfTheDirectory) {
  std::ofstream(directory_ / "secret.tmp") << "secret";
  for (const std::string_view name :
       {"../../secret.tmp", "/etc/passwd", "..", ".", "", "secret.tmp", "a/b.tmp", "x.blob"}) {
    SCOPED_TRACE(name);
    peer_.begin();
    peer_.one_way("storeBlobShared",
                  {oid(1), value_of(kNoTid), bytes("blob"), text(name), ZeoPeer::kTransaction});
    const std::string refused = peer_.ask_error("vote", {ZeoPeer::kTransaction}).class_name;
    EXPECT_TRUE(refused == "builtins.ValueError" || refused == "ZODB.POSException.StorageError")
        << refused;
    EXPECT_EQ(peer_.ask("tpc_abort", {ZeoPeer::kTransaction}), none());
  }
  EXPECT_TRUE(std::filesystem::exists(directory_ / "secret.tmp"));
}

TEST_F(ZeoUploadsTest, AnEndWithoutABeginningStagesNothing) {
  ZeoUploads uploads;
  uploads.step(zeo::SessionEffects::BlobChunk{Bytes::copy_of("x")});
  EXPECT_TRUE(uploads.empty());
}

TEST_F(ZeoUploadsTest, WhatWaitsToBeWrittenIsBounded) {
  const std::string content(5'000'000, 'x');
  hold_blob_pool();
  peer_.begin();
  std::jthread sender([&] { upload(peer_, 1, kNoTid, content); });
  const auto unwritten = [this] {
    std::size_t bytes = 0;
    run([&] { bytes = zeo_connections_.begin()->second->uploads().unwritten(); });
    return bytes;
  };
  while (unwritten() < (1U << 20)) std::this_thread::yield();
  ZeoPeer other = connect_zeo();
  for (int turns = 0; turns < 100; ++turns) EXPECT_EQ(other.ask("ping"), none());
  EXPECT_LT(unwritten(), (1U << 20) + 200'000U);
  EXPECT_GE(staged_->used(), 1U << 20);
  pool_gate_.open();
  sender.join();
  EXPECT_EQ(peer_.vote(), list({}));
  EXPECT_LT(staged_->used(), 2000U);  // what is kept of its messages
  EXPECT_EQ(download(peer_, 1, peer_.finish()), content);
}

TEST_F(ZeoUploadsTest, AnAbortWhileItIsBeingWrittenLeavesNoFile) {
  hold_blob_pool();
  peer_.begin();
  upload(peer_, 1, kNoTid, std::string(200'000, 'x'));
  peer_.call(40, "vote", {ZeoPeer::kTransaction});  // waits for it
  EXPECT_EQ(peer_.ask("ping"), none());
  peer_.call(41, "tpc_abort", {ZeoPeer::kTransaction});
  EXPECT_EQ(peer_.error(40).class_name, "ZODB.POSException.StorageTransactionError");
  EXPECT_EQ(peer_.result(41), none());
  peer_.begin();
  upload(peer_, 1, kNoTid, "another");
  pool_gate_.open();
  EXPECT_EQ(peer_.vote(), list({}));
  EXPECT_EQ(staged(), 1U);
  EXPECT_EQ(download(peer_, 1, peer_.finish()), "another");
}

TEST_F(ZeoUploadsTest, LeavingWhileItIsBeingWrittenLeavesNoFile) {
  ZeoPeer dropped = connect_zeo();
  hold_blob_pool();
  dropped.begin();
  upload(dropped, 1, kNoTid, std::string(200'000, 'x'));
  EXPECT_EQ(dropped.ask("ping"), none());
  dropped.close();
  closed_.wait_for(1);
  pool_gate_.open();
  EXPECT_EQ(staged(), 0U);
}

struct WithTinyDisk {
  Result<std::unique_ptr<storage::testing::TinyDisk>> disk_ = storage::testing::TinyDisk::mount();
};

// The blobs are on a disk of 2 MiB.
class ZeoUploadsOnATinyDiskTest : private WithTinyDisk, public ZeoBlobTest {
 protected:
  ZeoUploadsOnATinyDiskTest()
      : ZeoBlobTest(blobs::BlobDirectoryOptions{
            .path = disk_ ? (*disk_)->path() / "blobs" : std::filesystem::path(),
            .reserve_bytes = 0}) {}
  void SetUp() override {
    if (!disk_) GTEST_SKIP() << disk_.error().detail;
  }
  [[nodiscard]] const storage::testing::TinyDisk& disk() const { return **disk_; }
};

TEST_F(ZeoUploadsOnATinyDiskTest, AnUploadThatDoesNotFitFailsItsVoteAlone) {
  const std::string small(200'000, 's');
  ZeoPeer other = connect_zeo();
  other.begin();
  upload(other, 1, kNoTid, small);
  EXPECT_EQ(other.ask("ping"), none());
  peer_.begin();
  upload(peer_, 2, kNoTid, std::string(3'000'000, 'x'));
  EXPECT_EQ(peer_.ask_error("vote", {ZeoPeer::kTransaction}).class_name,
            "ZODB.POSException.StorageError");
  EXPECT_EQ(staged(), 1U);  // what was written of it gives its room back
  EXPECT_EQ(other.vote(), list({}));
  const Tid tid = other.finish();
  EXPECT_EQ(download(other, 1, tid), small);
}

}  // namespace
}  // namespace zeolite::daemon
