#include "server/group_pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <random>
#include <vector>

namespace zeolite::server {
namespace {

using namespace std::chrono_literals;

constexpr Duration kWaitMax = 200us;
constexpr Duration kSync = 1ms;

// One client of a closed loop: committing again `think` after it was answered, or up to `jitter`
// later.
struct Client {
  Instant arrives{};
  Duration think{};
  Duration jitter{};
};

// The log writer with clients in a closed loop, in virtual time; as daemon/storage_engine.cc runs
// the pacer.
class ClosedLoop {
 public:
  ClosedLoop(Duration wait_max, Duration sync) : pacer(wait_max), sync_(sync) {}

  void add(std::size_t count, Instant arrives, Duration think, Duration jitter = {}) {
    clients_.insert(clients_.end(), count, Client{arrives, think, jitter});
  }
  void set_think(Duration think, Duration jitter) {
    for (Client& client : clients_) {
      client.think = think;
      client.jitter = jitter;
    }
  }

  // Runs one group; its size is returned, and how long it waited is kept in `waited`.
  std::size_t run_group() {
    if (in_line() == 0) now_ = next_arrival();
    const Instant began = now_;
    while (in_line() < pacer.target() && now_ < pacer.deadline()) {
      now_ = std::min(pacer.deadline(), next_arrival());
    }
    waited = now_ - began;
    const std::size_t size = in_line();
    pacer.started(size, now_);
    std::vector<Client*> group;
    for (Client& client : clients_) {
      if (client.arrives <= now_) group.push_back(&client);
    }
    now_ = now_ + sync_;
    for (Client* client : group) {
      client->arrives = now_ + client->think + random_part(client->jitter);
    }
    pacer.answered(size, sync_, now_);
    pacer.start_waiting(in_line());
    return size;
  }

  GroupPacer pacer;
  Duration waited{};

 private:
  Duration random_part(Duration of) {
    return Duration(std::uniform_int_distribution<Duration::rep>(0, of.count())(random_));
  }
  std::size_t in_line() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        clients_, [this](const Client& client) { return client.arrives <= now_; }));
  }
  Instant next_arrival() const {
    Instant next{Duration::max()};
    for (const Client& client : clients_) {
      if (client.arrives > now_) next = std::min(next, client.arrives);
    }
    return next;
  }

  Duration sync_;
  Instant now_{};
  std::mt19937_64 random_{1};
  std::vector<Client> clients_;
};

TEST(GroupPacer, StartsTheFirstGroupAtOnce) {
  const GroupPacer pacer(kWaitMax);
  EXPECT_EQ(pacer.target(), 1U);
}

TEST(GroupPacer, NeverWaitsForALoneClient) {
  ClosedLoop loop(kWaitMax, kSync);
  loop.add(1, {}, 30us);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(loop.run_group(), 1U);
    EXPECT_EQ(loop.waited, Duration{});
  }
}

TEST(GroupPacer, WaitsForTheClientsItHasJustAnswered) {
  GroupPacer pacer(kWaitMax);
  pacer.answered(8, kSync, Instant{5ms});
  pacer.start_waiting(8);
  EXPECT_EQ(pacer.target(), 16U);
  EXPECT_EQ(pacer.deadline(), Instant{5ms} + kWaitMax);
}

TEST(GroupPacer, WaitsNoLongerThanPartOfASync) {
  GroupPacer pacer(kWaitMax);
  pacer.answered(8, 60us, Instant{5ms});
  pacer.start_waiting(8);
  EXPECT_EQ(pacer.deadline(), Instant{5ms} + 30us);
}

TEST(GroupPacer, NeverWaitsWhenNoWaitIsAllowed) {
  GroupPacer pacer(Duration{});
  pacer.answered(8, kSync, Instant{5ms});
  pacer.start_waiting(8);
  EXPECT_EQ(pacer.deadline(), Instant{5ms});
}

TEST(GroupPacer, DoesNotWaitAfterALoneClient) {
  GroupPacer pacer(kWaitMax);
  pacer.answered(1, kSync, Instant{5ms});
  pacer.start_waiting(0);
  EXPECT_EQ(pacer.target(), 1U);
}

TEST(GroupPacer, JoinsTwoHalvesOfAClosedLoop) {
  ClosedLoop loop(kWaitMax, kSync);
  loop.add(8, {}, 50us);
  loop.add(8, Instant{500us}, 50us);  // gathers while the first half is synced
  std::size_t groups = 0;
  while (loop.run_group() < 16) ASSERT_LT(++groups, 4U);
}

TEST(GroupPacer, JoinsClientsThatDoNotKeepTime) {
  ClosedLoop loop(kWaitMax, kSync);
  for (int i = 0; i < 16; ++i) loop.add(1, Instant{i * 100us}, 20us, 80us);
  for (int i = 0; i < 20; ++i) loop.run_group();
  for (int i = 0; i < 200; ++i) EXPECT_EQ(loop.run_group(), 16U) << i;
}

TEST(GroupPacer, FindsItsWayBackWhenSlowClientsBecomeFast) {
  ClosedLoop loop(kWaitMax, kSync);
  loop.add(8, {}, 3ms, 2ms);
  loop.add(8, Instant{500us}, 3ms, 2ms);
  for (int i = 0; i < 500; ++i) loop.run_group();
  loop.set_think(50us, 50us);
  std::size_t groups = 0;
  while (loop.run_group() < 16) ASSERT_LT(++groups, 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(loop.run_group(), 16U) << i;
}

TEST(GroupPacer, TriesTheWholeWaitAgainAfterManyFailures) {
  GroupPacer pacer(kWaitMax);
  Instant now{};
  int whole = 0;
  for (int i = 0; i < 200; ++i) {
    now = now + kSync;
    pacer.answered(8, kSync, now);
    pacer.start_waiting(2);
    if (i >= 10 && pacer.deadline() - now == kWaitMax) ++whole;
    now = pacer.deadline();
    pacer.started(2, now);
  }
  EXPECT_GE(whole, 1);
  EXPECT_LE(whole, 10);  // seldom: it costs something
}

TEST(GroupPacer, WaitsLessForClientsThatDoNotComeBack) {
  GroupPacer pacer(kWaitMax);
  Instant now{};
  Duration last = kWaitMax;
  for (int i = 0; i < 10; ++i) {
    now = now + kSync;
    pacer.answered(8, kSync, now);
    pacer.start_waiting(2);
    const Duration wait = pacer.deadline() - now;
    EXPECT_LE(wait, last);
    EXPECT_GT(wait, Duration{});  // it goes on trying
    last = wait;
    now = pacer.deadline();
    pacer.started(3, now);  // one of eight came
  }
  EXPECT_EQ(last, kWaitMax / 16);
}

TEST(GroupPacer, WaitsLongerAgainWhenTheyDo) {
  GroupPacer pacer(kWaitMax);
  Instant now{};
  const auto run = [&](std::size_t came) {
    now = now + kSync;
    pacer.answered(8, kSync, now);
    pacer.start_waiting(2);
    const Duration wait = pacer.deadline() - now;
    now = pacer.deadline();
    pacer.started(2 + came, now);
    return wait;
  };
  for (int i = 0; i < 10; ++i) run(0);
  for (int i = 0; i < 10; ++i) run(6);  // most, and the rest may be late
  EXPECT_EQ(run(6), kWaitMax);
}

TEST(GroupPacer, KeepsItsWaitWhenAllCameInTime) {
  GroupPacer pacer(kWaitMax);
  pacer.answered(8, kSync, Instant{1ms});
  pacer.start_waiting(8);
  pacer.started(16, Instant{1ms} + 20us);
  pacer.answered(8, kSync, Instant{3ms});
  pacer.start_waiting(8);
  EXPECT_EQ(pacer.deadline(), Instant{3ms} + kWaitMax);
}

TEST(GroupPacer, AGroupNobodyWaitedForTeachesNothing) {
  GroupPacer pacer(kWaitMax);
  pacer.answered(1, kSync, Instant{1ms});
  pacer.start_waiting(0);
  pacer.started(1, Instant{2ms});
  pacer.answered(1, kSync, Instant{3ms});
  pacer.start_waiting(7);
  EXPECT_EQ(pacer.deadline(), Instant{3ms} + kWaitMax);
}

// The same with a standby, which confirms a group `farther_` after it is durable here.
class LoopWithStandby {
 public:
  LoopWithStandby(Duration sync, Duration farther)
      : pacer(kWaitMax), sync_(sync), farther_(farther) {}

  void add(std::size_t count, Instant arrives, Duration think) {
    clients_.insert(clients_.end(), count, Client{arrives, think, {}});
  }

  // Runs one group until it is durable here; its size is returned.
  std::size_t run_group() {
    while (gathers() || in_line() == 0) step();
    const std::size_t size = in_line();
    pacer.started(size, now_);
    Sent group{now_, now_ + sync_ + farther_, size};
    for (Client& client : clients_) {
      if (client.arrives <= now_) client.arrives = group.confirmed_at + client.think;
    }
    const Instant durable = now_ + sync_;
    confirm_until(durable);
    now_ = durable;
    pacer.written(size, in_line(), sync_, now_);
    sent_.push_back(group);
    return size;
  }

  GroupPacer pacer;
  std::size_t unconfirmed() const { return sent_.size(); }
  Instant now() const { return now_; }

 private:
  struct Sent {
    Instant began{};
    Instant confirmed_at{};
    std::size_t size = 0;
  };

  bool gathers() const { return in_line() < pacer.target() && now_ < pacer.deadline(); }
  std::size_t in_line() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        clients_, [this](const Client& client) { return client.arrives <= now_; }));
  }
  // To the next thing that happens.
  void step() {
    Instant next{Duration::max()};
    if (now_ < pacer.deadline()) next = pacer.deadline();
    for (const Client& client : clients_) {
      if (client.arrives > now_) next = std::min(next, client.arrives);
    }
    if (!sent_.empty()) next = std::min(next, sent_.front().confirmed_at);
    confirm_until(next);
    now_ = next;
  }
  void confirm_until(Instant until) {
    while (!sent_.empty() && sent_.front().confirmed_at <= until) {
      const Sent group = sent_.front();
      sent_.pop_front();
      now_ = group.confirmed_at;
      pacer.confirmed(group.size, now_ - group.began, sent_.empty(), now_);
      pacer.start_waiting(in_line());
    }
  }

  Duration sync_;
  Duration farther_;
  Instant now_{};
  std::deque<Sent> sent_;
  std::vector<Client> clients_;
};

TEST(GroupPacer, WaitsForTheAnswerOfAStandbyThatIsNear) {
  GroupPacer pacer(kWaitMax);
  pacer.written(8, 4, 100us, Instant{5ms});
  EXPECT_EQ(pacer.target(), GroupPacer::kNoTarget);
  EXPECT_EQ(pacer.deadline(), Instant{5ms} + 100us) << "no longer than the own append took";
  pacer.confirmed(8, 150us, true, Instant{5ms} + 50us);
  pacer.start_waiting(5);
  EXPECT_EQ(pacer.target(), 13U);
  EXPECT_EQ(pacer.deadline(), Instant{5ms} + 50us + 150us) << "as long as all of it took";
}

TEST(GroupPacer, WaitsForAStandbyNoLongerThanItMay) {
  GroupPacer pacer(kWaitMax);
  pacer.written(8, 4, kSync, Instant{5ms});
  EXPECT_EQ(pacer.deadline(), Instant{5ms} + kWaitMax);
  pacer.confirmed(8, kSync, true, Instant{6ms});
  pacer.start_waiting(0);
  EXPECT_EQ(pacer.deadline(), Instant{6ms} + kWaitMax);
}

TEST(GroupPacer, ALoneClientsGroupIsNotWaitedFor) {
  GroupPacer pacer(kWaitMax);
  pacer.written(1, 0, kSync, Instant{5ms});
  EXPECT_EQ(pacer.target(), 1U);
  EXPECT_EQ(pacer.deadline(), Instant{5ms});
  pacer.confirmed(1, kSync, true, Instant{6ms});
  pacer.start_waiting(0);
  EXPECT_EQ(pacer.target(), 1U);
  EXPECT_EQ(pacer.deadline(), Instant{6ms});
}

TEST(GroupPacer, AnEarlierAnswerDoesNotEndTheWaitForTheLast) {
  GroupPacer pacer(kWaitMax);
  pacer.written(3, 2, kSync, Instant{1ms});
  pacer.started(2, Instant{1ms} + kWaitMax);
  pacer.written(2, 1, kSync, Instant{3ms});
  pacer.confirmed(3, kSync, false, Instant{3ms} + 10us);
  pacer.start_waiting(1);
  EXPECT_EQ(pacer.target(), GroupPacer::kNoTarget);
  pacer.confirmed(2, kSync, true, Instant{3ms} + 20us);
  pacer.start_waiting(1);
  EXPECT_EQ(pacer.target(), 6U) << "all who were answered may come back";
}

TEST(GroupPacer, JoinsThePartsOfAClosedLoopWithAStandby) {
  LoopWithStandby loop(100us, 60us);
  for (int i = 0; i < 4; ++i) loop.add(4, Instant{i * 70us}, 50us);
  for (int i = 0; i < 20; ++i) loop.run_group();
  for (int i = 0; i < 200; ++i) EXPECT_EQ(loop.run_group(), 16U) << i;
}

TEST(GroupPacer, AStandbyThatIsFarAwayHoldsLittleBack) {
  constexpr Duration kFar = 5ms;
  LoopWithStandby loop(50us, kFar);
  for (int i = 0; i < 50; ++i) loop.add(1, Instant{i * 100us}, 20us);
  for (int i = 0; i < 100; ++i) loop.run_group();
  const Instant began = loop.now();
  std::size_t commits = 0;
  std::size_t most_unconfirmed = 0;
  while (loop.now() - began < 20 * kFar) {
    commits += loop.run_group();
    most_unconfirmed = std::max(most_unconfirmed, loop.unconfirmed());
  }
  EXPECT_GT(most_unconfirmed, 2U);
  // Each client could commit once in 5.07 ms.
  EXPECT_GT(commits, 20U * 50U * 9 / 10);
}

}  // namespace
}  // namespace zeolite::server
