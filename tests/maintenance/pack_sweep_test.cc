#include "maintenance/pack_sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "maintenance/store_removal_log.h"
#include "storage/memory_object_store.h"
#include "storage/store_builders.h"

namespace zeolite::maintenance {
namespace {

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

  // The number of keys in each removal record.
  std::vector<std::size_t> removals() const {
    std::vector<std::size_t> sizes;
    const auto log = store_.read_log_back(kMaxTid, {.entries = 100'000}).value();
    for (const LogEntry& entry : log) {
      if (entry.kind == RecordKind::removal) sizes.insert(sizes.begin(), entry.removed.size());
    }
    return sizes;
  }

  storage::MemoryObjectStore store_;
  StoreRemovalLog log_{store_};
  PackReport report_;
};

TEST_F(PackSweepTest, CountsWhatItSawAndRemoved) {
  append(record(10).data(1, "12345").data(2, "x"));
  append(record(20).data(1, "123", 10).deletion(2, 10));
  append(record(30).data(1, "1", 20));
  pack(40, 30);
  PackSweep sweep(&log_, store_, Tid(30), report_);
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
  PackSweep sweep(nullptr, store_, Tid(20), report_);
  steps(sweep, 10);
  EXPECT_EQ(report_.removed_revisions, 1U);
  EXPECT_EQ(stored(), 2U);
}

TEST_F(PackSweepTest, ReadsWholeObjectsAndRemovesLongHistories) {
  for (std::uint64_t tid = 1; tid <= 2500; ++tid) append(record(tid).data(1, "x", tid - 1));
  append(record(2501).data(2, "x").data(3, "x"));
  pack(2502, 2501);
  PackSweep sweep(&log_, store_, Tid(2501), report_);
  EXPECT_EQ(steps(sweep, 2), 3U);
  EXPECT_EQ(report_.removed_revisions, 2499U);
  EXPECT_EQ(report_.removed_bytes, 2499U);
  EXPECT_EQ(stored(), 3U);
}

TEST_F(PackSweepTest, LastObjectThereCanBeEndsIt) {
  append(record(10).data(~0ULL, "x"));
  append(record(20).data(~0ULL, "y", 10));
  pack(30, 20);
  PackSweep sweep(&log_, store_, Tid(20), report_);
  EXPECT_EQ(steps(sweep, 1), 1U);
  EXPECT_FALSE(sweep.step(1, [](Oid) { return true; }).value());
  EXPECT_EQ(stored(), 1U);
}

TEST_F(PackSweepTest, RemovalsAreOfBoundedSizeAndOfWholeObjects) {
  TransactionRecord first = record(10);
  TransactionRecord second = record(20);
  for (std::uint64_t oid = 1; oid <= 700; ++oid) {
    first.writes.push_back({Oid(oid), kNoTid, RevisionKind::data, Bytes::copy_of("x"), kNoTid});
    second.writes.push_back({Oid(oid), Tid(10), RevisionKind::data, Bytes::copy_of("x"), kNoTid});
  }
  append(first);
  append(second);
  for (std::uint64_t tid = 21; tid <= 420; ++tid) append(record(tid).data(300, "x", tid - 1));
  pack(430, 420);
  PackSweep sweep(&log_, store_, Tid(420), report_);
  EXPECT_EQ(steps(sweep, 100'000), 2U);
  EXPECT_THAT(removals(), ElementsAre(299, 401 + 99, 301));
  EXPECT_EQ(report_.removed_revisions, 1100U);
  EXPECT_EQ(stored(), 700U);
}

// Between the records of a long history nobody sees what was hidden, nor a back-pointer to nothing.
TEST_F(PackSweepTest, WhatIsCurrentGoesLast) {
  for (const bool deleted : {true, false}) {
    storage::MemoryObjectStore store;
    const auto add = [&store](const TransactionRecord& transaction) {
      ASSERT_TRUE(store.append({&transaction, 1}).has_value());
    };
    for (std::uint64_t tid = 1; tid <= 1200; ++tid) {
      add(tid % 10 == 5 ? record(tid).back(1, tid - 1, tid - 1)
                        : record(tid).data(1, "x", tid - 1));
    }
    add(deleted ? record(1201).deletion(1, 1200) : record(1201).back(1, 600, 1200));
    add(record(1202, RecordKind::pack).pack(1201));
    struct WatchedLog final : RemovalLog {
      explicit WatchedLog(storage::MemoryObjectStore& watched) : store(watched), log(watched) {}
      Result<std::uint64_t> remove(std::span<const RevisionKey> keys) override {
        sizes.push_back(keys.size());
        auto removed = log.remove(keys);
        const auto left = store.revisions_from(Oid(0), 10'000).value();
        if (!left.empty()) {
          EXPECT_EQ(left.front().key.tid, Tid(1201));
        }
        for (const StoredRevision& revision : left) {
          if (revision.kind != RevisionKind::back_pointer) continue;
          const RevisionKey target{Oid(1), revision.back};
          EXPECT_NE(std::ranges::find(left, target, &StoredRevision::key), left.end());
        }
        return removed;
      }
      Result<> complete() override { return log.complete(); }
      storage::MemoryObjectStore& store;
      StoreRemovalLog log;
      std::vector<std::size_t> sizes;
    } log(store);
    PackSweep sweep(&log, store, Tid(1201), report_);
    EXPECT_TRUE(sweep.step(10, [](Oid) { return false; }).has_value());
    EXPECT_THAT(log.sizes, ElementsAre(201, 500, 500));
    EXPECT_TRUE(store.revisions_from(Oid(0), 10).value().empty());
  }
}

TEST_F(PackSweepTest, CountsBlobsWhenItCountsOnly) {
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
  PackSweep sweep(nullptr, store_, Tid(40), report_);
  while (sweep.find_blobs(1).value()) {
  }
  EXPECT_EQ(sweep.blobs_found_to(), Tid(40));
  steps(sweep, 10);
  EXPECT_EQ(report_.removed_blobs, 1U);
}

}  // namespace
}  // namespace zeolite::maintenance
