#include "storage/log_chain.h"

#include <gtest/gtest.h>

#include "storage/store_builders.h"

namespace zeolite::storage::testing {
namespace {

// First 16 bytes of BLAKE2b-512 as RFC 7693 (appendix A) gives it.
TEST(LogChain, BodyHashIsBlake2bCutShort) {
  const TransactionRecord abc = record(1).data(1, "abc");
  EXPECT_EQ(to_hex(body_hash(abc.writes)), "ba80a53f981c4d0d6a2797b69f12f6e9");
}

TEST(LogChain, BodyIsTheDataInOrder) {
  const TransactionRecord one = record(1).data(1, "abc");
  const TransactionRecord two = record(1).data(1, "a").deletion(2).data(3, "bc");
  const TransactionRecord swapped = record(1).data(3, "bc").data(1, "a");
  EXPECT_EQ(body_hash(one.writes), body_hash(two.writes));
  EXPECT_NE(body_hash(one.writes), body_hash(swapped.writes));
}

TEST(LogChain, ChainDependsOnWhatWasBefore) {
  ChainHash other{};
  other[15] = 1;
  EXPECT_EQ(next_chain(ChainHash{}, "entry"), next_chain(ChainHash{}, "entry"));
  EXPECT_NE(next_chain(ChainHash{}, "entry"), next_chain(other, "entry"));
  EXPECT_NE(next_chain(ChainHash{}, "entry"), next_chain(ChainHash{}, "entrx"));
}

TEST(LogChain, CheckBodyNamesTheTransaction) {
  const TransactionRecord abc = record(0x1F).data(1, "abc");
  LogEntry entry;
  entry.position.tid = Tid(0x1F);
  entry.body_hash = body_hash(abc.writes);
  EXPECT_TRUE(check_body(entry, abc.writes));
  entry.body_hash[3] ^= 4;
  const Result<> changed = check_body(entry, abc.writes);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::corruption);
  EXPECT_NE(changed.error().detail.find("000000000000001f"), std::string::npos);
}

}  // namespace
}  // namespace zeolite::storage::testing
