#include "daemon/zeo_prepare.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

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
