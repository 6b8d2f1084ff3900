#include "invalidation/subscription.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace zeolite::invalidation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Oid kA{1};
constexpr Oid kB{2};
constexpr std::size_t kQueueMax = 1 << 20;

// A connection that joined at tid 10, and what it was sent.
class SubscriptionTest : public testing::Test {
 protected:
  Subscription::Offer offer(std::uint64_t tid, std::vector<Oid> oids = {kA}, bool own = false) {
    return subscription_.offer(std::make_shared<InvalidationBatch>(Tid(tid), std::move(oids)), own,
                               sent_);
  }
  [[nodiscard]] std::vector<std::uint64_t> sent_tids() const {
    std::vector<std::uint64_t> tids;
    tids.reserve(sent_.size());
    for (const BatchPtr& batch : sent_) tids.push_back(batch->tid().value());
    return tids;
  }

  Subscription subscription_{Tid(10), kQueueMax};
  std::vector<BatchPtr> sent_;
};

TEST_F(SubscriptionTest, IsCatchingUpFirst) {
  EXPECT_EQ(subscription_.state(), Subscription::State::catching_up);
  EXPECT_EQ(subscription_.line(), kNoTid);
  subscription_.caught_up(Tid(10), sent_);
  EXPECT_EQ(subscription_.state(), Subscription::State::live);
  EXPECT_EQ(subscription_.line(), Tid(10));
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(SubscriptionTest, LiveBatchesGoStraightThrough) {
  subscription_.caught_up(Tid(10), sent_);
  EXPECT_EQ(offer(11), Subscription::Offer::taken);
  EXPECT_THAT(sent_tids(), ElementsAre(11));
  EXPECT_EQ(subscription_.line(), Tid(11));
}

TEST_F(SubscriptionTest, TheServersOwnRecordsMoveTheLineButAreNotSent) {
  subscription_.caught_up(Tid(10), sent_);
  (void)offer(11, {});
  EXPECT_THAT(sent_, IsEmpty());
  EXPECT_EQ(subscription_.line(), Tid(11));
}

TEST_F(SubscriptionTest, ABoundedQueueOverflowsForGood) {
  Subscription small(Tid(10), 3'000);
  const auto large = [](std::uint64_t tid) {
    return std::make_shared<InvalidationBatch>(Tid(tid), std::vector<Oid>(200));
  };
  const BatchPtr first = large(11);
  EXPECT_EQ(small.offer(first, false, sent_), Subscription::Offer::taken);
  EXPECT_EQ(first.use_count(), 2) << "it waits";
  EXPECT_EQ(small.offer(large(12), false, sent_), Subscription::Offer::overflow);
  EXPECT_EQ(first.use_count(), 1) << "memory is given back at once";
  EXPECT_EQ(small.offer(large(13), false, sent_), Subscription::Offer::overflow);
  small.caught_up(Tid(10), sent_);
  EXPECT_EQ(small.line(), kNoTid) << "a gap is never papered over";
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(SubscriptionTest, MisuseIsABug) {
  EXPECT_DEATH((void)offer(10), "tid order");
  EXPECT_DEATH(subscription_.caught_up(Tid(9), sent_), "joined");
  subscription_.caught_up(Tid(10), sent_);
  EXPECT_DEATH(subscription_.caught_up(Tid(10), sent_), "once");
}

// docs/ordering.md, I1: commit events of a connection are in strictly increasing tid order.
TEST_F(SubscriptionTest, WaitingBatchesAreSentInOrderAfterTheCatchUp) {
  for (std::uint64_t tid = 11; tid <= 15; ++tid) (void)offer(tid);
  EXPECT_THAT(sent_, IsEmpty());
  // The log was read up to 12, which is further than the connection had joined at.
  subscription_.caught_up(Tid(12), sent_);
  EXPECT_THAT(sent_tids(), ElementsAre(13, 14, 15)) << "none twice, none left out";
  (void)offer(16);
  EXPECT_THAT(sent_tids(), ElementsAre(13, 14, 15, 16));
}

TEST_F(SubscriptionTest, ACatchUpMayReachFurtherThanWhatWasOffered) {
  (void)offer(11);
  subscription_.caught_up(Tid(13), sent_);
  (void)offer(12);
  (void)offer(13);
  EXPECT_THAT(sent_, IsEmpty());
  EXPECT_EQ(subscription_.line(), Tid(13));
  (void)offer(14);
  EXPECT_THAT(sent_tids(), ElementsAre(14));
}

TEST_F(SubscriptionTest, RandomTrafficIsSentOnceAndInOrder) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 500; ++round) {
    Subscription subscription(Tid(10), kQueueMax);
    std::vector<BatchPtr> out;
    std::vector<Tid> expected;
    const Tid caught_up_at(10 + random() % 20);
    const std::uint64_t caught_up_after = 10 + random() % 40;
    for (std::uint64_t tid = 11; tid <= 50; ++tid) {
      if (tid == caught_up_after + 1) subscription.caught_up(caught_up_at, out);
      const bool own = random() % 5 == 0;
      const bool empty = random() % 5 == 0;
      (void)subscription.offer(
          std::make_shared<InvalidationBatch>(Tid(tid), std::vector<Oid>(empty ? 0U : 1U)), own,
          out);
      if (!own && !empty && Tid(tid) > caught_up_at) expected.emplace_back(tid);
    }
    if (caught_up_after == 10) continue;  // never live: nothing may have been sent
    std::vector<Tid> sent;
    sent.reserve(out.size());
    for (const BatchPtr& batch : out) sent.push_back(batch->tid());
    ASSERT_EQ(sent, expected);
  }
}

}  // namespace
}  // namespace zeolite::invalidation
