#include "maintenance/pack_sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "storage/memory_object_store.h"
#include "storage/store_builders.h"

namespace zeolite::maintenance {
namespace {

using storage::RevisionKey;
using storage::StoredRevision;
using storage::testing::record;
using testing::ElementsAre;
using testing::IsEmpty;

StoredRevision data(std::uint64_t tid) { return {{Oid(1), Tid(tid)}, RevisionKind::data, kNoTid}; }
StoredRevision back(std::uint64_t tid, std::uint64_t to) {
  return {{Oid(1), Tid(tid)}, RevisionKind::back_pointer, Tid(to)};
}
StoredRevision gone(std::uint64_t tid) {
  return {{Oid(1), Tid(tid)}, RevisionKind::deletion, kNoTid};
}

// What goes of an object, with the horizon at 50.
std::vector<std::uint64_t> removable(const std::vector<StoredRevision>& object, bool kept = true) {
  std::vector<RevisionKey> keys;
  select_removable(object, Tid(50), kept, keys);
  std::vector<std::uint64_t> tids;
  for (const RevisionKey& key : keys) tids.push_back(key.tid.value());
  return tids;
}

TEST(SelectRemovable, OlderThanTheCurrentOneGoes) {
  EXPECT_THAT(removable({data(40), data(30), gone(20), data(10)}), ElementsAre(30, 20, 10));
  EXPECT_THAT(removable({data(50), data(30)}), ElementsAre(30));
}

TEST(SelectRemovable, LaterThanTheHorizonStays) {
  EXPECT_THAT(removable({gone(80), data(70), back(60, 40), data(40), data(30)}), ElementsAre(30));
  EXPECT_THAT(removable({data(70), data(51)}), IsEmpty());
}

TEST(SelectRemovable, TargetsOfWhatStaysStay) {
  EXPECT_THAT(removable({back(60, 20), data(40), data(30), data(20), data(10)}),
              ElementsAre(30, 10));
  EXPECT_THAT(removable({back(40, 20), data(30), data(20), data(10)}), ElementsAre(30, 10));
  EXPECT_THAT(removable({back(60, 20), back(40, 10), data(30), data(20), data(10)}),
              ElementsAre(30));
}

TEST(SelectRemovable, TargetsOfWhatGoesGo) {
  EXPECT_THAT(removable({data(40), back(30, 10), data(20), data(10)}), ElementsAre(30, 20, 10));
}

TEST(SelectRemovable, DeletionThatIsCurrentGoes) {
  EXPECT_THAT(removable({gone(40), data(30)}), ElementsAre(40, 30));
  EXPECT_THAT(removable({data(70), gone(40), data(30)}), ElementsAre(40, 30));
}

TEST(SelectRemovable, DeletionStaysAboveWhatStays) {
  EXPECT_THAT(removable({back(60, 20), gone(40), data(30), data(20)}), ElementsAre(30));
}

TEST(SelectRemovable, GarbageGoesWhole) {
  EXPECT_THAT(removable({back(40, 20), data(30), data(20)}, false), ElementsAre(40, 30, 20));
}

TEST(SelectRemovable, WhatWasWrittenLaterIsNoGarbage) {
  EXPECT_THAT(removable({data(60), data(40), data(30)}, false), ElementsAre(30));
}

class PackSweepTest : public testing::Test {
 protected:
  void append(const TransactionRecord& transaction) {
    ASSERT_TRUE(store_.append({&transaction, 1}).has_value());
  }
  void pack(std::uint64_t tid, std::uint64_t horizon) {
    TransactionRecord packed = record(tid, RecordKind::pack);
    packed.pack_horizon = Tid(horizon);
    append(packed);
  }
  std::size_t steps(PackSweep& sweep, std::size_t count) {
    std::size_t steps = 1;
    while (sweep.step(count, [](Oid) { return true; }).value()) ++steps;
    return steps;
  }
  std::size_t stored() const { return store_.revisions_from(Oid(0), 1'000'000).value().size(); }

  storage::MemoryObjectStore store_;
  PackReport report_;
};

TEST_F(PackSweepTest, CountsWhatItSawAndRemoved) {
  append(record(10).data(1, "12345").data(2, "x"));
  append(record(20).data(1, "123", 10).deletion(2, 10));
  append(record(30).data(1, "1", 20));
  pack(40, 30);
  PackSweep sweep(&store_, store_, Tid(30), report_, {});
  steps(sweep, 1);
  EXPECT_EQ(report_.objects, 2U);
  EXPECT_EQ(report_.revisions, 5U);
  EXPECT_EQ(report_.removed_objects, 1U);
  EXPECT_EQ(report_.removed_revisions, 4U);
  EXPECT_EQ(report_.removed_bytes, 5U + 3 + 1);
  EXPECT_EQ(stored(), 1U);
}

TEST_F(PackSweepTest, WithoutAStoreItCountsOnly) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  PackSweep sweep(nullptr, store_, Tid(20), report_, {});
  steps(sweep, 10);
  EXPECT_EQ(report_.removed_revisions, 1U);
  EXPECT_EQ(stored(), 2U);
}

TEST_F(PackSweepTest, ReadsWholeObjectsAndRemovesLongHistories) {
  for (std::uint64_t tid = 1; tid <= 2500; ++tid) append(record(tid).data(1, "x", tid - 1));
  append(record(2501).data(2, "x").data(3, "x"));
  pack(2502, 2501);
  PackSweep sweep(&store_, store_, Tid(2501), report_, {});
  EXPECT_EQ(steps(sweep, 2), 3U);
  EXPECT_EQ(report_.removed_revisions, 2499U);
  EXPECT_EQ(report_.removed_bytes, 2499U);
  EXPECT_EQ(stored(), 3U);
}

TEST_F(PackSweepTest, LastObjectThereCanBeEndsIt) {
  append(record(10).data(~0ULL, "x"));
  append(record(20).data(~0ULL, "y", 10));
  pack(30, 20);
  PackSweep sweep(&store_, store_, Tid(20), report_, {});
  EXPECT_EQ(steps(sweep, 1), 1U);
  EXPECT_FALSE(sweep.step(1, [](Oid) { return true; }).value());
  EXPECT_EQ(stored(), 1U);
}

TEST_F(PackSweepTest, TellsOfRemovedBlobs) {
  TransactionRecord first = record(10).data(1, "a").data(2, "x");
  first.writes[0].blob = BlobInfo{5, {}};
  append(first);
  TransactionRecord second = record(20).data(1, "b", 10);
  append(second);
  append(record(30).back(1, 10, 20).data(2, "y", 10));
  TransactionRecord third = record(40).data(1, "d", 30).data(3, "p");
  third.writes[0].blob = BlobInfo{6, {}};
  third.writes[1].blob = BlobInfo{7, {}};
  append(third);
  pack(50, 40);
  std::vector<RevisionKey> told;
  PackSweep sweep(&store_, store_, Tid(40), report_, [&](std::span<const RevisionKey> keys) {
    told.insert(told.end(), keys.begin(), keys.end());
  });
  while (sweep.find_blobs(1).value()) {
  }
  EXPECT_EQ(sweep.blobs_found_to(), Tid(40));
  steps(sweep, 10);
  EXPECT_THAT(told, ElementsAre(RevisionKey{Oid(1), Tid(10)}));
  EXPECT_EQ(report_.removed_blobs, 1U);
}

}  // namespace
}  // namespace zeolite::maintenance
