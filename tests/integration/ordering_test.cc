#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "integration/program.h"
#include "support/raw_client.h"

namespace zeolite::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

wire::Commit commit_of(const RawClient& client, std::uint64_t number,
                       std::vector<std::pair<Oid, Tid>> objects, const std::string& data = "data") {
  wire::Commit commit;
  commit.number = number;
  commit.begun = client.welcome().visible.tid;
  for (const auto& [oid, base] : objects) {
    commit.writes.push_back({.oid = oid, .base = base, .data = Bytes(data)});
  }
  return commit;
}

wire::Vote vote_of(const RawClient& client, std::uint64_t number,
                   std::vector<std::pair<Oid, Tid>> objects) {
  wire::Vote vote;
  static_cast<wire::CommitBody&>(vote) = commit_of(client, number, std::move(objects));
  return vote;
}

class Ordering : public ::testing::Test {
 protected:
  // No vote is given up because the machine was busy elsewhere.
  explicit Ordering(const std::string& vote_timeout = "60 s") : vote_timeout_(vote_timeout) {}

  void SetUp() override {
    ServerProcess::Options options = serve_options(directory_);
    options.config = "[timeouts]\nvote = \"" + vote_timeout_ +
                     "\"\nlock = \"60 s\"\n[[storage]]\nname = \"main\"\ndirectory = \"data\"\n"
                     "[[storage]]\nname = \"other\"\ndirectory = \"other\"\n";
    server_ = std::make_unique<ServerProcess>(options);
    ASSERT_TRUE(server_->start()) << server_->standard_error();
  }

  RawClient open(bool wants_invalidations = false, const Position& cache = {},
                 const std::string& storage = "main") {
    wire::Hello hello;
    hello.session = random_session();
    hello.wants_invalidations = wants_invalidations;
    hello.cache = cache;
    hello.storage = storage;
    return open(hello);
  }
  RawClient open(const wire::Hello& hello) { return *RawClient::open(server_->port(), hello); }

  static Tid committed(RawClient& client, const wire::Commit& commit) {
    const auto reply = client.ask<wire::Committed>(commit);
    EXPECT_TRUE(reply) << reply.error().to_string();
    return reply ? reply->tid : Tid();
  }
  // Until so many votes wait for locks.
  void wait_until_waiting(RawClient& client, std::uint64_t count) {
    const auto until = std::chrono::steady_clock::now() + seconds(20);
    while (std::chrono::steady_clock::now() < until) {
      const auto status = client.ask<wire::StatusReport>(wire::StatusQuery{});
      ASSERT_TRUE(status);
      if (status->waiting >= count) return;
    }
    FAIL() << "nobody waits";
  }

  const std::string vote_timeout_;
  TemporaryDirectory directory_;
  std::unique_ptr<ServerProcess> server_;
};

class OrderingOfVotes : public Ordering {
 protected:
  OrderingOfVotes() : Ordering("700 ms") {}
};

TEST_F(Ordering, InvalidationComesBeforeAnyReplyThatReflectsIt) {
  constexpr std::uint64_t kObjects = 4;
  std::atomic<bool> stop = false;
  RawClient writer = open();
  RawClient reader = open(true);
  std::thread writing([&] {
    std::map<std::uint64_t, Tid> base;
    for (std::uint64_t number = 1; !stop; ++number) {
      Tid& tid = base[number % kObjects];
      tid = committed(writer, commit_of(writer, number, {{Oid(1 + number % kObjects), tid}}));
    }
  });
  Tid line = reader.welcome().visible.tid;
  std::map<Oid, Tid> told;  // newest revision as the reader was told
  const auto until = std::chrono::steady_clock::now() + milliseconds(1500);
  std::uint64_t answers = 0, asked = 0;
  std::map<std::uint32_t, Oid> oid_of;
  const auto goes_on = [&] {  // longer where the machine is slow
    return std::chrono::steady_clock::now() < until || told.empty() || asked <= 100;
  };
  while (goes_on() || answers < asked) {
    while (asked < answers + 32 && goes_on()) {
      const Oid oid(1 + asked++ % kObjects);
      const std::uint32_t id = reader.next_id();
      oid_of[id] = oid;
      ASSERT_TRUE(reader.send(wire::Load{oid}, id));
    }
    const auto received = reader.receive();
    ASSERT_TRUE(received) << received.error().to_string();
    if (const auto* news = std::get_if<wire::Invalidate>(&received->message)) {
      ASSERT_GT(news->tid, line);
      line = news->tid;
      for (const Oid oid : news->oids) told[oid] = news->tid;
    } else if (const auto* loaded = std::get_if<wire::Loaded>(&received->message)) {
      ++answers;
      const Oid oid = oid_of[received->request_id];
      ASSERT_LE(loaded->tid, line) << "newer than what was told";
      if (loaded->status == wire::LoadedStatus::found && loaded->end.is_zero() &&
          told.contains(oid)) {
        ASSERT_EQ(loaded->tid, told[oid]) << "current, though it was said to be gone";
      }
    } else {
      FAIL() << "an unexpected message";
    }
  }
  stop = true;
  writing.join();
  EXPECT_GT(told.size(), 0U);
  EXPECT_GT(answers, 100U);
}

TEST_F(Ordering, PingIsAnsweredAfterTheInvalidationOfWhatWasAcknowledged) {
  RawClient writer = open();
  RawClient reader = open(true);
  Tid base;
  for (std::uint64_t number = 1; number <= 200; ++number) {
    base = committed(writer, commit_of(writer, number, {{Oid(1), base}}));
    const auto pong = reader.ask<wire::Pong>(wire::Ping{});
    ASSERT_TRUE(pong) << pong.error().to_string();
    ASSERT_FALSE(reader.invalidations().empty());
    EXPECT_EQ(reader.invalidations().back().tid, base);
    EXPECT_EQ(pong->visible, base);
  }
  EXPECT_EQ(reader.invalidations().size(), 200U);
}

TEST_F(Ordering, CommitterIsNotToldOfItsOwnCommit) {
  RawClient one = open(true);
  RawClient two = open(true);
  Tid of_one = committed(one, commit_of(one, 1, {{Oid(1), {}}}));
  const Tid of_two = committed(two, commit_of(two, 1, {{Oid(2), {}}}));
  ASSERT_TRUE(one.ask<wire::Voted>(vote_of(one, 2, {{Oid(1), of_one}})));
  const auto finished = one.ask<wire::Committed>(wire::Finish{.number = 2});
  ASSERT_TRUE(finished) << finished.error().to_string();
  ASSERT_TRUE(one.ask<wire::Pong>(wire::Ping{}));
  ASSERT_TRUE(two.ask<wire::Pong>(wire::Ping{}));
  ASSERT_EQ(one.invalidations().size(), 1U);
  EXPECT_EQ(one.invalidations()[0].tid, of_two);
  ASSERT_EQ(two.invalidations().size(), 2U);
  EXPECT_EQ(two.invalidations()[0].tid, of_one);
  EXPECT_EQ(two.invalidations()[1].tid, finished->tid);
}

TEST_F(Ordering, ReconnectingClientIsBroughtUpToDateFromAnyTid) {
  RawClient writer = open();
  std::vector<Tid> tids;
  for (std::uint64_t number = 1; number <= 40; ++number) {
    tids.push_back(
        committed(writer, commit_of(writer, number, {{Oid(number), {}}, {Oid(500 + number), {}}})));
  }
  for (const bool restarted : {false, true}) {
    if (restarted) {
      server_->kill();
      ASSERT_TRUE(server_->start()) << server_->standard_error();
    }
    for (std::size_t i = 0; i < tids.size(); i += 3) {
      RawClient client = open(true, Position{{}, tids[i], {}});
      EXPECT_TRUE(client.welcome().cache_valid);
      EXPECT_GE(client.welcome().visible.tid, tids.back());
      std::map<Oid, Tid> told;
      Tid line = tids[i];
      for (const wire::Invalidate& news : client.invalidations()) {
        EXPECT_GE(news.tid, line);
        line = news.tid;
        for (const Oid oid : news.oids) told[oid] = news.tid;
      }
      EXPECT_EQ(told.size(), 2 * (tids.size() - 1 - i)) << "all that changed, and nothing else";
      for (std::size_t later = i + 1; later < tids.size(); ++later) {
        EXPECT_TRUE(told.contains(Oid(later + 1)) && told.contains(Oid(501 + later)));
      }
    }
  }
}

TEST_F(Ordering, CacheOfAnotherHistoryIsToBeDropped) {
  RawClient writer = open();
  const Tid tid = committed(writer, commit_of(writer, 1, {{Oid(1), {}}}));
  for (const Tid foreign : {Tid(12345), tid.previous(), tid.next(), kMaxTid}) {
    RawClient client = open(true, Position{{}, foreign, {}});
    EXPECT_FALSE(client.welcome().cache_valid) << to_hex(foreign);
  }
  ChainHash other{};
  other[0] = 1;
  EXPECT_FALSE(open(true, Position{Epoch(1), tid, other}).welcome().cache_valid);
  // The position that the server itself names is good.
  EXPECT_TRUE(open(true, open().welcome().visible).welcome().cache_valid);
}

TEST_F(Ordering, VoteDelaysNobodyOnOtherObjects) {
  RawClient voter = open();
  RawClient other = open();
  ASSERT_TRUE(voter.ask<wire::Voted>(vote_of(voter, 1, {{Oid(1), {}}})));
  Tid base;
  for (std::uint64_t number = 1; number <= 20; ++number) {
    base = committed(other, commit_of(other, number, {{Oid(2), base}}));
  }
  const auto finished = voter.ask<wire::Committed>(wire::Finish{.number = 1});
  ASSERT_TRUE(finished) << "and the vote is still held: " << finished.error().to_string();
  EXPECT_GT(finished->tid, base);
}

TEST_F(Ordering, WaitersForAnObjectAreServedInTheirOrder) {
  RawClient voter = open();
  RawClient asker = open();
  ASSERT_TRUE(voter.ask<wire::Voted>(vote_of(voter, 1, {{Oid(1), {}}})));
  std::vector<RawClient> waiters;
  for (std::uint64_t i = 0; i < 5; ++i) {
    waiters.push_back(open());
    ASSERT_TRUE(waiters.back().send(vote_of(waiters.back(), 1, {{Oid(1), {}}}), 9));
    wait_until_waiting(asker, i + 1);
  }
  ASSERT_TRUE(voter.ask<wire::Done>(wire::Abort{.number = 1}));
  for (std::size_t i = 0; i + 1 < waiters.size(); ++i) {
    ASSERT_TRUE(waiters[i].receive_as<wire::Voted>(9)) << i;
    if (i == 3) break;
    for (std::size_t later = i + 1; later < waiters.size(); ++later) {
      const auto early = waiters[later].receive(milliseconds(10));
      ASSERT_FALSE(early) << later << " was served before " << i << " ended";
    }
    ASSERT_TRUE(waiters[i].ask<wire::Done>(wire::Abort{.number = 1}));
  }
  // The last but one commits: the last is told of the conflict.
  const auto won = waiters[3].ask<wire::Committed>(wire::Finish{.number = 1});
  ASSERT_TRUE(won) << won.error().to_string();
  const auto lost = waiters[4].receive_as<wire::Conflicted>(9);
  ASSERT_TRUE(lost) << lost.error().to_string();
  ASSERT_EQ(lost->conflicts.size(), 1U);
  EXPECT_EQ(lost->conflicts[0].current, won->tid);
}

TEST_F(OrderingOfVotes, VoteThatIsNotFinishedInTimeClosesItsClientAndLetsOthersGoOn) {
  RawClient voter = open();
  RawClient waiter = open();
  ASSERT_TRUE(voter.ask<wire::Voted>(vote_of(voter, 1, {{Oid(1), {}}})));
  EXPECT_FALSE(committed(waiter, commit_of(waiter, 1, {{Oid(1), {}}})).is_zero());
  Error why{ErrorCode::unavailable, {}};
  EXPECT_TRUE(voter.wait_closed(seconds(10), &why));
  EXPECT_EQ(why.code, ErrorCode::timeout) << why.to_string();
  EXPECT_FALSE(why.detail.empty());
}

TEST_F(Ordering, LostConnectionReleasesWhatItsVoteHeld) {
  std::optional<RawClient> voter = open();
  RawClient waiter = open();
  ASSERT_TRUE(voter->ask<wire::Voted>(vote_of(*voter, 1, {{Oid(1), {}}})));
  ASSERT_TRUE(waiter.send(commit_of(waiter, 1, {{Oid(1), {}}}), 9));
  voter.reset();
  const auto reply = waiter.receive_as<wire::Committed>(9);
  EXPECT_TRUE(reply) << reply.error().to_string();
}

TEST_F(Ordering, SameCommitSentTwiceCommitsOnce) {
  wire::Hello hello;
  hello.session = random_session();
  hello.wants_invalidations = false;
  RawClient one = open(hello);
  RawClient two = open(hello);
  RawClient log = open();
  for (std::uint64_t number = 1; number <= 50; ++number) {
    const wire::Commit commit = commit_of(one, number, {{Oid(number), {}}});
    ASSERT_TRUE(one.send(commit, 9));
    ASSERT_TRUE(two.send(commit, 9));
    // The later of the two is told; the earlier is told the same, or that the other one is.
    std::vector<Tid> told;
    for (RawClient* client : {&one, &two}) {
      const auto reply = client->receive_as<wire::Committed>(9);
      if (reply) {
        told.push_back(reply->tid);
      } else {
        EXPECT_EQ(reply.error().code, ErrorCode::outcome_unknown) << reply.error().to_string();
      }
    }
    ASSERT_FALSE(told.empty());
    const auto outcome =
        log.ask<wire::OutcomeKnown>(wire::OutcomeQuery{{hello.session, number}, commit.begun});
    ASSERT_TRUE(outcome) << outcome.error().to_string();
    EXPECT_TRUE(outcome->committed);
    EXPECT_EQ(outcome->tid, told.front());
    EXPECT_EQ(outcome->tid, told.back());
  }
  const auto entries = log.ask<wire::LogReply>(wire::ReadLog{});
  ASSERT_TRUE(entries);
  EXPECT_EQ(entries->items.size(), 50U);
}

TEST_F(Ordering, StoragesOfOneServerKnowNothingOfEachOther) {
  RawClient in_main = open(true);
  RawClient in_other = open(true, {}, "other");
  EXPECT_NE(in_main.welcome().cluster_id, in_other.welcome().cluster_id);
  const Tid tid = committed(in_main, commit_of(in_main, 1, {{Oid(1), {}}}, "main"));
  EXPECT_FALSE(committed(in_other, commit_of(in_other, 1, {{Oid(1), {}}}, "other")).is_zero());
  const auto loaded = in_main.ask<wire::Loaded>(wire::Load{Oid(1)});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->data.view(), "main");
  EXPECT_EQ(loaded->tid, tid);
  EXPECT_TRUE(in_main.invalidations().empty());
  const ProgramResult of_main = zeolite({"load", "--at", server_->address(), "1"});
  EXPECT_EQ(of_main.out, "main") << of_main.error;
  EXPECT_EQ(server_->stop(), 0);
  EXPECT_EQ(verify(directory_ / "data").exit_code, 0);
  EXPECT_EQ(verify(directory_ / "other").exit_code, 0);
}

}  // namespace
}  // namespace zeolite::testing
