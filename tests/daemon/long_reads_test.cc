#include "daemon/long_reads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <string>
#include <vector>

#include "daemon/controlled_store.h"

namespace zeolite::daemon {
namespace {

using testing::ElementsAre;
using Turn = LongReads::Turn;

class LongReadsTest : public testing::Test {
 protected:
  ~LongReadsTest() override { pool_.join(); }

  // A read that is done after `turns` and writes its name down at each.
  LongReads::Read read(std::string name, int turns) {
    return [this, name = std::move(name), turns]() mutable {
      EXPECT_EQ(under_way_.fetch_add(1), 0);
      gate_.pass();
      seen_.push_back(name);
      under_way_.fetch_sub(1);
      return --turns == 0 ? Turn::done : Turn::more;
    };
  }

  boost::asio::thread_pool pool_{3};
  LongReads reads_{pool_};
  Gate gate_;
  std::atomic<int> under_way_ = 0;
  std::vector<std::string> seen_;  // one read at a time adds to it
};

TEST_F(LongReadsTest, OneTurnAtATimeAndConnectionsTakeTurns) {
  gate_.shut();
  reads_.add(1, read("a", 3));
  gate_.wait_for(1);
  reads_.add(2, read("b", 2));
  reads_.add(3, read("c", 1));
  gate_.open();
  pool_.join();
  EXPECT_THAT(seen_, ElementsAre("a", "b", "c", "a", "b", "a"));
}

TEST_F(LongReadsTest, ThoseOfAConnectionComeOneAfterTheOther) {
  gate_.shut();
  reads_.add(1, read("first", 2));
  gate_.wait_for(1);
  reads_.add(1, read("second", 1));
  reads_.add(2, read("other", 1));
  gate_.open();
  pool_.join();
  EXPECT_THAT(seen_, ElementsAre("first", "other", "first", "second"));
}

TEST_F(LongReadsTest, OtherWorkFindsAThread) {
  gate_.shut();
  for (commit::OwnerId owner = 1; owner <= 10; ++owner) reads_.add(owner, read("long", 1));
  Gate loaded;
  for (int loads = 0; loads < 10; ++loads) boost::asio::post(pool_, [&] { loaded.pass(); });
  loaded.wait_for(10);
  gate_.open();
}

TEST_F(LongReadsTest, WhatIsPausedWaitsToBeResumed) {
  Gate done;
  int turns = 0;
  reads_.add(1, [&] {
    ++turns;
    if (turns == 1) return Turn::paused;
    done.pass();
    return Turn::done;
  });
  reads_.add(2, read("other", 1));
  gate_.wait_for(1);
  EXPECT_EQ(done.arrived(), 0U);
  reads_.resume(1);
  done.wait_for(1);
}

TEST_F(LongReadsTest, ItMayBeResumedBeforeItHasPaused) {
  Gate done;
  int turns = 0;
  reads_.add(1, [&] {
    if (++turns < 3) {
      reads_.resume(1);
      return Turn::paused;
    }
    done.pass();
    return Turn::done;
  });
  done.wait_for(1);
  EXPECT_EQ(turns, 3);
}

}  // namespace
}  // namespace zeolite::daemon
