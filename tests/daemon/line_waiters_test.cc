#include "daemon/line_waiters.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>

namespace zeolite::daemon {
namespace {

using namespace std::chrono_literals;

class LineWaitersTest : public ::testing::Test {
 protected:
  ~LineWaitersTest() override {
    shard_.stop();
    shard_.join();
  }

  // On the shard's thread, as everything else.
  template <typename F>
  void run(F function) {
    shard_.run(std::move(function));
  }
  // Notes when it is answered.
  LineWaiters::Done noting(std::string name) {
    return [this, name = std::move(name)](bool reached) {
      answered_ += name + (reached ? "+" : "-");
      if (!reached) expired_.set_value();
    };
  }

  net::IoShard shard_{"waiters-test"};
  LineWaiters waiters_{shard_};
  std::string answered_;
  std::promise<void> expired_;
};

TEST_F(LineWaitersTest, WhoWaitedForNoMoreThanTheLineIsAnswered) {
  run([&] {
    waiters_.add(1, Tid(10), 1h, noting("a"));
    waiters_.add(2, Tid(11), 1h, noting("b"));
    waiters_.add(3, Tid(12), 1h, noting("c"));
    waiters_.moved(Tid(9));
    EXPECT_EQ(answered_, "");
    waiters_.moved(Tid(11));
    EXPECT_EQ(answered_, "a+b+");
    waiters_.moved(Tid(11));
    EXPECT_EQ(waiters_.size(), 1U);
  });
  EXPECT_EQ(answered_, "a+b+");
}

TEST_F(LineWaitersTest, WhatDoesNotComeInTimeIsToldOnce) {
  run([&] { waiters_.add(1, Tid(10), 0s, noting("a")); });
  expired_.get_future().wait();
  run([&] {
    EXPECT_EQ(waiters_.size(), 0U);
    waiters_.moved(Tid(10));
  });
  EXPECT_EQ(answered_, "a-");
}

TEST_F(LineWaitersTest, OfWhoIsGoneNothingIsLeft) {
  run([&] {
    waiters_.add(1, Tid(10), 0s, noting("a"));  // its timer's handler is on its way
    waiters_.add(2, Tid(10), 1h, noting("b"));
    waiters_.add(1, Tid(11), 1h, noting("c"));
    waiters_.forget(1);
    EXPECT_EQ(waiters_.size(), 1U);
  });
  run([&] { waiters_.moved(Tid(20)); });
  EXPECT_EQ(answered_, "b+");
}

TEST_F(LineWaitersTest, AnAnswerMayEndOtherWaits) {
  run([&] {
    waiters_.add(1, Tid(10), 1h, [&](bool) { waiters_.forget(2); });
    waiters_.add(2, Tid(20), 1h, noting("b"));
    waiters_.moved(Tid(10));
    EXPECT_EQ(waiters_.size(), 0U);
  });
}

}  // namespace
}  // namespace zeolite::daemon
