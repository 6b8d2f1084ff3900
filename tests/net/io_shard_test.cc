#include "net/io_shard.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <vector>

#include "net/framed_connection.h"
#include "net/loopback_peer.h"

namespace zeolite::net {
namespace {

TEST(IoShard, RunsWhatIsPostedInOrderOnItsThread) {
  IoShard shard("test");
  std::vector<int> order;
  std::promise<bool> done;
  EXPECT_FALSE(shard.on_thread());
  for (int i = 0; i < 3; ++i) shard.post([&order, i] { order.push_back(i); });
  shard.post([&] { done.set_value(shard.on_thread()); });
  EXPECT_TRUE(done.get_future().get());
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST(IoShard, TakesWorkThatCannotBeCopied) {
  IoShard shard("test");
  std::promise<int> done;
  shard.post([&done, box = std::make_unique<int>(5)] { done.set_value(*box); });
  EXPECT_EQ(done.get_future().get(), 5);
}

// A shard with a connection on which something is written.
class IoShardTurnTest : public ::testing::Test, public FramedConnection::Handler {
 protected:
  IoShardTurnTest() {
    shard_.run([&] { connection_->start(); });
  }
  ~IoShardTurnTest() override {
    shard_.run([&] { connection_->detach(); });
  }
  void write() { connection_->send(wire::Ping{}, 1); }
  std::size_t arrived() { return pair_.far.available(); }

  IoShard shard_{"test"};

 private:
  void on_frame(wire::Frame /*frame*/) override {}
  void on_closed(const Error& /*why*/) override {}

  boost::asio::io_context far_context_;
  SocketPair pair_ = SocketPair::make(shard_.context(), far_context_);
  std::shared_ptr<FramedConnection> connection_ = std::make_shared<FramedConnection>(
      shard_, std::move(pair_.near), *this, FramedConnection::Limits{});
};

TEST_F(IoShardTurnTest, WhatWasWrittenLeavesAtTheEnd) {
  shard_.run([&] {
    write();
    EXPECT_EQ(arrived(), 0U);
  });
  EXPECT_GT(arrived(), 0U);
}

TEST_F(IoShardTurnTest, WhatIsReadyRunsFirst) {
  shard_.run([&] {
    shard_.post([&] { write(); });
    shard_.post([&] { EXPECT_EQ(arrived(), 0U); });
  });
  shard_.run([] {});
  EXPECT_GT(arrived(), 0U);
}

// A shard that always has something to run still lets go of what was written.
TEST_F(IoShardTurnTest, HasAnEndWhereMoreIsAlwaysReady) {
  bool stop = false;
  std::function<void()> again = [&] {
    if (!stop) shard_.post(again);
  };
  shard_.run([&] {
    write();
    again();
  });
  EXPECT_GT(arrived(), 0U);
  shard_.run([&] { stop = true; });
}

TEST(IoShard, StopsAfterTheHandlerItIsInAndDestroysTheRest) {
  auto watched = std::make_shared<int>(0);
  {
    IoShard shard("a name longer than fifteen bytes");
    std::promise<void> entered;
    std::promise<void> leave;
    shard.post([&] {
      entered.set_value();
      leave.get_future().wait();
    });
    entered.get_future().wait();
    shard.post([watched] { ++*watched; });
    shard.stop();
    shard.stop();
    leave.set_value();
    shard.join();
    shard.join();
    EXPECT_EQ(*watched, 0);
    EXPECT_EQ(watched.use_count(), 2);
  }
  EXPECT_EQ(watched.use_count(), 1);
}

}  // namespace
}  // namespace zeolite::net
