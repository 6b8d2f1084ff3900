#include "model/ids.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace zeolite {
namespace {

Id128 counting_id() {
  Id128 id;
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::uint8_t>(i * 16 + i);
  return id;
}

TEST(Ids, AreWrittenAsSixteenHexadecimalDigits) {
  EXPECT_EQ(to_hex(Oid(0)), "0000000000000000");
  EXPECT_EQ(to_hex(Oid(0x1F)), "000000000000001f");
  EXPECT_EQ(to_hex(Tid(0x03292acfb11228b3)), "03292acfb11228b3");
  EXPECT_EQ(to_hex(Tid(UINT64_MAX)), "ffffffffffffffff");
}

TEST(Ids, LongOnesAreWrittenAsThirtyTwoDigits) {
  EXPECT_EQ(to_hex(counting_id()), "00112233445566778899aabbccddeeff");
  EXPECT_EQ(to_hex(Id128{}), std::string(32, '0'));
}

TEST(Ids, AreReadFromOneToSixteenDigits) {
  EXPECT_EQ(parse_hex_u64("0"), 0U);
  EXPECT_EQ(parse_hex_u64("f"), 15U);
  EXPECT_EQ(parse_hex_u64("0x1F"), 31U);
  EXPECT_EQ(parse_hex_u64("123"), 0x123U);
  EXPECT_EQ(parse_hex_u64("FFFFFFFFFFFFFFFF"), UINT64_MAX);
  EXPECT_EQ(parse_hex_u64("0x03292acfb11228b3"), 0x03292acfb11228b3U);
}

TEST(Ids, AreNotReadFromAnythingElse) {
  for (const char* text : {"", "0x", "00000000000000001", "0x00000000000000001", "g", "1 ", " 1",
                           "-1", "+1", "0X1", "0x0x1", "1.0"}) {
    EXPECT_FALSE(parse_hex_u64(text)) << '\'' << text << '\'';
  }
}

TEST(Ids, StandBigEndianInKeys) {
  std::string out;
  put_oid(out, Oid(1));
  put_tid(out, Tid(0x0203));
  put_id128(out, counting_id());
  EXPECT_EQ(to_hex(ByteView(out)),
            "0000000000000001"
            "0000000000000203"
            "00112233445566778899aabbccddeeff");
}

TEST(Ids, LongOnesSurviveBytes) { EXPECT_EQ(id128_from(view_of(counting_id())), counting_id()); }

TEST(IdsDeathTest, ALongOneIsSixteenBytes) {
  EXPECT_DEATH(static_cast<void>(id128_from("too short")), "an Id128 is 16 bytes");
}

TEST(CommitId, IsEmptyWithoutASession) {
  EXPECT_TRUE((CommitId{{}, 7}).empty());
  EXPECT_FALSE((CommitId{counting_id(), 0}).empty());
}

TEST(CommitId, IsOrderedBySessionThenNumber) {
  const CommitId first{{}, 9};
  const CommitId second{counting_id(), 1};
  const CommitId third{counting_id(), 2};
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
}

TEST(CommitId, HashTellsNumbersAndSessionsApart) {
  std::set<std::size_t> hashes;
  for (std::uint64_t number = 0; number < 100; ++number) {
    hashes.insert(std::hash<CommitId>{}({counting_id(), number}));
    hashes.insert(std::hash<CommitId>{}({{}, number}));
  }
  EXPECT_EQ(hashes.size(), 200U);
}

}  // namespace
}  // namespace zeolite
