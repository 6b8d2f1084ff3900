#include "zeolite/types.h"

#include <gtest/gtest.h>

#include "zeolite/errors.h"

namespace zeolite::client {
namespace {

TEST(Types, IdsReadBackWhatTheyPrint) {
  EXPECT_EQ(to_string(Oid{0x1f}), "000000000000001f");
  EXPECT_EQ(parse_oid("1f"), Oid{0x1f});
  EXPECT_EQ(parse_tid("0x1F"), Tid{0x1f});
  EXPECT_FALSE(parse_oid("xyz"));
}

TEST(Types, CommitIdsReadBackWhatTheyPrint) {
  CommitId id;
  id.session = {1, 2, 3};
  id.number = 77;
  id.begun = Tid{0xABC};
  EXPECT_EQ(parse_commit_id(to_string(id)), id);
  EXPECT_FALSE(parse_commit_id(""));
  EXPECT_FALSE(parse_commit_id("00-1-2"));
  EXPECT_FALSE(parse_commit_id(to_string(id) + "-1"));
}

TEST(Types, BytesShareWhatTheyHold) {
  const Bytes bytes(std::string("abc"));
  const Bytes copy = bytes;
  EXPECT_EQ(copy.view().data(), bytes.view().data());
  EXPECT_EQ(copy, bytes);
  EXPECT_TRUE(Bytes().empty());
}

TEST(Types, ATidTellsItsTime) {
  const Tid tid{0x03CBD1D955555555};  // 2016-11-15
  const auto seconds = std::chrono::system_clock::to_time_t(time_of(tid));
  EXPECT_GT(seconds, 1'400'000'000);
  EXPECT_LT(seconds, 1'600'000'000);
}

}  // namespace
}  // namespace zeolite::client
