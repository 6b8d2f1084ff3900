#include "maintenance/pack_marker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "storage/memory_object_store.h"
#include "storage/store_builders.h"
#include "support/zodb_record.h"

namespace zeolite::maintenance {
namespace {

using storage::testing::record;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

std::string refers(const std::vector<std::uint64_t>& strong,
                   const std::vector<std::uint64_t>& weak = {}) {
  return zodb_record("text", {strong.begin(), strong.end()}, {weak.begin(), weak.end()});
}

class PackMarkerTest : public testing::Test {
 protected:
  void append(const TransactionRecord& transaction) {
    ASSERT_TRUE(store_.append({&transaction, 1}).has_value());
  }
  // The objects below 20 that are marked as of `horizon`.
  std::vector<std::uint64_t> marked(std::uint64_t horizon, std::size_t batch = 3) {
    report_ = {};
    PackMarker marker(store_, Tid(horizon), report_);
    finish(marker, batch);
    certain_ = marker.certain();
    return marked(marker);
  }
  static void finish(PackMarker& marker, std::size_t batch) {
    while (marker.scan_log(batch).value()) {
    }
    while (marker.scan_marked(batch).value()) {
    }
    EXPECT_EQ(marker.marked_count(), marker.scanned_count());
  }
  static std::vector<std::uint64_t> marked(const PackMarker& marker) {
    std::vector<std::uint64_t> oids;
    for (std::uint64_t oid = 0; oid < 20; ++oid) {
      if (marker.marked(Oid(oid))) oids.push_back(oid);
    }
    return oids;
  }

  storage::MemoryObjectStore store_;
  PackReport report_;
  bool certain_ = false;
};

TEST_F(PackMarkerTest, FollowsReferencesFromTheRoot) {
  append(record(10)
             .data(0, refers({5, 1}))
             .data(1, refers({}))
             .data(2, refers({3}))
             .data(3, refers({2}))
             .data(4, refers({0}))
             .data(5, refers({4, 5})));
  EXPECT_THAT(marked(10), ElementsAre(0, 1, 4, 5));
  EXPECT_THAT(marked(10, 1), ElementsAre(0, 1, 4, 5));
  EXPECT_TRUE(certain_);
}

TEST_F(PackMarkerTest, WeakReferencesDoNotKeep) {
  append(record(10).data(0, refers({1}, {2})).data(1, refers({})).data(2, refers({})));
  EXPECT_THAT(marked(10), ElementsAre(0, 1));
}

TEST_F(PackMarkerTest, LooksAtWhatWasCurrentAtTheHorizon) {
  append(record(10).data(0, refers({1})).data(1, refers({})).data(2, refers({})));
  append(record(20).data(0, refers({2}), 10));
  EXPECT_THAT(marked(20), ElementsAre(0, 2));
}

TEST_F(PackMarkerTest, WhatWasWrittenLaterIsKeptWithItsReferences) {
  append(record(10)
             .data(0, refers({}))
             .data(1, refers({}))
             .data(2, refers({3}))
             .data(3, refers({}))
             .data(4, refers({})));
  append(record(20).data(2, refers({1}), 10));
  // 2 as of the horizon refers to 3, as of now to 1.
  EXPECT_THAT(marked(10), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(marked(20), ElementsAre(0));
}

TEST_F(PackMarkerTest, WhatAnUndoWentBackToIsKeptWithItsReferences) {
  append(record(10).data(0, refers({1})).data(1, refers({})).data(2, refers({})));
  append(record(20).data(0, refers({2}), 10));
  append(record(30).data(0, refers({}), 20));
  append(record(40).back(0, 10, 30));
  EXPECT_THAT(marked(30), ElementsAre(0, 1));
  EXPECT_THAT(marked(40), ElementsAre(0, 1));
}

TEST_F(PackMarkerTest, WhatWasDeletedLaterIsKeptAsItWas) {
  append(record(10).data(0, refers({})).data(1, refers({2})).data(2, refers({})));
  append(record(20).deletion(1, 10));
  EXPECT_THAT(marked(10), ElementsAre(0, 1, 2));
}

TEST_F(PackMarkerTest, GoesOnWithWhatIsCommittedMeanwhile) {
  append(record(10).data(0, refers({})).data(1, refers({2})).data(2, refers({})));
  PackMarker marker(store_, Tid(10), report_);
  finish(marker, 10);
  EXPECT_THAT(marked(marker), ElementsAre(0));
  append(record(20).data(0, refers({1}), 10));
  finish(marker, 10);
  EXPECT_THAT(marked(marker), ElementsAre(0, 1, 2));
  EXPECT_EQ(marker.scanned_to(), Tid(20));
}

TEST_F(PackMarkerTest, LongChainsInEitherDirection) {
  TransactionRecord up = record(10);
  constexpr std::uint64_t kCount = 3000;
  for (std::uint64_t oid = 0; oid < kCount; ++oid) {
    // 0 -> 2 -> 4 ... -> last -> ... 5 -> 3 -> 1
    const std::uint64_t next = oid % 2 == 0 ? std::min(oid + 2, kCount - 1) : oid - 2;
    const std::string content = oid == 1 ? refers({}) : refers({next});
    up.writes.push_back({Oid(oid), kNoTid, RevisionKind::data, Bytes(content), kNoTid});
  }
  append(up);
  PackMarker marker(store_, Tid(10), report_);
  finish(marker, 100);
  EXPECT_EQ(marker.marked_count(), kCount);
}

TEST_F(PackMarkerTest, ReferencesToNothingAreDangling) {
  append(record(10).data(0, refers({1, 2, 3, 4})).data(1, refers({9})).data(2, refers({})));
  append(record(20).deletion(2, 10));
  append(record(30).data(3, refers({})));
  EXPECT_THAT(marked(20), ElementsAre(0, 1, 2, 3, 4, 9));
  // 3 came later.
  EXPECT_EQ(report_.dangling_count, 3U);
  EXPECT_THAT(report_.dangling, UnorderedElementsAre(Oid(2), Oid(4), Oid(9)));
  EXPECT_TRUE(certain_);
}

TEST_F(PackMarkerTest, RecordThatIsNoPickleLeavesItUncertain) {
  append(record(10).data(0, refers({1})).data(1, "no pickle").data(2, "nor this"));
  EXPECT_THAT(marked(10), ElementsAre(0, 1));
  EXPECT_FALSE(certain_);
  EXPECT_EQ(report_.unreadable_count, 1U);
  ASSERT_EQ(report_.unreadable.size(), 1U);
  EXPECT_EQ(report_.unreadable[0].oid, Oid(1));
  EXPECT_EQ(report_.unreadable[0].tid, Tid(10));
  EXPECT_FALSE(report_.unreadable[0].reason.empty());
}

TEST_F(PackMarkerTest, MissingRootLeavesItUncertain) {
  append(record(10).data(1, refers({})));
  EXPECT_THAT(marked(10), ElementsAre(0));
  EXPECT_FALSE(certain_);
  EXPECT_TRUE(report_.root_missing);
  EXPECT_EQ(report_.dangling_count, 0U);
}

}  // namespace
}  // namespace zeolite::maintenance
