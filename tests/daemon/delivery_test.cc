#include "daemon/delivery.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace zeolite::daemon {
namespace {

using Publish = commit::CommitEffects::Publish;
using Shards = std::vector<std::size_t>;

std::shared_ptr<const std::vector<Publish>> publication(std::uint64_t tid) {
  std::vector<Publish> result(1);
  result[0].tid = Tid(tid);
  return std::make_shared<const std::vector<Publish>>(std::move(result));
}

// The same publication for each of `shards`.
std::vector<Delivery> for_all(std::size_t shards, std::uint64_t tid) {
  std::vector<Delivery> result(shards);
  const auto published = publication(tid);
  for (Delivery& delivery : result) delivery.published = published;
  return result;
}

void attend(DeliveryBoard& board, std::size_t shards) {
  for (std::size_t i = 0; i < shards; ++i) EXPECT_FALSE(board.set_attended(i, true));
}

TEST(DeliveryBoard, AllShardsHaveAPublicationWhenPostReturns) {
  DeliveryBoard board(3);
  attend(board, 2);  // the third has no clients
  std::vector<Delivery> deliveries = for_all(3, 10);
  EXPECT_EQ(board.post(deliveries), (Shards{0, 1}));
  for (std::size_t shard = 0; shard < 3; ++shard) {
    const std::vector<Delivery> taken = board.take(shard);
    ASSERT_EQ(taken.size(), 1U) << shard;
    EXPECT_EQ(taken[0].published->front().tid, Tid(10));
  }
}

TEST(DeliveryBoard, WakesOnlyShardsThatHadNothing) {
  DeliveryBoard board(2);
  attend(board, 2);
  std::vector<Delivery> first = for_all(2, 10);
  EXPECT_EQ(board.post(first), (Shards{0, 1}));
  EXPECT_EQ(board.take(1).size(), 1U);
  std::vector<Delivery> second = for_all(2, 11);
  EXPECT_EQ(board.post(second), (Shards{1}));
  std::vector<Delivery> third = for_all(2, 12);
  EXPECT_EQ(board.post(third), Shards{});
}

TEST(DeliveryBoard, KeepsTheOrder) {
  DeliveryBoard board(1);
  for (std::uint64_t tid = 10; tid < 15; ++tid) {
    std::vector<Delivery> deliveries = for_all(1, tid);
    static_cast<void>(board.post(deliveries));
  }
  const std::vector<Delivery> taken = board.take(0);
  ASSERT_EQ(taken.size(), 5U);
  for (std::uint64_t i = 0; i < 5; ++i) EXPECT_EQ(taken[i].published->front().tid, Tid(10 + i));
}

TEST(DeliveryBoard, LeavesOutShardsWithNothing) {
  DeliveryBoard board(4);
  std::vector<Delivery> deliveries(4);
  deliveries[1].replies.emplace_back().ticket = 7;
  deliveries[3].close.push_back(3);
  EXPECT_EQ(board.post(deliveries), (Shards{1, 3}));
  EXPECT_TRUE(board.take(0).empty());
  EXPECT_TRUE(board.take(2).empty());
  EXPECT_EQ(board.take(1).at(0).replies.at(0).ticket, 7U);
  EXPECT_EQ(board.take(3).at(0).close.at(0), 3U);
}

TEST(DeliveryBoard, PublicationsGatherForAShardWithoutClients) {
  DeliveryBoard board(1);
  const auto post = [&](std::uint64_t tid) {
    std::vector<Delivery> deliveries = for_all(1, tid);
    return board.post(deliveries);
  };
  for (std::uint64_t tid = 1; tid < DeliveryBoard::kUnattendedMax; ++tid) {
    EXPECT_EQ(post(tid), Shards{}) << tid;
  }
  EXPECT_EQ(post(DeliveryBoard::kUnattendedMax), Shards{0});
  EXPECT_EQ(post(DeliveryBoard::kUnattendedMax + 1), Shards{}) << "it was woken already";
  EXPECT_EQ(board.take(0).size(), DeliveryBoard::kUnattendedMax + 1);
  EXPECT_EQ(post(1000), Shards{});
}

TEST(DeliveryBoard, WhatHasGatheredWakesAShardThatGetsAClient) {
  DeliveryBoard board(1);
  std::vector<Delivery> first = for_all(1, 10);
  EXPECT_EQ(board.post(first), Shards{});
  EXPECT_TRUE(board.set_attended(0, true));
  EXPECT_FALSE(board.set_attended(0, true)) << "it was woken already";
  EXPECT_EQ(board.take(0).size(), 1U);
  std::vector<Delivery> second = for_all(1, 11);
  EXPECT_EQ(board.post(second), Shards{0});
  EXPECT_EQ(board.take(0).size(), 1U);
  EXPECT_FALSE(board.set_attended(0, false));
  std::vector<Delivery> third = for_all(1, 12);
  EXPECT_EQ(board.post(third), Shards{});
}

TEST(DeliveryBoard, AnAnswerWakesAShardWithoutClients) {
  DeliveryBoard board(1);
  std::vector<Delivery> first = for_all(1, 10);
  EXPECT_EQ(board.post(first), Shards{});
  std::vector<Delivery> second = for_all(1, 11);
  second[0].replies.emplace_back().ticket = 7;
  EXPECT_EQ(board.post(second), Shards{0});
  EXPECT_EQ(board.take(0).size(), 2U);
}

TEST(DeliveryBoard, WhatWasPostedIsTakenFromTheCaller) {
  DeliveryBoard board(1);
  attend(board, 1);
  std::vector<Delivery> deliveries = for_all(1, 10);
  EXPECT_EQ(board.post(deliveries), Shards{0});
  EXPECT_EQ(board.post(deliveries), Shards{});  // empty now, to be filled again
  EXPECT_EQ(board.take(0).size(), 1U);
  EXPECT_TRUE(board.take(0).empty());
}

// Whoever took a publication knows that every other shard can take it.
TEST(DeliveryBoard, NoShardIsBehindAnother) {
  constexpr std::uint64_t kLast = 20'000;
  DeliveryBoard board(2);
  const std::jthread engine([&] {
    for (std::uint64_t tid = 1; tid <= kLast; ++tid) {
      std::vector<Delivery> deliveries = for_all(2, tid);
      static_cast<void>(board.post(deliveries));
    }
  });
  std::uint64_t ahead = 0;
  std::uint64_t other = 0;
  while (ahead < kLast) {
    for (const Delivery& delivery : board.take(0)) {
      EXPECT_EQ(delivery.published->front().tid, Tid(ahead + 1));
      ++ahead;
    }
    for (const Delivery& delivery : board.take(1)) {
      EXPECT_EQ(delivery.published->front().tid, Tid(other + 1));
      ++other;
    }
    ASSERT_GE(other, ahead);
  }
  EXPECT_EQ(other, kLast);
}

}  // namespace
}  // namespace zeolite::daemon
