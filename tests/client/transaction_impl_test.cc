#include "client/transaction_impl.h"

#include <gtest/gtest.h>

#include "client/transaction_fixture.h"

namespace zeolite::client {
namespace {

class TransactionImpl : public testing::TransactionTest {};

TEST_F(TransactionImpl, AStoreWithoutALoadIsBasedOnTheSnapshot) {
  Transaction transaction = client_.begin();
  transaction.store(Oid{1}, std::string("blind"));
  transaction.commit();
  EXPECT_EQ(stored(1), "blind");

  Transaction late = client_.begin();
  server().put(::zeolite::Oid(2), "theirs");
  core_->deliver_all();
  late.store(Oid{2}, std::string("blind"));
  EXPECT_THROW(late.commit(), ConflictError);
}

TEST_F(TransactionImpl, AStoreOfAnObjectThatDoesNotExistCreatesIt) {
  Transaction transaction = client_.begin();
  transaction.store(Oid{77}, std::string("made"));
  transaction.commit();
  EXPECT_EQ(stored(77), "made");
}

TEST_F(TransactionImpl, WithNothingToCommitItsTidIsTheSnapshot) {
  Transaction transaction = client_.begin();
  static_cast<void>(transaction.load(Oid{1}));
  EXPECT_EQ(transaction.commit(), transaction.snapshot());
  EXPECT_EQ(server().count_received<wire::Commit>(), 0U);
}

TEST_F(TransactionImpl, WhatItMadeAndRemovedLeavesNoTrace) {
  Transaction transaction = client_.begin();
  const Oid made = transaction.new_oid();
  transaction.store(made, std::string("x"));
  transaction.remove(made);
  EXPECT_EQ(transaction.commit(), transaction.snapshot());
}

TEST_F(TransactionImpl, APreparedTransactionThatIsDestroyedIsAborted) {
  {
    Transaction transaction = client_.begin();
    transaction.store(Oid{1}, std::string("1"));
    transaction.prepare();
  }
  EXPECT_EQ(server().count_received<wire::Abort>(), 1U);
  EXPECT_EQ(stored(1), "one");
}

TEST_F(TransactionImpl, ASnapshotOfALostHistoryIsNotReadFurther) {
  Transaction transaction = client_.begin();
  static_cast<void>(transaction.load(Oid{1}));
  core_->disconnect();
  server().position_known = false;
  core_->connect();
  EXPECT_THROW(static_cast<void>(transaction.load(Oid{1})), DisconnectedError);
  EXPECT_THROW(static_cast<void>(transaction.load(Oid{2})), DisconnectedError);
  EXPECT_EQ(client_.begin().load(Oid{1}).str(), "one");
}

TEST_F(TransactionImpl, LargeTransactionsAreStaged) {
  server().body_max = 64 << 10;
  core_->reconnect();
  Transaction transaction = client_.begin();
  for (std::uint64_t oid = 100; oid < 200; ++oid) {
    transaction.store(Oid{oid}, std::string(10'000, 'x'));
  }
  transaction.commit();
  EXPECT_GT(server().count_received<wire::Stage>(), 5U);
  EXPECT_EQ(stored(150).size(), 10'000U);
  Transaction too_large = client_.begin();
  too_large.store(Oid{100}, std::string(100'000, 'x'));
  EXPECT_THROW(too_large.commit(), InvalidArgumentError);
}

}  // namespace
}  // namespace zeolite::client
