#include "daemon/zeo_prepare.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/controlled_store.h"
#include "storage/memory_object_store.h"

namespace zeolite::daemon {
namespace {

// Two objects: 1 at tids 10 and 20, 2 at 10 and deleted at 30.
class ZeoPrepareTest : public ::testing::Test {
 protected:
  ZeoPrepareTest() {
    append(10, {write(1, "one"), write(2, "two")});
    append(20, {write(1, "one again", 10)});
    ObjectWrite removal = write(2, "", 10);
    removal.kind = RevisionKind::deletion;
    append(30, {removal});
  }
  static ObjectWrite write(std::uint64_t oid, std::string_view data, std::uint64_t previous = 0) {
    ObjectWrite result;
    result.oid = Oid(oid);
    result.previous = Tid(previous);
    result.data = Bytes::copy_of(data);
    return result;
  }
  void append(std::uint64_t tid, std::vector<ObjectWrite> writes) {
    TransactionRecord record;
    record.tid = Tid(tid);
    record.writes = std::move(writes);
    ASSERT_TRUE(store_.append({&record, 1}));
  }
  // In as many parts as it takes, which are counted.
  zeo::Prepared prepare(const zeo::Preparation& wanted, const storage::ObjectStore& store,
                        Tid line) {
    VoteReading reading(wanted, abandoned_);
    for (parts_ = 1;; ++parts_) {
      if (auto prepared = reading(store, line)) return *std::move(*prepared);
    }
  }
  zeo::Prepared prepare(const zeo::Preparation& wanted) { return prepare(wanted, store_, Tid(30)); }
  zeo::Prepared undo(Tid tid) {
    zeo::Preparation wanted;
    wanted.undos = {tid};
    return prepare(wanted);
  }

  storage::MemoryObjectStore store_;
  const std::shared_ptr<std::atomic<bool>> abandoned_ = std::make_shared<std::atomic<bool>>(false);
  std::size_t parts_ = 0;
};

TEST_F(ZeoPrepareTest, UndoIsPlanned) {
  const zeo::Prepared prepared = undo(Tid(20));
  EXPECT_TRUE(prepared.undo_failures.empty());
  ASSERT_EQ(prepared.undone.size(), 1U);
  EXPECT_EQ(prepared.undone[0].oid, Oid(1));
  EXPECT_EQ(prepared.undone[0].base, Tid(20));
  EXPECT_EQ(prepared.undone[0].kind, RevisionKind::back_pointer);
  EXPECT_EQ(prepared.undone[0].back, Tid(10));
}

// What it is judged by when the transaction is committed.
TEST_F(ZeoPrepareTest, UndoGoesOnFromADeletionAsFromOtherRevisions) {
  const zeo::Prepared prepared = undo(Tid(30));
  ASSERT_EQ(prepared.undone.size(), 1U);
  EXPECT_EQ(prepared.undone[0].base, Tid(30));
  EXPECT_TRUE(prepared.undone[0].as_file_storage);
}

TEST_F(ZeoPrepareTest, WhatCannotBeUndoneIsAFailureOfItsObjects) {
  const zeo::Prepared prepared = undo(Tid(10));
  EXPECT_TRUE(prepared.undone.empty());
  EXPECT_FALSE(prepared.undo_failures.empty());
}

TEST_F(ZeoPrepareTest, ATransactionThatIsNotThereIsAFailureAsAWhole) {
  const zeo::Prepared prepared = undo(Tid(15));
  ASSERT_EQ(prepared.undo_failures.size(), 1U);
  EXPECT_EQ(prepared.undo_failures[0].first, Oid{});
  EXPECT_FALSE(prepared.undo_failures[0].second.empty());
}

TEST_F(ZeoPrepareTest, ARestoredRecordRepeatsWhatIsTheSame) {
  zeo::Preparation wanted;
  wanted.restored.push_back({Oid(1), Tid(10), Bytes::copy_of("one")});
  wanted.restored.push_back({Oid(1), Tid(20), Bytes::copy_of("changed")});
  wanted.restored.push_back({Oid(1), Tid(15), Bytes::copy_of("one")});
  wanted.restored.push_back({Oid(9), Tid(10), Bytes::copy_of("one")});
  const zeo::Prepared prepared = prepare(wanted);
  ASSERT_EQ(prepared.repeated.size(), 1U);
  EXPECT_EQ(prepared.repeated[0].oid, Oid(1));
  EXPECT_EQ(prepared.repeated[0].back, Tid(10));
  EXPECT_EQ(prepared.repeated[0].via, kNoTid);
}

TEST_F(ZeoPrepareTest, ARestoredDeletionNamesTheOneItRepeats) {
  zeo::Preparation wanted;
  wanted.restored.push_back({Oid(2), Tid(30), std::nullopt});
  wanted.restored.push_back({Oid(2), Tid(10), std::nullopt});
  wanted.restored.push_back({Oid(1), Tid(30), std::nullopt});
  wanted.restored.push_back({Oid(2), Tid(30), Bytes::copy_of("two")});
  const zeo::Prepared prepared = prepare(wanted);
  ASSERT_EQ(prepared.repeated.size(), 1U);
  EXPECT_EQ(prepared.repeated[0].oid, Oid(2));
  EXPECT_EQ(prepared.repeated[0].back, kNoTid);
  EXPECT_EQ(prepared.repeated[0].via, Tid(30));
}

// Two transactions, 1 and 2, that write the same objects, 1 and so on.
class ZeoLongPrepareTest : public ZeoPrepareTest {
 protected:
  static constexpr std::uint64_t kObjects = 1000;
  ZeoLongPrepareTest() {
    for (std::uint64_t tid = 1; tid <= 2; ++tid) {
      TransactionRecord record;
      record.tid = Tid(tid);
      for (std::uint64_t object = 1; object <= kObjects; ++object) {
        record.writes.push_back(write(object, "data of " + std::to_string(tid), tid - 1));
      }
      EXPECT_TRUE(long_store_.append({&record, 1}));
    }
  }

  const std::shared_ptr<StoreControl> control_ = std::make_shared<StoreControl>();
  ControlledStore long_store_{control_};
};

TEST_F(ZeoLongPrepareTest, UndoIsPlannedInParts) {
  zeo::Preparation wanted;
  wanted.undos = {Tid(2)};
  EXPECT_EQ(prepare(wanted, long_store_, Tid(2)).undone.size(), kObjects);
  EXPECT_GE(parts_, 4U);
}

TEST_F(ZeoLongPrepareTest, IsGivenUpWhenNobodyWaits) {
  zeo::Preparation wanted;
  wanted.undos = {Tid(2)};
  VoteReading reading(wanted, abandoned_);
  EXPECT_FALSE(reading(long_store_, Tid(2)));
  *abandoned_ = true;
  const auto ended = reading(long_store_, Tid(2));
  ASSERT_TRUE(ended && !*ended);
  EXPECT_EQ(ended->error().code, ErrorCode::aborted);
}

TEST_F(ZeoLongPrepareTest, ATransactionWithManyObjectsIsLookedAtOnce) {
  zeo::Preparation wanted;
  for (std::uint64_t object = 1; object <= kObjects; ++object) {
    const std::uint64_t tid = 1 + object % 2;
    wanted.restored.push_back(
        {Oid(object), Tid(tid), Bytes::copy_of("data of " + std::to_string(tid))});
  }
  const zeo::Prepared prepared = prepare(wanted, long_store_, Tid(2));
  EXPECT_EQ(prepared.repeated.size(), kObjects);
  for (const auto& [object, back, via] : prepared.repeated) {
    EXPECT_EQ(back, Tid(1 + object.value() % 2));
    EXPECT_EQ(via, kNoTid);
  }
  EXPECT_EQ(control_->entries, 2U);
  EXPECT_GE(parts_, 4U);
}

TEST_F(ZeoPrepareTest, ARepeatedRecordThatRepeatsAnotherIsFollowed) {
  ObjectWrite undone = write(1, "", 20);
  undone.kind = RevisionKind::back_pointer;
  undone.back = Tid(10);
  append(31, {undone});
  zeo::Preparation wanted;
  wanted.restored.push_back({Oid(1), Tid(31), Bytes::copy_of("one")});
  const zeo::Prepared prepared = prepare(wanted, store_, Tid(31));
  ASSERT_EQ(prepared.repeated.size(), 1U);
  EXPECT_EQ(prepared.repeated[0].back, Tid(10));
  EXPECT_EQ(prepared.repeated[0].via, Tid(31));
}

TEST_F(ZeoPrepareTest, UploadsNeedADirectory) {
  const ZeoUploads::Uploads uploads{{Oid(1), std::make_shared<ZeoUpload>()}};
  const auto refused = prepare_blobs(nullptr, {}, uploads, abandoned_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::read_only);
}

TEST_F(ZeoPrepareTest, ThePackThatThePlanHasSeenIsTold) {
  EXPECT_EQ(undo(Tid(20)).swept_pack, kNoTid);
  TransactionRecord pack;
  pack.kind = RecordKind::pack;
  pack.tid = Tid(40);
  pack.pack_horizon = Tid(10);
  ASSERT_TRUE(store_.append({&pack, 1}));
  EXPECT_EQ(undo(Tid(20)).swept_pack, kNoTid);  // its sweep is under way
  TransactionRecord complete;
  complete.kind = RecordKind::removal;
  complete.tid = Tid(41);
  complete.pack_record = Tid(40);
  complete.pack_complete = true;
  ASSERT_TRUE(store_.append({&complete, 1}));
  EXPECT_EQ(undo(Tid(20)).swept_pack, Tid(40));
}

}  // namespace
}  // namespace zeolite::daemon
