#include <gtest/gtest.h>

#include "client/transaction_fixture.h"

namespace zeolite::client {
namespace {

class Transactions : public testing::TransactionTest {};

TEST_F(Transactions, ReadsItsSnapshotWhateverOthersCommit) {
  Transaction transaction = client_.begin();
  server().put(::zeolite::Oid(1), "changed");
  core_->deliver_all();
  EXPECT_EQ(transaction.load(Oid{1}).str(), "one");
  EXPECT_EQ(client_.begin().load(Oid{1}).str(), "changed");
}

TEST_F(Transactions, ReadsItsOwnWrites) {
  Transaction transaction = client_.begin();
  transaction.store(Oid{1}, std::string("mine"));
  EXPECT_EQ(transaction.load(Oid{1}).str(), "mine");
  transaction.remove(Oid{1});
  EXPECT_FALSE(transaction.find(Oid{1}));
  EXPECT_THROW(static_cast<void>(transaction.load(Oid{1})), NotFoundError);
  EXPECT_EQ(stored(1), "one");
}

TEST_F(Transactions, CommitsAllItsWritesAtOnce) {
  Transaction transaction = client_.begin();
  transaction.store(Oid{1}, std::string("1"));
  transaction.remove(Oid{2});
  const Oid made = transaction.new_oid();
  transaction.store(made, std::string("new"));
  const Tid tid = transaction.commit();
  EXPECT_EQ(stored(1), "1");
  EXPECT_EQ(stored(2), "(none)");
  EXPECT_EQ(stored(made.value), "new");
  EXPECT_EQ(client_.snapshot(), tid);
  EXPECT_FALSE(transaction.active());
}

TEST_F(Transactions, ItsWritesAreInTheCacheAfterTheCommit) {
  Transaction transaction = client_.begin();
  transaction.store(Oid{1}, std::string("1"));
  transaction.commit();
  const std::size_t loads = server().count_received<wire::Load>();
  EXPECT_EQ(client_.begin().load(Oid{1}).str(), "1");
  EXPECT_EQ(server().count_received<wire::Load>(), loads);
}

TEST_F(Transactions, AConflictNamesTheObject) {
  Transaction transaction = client_.begin();
  transaction.store(Oid{1}, std::string("mine"));
  const ::zeolite::Tid theirs = server().put(::zeolite::Oid(1), "theirs");
  try {
    transaction.commit();
    FAIL() << "committed over another's change";
  } catch (const ConflictError& conflict) {
    ASSERT_EQ(conflict.conflicts().size(), 1U);
    EXPECT_EQ(conflict.conflicts()[0].oid, Oid{1});
    EXPECT_EQ(conflict.conflicts()[0].current.value, theirs.value());
  }
  EXPECT_EQ(stored(1), "theirs");
  EXPECT_FALSE(transaction.active());
}

TEST_F(Transactions, ReadCurrentPreventsWriteSkew) {
  Transaction transaction = client_.begin();
  transaction.read_current(Oid{2});
  transaction.store(Oid{1}, std::string("because two is two"));
  server().put(::zeolite::Oid(2), "three");
  try {
    transaction.commit();
    FAIL() << "committed although what it read had changed";
  } catch (const ConflictError& conflict) {
    ASSERT_EQ(conflict.conflicts().size(), 1U);
    EXPECT_TRUE(conflict.conflicts()[0].read);
  }
}

TEST_F(Transactions, AbortForgetsEverythingAndEndsIt) {
  Transaction transaction = client_.begin();
  transaction.store(Oid{1}, std::string("mine"));
  transaction.abort();
  EXPECT_FALSE(transaction.active());
  EXPECT_THROW(transaction.commit(), UsageError);
  EXPECT_EQ(stored(1), "one");
}

TEST_F(Transactions, ManyObjectsComeInOneRequest) {
  Transaction transaction = client_.begin();
  const std::array oids = {Oid{1}, Oid{99}, Oid{2}};
  const auto found = transaction.find_many(oids);
  EXPECT_EQ(found[0]->str(), "one");
  EXPECT_FALSE(found[1]);
  EXPECT_EQ(found[2]->str(), "two");
  EXPECT_EQ(server().count_received<wire::LoadMany>(), 1U);
  EXPECT_EQ(server().count_received<wire::Load>(), 0U);
}

TEST_F(Transactions, PrefetchSparesTheLoads) {
  Transaction transaction = client_.begin();
  const std::array oids = {Oid{1}, Oid{2}};
  transaction.prefetch(oids);
  EXPECT_EQ(transaction.load(Oid{1}).str(), "one");
  EXPECT_EQ(transaction.load(Oid{2}).str(), "two");
  EXPECT_EQ(server().count_received<wire::Load>(), 0U);
}

TEST_F(Transactions, PreparesAndFinishes) {
  Transaction transaction = client_.begin();
  transaction.store(Oid{1}, std::string("1"));
  const CommitId id = transaction.prepare();
  EXPECT_EQ(stored(1), "one");
  EXPECT_THROW(transaction.store(Oid{2}, std::string("too late")), UsageError);
  const Tid tid = transaction.finish();
  EXPECT_EQ(stored(1), "1");
  EXPECT_EQ(client_.outcome(id).state, Outcome::State::committed);
  EXPECT_EQ(client_.outcome(id).tid, tid);
}

TEST_F(Transactions, BlockingCallsOnTheClientsOwnThreadAreRefused) {
  Transaction transaction = client_.begin();
  core_->own_thread = true;
  EXPECT_THROW(static_cast<void>(transaction.load(Oid{1})), UsageError);
  EXPECT_THROW(client_.sync(), UsageError);
  core_->own_thread = false;
}

TEST_F(Transactions, MetadataHasABound) {
  Transaction transaction = client_.begin();
  transaction.set_user("me");
  EXPECT_THROW(transaction.set_description(std::string(70'000, 'x')), InvalidArgumentError);
}

}  // namespace
}  // namespace zeolite::client
