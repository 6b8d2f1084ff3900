#include "client/object_cache.h"

#include <gtest/gtest.h>

namespace zeolite::client_core {
namespace {

RecordPtr record(const std::string& text) { return std::make_shared<const std::string>(text); }

std::string found(ObjectCache& cache, std::uint64_t oid, std::uint64_t snapshot) {
  const auto revision = cache.find(Oid(oid), Tid(snapshot));
  return revision ? *revision->data : "(miss)";
}

void insert(ObjectCache& cache, std::uint64_t oid, std::uint64_t tid, std::uint64_t end,
            const std::string& text) {
  cache.insert(Oid(oid), {Tid(tid), Tid(end), record(text)});
}

TEST(ObjectCache, CurrentRevisionServesEverySnapshotFromItsTidOn) {
  ObjectCache cache(1 << 20);
  insert(cache, 1, 10, 0, "a");
  EXPECT_EQ(found(cache, 1, 9), "(miss)");
  EXPECT_EQ(found(cache, 1, 10), "a");
  EXPECT_EQ(found(cache, 1, 1000), "a");
  EXPECT_EQ(found(cache, 2, 1000), "(miss)");
}

TEST(ObjectCache, InvalidationEndsTheCurrentRevisionAtItsTid) {
  ObjectCache cache(1 << 20);
  insert(cache, 1, 10, 0, "a");
  cache.invalidate(Oid(1), Tid(20));
  EXPECT_EQ(found(cache, 1, 19), "a");
  EXPECT_EQ(found(cache, 1, 20), "(miss)");
  cache.invalidate(Oid(1), Tid(30));  // the interval stays as it was closed
  EXPECT_EQ(found(cache, 1, 25), "(miss)");
}

TEST(ObjectCache, KeepsOldAndNewRevisionsForTheirSnapshots) {
  ObjectCache cache(1 << 20);
  insert(cache, 1, 10, 0, "a");
  cache.invalidate(Oid(1), Tid(20));
  insert(cache, 1, 20, 0, "b");
  insert(cache, 1, 5, 10, "older");
  EXPECT_EQ(found(cache, 1, 7), "older");
  EXPECT_EQ(found(cache, 1, 15), "a");
  EXPECT_EQ(found(cache, 1, 20), "b");
}

TEST(ObjectCache, TidsOrderRevisionsWhateverTheirEndsSay) {
  ObjectCache cache(1 << 20);
  insert(cache, 1, 20, 0, "b");
  insert(cache, 1, 10, 0, "a");
  EXPECT_EQ(found(cache, 1, 15), "a");
  EXPECT_EQ(found(cache, 1, 25), "b");
  insert(cache, 1, 30, 0, "c");
  EXPECT_EQ(found(cache, 1, 29), "b");
  EXPECT_EQ(found(cache, 1, 30), "c");
}

TEST(ObjectCache, TheSameRevisionAgainReplacesItsInterval) {
  ObjectCache cache(1 << 20);
  insert(cache, 1, 10, 15, "a");
  insert(cache, 1, 10, 0, "a");
  EXPECT_EQ(found(cache, 1, 18), "a");
  EXPECT_EQ(cache.counters().revisions, 1U);
}

TEST(ObjectCache, TruncateKeepsOnlyWhatIsCertainAtThePosition) {
  ObjectCache cache(1 << 20);
  insert(cache, 1, 10, 0, "a");
  cache.truncate(Oid(1), Tid(50));
  EXPECT_EQ(found(cache, 1, 50), "a");
  EXPECT_EQ(found(cache, 1, 51), "(miss)");
  insert(cache, 2, 60, 0, "from a lost history");
  cache.truncate(Oid(2), Tid(50));
  EXPECT_EQ(found(cache, 2, 70), "(miss)");
}

TEST(ObjectCache, StaysWithinItsBytesAndKeepsWhatIsUsed) {
  ObjectCache cache(100'000);
  insert(cache, 1, 10, 0, "hot");
  for (std::uint64_t oid = 2; oid < 2000; ++oid) {
    insert(cache, oid, 10, 0, std::string(500, 'x'));
    ASSERT_EQ(found(cache, 1, 10), "hot") << oid;
    ASSERT_LE(cache.counters().bytes, 100'000U);
  }
  EXPECT_GT(cache.counters().evictions, 1000U);
}

TEST(ObjectCache, ReplacingARevisionByOneTooLargeForgetsTheObject) {
  ObjectCache cache(10'000);
  insert(cache, 1, 10, 0, "a");
  insert(cache, 1, 20, 0, std::string(9'000, 'x'));
  EXPECT_EQ(found(cache, 1, 30), "(miss)");
}

TEST(ObjectCache, KeepsABoundedNumberOfRevisionsOfOneObject) {
  ObjectCache cache(1 << 20);
  for (std::uint64_t tid = 1; tid <= 100; ++tid) insert(cache, 1, tid, 0, std::to_string(tid));
  EXPECT_EQ(cache.counters().revisions, ObjectCache::kRevisionsMax);
  EXPECT_EQ(found(cache, 1, 100), "100");
  EXPECT_EQ(found(cache, 1, 94), "94");
  EXPECT_EQ(found(cache, 1, 50), "(miss)");
}

TEST(ObjectCache, OfNoBytesKeepsNothing) {
  ObjectCache cache(0);
  insert(cache, 1, 10, 0, "a");
  EXPECT_EQ(found(cache, 1, 10), "(miss)");
}

TEST(ObjectCache, ForgetsAndClears) {
  ObjectCache cache(64 << 20);
  ASSERT_GT(cache.shard_count(), 1U);
  for (std::uint64_t oid = 0; oid < 100; ++oid) {
    insert(cache, oid, 10, 20, "a");
    insert(cache, oid, 20, 0, "b");
  }
  cache.forget(Oid(7));
  EXPECT_EQ(found(cache, 7, 10), "(miss)");
  EXPECT_EQ(cache.counters().revisions, 198U);
  cache.clear();
  EXPECT_EQ(cache.counters().revisions, 0U);
  EXPECT_EQ(cache.counters().bytes, 0U);
  EXPECT_EQ(found(cache, 8, 10), "(miss)");
}

TEST(ObjectCache, SavesWhatItKnewAtThePosition) {
  ObjectCache cache(1 << 20);
  insert(cache, 1, 10, 20, "closed before");
  insert(cache, 1, 20, 60, "closed after");
  insert(cache, 1, 60, 0, "after");
  std::vector<ObjectCache::Saved> saved;
  cache.save_shard(0, Tid(50), saved);
  ASSERT_EQ(saved.size(), 2U);
  EXPECT_EQ(saved[0].revision.end, Tid(20));
  EXPECT_EQ(*saved[1].revision.data, "closed after");
  EXPECT_EQ(saved[1].revision.end, kNoTid);
}

}  // namespace
}  // namespace zeolite::client_core
