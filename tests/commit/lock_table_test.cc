#include "commit/lock_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <utility>
#include <vector>

namespace zeolite::commit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LockTableTest : public testing::Test {
 protected:
  using Objects = std::vector<std::uint64_t>;

  // Queues a new request; says whether it was granted at once.
  bool enqueue(std::uint64_t tag, const Objects& writes, const Objects& reads = {}) {
    LockTable::Request& request = requests_.emplace_back();
    request.tag = tag;
    for (const std::uint64_t oid : writes) request.add(Oid(oid), LockMode::exclusive);
    for (const std::uint64_t oid : reads) request.add(Oid(oid), LockMode::shared);
    const bool granted = table_.enqueue(request);
    EXPECT_EQ(granted, request.granted());
    table_.check_invariants();
    return granted;
  }
  // Releases a request; the tags of those that are granted by that.
  std::vector<std::uint64_t> release(std::uint64_t tag) {
    std::vector<LockTable::Request*> granted;
    table_.release(request(tag), granted);
    table_.check_invariants();
    std::vector<std::uint64_t> tags;
    for (const LockTable::Request* each : granted) {
      EXPECT_TRUE(each->granted());
      tags.push_back(each->tag);
    }
    return tags;
  }
  LockTable::Request& request(std::uint64_t tag) {
    return *std::ranges::find(requests_, tag, &LockTable::Request::tag);
  }
  void TearDown() override {
    for (LockTable::Request& each : requests_) {
      if (each.queued()) release(each.tag);
    }
    EXPECT_EQ(table_.objects(), 0U);
  }

  LockTable table_;
  std::deque<LockTable::Request> requests_;
};

TEST_F(LockTableTest, DisjointRequestsDoNotWait) {
  EXPECT_TRUE(enqueue(1, {1, 2}));
  EXPECT_TRUE(enqueue(2, {3, 4}));
  EXPECT_TRUE(enqueue(3, {5}, {6}));
  EXPECT_EQ(table_.objects(), 6U);
  EXPECT_THAT(release(2), IsEmpty());
}

TEST_F(LockTableTest, ARequestWithoutObjectsIsGranted) { EXPECT_TRUE(enqueue(1, {})); }

TEST_F(LockTableTest, WritersOfOneObjectGoInOrderOfArrival) {
  EXPECT_TRUE(enqueue(1, {7}));
  EXPECT_FALSE(enqueue(2, {7}));
  EXPECT_FALSE(enqueue(3, {7}));
  EXPECT_THAT(release(1), ElementsAre(2));
  EXPECT_FALSE(request(3).granted());
  EXPECT_THAT(release(2), ElementsAre(3));
}

TEST_F(LockTableTest, ReadersShareAnObject) {
  EXPECT_TRUE(enqueue(1, {}, {7}));
  EXPECT_TRUE(enqueue(2, {}, {7}));
  EXPECT_FALSE(enqueue(3, {7}));
  EXPECT_THAT(release(1), IsEmpty());
  EXPECT_THAT(release(2), ElementsAre(3));
}

TEST_F(LockTableTest, AReaderDoesNotOvertakeAWriterThatWaits) {
  EXPECT_TRUE(enqueue(1, {}, {7}));
  EXPECT_FALSE(enqueue(2, {7}));
  EXPECT_FALSE(enqueue(3, {}, {7}));
  EXPECT_FALSE(enqueue(4, {}, {7}));
  EXPECT_THAT(release(1), ElementsAre(2));
  EXPECT_THAT(release(2), ElementsAre(3, 4));
}

TEST_F(LockTableTest, AWaitingWriterThatGivesUpLetsReadersThrough) {
  EXPECT_TRUE(enqueue(1, {}, {7}));
  EXPECT_FALSE(enqueue(2, {7}));
  EXPECT_FALSE(enqueue(3, {}, {7}));
  EXPECT_FALSE(enqueue(4, {7}));
  EXPECT_FALSE(enqueue(5, {}, {7}));
  EXPECT_THAT(release(2), ElementsAre(3));
  EXPECT_THAT(release(3), IsEmpty());
  EXPECT_THAT(release(1), ElementsAre(4));
  EXPECT_THAT(release(4), ElementsAre(5));
}

TEST_F(LockTableTest, ARequestIsGrantedWhenItHoldsAllItsObjects) {
  EXPECT_TRUE(enqueue(1, {1}));
  EXPECT_TRUE(enqueue(2, {2}));
  EXPECT_FALSE(enqueue(3, {1, 2, 3}));
  EXPECT_EQ(request(3).waits_for(), Oid(1));
  EXPECT_THAT(release(1), IsEmpty());
  EXPECT_EQ(request(3).waits_for(), Oid(2));
  EXPECT_THAT(release(2), ElementsAre(3));
}

TEST_F(LockTableTest, OppositeOrdersDoNotDeadlock) {
  EXPECT_TRUE(enqueue(1, {1, 2}));
  EXPECT_FALSE(enqueue(2, {2, 1}));
  EXPECT_FALSE(enqueue(3, {1, 2}));
  EXPECT_THAT(release(1), ElementsAre(2));
  EXPECT_THAT(release(2), ElementsAre(3));
}

TEST_F(LockTableTest, AWaiterHoldsItsPlaceInQueuesThatAreFree) {
  EXPECT_TRUE(enqueue(1, {1}));
  EXPECT_FALSE(enqueue(2, {1, 2}));
  EXPECT_FALSE(enqueue(3, {2}));
  EXPECT_THAT(release(2), ElementsAre(3));
}

TEST_F(LockTableTest, NamingAnObjectTwiceIsABug) {
  LockTable table;
  LockTable::Request request;
  request.add(Oid(1), LockMode::exclusive);
  request.add(Oid(1), LockMode::shared);
  EXPECT_DEATH((void)table.enqueue(request), "named twice");
}

// Every request is granted in the end, and the holders of one object are always one writer or
// readers alone, whatever comes and goes.
TEST_F(LockTableTest, RandomTrafficKeepsTheRulesAndDrains) {
  std::mt19937_64 random(20'240);
  std::vector<std::uint64_t> live;
  for (std::uint64_t tag = 1; tag <= 3'000; ++tag) {
    Objects oids{0, 1, 2, 3, 4, 5, 6, 7};
    std::ranges::shuffle(oids, random);
    const auto writes = static_cast<std::ptrdiff_t>(random() % 3);
    const auto reads = static_cast<std::ptrdiff_t>(random() % 3);
    enqueue(tag, {oids.begin(), oids.begin() + writes},
            {oids.begin() + writes, oids.begin() + writes + reads});
    live.push_back(tag);
    while (live.size() > 12) {
      // Mostly a holder ends, sometimes a waiter gives up.
      auto victim = live.begin() + static_cast<std::ptrdiff_t>(random() % live.size());
      if (!request(*victim).granted() && random() % 4 != 0) continue;
      release(*victim);
      live.erase(victim);
    }
    // The oldest of all never waits.
    EXPECT_TRUE(request(live.front()).granted());
    requests_.front().queued() ? void() : requests_.pop_front();
  }
}

}  // namespace
}  // namespace zeolite::commit
