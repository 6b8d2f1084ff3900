#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "integration/program.h"
#include "zeolite/zeolite.h"

namespace zeolite::testing {
namespace {

namespace zdb = zeolite::client;
using std::chrono::seconds;

constexpr int kObjects = 50;
constexpr int kExitAtCrashPoint = 137;
constexpr std::string_view kCrash = "ZEOLITE_CRASH_POINT";
constexpr std::string_view kFail = "ZEOLITE_FAIL_POINT";

zdb::Options options_for(const std::string& address) {
  zdb::Options options;
  options.addresses = {address};
  options.label = "client_test";
  return options;
}

// New objects "object 0", "object 1" and so on, in one transaction.
std::vector<zdb::Oid> create_objects(zdb::Client& client, int count) {
  zdb::Transaction transaction = client.begin();
  std::vector<zdb::Oid> oids;
  for (int i = 0; i < count; ++i) {
    oids.push_back(transaction.new_oid());
    transaction.store(oids.back(), "object " + std::to_string(i));
  }
  transaction.commit();
  return oids;
}

void expect_objects(zdb::Transaction& transaction, const std::vector<zdb::Oid>& oids) {
  for (std::size_t i = 0; i < oids.size(); ++i) {
    EXPECT_EQ(transaction.load(oids[i]).view(), "object " + std::to_string(i));
  }
}

void change(zdb::Client& client, zdb::Oid oid, std::string value) {
  zdb::Transaction transaction = client.begin();
  transaction.store(oid, std::move(value));
  transaction.commit();
}

// A server that keeps its port from one start to the next, so that clients find it again.
class ClientLibrary : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerProcess::Options options = serve_options(directory_);
    ServerProcess first(options);
    ASSERT_TRUE(first.start()) << first.standard_error();
    options.port = first.port();
    ASSERT_EQ(first.stop(), 0) << first.standard_error();
    server_ = std::make_unique<ServerProcess>(options);
    ASSERT_TRUE(server_->start()) << server_->standard_error();
  }

  [[nodiscard]] zdb::Options options() const { return options_for(server_->address()); }

  TemporaryDirectory directory_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(ClientLibrary, FindsTheServerBehindADeadAddress) {
  const TemporaryDirectory elsewhere;
  ServerProcess dead(serve_options(elsewhere));
  ASSERT_TRUE(dead.start()) << dead.standard_error();
  const std::string dead_address = dead.address();
  dead.kill();
  zdb::Options both = options();
  both.addresses = {dead_address, server_->address()};
  zdb::Client client(both);
  client.wait_connected();
  const std::vector<zdb::Oid> oids = create_objects(client, 3);
  zdb::Transaction reader = client.begin();
  expect_objects(reader, oids);
  EXPECT_EQ(client.stats().connections, 1U);
}

class WarmCache : public ClientLibrary {
 protected:
  void SetUp() override {
    ClientLibrary::SetUp();
    if (HasFatalFailure()) return;
    warm_ = options();
    warm_.cache_file = (directory_ / "cache").string();
    zdb::Client client(warm_);
    oids_ = create_objects(client, kObjects);
    client.close();
    ASSERT_TRUE(std::filesystem::exists(warm_.cache_file));
  }

  // A client that begins with the cache file loads everything, and the server hears of none of it.
  void expect_served_from_the_file() {
    zdb::Client client(warm_);
    client.wait_connected();
    const std::uint64_t loads = client.status().loads;
    zdb::Transaction reader = client.begin();
    expect_objects(reader, oids_);
    const zdb::Stats stats = client.stats();
    EXPECT_TRUE(stats.started_warm);
    EXPECT_EQ(stats.caches_dropped, 0U);
    EXPECT_EQ(stats.cache_misses, 0U);
    EXPECT_EQ(stats.cache_hits, std::uint64_t{kObjects});
    EXPECT_EQ(client.status().loads, loads);
  }

  zdb::Options warm_;
  std::vector<zdb::Oid> oids_;
};

TEST_F(WarmCache, ServesLoadsAfterARestartOfTheClient) { expect_served_from_the_file(); }

TEST_F(WarmCache, ServesLoadsAfterARestartOfTheServer) {
  ASSERT_EQ(server_->stop(), 0);
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  expect_served_from_the_file();
}

TEST_F(WarmCache, ServesLoadsAfterAKillOfTheServer) {
  server_->kill();
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  expect_served_from_the_file();
}

TEST_F(WarmCache, LearnsWhatChangedMeanwhile) {
  {
    zdb::Client other(options());
    change(other, oids_[7], "changed");
  }
  server_->kill();
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  zdb::Client client(warm_);
  zdb::Transaction reader = client.begin();
  for (std::size_t i = 0; i < oids_.size(); ++i) {
    EXPECT_EQ(reader.load(oids_[i]).view(), i == 7 ? "changed" : "object " + std::to_string(i));
  }
  EXPECT_EQ(client.stats().caches_dropped, 0U);
  EXPECT_EQ(client.stats().cache_misses, 1U);
}

TEST_F(ClientLibrary, SnapshotStaysWhileAnotherClientCommits) {
  zdb::Client writer(options());
  const std::vector<zdb::Oid> oids = create_objects(writer, 2);
  for (const std::size_t cache_bytes : {std::size_t{0}, std::size_t{1} << 20}) {
    SCOPED_TRACE("cache of " + std::to_string(cache_bytes));
    change(writer, oids[0], "object 0");
    zdb::Options reading = options();
    reading.cache_bytes = cache_bytes;
    zdb::Client client(reading);
    client.sync();
    zdb::Transaction reader = client.begin();
    EXPECT_EQ(reader.load(oids[0]).view(), "object 0");
    change(writer, oids[0], "newer");
    const zdb::Oid created = create_objects(writer, 1).front();
    client.sync();
    EXPECT_GT(client.snapshot(), reader.snapshot());
    expect_objects(reader, oids);
    EXPECT_FALSE(reader.find(created).has_value());
    zdb::Transaction now = client.begin();
    EXPECT_EQ(now.load(oids[0]).view(), "newer");
    EXPECT_TRUE(now.find(created).has_value());
  }
}

TEST_F(ClientLibrary, SyncIsAnsweredAfterARecordOfTheServersOwn) {
  zdb::Client writer(options());
  zdb::Options impatient = options();
  impatient.call_timeout = seconds(5);
  zdb::Client reader(impatient);
  const zdb::Tid before = reader.sync();
  static_cast<void>(writer.new_oid());  // the server notes that it gave oids away
  const zdb::Tid after = reader.sync();
  EXPECT_GT(after, before);
  EXPECT_EQ(reader.snapshot(), after);
}

TEST_F(ClientLibrary, PrefetchedObjectsAreLoadedWithoutTheServer) {
  zdb::Client writer(options());
  const std::vector<zdb::Oid> oids = create_objects(writer, kObjects);
  zdb::Client client(options());
  client.sync();
  zdb::Transaction reader = client.begin();
  reader.prefetch(oids);
  const auto until = std::chrono::steady_clock::now() + seconds(20);
  while (client.stats().cache_revisions_now < kObjects &&
         std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const zdb::Stats before = client.stats();
  ASSERT_EQ(before.cache_revisions_now, std::uint64_t{kObjects});
  const std::uint64_t loads = client.status().loads;
  expect_objects(reader, oids);
  EXPECT_EQ(client.stats().cache_misses, before.cache_misses);
  EXPECT_EQ(client.stats().cache_hits, before.cache_hits + kObjects);
  EXPECT_EQ(client.status().loads, loads);
}

TEST_F(ClientLibrary, ConflictNamesTheObjectAndCommitsNothing) {
  zdb::Client first(options()), second(options());
  const std::vector<zdb::Oid> oids = create_objects(first, 2);
  second.sync();
  zdb::Transaction late = second.begin();
  late.store(oids[0], std::string("late"));
  late.store(oids[1], std::string("late"));
  change(first, oids[1], "early");
  try {
    late.commit();
    FAIL() << "committed";
  } catch (const zdb::ConflictError& error) {
    ASSERT_EQ(error.conflicts().size(), 1U);
    EXPECT_EQ(error.conflicts()[0].oid, oids[1]);
    EXPECT_TRUE(error.retryable());
  }
  second.sync();
  zdb::Transaction reader = second.begin();
  EXPECT_EQ(reader.load(oids[0]).view(), "object 0");
  EXPECT_EQ(reader.load(oids[1]).view(), "early");
}

TEST_F(ClientLibrary, RunTransactionCountsRightAgainstCompetitors) {
  constexpr int kThreads = 4;
  constexpr int kIncrements = 25;
  zdb::Client first(options()), second(options());
  const zdb::Oid counter = first.new_oid();
  change(first, counter, "0");
  second.sync();
  std::vector<std::future<void>> threads;
  for (int i = 0; i < kThreads; ++i) {
    zdb::Client& client = i % 2 == 0 ? first : second;
    threads.push_back(std::async(std::launch::async, [&client, counter] {
      for (int n = 0; n < kIncrements; ++n) {
        zdb::run_transaction(client, [&](zdb::Transaction& transaction) {
          transaction.store(counter,
                            std::to_string(std::stoi(transaction.load(counter).str()) + 1));
        });
      }
    }));
  }
  for (std::future<void>& thread : threads) thread.get();
  first.sync();
  EXPECT_EQ(first.begin().load(counter).view(), std::to_string(kThreads * kIncrements));
}

// How the server ends while it commits, and whether that transaction is in the database then.
struct LostReply {
  std::string_view variable;  // of the environment, which names the
  std::string_view point;     // storage/crash_point.h
  int exit_code;
  bool committed;
};

class ClientLostReply : public ClientLibrary, public ::testing::WithParamInterface<LostReply> {};

struct Attempt {
  zdb::Oid oid;
  std::optional<zdb::Tid> tid;  // nothing: the commit failed
};

// One commit after the other, each of a new object. Errors that are not "nothing was committed, try
// again" are thrown.
std::vector<Attempt> commit_one_by_one(zdb::Client& client, int count) {
  std::vector<Attempt> attempts;
  for (int i = 0; i < count; ++i) {
    Attempt attempt{client.new_oid(), std::nullopt};
    try {
      zdb::Transaction transaction = client.begin();
      transaction.store(attempt.oid, std::to_string(i));
      attempt.tid = transaction.commit();
    } catch (const zdb::Error& error) {
      if (!error.retryable()) throw;
    }
    attempts.push_back(attempt);
  }
  return attempts;
}

TEST_P(ClientLostReply, HasOneOutcomeAfterTheRestart) {
  // More than are passed while the server starts, fewer than there are commits.
  constexpr int kPassage = 30;
  constexpr int kCommits = 60;
  ASSERT_EQ(server_->stop(), 0);
  server_->set_environment({std::string(GetParam().variable) + "=" + std::string(GetParam().point) +
                            ":" + std::to_string(kPassage)});
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  zdb::Client client(options());
  std::future<std::vector<Attempt>> committing =
      std::async(std::launch::async, [&client] { return commit_one_by_one(client, kCommits); });
  EXPECT_EQ(server_->wait_exit(seconds(20)), GetParam().exit_code);
  server_->set_environment({});
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  const std::vector<Attempt> attempts = committing.get();

  EXPECT_EQ(client.stats().outcomes_asked, 1U);
  zdb::Client other(options());
  other.sync();
  zdb::Transaction reader = other.begin();
  int failed = 0;
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    const Attempt& attempt = attempts[i];
    const std::optional<zdb::Bytes> found = reader.find(attempt.oid);
    EXPECT_EQ(found.has_value(), attempt.tid.has_value()) << "commit " << i;
    if (!attempt.tid) {
      ++failed;
    } else if (found) {
      EXPECT_EQ(found->view(), std::to_string(i));
      EXPECT_EQ(other.load_at(attempt.oid, *attempt.tid), *found);
    }
  }
  EXPECT_EQ(failed, GetParam().committed ? 0 : 1);
  // Nothing was committed twice.
  const zdb::LogPage log = other.read_log(zdb::Tid{});
  EXPECT_TRUE(log.end);
  EXPECT_EQ(log.entries.size(), static_cast<std::size_t>(kCommits - failed));
}

INSTANTIATE_TEST_SUITE_P(
    AtEachStep, ClientLostReply,
    ::testing::Values(LostReply{kCrash, "append.before_write", kExitAtCrashPoint, false},
                      LostReply{kCrash, "append.after_write", kExitAtCrashPoint, true},
                      LostReply{kCrash, "append.before_return", kExitAtCrashPoint, true},
                      LostReply{kFail, "wal.append", 1, false},
                      // Written, and the system does not crash with the process.
                      LostReply{kFail, "wal.sync", 1, true}),
    [](const auto& test) {
      std::string name(test.param.point);
      for (char& c : name) c = c == '.' ? '_' : c;
      return name;
    });

TEST_F(ClientLibrary, SyncThatFailsLeavesTheOutcomeUnknownUntilTheRestart) {
  ASSERT_EQ(server_->stop(), 0);
  server_->set_environment({"ZEOLITE_FAIL_POINT=wal.sync:30"});
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  zdb::Options impatient = options();
  impatient.call_timeout = seconds(5);  // longer than any answer of a server that lives
  zdb::Client client(impatient);
  std::optional<zdb::CommitId> unknown;
  for (int i = 0; i < 60 && !unknown; ++i) {
    try {
      change(client, client.new_oid(), "value");
    } catch (const zdb::OutcomeUnknownError& error) {
      unknown = error.commit_id();
    }
  }
  ASSERT_TRUE(unknown);
  EXPECT_EQ(server_->wait_exit(seconds(20)), 1) << server_->standard_error();
  server_->set_environment({});
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  zdb::Client other(options());
  const zdb::Outcome outcome = other.outcome(*unknown);
  EXPECT_EQ(outcome.state, zdb::Outcome::State::committed);
  EXPECT_EQ(other.read_log(zdb::Tid{}).entries.back().tid, outcome.tid);
}

TEST_F(ClientLibrary, ExamplesDoWhatTheySay) {
  const ProgramResult hello = run_program({EXAMPLE_HELLO, server_->address()});
  EXPECT_EQ(hello.exit_code, 0) << hello.error;
  EXPECT_NE(hello.out.find("reader: Hello, world\n"), std::string::npos) << hello.out;
  EXPECT_NE(hello.out.find("now:    Hello, world!\n"), std::string::npos) << hello.out;
  const ProgramResult coroutines = run_program({EXAMPLE_COROUTINE_LOAD, server_->address()});
  EXPECT_EQ(coroutines.exit_code, 0) << coroutines.out << coroutines.error;
  const ProgramResult log = run_program({EXAMPLE_LOG_FOLLOW, "--once", server_->address()});
  EXPECT_EQ(log.exit_code, 0) << log.error;
  EXPECT_NE(log.out.find("say hello"), std::string::npos) << log.out;
  const ProgramResult standby = run_program({EXAMPLE_STANDBY_READ, server_->address()});
  EXPECT_EQ(standby.exit_code, 0) << standby.error;
  EXPECT_EQ(standby.out, "written at the primary\n");
}

}  // namespace
}  // namespace zeolite::testing
