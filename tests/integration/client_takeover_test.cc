#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <future>
#include <optional>
#include <string>

#include "integration/cluster.h"
#include "zeolite/zeolite.h"

// The client library over a takeover: finding the new primary, keeping or dropping its cache.
namespace zeolite::testing {
namespace {

namespace zdb = zeolite::client;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr zdb::Oid kOid{7};

class ClientTakeover : public ClusterTest {
 protected:
  static zdb::Options options_for(const std::vector<std::string>& addresses) {
    zdb::Options options;
    options.addresses = addresses;
    options.connect_timeout = milliseconds(500);
    options.call_timeout = seconds(20);
    return options;
  }
  static zdb::Tid commit(zdb::Client& client, const std::string& value) {
    zdb::Transaction transaction = client.begin();
    transaction.store(kOid, value);
    return transaction.commit();
  }
  static std::string load(zdb::Client& client) {
    return std::string(client.begin().load(kOid).view());
  }
  static std::string node(zdb::Client& client) {
    try {
      return client.status().node;
    } catch (const zdb::Error&) {
      return {};
    }
  }
};

// It was told of the standby when that came, by the one address it was given.
TEST_F(ClientTakeover, TheOtherNodesAreToldToWhoIsConnected) {
  ServerProcess a(options("a"));
  ASSERT_TRUE(a.start()) << a.standard_error();
  zdb::Client client(options_for({a.address()}));
  commit(client, "before");
  ServerProcess b(options("b", standby_of(a)));
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(a); })) << a.standard_error();
  a.kill();
  ASSERT_EQ(zeolite({"promote", "--force", "--at", b.address()}).exit_code, 0)
      << b.standard_error();
  EXPECT_TRUE(wait_until([&] { return node(client) == "b"; }));
  EXPECT_EQ(load(client), "before");
  commit(client, "after");
  EXPECT_EQ(load(client), "after");
}

TEST_F(ClientTakeover, ACacheOfTheSameHistoryIsKept) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  ServerProcess& b = *pair->standby;
  zdb::Client client(options_for({a.address(), b.address()}));
  commit(client, "known");
  EXPECT_EQ(load(client), "known");
  a.kill();
  ASSERT_EQ(zeolite({"promote", "--at", b.address()}).exit_code, 0) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return node(client) == "b"; }));
  const std::uint64_t misses = client.stats().cache_misses;
  EXPECT_EQ(load(client), "known");
  EXPECT_EQ(client.stats().cache_misses, misses) << "it is still in the cache";
  EXPECT_EQ(client.stats().caches_dropped, 0U);
}

// It has seen a transaction that the new primary does not have.
// A stopped process keeps its connections open: only its silence tells.
TEST_F(ClientTakeover, ASilentPrimaryIsLeftForItsSuccessor) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  ServerProcess& b = *pair->standby;
  zdb::Options options = options_for({a.address(), b.address()});
  options.heartbeat = seconds(15);
  options.call_timeout = seconds(60);
  zdb::Client client(options);
  commit(client, "before");
  const std::uint64_t epoch = client.epoch();
  a.send_signal(SIGSTOP);
  auto committed = std::async(std::launch::async, [&] {
    zdb::run_transaction(client,
                         [](zdb::Transaction& next) { next.store(kOid, std::string("after")); });
  });
  ASSERT_EQ(zeolite({"promote", "--force", "--at", b.address()}).exit_code, 0)
      << b.standard_error();
  // Given up it would be after two heartbeats.
  EXPECT_EQ(committed.wait_for(seconds(20)), std::future_status::ready);
  committed.get();
  EXPECT_GT(client.epoch(), epoch);
  a.send_signal(SIGCONT);
  zdb::Client other(options_for({b.address()}));
  EXPECT_EQ(load(other), "after");
}

TEST_F(ClientTakeover, ACacheOfAHistoryThatIsLostIsDropped) {
  ServerProcess a(options("a", {"--durability", "local"}));
  ASSERT_TRUE(a.start()) << a.standard_error();
  ServerProcess b(options("b", standby_of(a)));
  ASSERT_TRUE(b.start()) << b.standard_error();
  zdb::Client client(options_for({a.address(), b.address()}));
  commit(client, "kept");
  ASSERT_TRUE(wait_until([&] { return same_end(a, b); })) << b.standard_error();
  const std::string address = b.address();
  b.kill();
  commit(client, "lost");
  EXPECT_EQ(load(client), "lost");
  a.kill();
  ServerProcess::Options again = options("b", standby_of(a));
  again.port = b.port();
  ServerProcess c(again);
  ASSERT_TRUE(c.start()) << c.standard_error();
  ASSERT_EQ(zeolite({"promote", "--force", "--at", address}).exit_code, 0) << c.standard_error();
  ASSERT_TRUE(wait_until([&] { return node(client) == "b"; }));
  EXPECT_EQ(client.stats().caches_dropped, 1U);
  EXPECT_EQ(load(client), "kept");
  commit(client, "since");
  EXPECT_EQ(load(client), "since");
}

}  // namespace
}  // namespace zeolite::testing
