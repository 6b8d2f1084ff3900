#include "invalidation/line_history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

namespace zeolite::invalidation {
namespace {

constexpr Oid kA{1};
constexpr Oid kB{2};

class LineHistoryTest : public testing::Test {
 protected:
  LineHistoryTest() { add(10, {}); }
  void add(std::uint64_t tid, const std::vector<Oid>& oids) { history_.add(Tid(tid), oids); }

  LineHistory history_;
};

TEST_F(LineHistoryTest, KeepsNothingWithoutReads) {
  add(11, {kA});
  EXPECT_EQ(history_.size(), 0U);
}

TEST_F(LineHistoryTest, FindsTheFirstEndAfterTheLine) {
  history_.pin(Tid(10));
  add(11, {kB});
  add(12, {kA, kB});
  add(13, {kA});
  EXPECT_EQ(history_.end_after(kA, Tid(10)), Tid(12));
  EXPECT_EQ(history_.end_after(kB, Tid(10)), Tid(11));
  EXPECT_EQ(history_.end_after(Oid(3), Tid(10)), std::nullopt);
}

TEST_F(LineHistoryTest, LooksNoFurtherThanTheConnectionsLine) {
  history_.pin(Tid(10));
  add(11, {});
  add(12, {kA});
  EXPECT_EQ(history_.end_after(kA, Tid(10), Tid(11)), std::nullopt);
  EXPECT_EQ(history_.end_after(kA, Tid(10), Tid(12)), Tid(12));
}

TEST_F(LineHistoryTest, EachReadLooksFromItsOwnLine) {
  history_.pin(Tid(10));
  add(11, {kA});
  history_.pin(Tid(11));
  add(12, {kA});
  EXPECT_EQ(history_.end_after(kA, Tid(10)), Tid(11));
  EXPECT_EQ(history_.end_after(kA, Tid(11)), Tid(12));
}

TEST_F(LineHistoryTest, TellsAllThatWasPublishedAfterALine) {
  history_.pin(Tid(10));
  add(11, {kA});
  add(12, {});
  add(13, {kA, kB});
  std::vector<Oid> oids = {kB};
  EXPECT_EQ(history_.collect_after(Tid(11), oids), 1U);
  EXPECT_EQ(oids, (std::vector{kB, kA, kB}));
  EXPECT_EQ(history_.collect_after(Tid(10), oids), 2U);
  EXPECT_EQ(oids.size(), 6U);
  EXPECT_EQ(history_.collect_after(Tid(13), oids), 0U);
}

TEST_F(LineHistoryTest, DropsWhatIsBelowTheLowestPin) {
  history_.pin(Tid(10));
  add(11, {kA});
  history_.pin(Tid(11));
  add(12, {kA});
  add(13, {});
  EXPECT_EQ(history_.size(), 2U) << "an empty batch ends nothing";
  history_.unpin(Tid(10));
  EXPECT_EQ(history_.size(), 1U);
  EXPECT_EQ(history_.end_after(kA, Tid(11)), Tid(12));
  history_.unpin(Tid(11));
  EXPECT_EQ(history_.size(), 0U);
}

TEST_F(LineHistoryTest, PinsOfOneLineAreCounted) {
  history_.pin(Tid(10));
  history_.pin(Tid(10));
  add(11, {kA});
  history_.unpin(Tid(10));
  EXPECT_EQ(history_.end_after(kA, Tid(10)), Tid(11));
  history_.pin(Tid(10));  // pinned already, so it may be pinned again
  history_.unpin(Tid(10));
  history_.unpin(Tid(10));
  EXPECT_EQ(history_.size(), 0U);
}

TEST_F(LineHistoryTest, ALaggingConnectionMovesItsPinAlong) {
  history_.pin(Tid(10));
  add(11, {kB});
  add(12, {kA});
  history_.pin(Tid(11));
  history_.unpin(Tid(10));
  EXPECT_EQ(history_.size(), 1U);
  EXPECT_EQ(history_.end_after(kA, Tid(11)), Tid(12));
}

TEST_F(LineHistoryTest, SharesABatch) {
  const auto batch = std::make_shared<InvalidationBatch>(Tid(11), std::vector{kA});
  history_.pin(Tid(10));
  history_.add(batch);
  EXPECT_EQ(batch.use_count(), 2);
  history_.unpin(Tid(10));
  EXPECT_EQ(batch.use_count(), 1);
}

TEST_F(LineHistoryTest, AFreshHistoryMayBePinnedAtAnyLine) {
  LineHistory history;
  history.pin(Tid(500));
  history.add(Tid(501), std::vector{kA});
  EXPECT_EQ(history.end_after(kA, Tid(500)), Tid(501));
}

TEST_F(LineHistoryTest, MisuseIsABug) {
  add(11, {});
  EXPECT_DEATH(add(11, {}), "tid order");
  EXPECT_DEATH(history_.pin(Tid(10)), "forgotten");
  EXPECT_DEATH(history_.unpin(Tid(10)), "pinned");
  EXPECT_DEATH((void)history_.end_after(kA, Tid(10)), "forgotten");
}

// Against a plain list of everything that was ever added.
TEST_F(LineHistoryTest, RandomReadsSeeWhatAFullHistoryShows) {
  std::mt19937_64 random(77);
  std::map<Tid, std::vector<Oid>> everything;
  std::vector<Tid> reads;
  std::uint64_t tid = 10;
  for (int step = 0; step < 5'000; ++step) {
    switch (random() % 3) {
      case 0: {
        std::vector<Oid> oids(random() % 4);
        for (Oid& oid : oids) oid = Oid(random() % 20);
        add(++tid, oids);
        everything[Tid(tid)] = oids;
        break;
      }
      case 1:
        history_.pin(Tid(tid));
        reads.emplace_back(tid);
        break;
      default:
        if (reads.empty()) break;
        const std::size_t i = random() % reads.size();
        const Oid oid(random() % 20);
        const Tid until(tid - random() % (tid - reads[i].value() + 1));
        std::optional<Tid> expected;
        for (auto it = everything.upper_bound(reads[i]);
             it != everything.end() && it->first <= until && !expected; ++it) {
          if (std::ranges::find(it->second, oid) != it->second.end()) expected = it->first;
        }
        ASSERT_EQ(history_.end_after(oid, reads[i], until), expected);
        history_.unpin(reads[i]);
        reads[i] = reads.back();
        reads.pop_back();
    }
  }
}

}  // namespace
}  // namespace zeolite::invalidation
