#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "integration/elected_pair.h"
#include "integration/small_disk.h"
#include "support/raw_client.h"

// The node that is to take over has no room for its promise.
namespace zeolite::testing {
namespace {

using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr const char* kWaits = "this node neither leads nor follows until there is space";

std::size_t times(const std::string& text, const std::string& words) {
  std::size_t count = 0;
  for (auto at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++count;
  return count;
}

// It says what is wrong, and that once; it serves nobody, and answers.
void expect_waits(const ServerProcess& server) {
  ASSERT_TRUE(wait_until([&] { return times(server.standard_error(), kWaits) > 0; }))
      << server.standard_error();
  const auto begun = Clock::now();
  const ProgramResult promoted = zeolite({"promote", "--force", "--at", server.address()});
  EXPECT_EQ(promoted.exit_code, 1) << promoted.out;
  EXPECT_NE(promoted.error.find("No space left on device"), std::string::npos) << promoted.error;
  EXPECT_LT(Clock::now() - begun, seconds(5));
  std::this_thread::sleep_for(seconds(2));
  EXPECT_EQ(times(server.standard_error(), kWaits), 1U) << server.standard_error();
  EXPECT_NE(role(server), "primary");
  const std::string shown = zeolite({"status", "--at", server.address()}).out;
  EXPECT_NE(shown.find(kWaits), std::string::npos) << shown;
}

class FullDiskTakeover : public ElectedPair {
 protected:
  // The directory of server b is on the small disk.
  void SetUp() override {
    if (!disk_.mounted()) GTEST_SKIP() << "a tmpfs cannot be mounted here: " << disk_.why();
    std::filesystem::create_directory(directory_ / "disk/b");
    std::filesystem::create_directory_symlink(directory_ / "disk/b", directory_ / "b");
  }
  void stop_load() {
    load_.stop();
    load_.join();
  }

  SmallDisk disk_{directory_ / "disk"};
};

TEST_F(FullDiskTakeover, WaitsForRoomAndThenLeadsByElection) {
  ElectedPair::SetUp();
  if (IsSkipped()) return;
  // Idle, so that it stays in sync: what it has not got keeps nobody from promoting it.
  stop_load();
  disk_.fill(0);
  a_->kill();
  expect_waits(*b_);
  EXPECT_FALSE(led()) << "whoever has room could take the key";
  ASSERT_TRUE(b_->running()) << b_->standard_error();
  disk_.release();
  expect_took_over(*b_);
}

TEST_F(FullDiskTakeover, WaitsForRoomAndThenLeadsByCommand) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& b = *pair->standby;
  load_.start(pair->primary->port());
  ASSERT_TRUE(load_.wait_acknowledged(100));
  stop_load();
  disk_.fill(0);
  pair->primary->kill();
  EXPECT_EQ(zeolite({"promote", "--at", b.address()}).exit_code, 1) << b.standard_error();
  expect_waits(b);
  disk_.release();
  const auto promoted = [&] {
    return zeolite({"promote", "--force", "--at", b.address()}).exit_code == 0;
  };
  ASSERT_TRUE(wait_until(promoted)) << b.standard_error();
  load_.check_everything(b.port());
}

// Who hands over has nobody lead if the other cannot: without a service there is no way back.
TEST_F(FullDiskTakeover, IsNotSwitchedOverTo) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  const ServerProcess& a = *pair->primary;
  const ServerProcess& b = *pair->standby;
  load_.start(a.port());
  ASSERT_TRUE(load_.wait_acknowledged(100));
  stop_load();
  disk_.fill(0);
  std::this_thread::sleep_for(seconds(1));  // the standby looks, and tells
  for (const std::vector<std::string>& named : {{}, std::vector<std::string>{"--to", "b"}}) {
    std::vector<std::string> command = {"switchover", "--at", a.address()};
    command.insert(command.end(), named.begin(), named.end());
    const auto begun = Clock::now();
    const ProgramResult refused = zeolite(command);
    EXPECT_EQ(refused.exit_code, 1) << refused.out;
    EXPECT_NE(refused.error.find("the disk of the standby b is full"), std::string::npos)
        << refused.error;
    EXPECT_LT(Clock::now() - begun, seconds(2));
  }
  EXPECT_EQ(role(a), "primary");
  load_.start(a.port());
  EXPECT_TRUE(load_.wait_acknowledged(load_.acknowledged() + 100)) << "it goes on";
  stop_load();
  disk_.release();
  ASSERT_TRUE(wait_until([&] { return same_end(a, b) && in_sync(a); })) << b.standard_error();
  const auto switched = [&] { return zeolite({"switchover", "--at", a.address()}).exit_code == 0; };
  ASSERT_TRUE(wait_until(switched)) << a.standard_error();
  ASSERT_TRUE(wait_until([&] { return role(b) == "primary"; })) << b.standard_error();
  load_.check_everything(b.port());
}

// The standby has more than the primary: a group is sent before it is appended.
TEST_F(FullDiskTakeover, SwitchesOverThoughAGroupFoundNoRoom) {
  std::filesystem::create_directory(directory_ / "disk/a2");
  std::filesystem::create_directory_symlink(directory_ / "disk/a2", directory_ / "a2");
  const std::optional<ServerPair> pair = start_pair("2");
  ASSERT_TRUE(pair);
  const ServerProcess& a = *pair->primary;
  const ServerProcess& b = *pair->standby;
  wire::Hello hello;
  hello.session = random_session();
  Result<RawClient> client = RawClient::open(a.port(), hello);
  ASSERT_TRUE(client) << client.error().to_string();
  wire::Vote vote;
  vote.number = 1;
  vote.begun = client->welcome().visible.tid;
  vote.writes = {{.oid = Oid(7), .base = {}, .data = Bytes(std::string(1000, 'x'))}};
  ASSERT_TRUE(client->ask<wire::Voted>(vote));
  disk_.fill(18 << 20);  // below the reserve, a tenth of the disk
  std::this_thread::sleep_for(std::chrono::milliseconds(150));  // it is looked at every 100 ms
  ASSERT_TRUE(client->send(wire::Finish{vote.number}, client->next_id()));
  const auto last = [](const ServerProcess& server) { return text_of(status(server), "last_tid"); };
  ASSERT_TRUE(wait_until([&] { return last(b) > last(a); })) << last(a) << " " << last(b);
  const auto accepts = [&] { return status(a).at("accepts_writes").as_bool(); };
  EXPECT_FALSE(accepts());

  const ProgramResult switched = zeolite({"switchover", "--at", a.address()});
  EXPECT_EQ(switched.exit_code, 0) << switched.error << a.standard_error();
  ASSERT_TRUE(wait_until([&] { return role(b) == "primary"; })) << b.standard_error();
  Result<RawClient> reader = RawClient::open(b.port(), hello);
  ASSERT_TRUE(reader) << reader.error().to_string();
  const auto loaded = reader->ask<wire::Loaded>(wire::Load{Oid(7)});
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(loaded->data.size(), 1000U);
  const auto known =
      reader->ask<wire::OutcomeKnown>(wire::OutcomeQuery{{hello.session, vote.number}, vote.begun});
  EXPECT_TRUE(known && known->committed) << "its client learns what became of it";
  disk_.release();
  EXPECT_TRUE(wait_until([&] { return same_end(b, a); })) << a.standard_error();
}

}  // namespace
}  // namespace zeolite::testing
