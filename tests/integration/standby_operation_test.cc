#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "integration/cluster.h"

// What an operator gets to see who starts standbys wrongly, or promotes by hand more than once.
namespace zeolite::testing {
namespace {

using std::chrono::seconds;

class StandbyOperation : public ClusterTest {
 protected:
  static bool says(const ServerProcess& server, const std::string& words) {
    return server.standard_error().find(words) != std::string::npos;
  }
  static std::uint64_t epoch(const ServerProcess& server) {
    return status(server).at("epoch").to_number<std::uint64_t>();
  }
  // Within some time.
  static void expect_says(const ServerProcess& server, const std::string& words) {
    EXPECT_TRUE(wait_until([&] { return says(server, words); }))
        << "'" << words << "' is not in: " << server.standard_error();
  }
};

// Both were promoted in turn, and the one with the later epoch is told to follow the other.
TEST_F(StandbyOperation, AfterTwoReignsByHandEachSaysWhatToType) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& b = *pair->standby;
  pair->primary->kill();
  ASSERT_EQ(zeolite({"promote", "--force", "--at", b.address()}).exit_code, 0);
  b.kill();
  ServerProcess a(options("a"));
  ASSERT_TRUE(a.start()) << a.standard_error();
  EXPECT_EQ(role(a), "primary") << "it cannot know";
  expect_says(a, "leads without having been able to ask its standbys (" + b.address() + ")");

  ServerProcess again(options("b", standby_of(a)));
  ASSERT_TRUE(again.start()) << again.standard_error();
  const std::string command = "type: zeolite promote --at " + a.address() + " --force";
  expect_says(a, command);
  EXPECT_EQ(role(a), "starting");
  const ProgramResult shown = zeolite({"status", "--at", a.address()});
  EXPECT_NE(shown.out.find("nobody leads as far as this node knows"), std::string::npos)
      << shown.out;
  EXPECT_NE(shown.out.find(command), std::string::npos) << shown.out;
  const ProgramResult refused = zeolite({"promote", "--at", a.address()});
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_NE(refused.error.find("was the primary and stepped down (standby b has promised"),
            std::string::npos)
      << refused.error;
  EXPECT_NE(refused.error.find(command), std::string::npos) << refused.error;
  expect_says(again, "one of the nodes is to be promoted");

  ASSERT_EQ(zeolite({"promote", "--force", "--at", a.address()}).exit_code, 0);
  EXPECT_EQ(role(a), "primary");
  EXPECT_TRUE(wait_until([&] { return in_sync(a); })) << again.standard_error();
  EXPECT_EQ(text_of(status(a), "refuses_why"), "");
}

// What a server is promoted to is later than what it heard of, also before it was started again.
TEST_F(StandbyOperation, ARestartForgetsNoReignThatWasHeardOf) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& b = *pair->standby;
  pair->primary->kill();
  // The second time in an epoch that a node is not promoted to which knows of the first reign only.
  ASSERT_EQ(zeolite({"promote", "--force", "--at", b.address()}).exit_code, 0);
  ASSERT_EQ(zeolite({"demote", "--at", b.address()}).exit_code, 0);
  ASSERT_TRUE(wait_until([&] { return role(b) == "standby"; })) << b.standard_error();
  ASSERT_EQ(zeolite({"promote", "--force", "--at", b.address()}).exit_code, 0);
  const std::uint64_t theirs = epoch(b);
  b.kill();

  ServerProcess a(options("a"));
  ASSERT_TRUE(a.start()) << a.standard_error();
  {
    ServerProcess tells(options("b", standby_of(a)));
    ASSERT_TRUE(tells.start()) << tells.standard_error();
    expect_says(a, "stepping down: standby b has promised a later epoch");
    tells.kill();
  }
  a.kill();
  ASSERT_TRUE(a.start()) << a.standard_error();
  EXPECT_EQ(role(a), "starting");
  expect_says(a, "epoch " + std::to_string(theirs) + " was promised elsewhere");
  const ProgramResult promoted = zeolite({"promote", "--force", "--at", a.address()});
  ASSERT_EQ(promoted.exit_code, 0) << promoted.error << a.standard_error();
  EXPECT_GT(epoch(a), theirs);
  // So the one with that reign follows, instead of ending this one.
  ServerProcess again(options("b", standby_of(a)));
  ASSERT_TRUE(again.start()) << again.standard_error();
  EXPECT_TRUE(wait_until([&] { return in_sync(a); })) << again.standard_error();
  EXPECT_EQ(role(a), "primary");
}

TEST_F(StandbyOperation, AnOldPrimaryThatCouldNotAskStepsDownWhenItIsAnswered) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& b = *pair->standby;
  pair->primary->kill();
  ASSERT_EQ(zeolite({"promote", "--force", "--at", b.address()}).exit_code, 0);
  b.send_signal(SIGSTOP);
  ServerProcess a(options("a"));
  ASSERT_TRUE(a.start()) << a.standard_error();
  EXPECT_EQ(role(a), "primary");
  expect_says(a, "leads without having been able to ask");
  b.send_signal(SIGCONT);
  EXPECT_TRUE(wait_until([&] { return in_sync(b); }, seconds(30))) << a.standard_error();
  EXPECT_EQ(role(a), "standby");
  EXPECT_EQ(role(b), "primary");
  expect_says(a, "stepping down: " + b.address() + " has promised epoch");
}

// It is the last thing that the standby says on the connection.
TEST_F(StandbyOperation, APrimaryThatIsAliveStepsDownWhenItsStandbyIsPromoted) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  ServerProcess& b = *pair->standby;
  ASSERT_EQ(zeolite({"promote", "--force", "--at", b.address()}).exit_code, 0);
  EXPECT_TRUE(wait_until([&] { return in_sync(b); })) << a.standard_error();
  EXPECT_EQ(role(a), "standby");
  expect_says(a, "stepping down: a standby has promised a later epoch");
}

TEST_F(StandbyOperation, OneThatIsToFollowItselfIsRefused) {
  const ProgramResult result =
      zeolite({"serve", "--data", (directory_ / "a").string(), "--native", "127.0.0.1:0",
               "--advertise", "127.0.0.1:5", "--standby-of", "127.0.0.1:5"});
  EXPECT_EQ(result.exit_code, 1) << result.error;
  EXPECT_NE(result.error.find("--standby-of 127.0.0.1:5 is this server's own address"),
            std::string::npos)
      << result.error;
}

TEST_F(StandbyOperation, ACopiedDirectoryIsRefusedWithWhatToDo) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  EXPECT_EQ(pair->standby->stop(), 0);
  std::filesystem::copy(directory_ / "b", directory_ / "c",
                        std::filesystem::copy_options::recursive);
  ServerProcess b(options("b", standby_of(a)));
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(a); })) << b.standard_error();
  ServerProcess c(options("c", standby_of(a)));
  ASSERT_TRUE(c.start()) << c.standard_error();
  for (const ServerProcess* server : {&a, &c}) {
    expect_says(*server,
                "one directory is a copy of the other; stop the copy, remove its file NODE");
  }
  EXPECT_EQ(c.stop(), 0);
  std::filesystem::remove(directory_ / "c" / "NODE");
  ASSERT_TRUE(c.start()) << c.standard_error();
  EXPECT_TRUE(wait_until([&] { return status(a).at("standbys").as_array().size() == 2; }))
      << c.standard_error();
}

// As two machines that were made from one image: they would drive each other out for ever.
TEST_F(StandbyOperation, ACopiedDirectoryThatSaysTheSameAddressIsRefusedToo) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  EXPECT_EQ(pair->standby->stop(), 0);
  std::filesystem::copy(directory_ / "b", directory_ / "c",
                        std::filesystem::copy_options::recursive);
  std::vector<std::string> more = standby_of(a);
  more.insert(more.end(), {"--advertise", "127.0.0.1:5"});
  ServerProcess b(options("b", more));
  ServerProcess::Options same = options("c", more);
  same.arguments[1] = "b";
  ServerProcess c(same);
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(a); })) << b.standard_error();
  ASSERT_TRUE(c.start()) << c.standard_error();
  const std::string words = "the same NODE file and the same address: one directory is a copy";
  expect_says(a, words);
  // Which of them is there when it is noticed is chance: the other is told.
  EXPECT_TRUE(wait_until([&] { return says(b, words) || says(c, words); }))
      << b.standard_error() << c.standard_error();
  ServerProcess& refused = says(c, words) ? c : b;
  ServerProcess& stays = says(c, words) ? b : c;
  EXPECT_EQ(refused.stop(), 0) << refused.standard_error();
  EXPECT_TRUE(wait_until([&] { return in_sync(a); })) << stays.standard_error();
  EXPECT_EQ(role(stays), "standby");
}

TEST_F(StandbyOperation, AStorageOfAnotherNameAndANodeOfTheSameNameAreToldOf) {
  ServerProcess a(options("a"));
  ASSERT_TRUE(a.start()) << a.standard_error();
  std::vector<std::string> more = standby_of(a);
  more.insert(more.end(), {"--storage-name", "other"});
  ServerProcess other(options("b", more));
  ASSERT_TRUE(other.start()) << other.standard_error();
  expect_says(other, "the storage is called 'main' here and 'other' there");

  ServerProcess::Options named = options("c", standby_of(a));
  named.arguments[1] = "a";
  ServerProcess same(named);
  ASSERT_TRUE(same.start()) << same.standard_error();
  expect_says(a, "two nodes are called a (" + a.address() + ", " + same.address() + ")");
}

}  // namespace
}  // namespace zeolite::testing
