#include "cli/load_generator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "cli/fake_server.h"

namespace zeolite::cli {
namespace {

// Keeps no data, only what the load generator looks at: tids, subscribers, outcomes.
class FakeStore {
 public:
  void on_message(FakeServer::Peer& peer, std::uint32_t id, const wire::Message& message) {
    if (dead_) {
      peer.hang_up();
    } else if (const auto* hello = std::get_if<wire::Hello>(&message)) {
      if (hello->wants_invalidations) subscribers_.push_back(&peer);
      peer.send(welcome_of(wire::NodeRole::primary), id);
    } else if (const auto* ping = std::get_if<wire::Ping>(&message)) {
      peer.send(wire::Pong{ping->payload, {}}, id);
    } else if (const auto* oids = std::get_if<wire::NewOids>(&message)) {
      peer.send(wire::Oids{Oid(next_oid_), oids->count}, id);
      next_oid_ += oids->count;
    } else if (std::holds_alternative<wire::Walk>(message)) {
      peer.send(wire::Walked{}, id);
    } else if (std::holds_alternative<wire::Load>(message)) {
      wire::Loaded loaded;
      loaded.status = wire::LoadedStatus::found;
      loaded.tid = Tid(1);
      peer.send(loaded, id);
    } else if (std::holds_alternative<wire::Commit>(message)) {
      on_commit(peer, id);
    } else if (std::holds_alternative<wire::OutcomeQuery>(message)) {
      ++outcome_queries;
      peer.send(wire::OutcomeKnown{true, Tid(tid_)}, id);
    }
  }

  // How to answer the n-th commit (from 1); the rest is committed.
  enum class Mishap : std::uint8_t {
    lose_answer,
    conflict,
    error,
    not_primary,
    no_answer,
    // This one, and whoever comes later, loses its connection at once.
    die
  };
  std::map<int, Mishap> mishaps;
  std::atomic<int> outcome_queries{0};

 private:
  void on_commit(FakeServer::Peer& peer, std::uint32_t id) {
    const auto mishap = mishaps.find(++commits_);
    if (mishap == mishaps.end()) {
      ++tid_;
      for (FakeServer::Peer* subscriber : subscribers_) {
        subscriber->send(wire::Invalidate{.tid = Tid(tid_), .oids = {}}, 0);
      }
      peer.send(wire::Committed{Tid(tid_), Epoch(1)}, id);
      return;
    }
    switch (mishap->second) {
      case Mishap::lose_answer:
        peer.hang_up();
        return;
      case Mishap::conflict:
        peer.send(wire::Conflicted{{{Oid(1), Tid(tid_), kNoTid, false}}}, id);
        return;
      case Mishap::error:
        peer.send(wire::ErrorReply{{ErrorCode::out_of_space, "full"}}, id);
        return;
      case Mishap::not_primary:
        peer.send(wire::ErrorReply{{ErrorCode::not_primary, "moved"}}, id);
        return;
      case Mishap::no_answer:
        return;
      case Mishap::die:
        dead_ = true;
        peer.hang_up();
        return;
    }
  }

  std::uint64_t next_oid_ = 1;
  std::uint64_t tid_ = 1;
  int commits_ = 0;
  bool dead_ = false;
  std::vector<FakeServer::Peer*> subscribers_;
};

class LoadGeneratorTest : public ::testing::Test {
 protected:
  BenchReport run(BenchKind kind) {
    BenchOptions options;
    options.kind = kind;
    options.clients = 3;
    options.seconds = 0.2;
    options.objects = 30;
    options.target.at = {server_.address()};
    options.target.timeout = timeout_;
    Result<BenchReport> report = run_bench(options);
    EXPECT_TRUE(report) << report.error().detail;
    return report ? *report : BenchReport{};
  }

  std::optional<Duration> timeout_;
  FakeStore store_;
  FakeServer server_{
      [this](FakeServer::Peer& peer, std::uint32_t id, const wire::Message& message) {
        store_.on_message(peer, id, message);
      }};
};

TEST_F(LoadGeneratorTest, PingsAreCounted) {
  const BenchReport report = run(BenchKind::ping);
  EXPECT_GT(report.pings, 0U);
  EXPECT_EQ(report.acknowledged(), report.pings);
  EXPECT_EQ(report.load_latency.count(), report.pings);
}

TEST_F(LoadGeneratorTest, LoadsCreateTheObjectsThatAreMissing) {
  const BenchReport report = run(BenchKind::load);
  EXPECT_GT(report.loads, 0U);
  EXPECT_EQ(report.commits, 0U);
}

TEST_F(LoadGeneratorTest, MixedWorkLoadsMoreThanItCommits) {
  const BenchReport report = run(BenchKind::mixed);
  EXPECT_GT(report.commits, 0U);
  EXPECT_GT(report.loads, report.commits);
}

TEST_F(LoadGeneratorTest, InvalidationsAreWaitedFor) {
  const BenchReport report = run(BenchKind::invalidate);
  EXPECT_GT(report.commits, 0U);
  EXPECT_EQ(report.told_latency.count(), report.commits);
}

TEST_F(LoadGeneratorTest, LostAnswersAreAskedFor) {
  store_.mishaps = {{2, FakeStore::Mishap::lose_answer}};
  const BenchReport report = run(BenchKind::commit);
  EXPECT_EQ(report.reconnects, 1U);
  EXPECT_EQ(report.resolved, 1U);
  EXPECT_EQ(report.unknown, 0U);
  EXPECT_EQ(store_.outcome_queries, 1);
}

TEST_F(LoadGeneratorTest, ServerThatIsNotThePrimaryIsLeft) {
  store_.mishaps = {{2, FakeStore::Mishap::not_primary}};
  const BenchReport report = run(BenchKind::commit);
  EXPECT_EQ(report.reconnects, 1U);
  EXPECT_EQ(report.errors, 0U);
}

TEST_F(LoadGeneratorTest, ConflictsAndErrorsAreCounted) {
  store_.mishaps = {{2, FakeStore::Mishap::conflict}, {3, FakeStore::Mishap::error}};
  const BenchReport report = run(BenchKind::commit);
  EXPECT_EQ(report.conflicts, 1U);
  EXPECT_EQ(report.errors, 1U);
  EXPECT_EQ(report.last_error, "out_of_space: full");
  EXPECT_GT(report.commits, 0U);
}

TEST_F(LoadGeneratorTest, AServerThatAnswersToTheEndIsNotSilent) {
  EXPECT_FALSE(run(BenchKind::commit).silence);
}

TEST_F(LoadGeneratorTest, AServerThatStopsAnsweringIsToldInTheEnd) {
  timeout_ = std::chrono::milliseconds(50);
  store_.mishaps = {{5, FakeStore::Mishap::no_answer}};
  const BenchReport report = run(BenchKind::commit);
  ASSERT_TRUE(report.silence);
  EXPECT_EQ(report.silence->code, ErrorCode::timeout) << report.silence->detail;
  EXPECT_EQ(report.unknown, 1U);
  EXPECT_GT(report.commits, 0U);
}

TEST_F(LoadGeneratorTest, AServerThatDoesNotComeBackIsToldInTheEnd) {
  timeout_ = std::chrono::milliseconds(50);
  store_.mishaps = {{5, FakeStore::Mishap::die}};
  const BenchReport report = run(BenchKind::commit);
  ASSERT_TRUE(report.silence);
  EXPECT_EQ(report.silence->code, ErrorCode::unavailable) << report.silence->detail;
}

// A primary that ends at its 20th commit, with the answer lost, and a standby that has all its
// outcomes and takes over a while later.
class Takeover {
 public:
  // How the primary ends.
  enum class End : std::uint8_t {
    hang_up,
    freeze
  };
  explicit Takeover(End end) : end_(end) {}

  static constexpr std::chrono::milliseconds kGap{60};

  [[nodiscard]] Target target() const {
    Target target;
    target.at = {primary_.address(), standby_.address()};
    return target;
  }
  [[nodiscard]] const FakeServer& standby() const { return standby_; }

 private:
  void at_primary(FakeServer::Peer& peer, std::uint32_t id, const wire::Message& message) {
    const std::lock_guard lock(mutex_);
    if (std::holds_alternative<wire::Commit>(message) && ++commits_ == 20) {
      committed_ = true;
      ended_at_ = BenchClock::now();
    }
    if (!ended_at_) {
      serve(peer, id, message);
    } else if (end_ == End::hang_up) {
      peer.hang_up();
    }
  }
  void at_standby(FakeServer::Peer& peer, std::uint32_t id, const wire::Message& message) {
    const std::lock_guard lock(mutex_);
    if (ended_at_ && BenchClock::now() - *ended_at_ >= kGap) {
      serve(peer, id, message);
    } else {
      peer.send(
          wire::ErrorReply{{ErrorCode::not_primary, "a standby"}, primary_.address().to_string()},
          id);
    }
  }
  void serve(FakeServer::Peer& peer, std::uint32_t id, const wire::Message& message) const {
    if (std::holds_alternative<wire::Hello>(message)) {
      peer.send(welcome_of(wire::NodeRole::primary), id);
    } else if (const auto* oids = std::get_if<wire::NewOids>(&message)) {
      peer.send(wire::Oids{Oid(1), oids->count}, id);
    } else if (std::holds_alternative<wire::Commit>(message)) {
      peer.send(wire::Committed{Tid(1), Epoch(1)}, id);
    } else if (std::holds_alternative<wire::OutcomeQuery>(message)) {
      peer.send(wire::OutcomeKnown{committed_, Tid(committed_ ? 1 : 0)}, id);
    }
  }

  const End end_;
  std::mutex mutex_;  // guards all below
  int commits_ = 0;
  bool committed_ = false;
  std::optional<BenchClock::time_point> ended_at_;
  FakeServer primary_{[this](FakeServer::Peer& peer, std::uint32_t id,
                             const wire::Message& message) { at_primary(peer, id, message); }};
  FakeServer standby_{[this](FakeServer::Peer& peer, std::uint32_t id,
                             const wire::Message& message) { at_standby(peer, id, message); }};
};

void expect_through(const Takeover& takeover, std::vector<net::HostPort> at) {
  BenchOptions options;
  options.clients = 1;
  options.seconds = 1.5;
  options.objects = 1;
  options.target = takeover.target();
  options.target.at = std::move(at);
  options.target.timeout = std::chrono::milliseconds(300);
  const Result<BenchReport> report = run_bench(options);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_EQ(report->resolved, 1U);
  EXPECT_EQ(report->unknown, 0U);
  EXPECT_EQ(report->errors, 0U);
  EXPECT_GE(report->reconnects, 1U);
  EXPECT_GT(report->commits, 20U);
  EXPECT_GE(report->longest_gap, Takeover::kGap);
  EXPECT_FALSE(report->silence);
}

TEST(LoadGenerator, GoesOnThroughATakeover) {
  const Takeover takeover(Takeover::End::hang_up);
  expect_through(takeover, takeover.target().at);
}

TEST(LoadGenerator, LeavesAPrimaryThatIsFrozen) {
  const Takeover takeover(Takeover::End::freeze);
  expect_through(takeover, takeover.target().at);
}

TEST(LoadGenerator, FindsThePrimaryThroughAStandby) {
  const Takeover takeover(Takeover::End::hang_up);
  expect_through(takeover, {takeover.standby().address()});
}

TEST(LoadGenerator, NobodyThereIsAnError) {
  BenchOptions options;
  {
    const FakeServer gone([](auto&&...) {});
    options.target.at = {gone.address()};
  }
  const Result<BenchReport> report = run_bench(options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace zeolite::cli
