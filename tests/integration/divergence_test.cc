#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "integration/cluster.h"
#include "support/raw_client.h"

// What a takeover left out is kept, shown and brought back.
namespace zeolite::testing {
namespace {

using ::testing::ElementsAre;

class Divergence : public ClusterTest {
 protected:
  static std::optional<Tid> commit(const ServerProcess& server, Oid oid, Tid base,
                                   const std::string& data) {
    wire::Hello hello;
    hello.session = random_session();
    auto client = RawClient::open(server.port(), hello);
    if (!client) {
      ADD_FAILURE() << client.error().detail;
      return std::nullopt;
    }
    wire::Commit commit;
    commit.number = 1;
    commit.begun = client->welcome().visible.tid;
    commit.metadata.user = "anna";
    commit.metadata.description = data;
    commit.writes = {{.oid = oid, .base = base, .data = Bytes(std::string(data))}};
    const auto committed = client->ask<wire::Committed>(commit);
    if (!committed) {
      ADD_FAILURE() << committed.error().detail;
      return std::nullopt;
    }
    return committed->tid;
  }

  static std::string load(const ServerProcess& server, const std::string& oid) {
    return zeolite({"load", oid, "--at", server.address()}).out;
  }

  // The descriptions of the transactions in the file, in order.
  std::vector<std::string> shown(const std::string& path) {
    const ProgramResult result = zeolite({"divergence", "show", path, "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.error;
    std::vector<std::string> found;
    const boost::json::object object = json_of(result);
    const boost::json::value* files = object.if_contains("files");
    if (files == nullptr || files->as_array().size() != 1) {
      ADD_FAILURE() << result.out;
      return found;
    }
    const boost::json::object& file = files->as_array().front().as_object();
    for (const boost::json::value& record : file.at("records").as_array()) {
      if (text_of(record.as_object(), "kind") != "transaction") continue;
      found.push_back(text_of(record.as_object(), "description"));
    }
    file_ = text_of(file, "file");
    return found;
  }

  ProgramResult replay(const ServerProcess& server, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"divergence", "replay", file_, "--at", server.address(), "--json"});
    return zeolite(more);
  }
  // Counts of replayed, present, left out.
  static std::vector<std::int64_t> counts(const ProgramResult& result) {
    const boost::json::object object = json_of(result);
    std::vector<std::int64_t> found;
    for (const char* key : {"replayed", "present", "left_out"}) {
      const boost::json::value* value = object.if_contains(key);
      found.push_back(value != nullptr && value->is_int64() ? value->as_int64() : -1);
    }
    return found;
  }

  std::string file_;  // shown last
};

TEST_F(Divergence, WhatOnlyTheOldPrimaryHadIsKeptAndReplayed) {
  ServerProcess a(options("a", {"--durability", "local"}));
  ASSERT_TRUE(a.start()) << a.standard_error();
  ServerProcess b(options("b", standby_of(a)));
  ASSERT_TRUE(b.start()) << b.standard_error();
  const auto one = commit(a, Oid(1), kNoTid, "one");
  const auto two = commit(a, Oid(2), kNoTid, "two");
  ASSERT_TRUE(one && two);
  ASSERT_TRUE(wait_until([&] { return same_end(a, b); })) << b.standard_error();

  // What is committed while the standby is away, only the primary has.
  b.kill();
  const auto lost = commit(a, Oid(1), *one, "lost one");
  ASSERT_TRUE(lost);
  ASSERT_TRUE(commit(a, Oid(1), *lost, "lost one again"));
  ASSERT_TRUE(commit(a, Oid(2), *two, "lost two"));
  ASSERT_TRUE(commit(a, Oid(3), kNoTid, "lost three"));
  a.kill();
  ASSERT_TRUE(b.start()) << b.standard_error();
  const ProgramResult promoted = zeolite({"promote", "--force", "--at", b.address()});
  ASSERT_EQ(promoted.exit_code, 0) << promoted.error;
  ASSERT_TRUE(commit(b, Oid(2), *two, "two since"));

  ServerProcess again(options("a", standby_of(b)));
  ASSERT_TRUE(again.start()) << again.standard_error();
  ASSERT_TRUE(wait_until([&] { return same_end(b, again); })) << again.standard_error();
  EXPECT_THAT(shown((directory_ / "a" / "divergence").string()),
              ElementsAre("lost one", "lost one again", "lost two", "lost three"));
  EXPECT_EQ(load(again, "1"), "one") << "undone";

  const ProgramResult tried = replay(b, {"--dry-run"});
  EXPECT_EQ(tried.exit_code, 1);
  EXPECT_THAT(counts(tried), ElementsAre(3, 0, 1)) << tried.out << tried.error;
  EXPECT_EQ(load(b, "1"), "one") << "a dry run";
  const ProgramResult first = replay(b);
  EXPECT_EQ(first.exit_code, 1) << "one is in conflict";
  EXPECT_THAT(counts(first), ElementsAre(3, 0, 1)) << first.out << first.error;
  EXPECT_EQ(load(b, "1"), "lost one again");
  EXPECT_EQ(load(b, "2"), "two since");
  EXPECT_EQ(load(b, "3"), "lost three");
  const std::string end = text_of(status(b), "last_tid");
  EXPECT_THAT(counts(replay(b)), ElementsAre(0, 3, 1)) << "again";
  EXPECT_EQ(text_of(status(b), "last_tid"), end);

  ASSERT_TRUE(wait_until([&] { return same_end(b, again); }));
  EXPECT_EQ(digest(b), digest(again));
}

}  // namespace
}  // namespace zeolite::testing
