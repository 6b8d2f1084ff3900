#include "commit/commit_effects.h"

#include <gtest/gtest.h>

namespace zeolite::commit {
namespace {

TEST(CommitEffects, IsEmptyOnlyWithoutAnyEffect) {
  CommitEffects effects;
  EXPECT_TRUE(effects.empty());
  effects.append.emplace_back();
  EXPECT_FALSE(effects.empty());
  effects.clear();
  effects.refetch.push_back(1);
  EXPECT_FALSE(effects.empty());
  effects.clear();
  effects.publish.emplace_back();
  EXPECT_FALSE(effects.empty());
  effects.clear();
  effects.reply.emplace_back();
  EXPECT_FALSE(effects.empty());
  effects.clear();
  effects.close.push_back(1);
  EXPECT_FALSE(effects.empty());
  effects.clear();
  EXPECT_TRUE(effects.empty());
}

TEST(CommitEffects, AFailureCarriesItsReason) {
  const auto reply = CommitEffects::Reply::failure(5, ErrorCode::timeout, "It took too long.");
  EXPECT_EQ(reply.ticket, 5U);
  EXPECT_EQ(reply.kind, CommitEffects::Reply::Kind::failed);
  EXPECT_EQ(reply.error.code, ErrorCode::timeout);
  EXPECT_EQ(reply.error.detail, "It took too long.");
}

}  // namespace
}  // namespace zeolite::commit
