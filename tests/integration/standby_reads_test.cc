#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "integration/cluster.h"
#include "integration/small_disk.h"
#include "support/tcp_proxy.h"
#include "zeolite/zeolite.h"

// The client library reads from a standby that may lose sight of its primary.
namespace zeolite::testing {
namespace {

namespace zdb = zeolite::client;
using std::chrono::milliseconds;
using std::chrono::seconds;

class StandbyReads : public ClusterTest {
 protected:
  // The primary "a", and "b" that follows it through a proxy.
  void SetUp() override {
    // It does not give up a standby that is held back, though this machine may be slow.
    a_.emplace(options("a", {"--durability", "local", "--lease", "30"}));
    ASSERT_TRUE(a_->start()) << a_->standard_error();
    proxy_.emplace(a_->port());
    b_.emplace(options_of_b());
    ASSERT_TRUE(b_->start()) << b_->standard_error();
    ASSERT_TRUE(wait_until([&] { return same_end(*a_, *b_) && age() > 0 && age() < 500; }))
        << b_->standard_error();
  }
  [[nodiscard]] virtual ServerProcess::Options options_of_b() {
    return options("b", {"--standby-of", proxy_->address()});
  }
  // Of what the standby shows, in milliseconds, as it says.
  [[nodiscard]] std::int64_t age() const {
    const boost::json::object object = status(*b_);
    const boost::json::value* age = object.if_contains("shown_age_ms");
    return age == nullptr ? -1 : age->as_int64();
  }

  [[nodiscard]] zdb::Options reads_standby(milliseconds max_staleness) const {
    zdb::Options options;
    options.addresses = {b_->address(), a_->address()};
    options.read_preference = zdb::ReadPreference::standby;
    options.max_staleness = max_staleness;
    options.connect_timeout = milliseconds(500);
    options.call_timeout = seconds(2);
    return options;
  }
  zdb::Tid commit(zdb::Oid oid, const std::string& value) {
    zdb::Options options;
    options.addresses = {a_->address()};
    zdb::Client writer(options);
    zdb::Transaction transaction = writer.begin();
    transaction.store(oid, value);
    return transaction.commit();
  }
  // Whom the client talks to now; empty: to nobody.
  static std::string node(zdb::Client& client) {
    try {
      return client.status().node;
    } catch (const zdb::Error&) {
      return {};
    }
  }

  std::optional<ServerProcess> a_;
  std::optional<TcpProxy> proxy_;
  std::optional<ServerProcess> b_;
};

TEST_F(StandbyReads, AStandbyThatLostItsPrimaryIsLeftForAnotherNode) {
  zdb::Client client(reads_standby(seconds(1)));
  ASSERT_TRUE(wait_until([&] { return node(client) == "b"; }));
  proxy_->hold();
  const zdb::Tid tid = commit(zdb::Oid{7}, "new");
  ASSERT_TRUE(wait_until([&] { return node(client) == "a"; })) << b_->standard_error();
  (void)client.sync(tid);
  EXPECT_EQ(client.begin().load(zdb::Oid{7}).view(), "new");
}

TEST_F(StandbyReads, WithoutABoundItIsReadOn) {
  zdb::Client client(reads_standby(milliseconds(0)));
  ASSERT_TRUE(wait_until([&] { return node(client) == "b"; }));
  proxy_->hold();
  ASSERT_TRUE(wait_until([&] { return age() > 2000; }));
  EXPECT_EQ(node(client), "b");
}

// Waiting for a transaction that does not come is bounded.
TEST_F(StandbyReads, WaitingForATransactionEndsInTimeAndWhenItIsThere) {
  zdb::Client client(reads_standby(milliseconds(0)));
  ASSERT_TRUE(wait_until([&] { return node(client) == "b"; }));
  (void)client.sync(commit(zdb::Oid{7}, "first"));
  EXPECT_EQ(client.begin().load(zdb::Oid{7}).view(), "first");
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THROW((void)client.sync(zdb::Tid{client.snapshot().value + 1}), zdb::TimeoutError);
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(10));
}

TEST_F(StandbyReads, AStandbyThatIsCutOffIsLeftByWhoWaitsForATransaction) {
  zdb::Client client(reads_standby(milliseconds(0)));
  ASSERT_TRUE(wait_until([&] { return node(client) == "b"; }));
  proxy_->hold();
  const zdb::Tid tid = commit(zdb::Oid{8}, "second");
  (void)client.sync(tid);
  EXPECT_EQ(client.begin().load(zdb::Oid{8}).view(), "second");
  EXPECT_EQ(node(client), "a");
}

// It hears of its primary, and appends nothing: what it shows stands still.
class FullStandbyReads : public StandbyReads {
 protected:
  void SetUp() override {
    if (!disk_.mounted()) GTEST_SKIP() << "a tmpfs cannot be mounted here: " << disk_.why();
    StandbyReads::SetUp();
  }
  [[nodiscard]] ServerProcess::Options options_of_b() override {
    ServerProcess::Options options = StandbyReads::options_of_b();
    options.data = directory_ / "disk/data";
    options.config = "[memory]\nmemtable = \"2 MiB\"\n";
    return options;
  }
  // Commits until the standby, which looks at its disk now and then, appends nothing more.
  zdb::Tid commit_until_full() {
    disk_.fill(18 << 20);  // below the reserve
    zdb::Tid tid;
    EXPECT_TRUE(wait_until([&] {
      tid = commit(zdb::Oid{9}, std::string(1000, 'x'));
      return b_->standard_error().find("this standby appends nothing") != std::string::npos;
    })) << b_->standard_error();
    EXPECT_NE(text_of(status(*b_), "visible_tid"), text_of(status(*a_), "last_tid"));
    return tid;
  }

  SmallDisk disk_{directory_ / "disk"};
};

TEST_F(FullStandbyReads, WhoWaitsForATransactionIsServedElsewhereAndOthersReadOn) {
  zdb::Client waits(reads_standby(milliseconds(0)));
  zdb::Client reads(reads_standby(milliseconds(0)));
  commit(zdb::Oid{8}, "before");
  for (zdb::Client* client : {&waits, &reads}) {
    ASSERT_TRUE(wait_until([&] { return node(*client) == "b"; }));
  }
  ASSERT_TRUE(wait_until([&] { return same_end(*a_, *b_); }));
  const zdb::Tid tid = commit_until_full();
  (void)waits.sync(tid);
  EXPECT_EQ(waits.begin().load(zdb::Oid{9}).view(), std::string(1000, 'x'));
  EXPECT_EQ(node(waits), "a");
  EXPECT_EQ(reads.begin().load(zdb::Oid{8}).view(), "before");
  EXPECT_EQ(node(reads), "b");
  disk_.release();
  (void)reads.sync(tid);
  EXPECT_EQ(reads.begin().load(zdb::Oid{9}).view(), std::string(1000, 'x'));
}

TEST_F(FullStandbyReads, WithNobodyElseThereTheWaitEndsInTime) {
  zdb::Client client(reads_standby(milliseconds(0)));
  ASSERT_TRUE(wait_until([&] { return node(client) == "b"; }));
  const zdb::Tid tid = commit_until_full();
  a_->kill();
  const auto began = std::chrono::steady_clock::now();
  try {
    (void)client.sync(tid);
    ADD_FAILURE() << "nobody has it";
  } catch (const zdb::TimeoutError& error) {
    EXPECT_NE(std::string(error.what()).find("in time"), std::string::npos) << error.what();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(10));
  // It reads on what the standby shows.
  EXPECT_TRUE(wait_until([&] { return node(client) == "b"; }));
}

TEST_F(StandbyReads, StatusTellsHowFarAStandbyIsBehind) {
  const auto lag = [&](const char* key) -> std::int64_t {
    const boost::json::object object = status(*a_);
    const boost::json::value* standbys = object.if_contains("standbys");
    if (standbys == nullptr || standbys->as_array().empty()) return -1;
    return standbys->as_array().front().as_object().at(key).to_number<std::int64_t>();
  };
  ASSERT_TRUE(wait_until([&] { return lag("lag_ms") == 0; }));
  EXPECT_EQ(lag("lag_transactions"), 0);
  proxy_->hold();
  for (std::uint64_t i = 0; i < 5; ++i) commit(zdb::Oid{100 + i}, std::string(1000, 'x'));
  // Status tells how it was a moment ago.
  ASSERT_TRUE(wait_until([&] { return lag("lag_transactions") == 5; }));
  ASSERT_TRUE(wait_until([&] { return lag("lag_ms") > 0; }));
  EXPECT_EQ(lag("lag_bytes"), 5000);
  proxy_->release();
  ASSERT_TRUE(wait_until([&] { return lag("lag_transactions") == 0; }));
  ASSERT_TRUE(wait_until([&] { return lag("lag_ms") == 0; }));
  EXPECT_EQ(lag("lag_bytes"), 0);
}

}  // namespace
}  // namespace zeolite::testing
