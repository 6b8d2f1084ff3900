// The rules I1 to I7 of docs/ordering.md, as far as they show without a network: one shard with its
// history, one connection with its subscription and a client that caches what it is told.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "invalidation/line_history.h"
#include "invalidation/subscription.h"

namespace zeolite::invalidation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Oid kA{1};
constexpr Oid kB{2};

// One I/O shard: what is visible there, and the tids of each object.
class Shard {
 public:
  [[nodiscard]] Tid line() const { return line_; }
  LineHistory& history() { return history_; }

  BatchPtr publish(std::vector<Oid> oids) {
    line_ = line_.next();
    for (const Oid oid : oids) revisions_[oid].push_back(line_);
    auto batch = std::make_shared<InvalidationBatch>(line_, std::move(oids));
    history_.add(batch);
    return batch;
  }
  // The newest revision at or below `line`.
  [[nodiscard]] Tid load(Oid oid, Tid line) const {
    Tid newest;
    if (const auto found = revisions_.find(oid); found != revisions_.end()) {
      for (const Tid tid : found->second) {
        if (tid <= line) newest = tid;
      }
    }
    return newest;
  }

 private:
  Tid line_{100};
  LineHistory history_;
  std::map<Oid, std::vector<Tid>> revisions_;
};

// One connection and its client, which applies what arrives in the order it arrives.
class Connection {
 public:
  explicit Connection(Shard& shard) : shard_(shard), subscription_(shard.line(), 1 << 20) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { unpin(); }

  void caught_up(Tid line) {
    std::vector<BatchPtr> out;
    subscription_.caught_up(line, out);
    deliver(out);
    pin();
  }
  void offer(const BatchPtr& batch, bool own = false) {
    std::vector<BatchPtr> out;
    EXPECT_EQ(subscription_.offer(batch, own, out), Subscription::Offer::taken);
    deliver(out);
    if (subscription_.state() == Subscription::State::live) pin();
  }

  struct Read {
    Oid oid;
    Tid line;
  };
  Read begin_read(Oid oid) {
    const Read read{oid, subscription_.line()};
    shard_.history().pin(read.line);
    return read;
  }
  // Answers it and puts the answer into the client's cache; returns when the revision ended.
  std::optional<Tid> end_read(const Read& read) {
    const Tid tid = shard_.load(read.oid, read.line);
    const auto end = shard_.history().end_after(read.oid, read.line, subscription_.line());
    shard_.history().unpin(read.line);
    newest_heard_ = std::max(newest_heard_, tid);
    if (!end) cache_[read.oid] = tid;
    return end;
  }

  Subscription& subscription() { return subscription_; }
  [[nodiscard]] const std::vector<Tid>& told() const { return told_; }
  // What the client believes to be current; nothing when it has to ask.
  [[nodiscard]] std::optional<Tid> cached(Oid oid) const {
    const auto found = cache_.find(oid);
    return found == cache_.end() ? std::nullopt : std::optional(found->second);
  }
  [[nodiscard]] const std::map<Oid, Tid>& cache() const { return cache_; }
  [[nodiscard]] Tid newest_heard() const { return newest_heard_; }

 private:
  void deliver(const std::vector<BatchPtr>& batches) {
    for (const BatchPtr& batch : batches) {
      told_.push_back(batch->tid());
      for (const Oid oid : batch->oids()) cache_.erase(oid);
    }
  }

  // Batches reach a connection some time after its shard: it keeps what it may still need.
  void pin() {
    shard_.history().pin(subscription_.line());
    unpin();
    pinned_ = subscription_.line();
  }
  void unpin() {
    if (pinned_) shard_.history().unpin(*pinned_);
    pinned_.reset();
  }

  Shard& shard_;
  Subscription subscription_;
  std::optional<Tid> pinned_;
  std::vector<Tid> told_;
  std::map<Oid, Tid> cache_;
  Tid newest_heard_;
};

TEST(OrderingI1, CommitEventsAreInIncreasingTidOrder) {
  Shard shard;
  Connection connection(shard);
  connection.offer(shard.publish({kA}));  // 101, while it is catching up
  connection.offer(shard.publish({kB}));  // 102
  connection.caught_up(Tid(100));
  connection.offer(shard.publish({kA}));  // 103
  EXPECT_THAT(connection.told(), ElementsAre(Tid(101), Tid(102), Tid(103)));
}

TEST(OrderingI1, TheOwnCommitIsAnsweredInItsPlace) {
  Shard shard;
  Connection connection(shard);
  const BatchPtr others = shard.publish({kA});
  const BatchPtr own = shard.publish({kB});
  connection.offer(others);
  connection.offer(own, true);
  EXPECT_LT(connection.subscription().line(), own->tid())
      << "the reply would overtake what the catch-up holds back";
  connection.caught_up(Tid(100));
  EXPECT_THAT(connection.told(), ElementsAre(others->tid()));
  EXPECT_EQ(connection.subscription().line(), own->tid());
}

TEST(OrderingI2, NothingIsToldOfACommitBeforeItsInvalidation) {
  Shard shard;
  Connection connection(shard);
  connection.caught_up(Tid(100));
  const BatchPtr batch = shard.publish({kA});
  EXPECT_LT(connection.subscription().line(), batch->tid());
  connection.offer(batch);
  EXPECT_EQ(connection.subscription().line(), batch->tid());
}

TEST(OrderingI3, AnInvalidationThatOvertookTheReadEndsItsAnswer) {
  Shard shard;
  const BatchPtr old = shard.publish({kA});
  Connection connection(shard);
  connection.caught_up(shard.line());
  const auto read = connection.begin_read(kA);
  const BatchPtr news = shard.publish({kA});
  connection.offer(news);
  connection.offer(shard.publish({kA}));
  EXPECT_EQ(connection.end_read(read), news->tid()) << "the first one ends it";
  EXPECT_EQ(connection.cached(kA), std::nullopt);
  EXPECT_EQ(connection.newest_heard(), old->tid());
}

TEST(OrderingI3, AnInvalidationOfAnotherObjectLeavesTheAnswerCurrent) {
  Shard shard;
  const BatchPtr old = shard.publish({kA});
  Connection connection(shard);
  connection.caught_up(shard.line());
  const auto read = connection.begin_read(kA);
  connection.offer(shard.publish({kB}));
  EXPECT_EQ(connection.end_read(read), std::nullopt);
  EXPECT_EQ(connection.cached(kA), old->tid());
}

TEST(OrderingI3, WhatTheConnectionWasNotToldYetDoesNotEndAnAnswer) {
  Shard shard;
  const BatchPtr old = shard.publish({kA});
  Connection connection(shard);
  connection.caught_up(shard.line());
  const auto read = connection.begin_read(kA);
  const BatchPtr news = shard.publish({kA});  // visible, but not offered here yet
  EXPECT_EQ(connection.end_read(read), std::nullopt);
  EXPECT_EQ(connection.cached(kA), old->tid());
  connection.offer(news);
  EXPECT_EQ(connection.cached(kA), std::nullopt) << "the invalidation finds it in the cache";
}

TEST(OrderingI4, AReadIsMadeAtWhatTheConnectionWasTold) {
  Shard shard;
  const BatchPtr old = shard.publish({kA});
  Connection connection(shard);
  connection.caught_up(shard.line());
  const BatchPtr news = shard.publish({kA});
  EXPECT_EQ(connection.end_read(connection.begin_read(kA)), std::nullopt);
  EXPECT_EQ(connection.newest_heard(), old->tid()) << "not the one that it will be told of";
  connection.offer(news);
  EXPECT_EQ(connection.end_read(connection.begin_read(kA)), std::nullopt);
  EXPECT_EQ(connection.cached(kA), news->tid());
}

TEST(OrderingI5, RegistrationIsAnsweredBeforeAnyInvalidation) {
  Shard shard;
  shard.publish({kA});
  Connection connection(shard);  // joined: the reply with tid 101 is on its way
  const BatchPtr early = shard.publish({kA});
  connection.offer(early);
  EXPECT_THAT(connection.told(), IsEmpty());
  connection.caught_up(Tid(101));  // the reply is written
  EXPECT_THAT(connection.told(), ElementsAre(early->tid()));
}

TEST(OrderingI6, TheCommitterIsNotToldOfItsOwnCommit) {
  Shard shard;
  Connection committer(shard);
  Connection other(shard);
  committer.caught_up(Tid(100));
  other.caught_up(Tid(100));
  const BatchPtr batch = shard.publish({kA});
  committer.offer(batch, true);
  other.offer(batch, false);
  EXPECT_THAT(committer.told(), IsEmpty());
  EXPECT_THAT(other.told(), ElementsAre(batch->tid()));
  EXPECT_EQ(committer.subscription().line(), batch->tid()) << "its reply may go";
}

TEST(OrderingI7, CreatedObjectsAreInvalidatedToo) {
  Shard shard;
  Connection connection(shard);
  connection.caught_up(Tid(100));
  EXPECT_EQ(connection.end_read(connection.begin_read(kB)), std::nullopt);
  EXPECT_EQ(connection.cached(kB), kNoTid) << "known not to exist";
  connection.offer(shard.publish({kB}));
  EXPECT_EQ(connection.cached(kB), std::nullopt);
}

// All rules at once: whatever the order in which reads end and batches arrive, no client believes
// anything to be current that it was told is not, and none hears of a commit before it is told.
TEST(Ordering, NoInterleavingLeavesAStaleCache) {
  std::mt19937_64 random(4'711);
  for (int round = 0; round < 200; ++round) {
    Shard shard;
    Connection connection(shard);
    connection.caught_up(Tid(100));
    std::vector<Connection::Read> reads;
    std::vector<BatchPtr> undelivered;
    for (int step = 0; step < 200; ++step) {
      switch (random() % 4) {
        case 0:
          undelivered.push_back(shard.publish({Oid(random() % 3), Oid(10 + random() % 3)}));
          break;
        case 1:
          for (const BatchPtr& batch : undelivered) connection.offer(batch);
          undelivered.clear();
          break;
        case 2:
          reads.push_back(connection.begin_read(Oid(random() % 3)));
          break;
        default:
          if (reads.empty()) break;
          std::swap(reads[random() % reads.size()], reads.back());
          connection.end_read(reads.back());
          reads.pop_back();
      }
      const Tid line = connection.subscription().line();
      for (const auto& [oid, tid] : connection.cache()) {
        ASSERT_EQ(tid, shard.load(oid, line)) << "the cache is right at the connection's line";
      }
      ASSERT_LE(connection.newest_heard(), line);
    }
    for (const auto& read : reads) connection.end_read(read);
    for (const BatchPtr& batch : undelivered) connection.offer(batch);
    EXPECT_EQ(shard.history().size(), 0U) << "nothing is kept for reads that ended";
  }
}

}  // namespace
}  // namespace zeolite::invalidation
