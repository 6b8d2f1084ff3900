#include "maintenance/read_ahead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/time.h"

namespace zeolite::maintenance {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Item {
  int number = 0;
  std::size_t bytes = 1;
};
using Ahead = ReadAhead<Item>;
using Planned = Result<std::optional<Ahead::Work>>;

constexpr std::size_t kMuch = 1000;

// Plans items 0, 1, ... below `count`, then ends, or fails when `error` is there. `make` is each
// one's work.
Ahead::Plan count_to(int count, std::function<Item(int)> make, std::optional<Error> error = {}) {
  return [next = std::make_shared<int>(0), count, make = std::move(make),
          error = std::move(error)]() -> Planned {
    if (*next > count) ADD_FAILURE() << "planned on after the end";
    const int number = (*next)++;
    if (number < count) return [make, number] { return make(number); };
    if (error) return std::unexpected(*error);
    return std::nullopt;
  };
}

Item plain(int number) { return {.number = number}; }

std::vector<int> take_all(Ahead& ahead) {
  std::vector<int> numbers;
  while (const std::optional<Item> item = ahead.next().value()) numbers.push_back(item->number);
  return numbers;
}

void wait_until_full(const Ahead& ahead) {
  const auto deadline = SystemClock().now().instant + std::chrono::seconds(30);
  while (!ahead.is_full()) {
    ASSERT_LT(SystemClock().now().instant, deadline) << "it never waits for room";
    std::this_thread::yield();
  }
}

TEST(ReadAhead, GivesAllItemsInOrderAndThenTheEnd) {
  for (const std::size_t threads : {1U, 2U, 4U}) {
    for (const std::size_t bytes_max : {std::size_t{1}, kMuch}) {
      Ahead ahead(threads, bytes_max, count_to(500, plain));
      const std::vector<int> numbers = take_all(ahead);
      ASSERT_EQ(numbers.size(), 500U);
      for (int i = 0; i < 500; ++i) ASSERT_EQ(numbers[static_cast<std::size_t>(i)], i);
      EXPECT_FALSE(ahead.next().value()) << "the end stays the end";
    }
  }
}

TEST(ReadAhead, NothingIsAnEndToo) {
  Ahead ahead(2, kMuch, count_to(0, plain));
  EXPECT_THAT(take_all(ahead), IsEmpty());
}

TEST(ReadAhead, AnErrorComesAfterWhatWasPlannedBeforeIt) {
  for (const std::size_t threads : {1U, 2U}) {
    Ahead ahead(threads, kMuch, count_to(3, plain, Error{ErrorCode::corruption, "rotten"}));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ahead.next().value()->number, i);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(ahead.next().error().detail, "rotten");
  }
}

// The second item is made before the first, and the error is known before either.
TEST(ReadAhead, TheOrderIsThatOfThePlanWhicheverIsMadeFirst) {
  std::latch second_made(1);
  Ahead ahead(2, kMuch,
              count_to(
                  2,
                  [&](int number) {
                    if (number == 0) second_made.wait();
                    if (number == 1) second_made.count_down();
                    return plain(number);
                  },
                  Error{ErrorCode::io_error, "torn"}));
  EXPECT_EQ(ahead.next().value()->number, 0);
  EXPECT_EQ(ahead.next().value()->number, 1);
  EXPECT_EQ(ahead.next().error().code, ErrorCode::io_error);
}

TEST(ReadAhead, PlansNoMoreThanThereIsRoomFor) {
  std::atomic<int> made = 0;
  const auto make = [&](int number) {
    ++made;
    return Item{.number = number, .bytes = 10};
  };
  Ahead ahead(1, 25, count_to(10, make));
  wait_until_full(ahead);
  EXPECT_EQ(made, 3) << "the third brings it over the limit";
  EXPECT_EQ(ahead.next().value()->number, 0);
  wait_until_full(ahead);
  EXPECT_EQ(made, 4);
  for (int i = 1; i < 10; ++i) EXPECT_EQ(ahead.next().value()->number, i);
  EXPECT_FALSE(ahead.next().value());
}

TEST(ReadAhead, AnItemLargerThanTheLimitPasses) {
  Ahead ahead(1, 1, count_to(3, [](int number) { return Item{.number = number, .bytes = kMuch}; }));
  EXPECT_THAT(take_all(ahead), ElementsAre(0, 1, 2));
}

TEST(ReadAhead, MayGoWhileItIsFull) {
  for (const std::size_t threads : {1U, 2U}) {
    const auto kept = std::make_shared<int>(0);
    {
      Ahead ahead(threads, 2, count_to(100, [kept](int number) { return plain(number); }));
      EXPECT_EQ(ahead.next().value()->number, 0);
      wait_until_full(ahead);
    }
    EXPECT_EQ(kept.use_count(), 1) << "nothing of it is left";
  }
}

TEST(ReadAhead, MayGoWhileAnItemIsBeingMade) {
  std::latch making(1);
  std::latch go_on(1);
  std::atomic<bool> done = false;
  std::optional<Ahead> ahead(std::in_place, 1U, kMuch, count_to(2, [&](int number) {
                               making.count_down(number == 0 ? 1 : 0);
                               go_on.wait();
                               done = true;
                               return plain(number);
                             }));
  making.wait();
  std::thread destroying([&] {
    ahead.reset();
    EXPECT_TRUE(done) << "it waited for the work under way";
  });
  go_on.count_down();
  destroying.join();
}

TEST(ReadAhead, MayGoBeforeAnythingWasTakenAndAfterTheEnd) {
  {
    const Ahead untouched(2, kMuch, count_to(5, plain));
  }
  Ahead ended(2, kMuch, count_to(1, plain));
  EXPECT_THAT(take_all(ended), ElementsAre(0));
}

}  // namespace
}  // namespace zeolite::maintenance
