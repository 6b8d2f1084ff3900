#include "net/io_shard.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

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
