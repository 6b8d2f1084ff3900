#include "zeo/transaction.h"

#include <gtest/gtest.h>

#include <string>

#include "zeo/client_messages.h"

namespace zeolite::zeo {
namespace {

Bytes data(std::string_view text) { return Bytes::copy_of(text); }

TEST(Transaction, TheLastStoreOfAnObjectCounts) {
  Transaction transaction(integer(1));
  transaction.store(Oid(1), Tid(5), data("one"));
  transaction.store(Oid(2), Tid(6), data("two"));
  transaction.store(Oid(1), Tid(7), data("again"));
  ASSERT_EQ(transaction.writes().size(), 2U);
  EXPECT_EQ(transaction.writes()[0].oid, Oid(1));
  EXPECT_EQ(transaction.writes()[0].base, Tid(7));
  EXPECT_EQ(transaction.writes()[0].data, data("again"));
  EXPECT_EQ(transaction.data_of(Oid(1)), data("again"));
  EXPECT_EQ(transaction.data_of(Oid(3)), std::nullopt);
}

TEST(Transaction, AllThatWasSentForItCounts) {
  Transaction transaction(integer(1));
  transaction.add_message(100);
  transaction.add_message(20);
  EXPECT_EQ(transaction.bytes(), 120U);
  // What is kept for a write is more than the shortest message for it.
  EXPECT_GE(transaction.held(), 120 + 2 * sizeof(commit::StagedWrite));
}

TEST(Transaction, OneThatIsDroppedKeepsWhatItWasBegunWith) {
  Transaction transaction(integer(1));
  transaction.metadata.user = "user";
  transaction.add_message(100);
  const std::uint64_t begun = transaction.held();
  transaction.store(Oid(1), Tid(5), data("one"));
  transaction.attach_blob(Oid(1));
  transaction.check_read(Oid(2), Tid(5));
  transaction.undo(Tid(4));
  transaction.add_message(20);
  for (int time = 0; time < 2; ++time) {
    transaction.drop();
    EXPECT_TRUE(transaction.dropped());
    EXPECT_EQ(transaction.id(), integer(1));
    EXPECT_EQ(transaction.metadata.user, "user");
    EXPECT_TRUE(transaction.writes().empty());
    EXPECT_TRUE(transaction.staged().reads.empty());
    EXPECT_TRUE(transaction.undos().empty());
    EXPECT_TRUE(transaction.blobs().empty());
    EXPECT_EQ(transaction.place_of(Oid(1)), std::nullopt);
    EXPECT_EQ(transaction.held(), begun);
  }
}

TEST(Transaction, AStoreTakesBackARemoval) {
  Transaction transaction(integer(1));
  transaction.remove(Oid(1), Tid(5));
  EXPECT_TRUE(transaction.removes(Oid(1)));
  EXPECT_EQ(transaction.writes()[0].kind, RevisionKind::deletion);
  transaction.store(Oid(1), Tid(5), data("x"));
  EXPECT_FALSE(transaction.removes(Oid(1)));
  EXPECT_EQ(transaction.writes()[0].kind, RevisionKind::data);
  transaction.remove(Oid(1), Tid(5));
  EXPECT_TRUE(transaction.removes(Oid(1)));
}

TEST(Transaction, RestoredRecordsAreNotChecked) {
  Transaction transaction(integer(1));
  transaction.restore(Oid(1), data("x"), kNoTid);
  transaction.restore(Oid(2), data("y"), Tid(3));
  transaction.restore(Oid(3), std::nullopt, kNoTid);
  transaction.restore(Oid(4), std::nullopt, Tid(3));
  EXPECT_TRUE(transaction.writes()[0].unchecked);
  EXPECT_EQ(transaction.writes()[2].kind, RevisionKind::deletion);
  ASSERT_EQ(transaction.restored().size(), 2U);
  EXPECT_EQ(transaction.restored()[0].write, 1U);
  EXPECT_EQ(transaction.restored()[0].source, Tid(3));
  EXPECT_EQ(transaction.restored()[1].write, 3U);
  transaction.store(Oid(2), Tid(9), data("z"));
  transaction.store(Oid(4), Tid(9), data("z"));
  EXPECT_TRUE(transaction.restored().empty());
  EXPECT_FALSE(transaction.writes()[1].unchecked);
}

TEST(Transaction, TheLastCheckOfAnObjectCounts) {
  Transaction transaction(integer(1));
  transaction.check_read(Oid(1), Tid(5));
  transaction.check_read(Oid(2), Tid(6));
  transaction.check_read(Oid(1), Tid(7));
  const commit::StagedTransaction staged = transaction.staged();
  ASSERT_EQ(staged.reads.size(), 2U);
  EXPECT_EQ(staged.reads[0].tid, Tid(7));
}

TEST(Transaction, ABlobBelongsToAStoredRecord) {
  Transaction transaction(integer(1));
  for (int times = 0; times < 2; ++times) {
    transaction.store(Oid(1), kNoTid, data("blob"));
    transaction.attach_blob(Oid(1));
  }
  EXPECT_EQ(transaction.blobs(), std::set<Oid>{Oid(1)});
  transaction.remove(Oid(1), kNoTid);
  EXPECT_TRUE(transaction.blobs().empty());
  transaction.store(Oid(1), kNoTid, data("blob"));
  transaction.attach_blob(Oid(1));
  transaction.restore(Oid(1), data("other"), kNoTid);
  EXPECT_TRUE(transaction.blobs().empty());
}

TEST(Transaction, IsStagedAsOftenAsItIsVoted) {
  Transaction transaction(integer(1));
  transaction.metadata.user = "user";
  transaction.status = 'u';
  transaction.fixed_tid = Tid(77);
  transaction.store(Oid(1), Tid(5), data("x"));
  for (int times = 0; times < 2; ++times) {
    const commit::StagedTransaction staged = transaction.staged();
    EXPECT_EQ(staged.metadata.user, "user");
    EXPECT_EQ(staged.status, 'u');
    EXPECT_EQ(staged.fixed_tid, Tid(77));
    ASSERT_EQ(staged.writes.size(), 1U);
    EXPECT_EQ(staged.writes[0].base, Tid(5));
    EXPECT_TRUE(staged.writes[0].as_file_storage);
    EXPECT_EQ(staged.writes[0].data, data("x"));
  }
}

}  // namespace
}  // namespace zeolite::zeo
