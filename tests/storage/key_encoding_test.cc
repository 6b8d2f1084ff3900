#include "storage/key_encoding.h"

#include <gtest/gtest.h>

namespace zeolite::storage {
namespace {

TEST(KeyEncoding, LogKeysSortByTid) {
  EXPECT_LT(log_key(Tid(255)).view(), log_key(Tid(256)).view());
  EXPECT_EQ(to_hex(log_key(Tid(0x0102)).view()), "0000000000000102");
  EXPECT_EQ(parse_log_key(log_key(Tid(77)).view()), Tid(77));
  EXPECT_FALSE(parse_log_key("1234567"));
}

TEST(KeyEncoding, RevisionKeysSortByOidThenNewestFirst) {
  EXPECT_LT(revision_key(Oid(1), Tid(1)).view(), revision_key(Oid(2), Tid(9)).view());
  EXPECT_LT(revision_key(Oid(1), Tid(9)).view(), revision_key(Oid(1), Tid(8)).view());
  EXPECT_EQ(to_hex(revision_key(Oid(1), Tid(2)).view()), "0000000000000001fffffffffffffffd");
  const auto parsed = parse_revision_key(revision_key(Oid(5), Tid(6)).view());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->oid, Oid(5));
  EXPECT_EQ(parsed->tid, Tid(6));
  EXPECT_FALSE(parse_revision_key("short"));
}

TEST(KeyEncoding, OutcomeKeyIsSessionThenNumber) {
  CommitId id;
  id.session.fill(0xAB);
  id.number = 3;
  EXPECT_EQ(to_hex(outcome_key(id).view()), "abababababababababababababababab0000000000000003");
}

}  // namespace
}  // namespace zeolite::storage
