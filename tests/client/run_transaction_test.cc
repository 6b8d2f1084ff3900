#include "zeolite/run_transaction.h"

#include <gtest/gtest.h>

#include "client/fake_client.h"

namespace zeolite::client {
namespace {

using client_core::ClientAccess;
using client_core::testing::FakeClient;

class RunTransactionTest : public ::testing::Test {
 protected:
  RunTransactionTest() {
    core_->server.put(::zeolite::Oid(1), "1");
    core_->connect();
  }

  std::shared_ptr<FakeClient> core_ = std::make_shared<FakeClient>();
  Client client_ = ClientAccess::make(core_);
  RetryPolicy fast_{5, std::chrono::microseconds(0), std::chrono::microseconds(0)};
};

TEST_F(RunTransactionTest, RunsAgainAfterAConflictOnANewerSnapshot) {
  int runs = 0;
  const Tid tid = run_transaction(
      client_,
      [&](Transaction& transaction) {
        const int value = std::stoi(transaction.load(Oid{1}).str());
        if (++runs == 1) core_->server.put(::zeolite::Oid(1), "10");
        transaction.store(Oid{1}, std::to_string(value + 1));
      },
      fast_);
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(core_->server.current(::zeolite::Oid(1)), "11");
  EXPECT_EQ(client_.snapshot(), tid);
}

TEST_F(RunTransactionTest, ReturnsWhatTheFunctionReturns) {
  const std::string value = run_transaction(
      client_, [](Transaction& transaction) { return transaction.load(Oid{1}).str(); });
  EXPECT_EQ(value, "1");
}

TEST_F(RunTransactionTest, GivesUpWhenThePolicyIsUsedUp) {
  int runs = 0;
  const auto always_late = [&](Transaction& transaction) {
    transaction.store(Oid{1}, std::string("mine"));
    core_->server.put(::zeolite::Oid(1), std::to_string(++runs));
  };
  EXPECT_THROW(run_transaction(client_, always_late, fast_), ConflictError);
  EXPECT_EQ(runs, 5);
}

TEST_F(RunTransactionTest, DoesNotRetryWhatIsNotRetryable) {
  int runs = 0;
  const auto missing = [&](Transaction& transaction) {
    ++runs;
    static_cast<void>(transaction.load(Oid{99}));
  };
  EXPECT_THROW(run_transaction(client_, missing, fast_), NotFoundError);
  EXPECT_EQ(runs, 1);
}

TEST_F(RunTransactionTest, AnAbortInsideCommitsNothing) {
  run_transaction(client_, [](Transaction& transaction) {
    transaction.store(Oid{1}, std::string("x"));
    transaction.abort();
  });
  EXPECT_EQ(core_->server.current(::zeolite::Oid(1)), "1");
}

}  // namespace
}  // namespace zeolite::client
