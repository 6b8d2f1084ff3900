#include "daemon/zeo_prepare.h"

#include <gtest/gtest.h>

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
  zeo::Prepared prepare(const zeo::Preparation& wanted) const {
    return prepare_vote(store_, Tid(30), nullptr, wanted, {}).value().prepared;
  }
  zeo::Prepared undo(Tid tid) const {
    zeo::Preparation wanted;
    wanted.undos = {tid};
    return prepare(wanted);
  }

  storage::MemoryObjectStore store_;
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

TEST_F(ZeoPrepareTest, ATransactionWithManyObjectsIsLookedAtOnce) {
  const auto control = std::make_shared<StoreControl>();
  ControlledStore store(control);
  constexpr std::uint64_t kObjects = 1000;
  for (std::uint64_t tid = 1; tid <= 2; ++tid) {
    TransactionRecord record;
    record.tid = Tid(tid);
    for (std::uint64_t object = 1; object <= kObjects; ++object) {
      record.writes.push_back(write(object, "data of " + std::to_string(tid), tid - 1));
    }
    ASSERT_TRUE(store.append({&record, 1}));
  }
  zeo::Preparation wanted;
  for (std::uint64_t object = 1; object <= kObjects; ++object) {
    const std::uint64_t tid = 1 + object % 2;
    wanted.restored.push_back(
        {Oid(object), Tid(tid), Bytes::copy_of("data of " + std::to_string(tid))});
  }
  const auto vote = prepare_vote(store, Tid(2), nullptr, wanted, {});
  ASSERT_TRUE(vote);
  EXPECT_EQ(vote->prepared.repeated.size(), kObjects);
  for (const auto& [object, back, via] : vote->prepared.repeated) {
    EXPECT_EQ(back, Tid(1 + object.value() % 2));
    EXPECT_EQ(via, kNoTid);
  }
  EXPECT_EQ(control->entries, 2U);
}

TEST_F(ZeoPrepareTest, ARepeatedRecordThatRepeatsAnotherIsFollowed) {
  ObjectWrite undone = write(1, "", 20);
  undone.kind = RevisionKind::back_pointer;
  undone.back = Tid(10);
  append(31, {undone});
  zeo::Preparation wanted;
  wanted.restored.push_back({Oid(1), Tid(31), Bytes::copy_of("one")});
  const auto vote = prepare_vote(store_, Tid(31), nullptr, wanted, {});
  ASSERT_TRUE(vote && vote->prepared.repeated.size() == 1);
  EXPECT_EQ(vote->prepared.repeated[0].back, Tid(10));
  EXPECT_EQ(vote->prepared.repeated[0].via, Tid(31));
}

TEST_F(ZeoPrepareTest, UploadsNeedADirectory) {
  const ZeoUploads::Uploads uploads{{Oid(1), std::make_shared<ZeoUpload>()}};
  zeo::Preparation wanted;
  wanted.blobs = {Oid(1)};
  const auto refused = prepare_vote(store_, Tid(30), nullptr, wanted, uploads);
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
