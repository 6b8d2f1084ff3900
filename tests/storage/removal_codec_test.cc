#include "storage/removal_codec.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "storage/store_builders.h"

namespace zeolite::storage::testing {
namespace {

using std::string_literals::operator""s;
using Keys = std::vector<RevisionKey>;

constexpr std::uint64_t kMaxOid = ~std::uint64_t{0};
constexpr std::uint64_t kPack = 1000;

std::string encoded(const Keys& keys, Tid pack_record = Tid(kPack)) {
  std::string bytes;
  put_removed(bytes, keys, pack_record);
  return bytes;
}

bool decodes(ByteView bytes, Keys& keys, Tid pack_record = Tid(kPack)) {
  keys.clear();
  ByteReader reader(bytes);
  return take_removed(reader, pack_record, keys) && reader.remaining() == 0;
}

// The keys as bytes behind their number.
bool decodes(std::uint32_t count, const std::string& steps) {
  std::string bytes;
  put_u32(bytes, count);
  Keys keys;
  return decodes(bytes + steps, keys);
}

TEST(RemovalCodec, ListsComeBack) {
  for (const Keys& keys :
       {Keys{}, Keys{key(0, 1)}, Keys{key(0, 999), key(0, 1), key(1, 999)},
        Keys{key(5, 10), key(kMaxOid, 20), key(kMaxOid, 3)}, Keys{key(kMaxOid, 1)}}) {
    Keys found;
    ASSERT_TRUE(decodes(encoded(keys), found));
    EXPECT_EQ(found, keys);
  }
  const Keys extremes = {key(0, kMaxTid.value() - 1), key(0, 1), key(9, kMaxTid.value() - 1)};
  Keys found;
  ASSERT_TRUE(decodes(encoded(extremes, kMaxTid), found, kMaxTid));
  EXPECT_EQ(found, extremes);
}

TEST(RemovalCodec, RandomListsComeBackAndEveryShorteningIsRefused) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    Keys keys;
    std::uint64_t oid = 0;
    for (std::uint64_t i = random() % 40; i > 0; --i) {
      oid += 1 + random() % (std::uint64_t{1} << (random() % 40));
      std::uint64_t tid = 1 + random() % (kPack - 1);
      for (std::uint64_t j = 1 + random() % 3; j > 0 && tid > 0; --j, tid = random() % tid) {
        keys.push_back(key(oid, tid));
      }
    }
    const std::string bytes = encoded(keys);
    Keys found;
    ASSERT_TRUE(decodes(bytes, found));
    ASSERT_EQ(found, keys);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_FALSE(decodes(ByteView(bytes).substr(0, size), found));
    }
  }
}

TEST(RemovalCodec, NeighboursOfOneTransactionTakeTwoBytesEach) {
  Keys keys;
  for (std::uint64_t oid = 100; oid < 600; ++oid) keys.push_back(key(oid, 400));
  EXPECT_EQ(encoded(keys).size(), 4 + 3 + 499 * 2U);
}

TEST(RemovalCodec, WhatIsNeverWrittenIsRefused) {
  EXPECT_TRUE(decodes(2, "\x01\x01\x00\x05"s)) << "an object's revision and its older one";
  EXPECT_FALSE(decodes(3, "\x01\x01\x00\x05"s)) << "more than there are";
  EXPECT_FALSE(decodes(1, "\x01\x01\x00\x05"s)) << "fewer";
  EXPECT_FALSE(decodes(~std::uint32_t{0}, "\x01\x01"s));
  EXPECT_FALSE(decodes(2, "\x01\x01\x00\x00"s)) << "the same one twice";
  EXPECT_FALSE(decodes(2, "\x01\x01\x00\xE7\x07"s)) << "tid 0";
  EXPECT_FALSE(decodes(1, "\x01\x00"s)) << "the pack's own tid";
  EXPECT_FALSE(decodes(1, "\x01\x02"s)) << "later than the pack";
  EXPECT_FALSE(decodes(1, "\x01\xCF\x0F"s)) << "tid 0";
  EXPECT_FALSE(decodes(1, "\x81\x00\x01"s)) << "a longer number than needed";
  EXPECT_FALSE(decodes(1, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02\x01"s)) << "65 bits";
  EXPECT_FALSE(decodes(1, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x81\x01\x01"s)) << "11 bytes";
  EXPECT_FALSE(decodes(2, "\x01\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x01"s))
      << "beyond the last object";
  Keys keys;
  EXPECT_FALSE(decodes(encoded({key(1, 5)}), keys, Tid(~std::uint64_t{0}))) << "no tid";
}

TEST(RemovalCodec, OrderIsThatOfAWalk) {
  EXPECT_TRUE(in_removal_order({}));
  EXPECT_TRUE(in_removal_order(Keys{key(1, 9), key(1, 2), key(2, 50)}));
  EXPECT_FALSE(in_removal_order(Keys{key(1, 2), key(1, 9)}));
  EXPECT_FALSE(in_removal_order(Keys{key(2, 2), key(1, 2)}));
  EXPECT_FALSE(in_removal_order(Keys{key(1, 2), key(1, 2)}));
}

TEST(RemovalCodec, OtherListsAreBugs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH((void)encoded({key(2, 1), key(1, 1)}), "in order");
  EXPECT_DEATH((void)encoded({key(1, kPack)}), "was there before it");
  EXPECT_DEATH((void)encoded({key(1, 0)}), "was there before it");
}

}  // namespace
}  // namespace zeolite::storage::testing
