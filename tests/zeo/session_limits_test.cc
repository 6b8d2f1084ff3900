#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "zeo/session_fixture.h"

// Transactions that are larger than a transaction may be.
namespace zeolite::zeo {
namespace {

class SessionLimitsTest : public SessionTransactionsTest {
 protected:
  // One tpc_begin and two small stores.
  SessionLimitsTest() : SessionTransactionsTest({.transaction_bytes_max = 400}) {}

  // The transaction, which held `begun` bytes at first, holds no more again, nor does the daemon.
  void expect_dropped(std::uint64_t begun) {
    EXPECT_TRUE(silent());
    EXPECT_TRUE(effects_.drop_blobs);
    EXPECT_EQ(session_.held_bytes(), begun);
  }

  const Exception too_large_ =
      storage_error("the messages of a transaction may have 400 bytes together, no more");
};

// Not the connection: the client would take that for a passing trouble.
TEST_F(SessionLimitsTest, MoreThanATransactionMayHoldIsToldByTheVote) {
  begin();
  const std::uint64_t begun = session_.held_bytes();
  store(1, 0, "0123456789");
  EXPECT_TRUE(silent());
  EXPECT_FALSE(effects_.drop_blobs);
  EXPECT_GT(session_.held_bytes(), begun);
  store(2, 0, std::string(400, 'x'));
  expect_dropped(begun);
  store(3, 0, "what is sent beyond");
  expect_dropped(begun);
  store(3, 0, "");  // which is no reason of its own to be told
  vote();
  EXPECT_EQ(error(), too_large_);
  EXPECT_TRUE(effects_.drop_blobs);
  EXPECT_EQ(session_.held_bytes(), 0U);
  begin();
  store(1, 0, "0123456789");
  EXPECT_EQ(submit().writes.size(), 1U);
}

TEST_F(SessionLimitsTest, OneThatIsTooLargeMayBeAborted) {
  begin();
  store(2, 0, std::string(400, 'x'));
  call("tpc_abort", {id()});
  EXPECT_EQ(result(), none());
  begin();
  store(1, 0, "0123456789");
  EXPECT_EQ(submit().writes.size(), 1U);
}

TEST_F(SessionLimitsTest, ABlobOfOneThatIsTooLargeIsDropped) {
  begin();
  const std::uint64_t begun = session_.held_bytes();
  one_way("storeBlobStart");
  one_way("storeBlobChunk", {bytes("content")});
  one_way("storeBlobEnd", {oid(1), tid(0), bytes(std::string(400, 'x')), id()});
  expect_dropped(begun);
  EXPECT_TRUE(effects_.blobs.empty());
  EXPECT_TRUE(session_.blobs().empty());
  one_way("storeBlobStart");
  expect_dropped(begun);
  EXPECT_TRUE(effects_.blobs.empty());
  one_way("storeBlobChunk", {bytes("content")});
  expect_dropped(begun);
  EXPECT_TRUE(effects_.blobs.empty());
  one_way("storeBlobEnd", {oid(2), tid(0), bytes("x"), id()});
  expect_dropped(begun);
  EXPECT_TRUE(effects_.blobs.empty());
  EXPECT_TRUE(session_.blobs().empty());
  one_way("storeBlobShared", {oid(3), tid(0), bytes("x"), text("a.tmp-"), id()});
  expect_dropped(begun);
  EXPECT_EQ(effects_.blobs.size(), 1U);  // the file is not the client's any more
  vote();
  EXPECT_EQ(error(), too_large_);
}

// Whatever part of it is kept, and whether it is a record or not.
TEST_F(SessionLimitsTest, EveryMessageOfATransactionCounts) {
  const Value large = bytes(std::string(400, 'x'));
  const std::vector<std::pair<std::string, std::vector<Value>>> calls = {
      {"storea", {oid(1), tid(0), bytes("x"), id(), large}},
      {"restorea", {oid(1), tid(0), bytes("x"), none(), id(), large}},
      {"deleteObject", {oid(1), tid(5), id(), large}},
      {"checkCurrentSerialInTransaction", {oid(1), tid(5), id(), large}},
      {"undoa", {bytes("AAAAAAAAAAU="), id(), large}},
      {"storeBlobShared", {oid(1), tid(0), bytes("x"), large, id()}}};
  for (const auto& [method, arguments] : calls) {
    SCOPED_TRACE(method);
    session_ = begun({.transaction_bytes_max = 400});
    go_live();
    begin();
    const std::uint64_t begun = session_.held_bytes();
    one_way(method, arguments);
    expect_dropped(begun);
    vote();
    EXPECT_EQ(error(), too_large_);
  }
}

// Its id is kept, to know the transaction by.
TEST_F(SessionLimitsTest, BeginningWithMoreThanATransactionMayHoldEndsIt) {
  one_way("tpc_begin", {bytes(std::string(400, 'x')), bytes(""), bytes(""), dict({}), none()});
  EXPECT_TRUE(ended());
  EXPECT_EQ(session_.held_bytes(), 0U);
}

// It is without effect, and what the coordinator has must not be dropped.
TEST_F(SessionLimitsTest, BeginningAgainAfterTheVoteDoesNotCount) {
  begin();
  store(1, 0, "0123456789");
  submit();
  voted();
  for (int again = 0; again < 10; ++again) {
    begin();
    EXPECT_FALSE(effects_.drop_blobs);
  }
  call("tpc_finish", {id()});
  EXPECT_EQ(engine_call<commit::calls::Finish>().ticket, ticket_);
}

class SessionUndosTest : public SessionTransactionsTest {};

// Planning them takes long.
TEST_F(SessionUndosTest, MoreThanATransactionMayUndoIsToldByTheVote) {
  for (const bool too_many : {false, true}) {
    begin();
    for (std::uint64_t undone = 1; undone <= (too_many ? 1'001U : 1'000U); ++undone) {
      one_way("undoa", {tid(undone), id()});
      EXPECT_TRUE(silent());
    }
    if (too_many) {
      vote();
      EXPECT_EQ(error(), storage_error("a transaction may undo 1000 transactions, no more"));
    } else {
      EXPECT_EQ(prepare().undos.size(), 1'000U);
      call("tpc_abort", {id()});
    }
  }
}

// Calls that wait for their answer are kept, and many may.
TEST_F(SessionUndosTest, OnlyWhatBelongsToATransactionMayBeLarge) {
  const Value large = bytes(std::string(100'000, 'x'));
  begin();
  one_way("storea", {oid(1), tid(0), large, id()});
  EXPECT_TRUE(silent());
  call("undoInfo", {integer(0), integer(-1), dict({{"k", bytes(std::string(10'000, 'x'))}})});
  EXPECT_EQ(effects_.reads.size(), 1U);
  call("undoInfo", {integer(0), integer(-1), dict({{"k", large}})});
  EXPECT_TRUE(ended());
  EXPECT_TRUE(effects_.reads.empty());
}

TEST_F(SessionLimitsTest, SmallMessagesWithoutEndAreBounded) {
  begin();
  for (int stored = 0; stored < 100; ++stored) {
    store(1, 0, "y");
    EXPECT_TRUE(silent());
    EXPECT_LT(session_.held_bytes(), 4'000U);
  }
  vote();
  EXPECT_EQ(error(), too_large_);
}

TEST_F(SessionLimitsTest, ChunksOfBlobsDoNotCount) {
  begin();
  one_way("storeBlobStart");
  for (int chunk = 0; chunk < 10; ++chunk) {
    const std::uint64_t parts = session_.parts();
    one_way("storeBlobChunk", {bytes(std::string(400, 'x'))});
    EXPECT_TRUE(silent());
    EXPECT_GT(session_.parts(), parts);
  }
}

}  // namespace
}  // namespace zeolite::zeo
