#include "server/record_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace zeolite::server {
namespace {

Bytes record(std::size_t size) { return Bytes(std::string(size, 'r')); }

TEST(RecordCache, GivesBackWhatWasInserted) {
  RecordCache cache(100'000);
  cache.insert(Oid(1), Tid(10), Bytes(std::string("state")));
  const RecordCache::Entry* entry = cache.find(Oid(1));
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->tid, Tid(10));
  EXPECT_EQ(entry->data.view(), "state");
  EXPECT_EQ(cache.find(Oid(2)), nullptr);
}

TEST(RecordCache, ForgetsWhatIsErasedOrReplaced) {
  RecordCache cache(100'000);
  cache.insert(Oid(1), Tid(10), record(100));
  const std::size_t bytes = cache.bytes();
  cache.insert(Oid(1), Tid(20), record(100));
  EXPECT_EQ(cache.find(Oid(1))->tid, Tid(20));
  EXPECT_EQ(cache.bytes(), bytes);
  cache.erase(Oid(1));
  cache.erase(Oid(1));
  EXPECT_EQ(cache.find(Oid(1)), nullptr);
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST(RecordCache, DropsWhatWasNotAskedForLongest) {
  RecordCache cache(10'000);
  for (std::uint64_t i = 0; i < 9; ++i) cache.insert(Oid(i), Tid(1), record(900));
  ASSERT_NE(cache.find(Oid(0)), nullptr);  // used again: now the newest
  cache.insert(Oid(100), Tid(1), record(900));
  EXPECT_NE(cache.find(Oid(0)), nullptr);
  EXPECT_EQ(cache.find(Oid(1)), nullptr);
  EXPECT_LE(cache.bytes(), 10'000U);
}

TEST(RecordCache, DoesNotKeepARecordThatWouldPushOutTheRest) {
  RecordCache cache(10'000);
  cache.insert(Oid(1), Tid(1), record(100));
  cache.insert(Oid(2), Tid(1), record(5'000));
  EXPECT_EQ(cache.find(Oid(2)), nullptr);
  EXPECT_NE(cache.find(Oid(1)), nullptr);
}

TEST(RecordCache, OfSizeZeroKeepsNothing) {
  RecordCache cache(0);
  cache.insert(Oid(1), Tid(1), record(1));
  EXPECT_EQ(cache.size(), 0U);
}

}  // namespace
}  // namespace zeolite::server
