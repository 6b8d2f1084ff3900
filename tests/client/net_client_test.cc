#include "client/net_client.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <future>
#include <thread>

#include "base/check.h"
#include "client/fake_server.h"
#include "net/listener.h"
#include "wire/codec.h"
#include "zeolite/run_transaction.h"

// The network client over loopback, against the server in memory.
namespace zeolite::client_core {
namespace {

// Serves one FakeServer on a port; one connection at a time.
class ServedFake : private net::FramedConnection::Handler {
 public:
  explicit ServedFake(std::uint16_t port = 0) {
    auto listener = net::Listener::listen(
        shard_, net::HostPort{"127.0.0.1", port}, [this]() -> net::IoShard& { return shard_; },
        [this](net::Socket socket) { accept(std::move(socket)); });
    listener_ = std::move(*listener);
    CHECK(listener_->start().has_value(), "the fake server listens");
  }
  ~ServedFake() override {
    on_shard([this] {
      listener_->stop();
      cut();
    });
    shard_.stop();
    shard_.join();
  }
  // Runs on the server's thread and waits for it.
  template <typename F>
  void on_shard(F function) {
    shard_.run(std::move(function));
  }
  template <typename M>
  void tell(const M& message) {
    connection_->send(message, 0);
  }
  // Some bytes of a message.
  void tell_part(ByteView part) { connection_->send_encoded(part); }
  void cut() {
    if (connection_) std::exchange(connection_, nullptr)->detach();
  }
  [[nodiscard]] std::string address() const { return listener_->address().to_string(); }
  void say() {
    for (; !silent && !server.outgoing.empty(); server.outgoing.pop_front()) {
      const auto& next = server.outgoing.front();
      std::visit([&](const auto& m) { connection_->send(m, next.request_id); }, next.message);
    }
  }

  testing::FakeServer server;
  // What is sent for a client stays in it; requests are carried out.
  bool silent = false;
  bool cut_at_commit = false;  // the next commit happens, its reply is lost
  std::function<void()> when_cut = [] {};

 private:
  void accept(net::Socket socket) {
    cut();
    server.connect();
    connection_ = std::make_shared<net::FramedConnection>(
        shard_, std::move(socket), static_cast<net::FramedConnection::Handler&>(*this),
        net::FramedConnection::Limits{});
    connection_->start();
  }
  void on_frame(wire::Frame frame) override {
    const Result<wire::Message> message = wire::decode(frame);
    server.receive(frame.request_id, *message);
    if (cut_at_commit && std::holds_alternative<wire::Commit>(*message)) {
      cut_at_commit = false;
      when_cut();
      cut();
      return;
    }
    say();
  }
  void on_closed(const Error&) override { connection_.reset(); }

  std::shared_ptr<net::FramedConnection> connection_;
  net::IoShard shard_{"fake-server"};
  std::unique_ptr<net::Listener> listener_;
};

client::Options options_for(const std::vector<std::string>& addresses) {
  client::Options options;
  options.addresses = addresses;
  options.backoff_min = std::chrono::milliseconds(1);
  options.backoff_max = std::chrono::milliseconds(20);
  return options;
}

TEST(NetClient, CommitsAndLoadsOverTheNetwork) {
  ServedFake fake;
  client::Client client(options_for({fake.address()}));
  client::run_transaction(client, [](client::Transaction& transaction) {
    transaction.store(client::Oid{1}, std::string("one"));
  });
  EXPECT_EQ(client.begin().load(client::Oid{1}).str(), "one");
  EXPECT_GT(client.ping().count(), 0);
}

TEST(NetClient, PassesByAnAddressThatIsNotThePrimary) {
  ServedFake standby;
  standby.server.role = wire::NodeRole::standby;
  ServedFake primary;
  client::Client client(options_for({"127.0.0.1:1", standby.address(), primary.address()}));
  client.wait_connected();
  EXPECT_EQ(client.status().node, "fake");
}

TEST(NetClient, GoesWhereAServerSaysThePrimaryIs) {
  ServedFake standby;
  ServedFake primary;
  primary.server.cluster_id = standby.server.cluster_id;
  standby.server.refuse_hello =
      wire::ErrorReply{{ErrorCode::not_primary, "this is a standby"}, primary.address()};
  // A pause or an address that does not answer would take longer than the test may.
  client::Options options = options_for({standby.address()});
  options.backoff_min = options.backoff_max = std::chrono::hours(1);
  client::Client client(options);
  client.wait_connected();
  EXPECT_EQ(client.status().role, client::ServerStatus::Role::primary);
}

TEST(NetClient, FollowsATakeoverToAnAddressThatTheClusterTold) {
  ServedFake first;
  ServedFake second;
  client::Client client(options_for({first.address()}));
  client::run_transaction(client, [](client::Transaction& transaction) {
    transaction.store(client::Oid{1}, std::string("one"));
  });
  first.on_shard(
      [&] { first.tell(wire::Topology{Epoch(1), first.address(), {second.address()}}); });
  client.ping();
  // The second has all that the first had, and the first refuses.
  first.on_shard([&] {
    testing::FakeServer& old = first.server;
    second.on_shard([&] {
      second.server.objects = old.objects;
      second.server.log = old.log;
      second.server.visible = old.visible;
      second.server.epoch = Epoch(2);
    });
    old.refuse_hello = wire::ErrorReply{{ErrorCode::not_primary, "stepped down"}, {}};
    first.cut();
  });
  client.wait_connected();
  EXPECT_EQ(client.begin().load(client::Oid{1}).str(), "one");
  EXPECT_EQ(client.stats().caches_dropped, 0U);
  EXPECT_EQ(client.stats().cache_hits, 1U);
}

TEST(NetClient, AsksTheNextPrimaryWhatBecameOfACommit) {
  ServedFake first;
  ServedFake second;
  client::Client client(options_for({first.address(), second.address()}));
  client.wait_connected();
  // The commit happens and is replicated; then its primary is gone before it answers.
  first.on_shard([&] {
    first.cut_at_commit = true;
    first.when_cut = [&, leader = second.address()] {
      testing::FakeServer& old = first.server;
      second.on_shard([&] {
        second.server.objects = old.objects;
        second.server.log = old.log;
        second.server.outcomes = old.outcomes;
        second.server.visible = old.visible;
        second.server.epoch = Epoch(2);
      });
      old.refuse_hello = wire::ErrorReply{{ErrorCode::not_primary, "stepped down"}, leader};
    };
  });
  client::Transaction transaction = client.begin();
  transaction.store(client::Oid{1}, std::string("one"));
  const client::Tid tid = transaction.commit();
  EXPECT_GE(client.snapshot(), tid);
  second.on_shard([&] {
    EXPECT_EQ(second.server.count_received<wire::OutcomeQuery>(), 1U);
    EXPECT_EQ(second.server.count_received<wire::Commit>(), 0U);
  });
}

TEST(NetClient, LeavesASilentPrimaryForOneOfALaterEpoch) {
  ServedFake first;
  ServedFake second;
  client::Options options = options_for({first.address(), "127.0.0.1:1", second.address()});
  options.heartbeat = std::chrono::seconds(5);
  options.call_timeout = std::chrono::minutes(1);
  client::Client client(options);
  client::run_transaction(client, [](client::Transaction& before) {
    before.store(client::Oid{1}, std::string("zero"));
  });
  second.on_shard([&] {
    second.server.refuse_hello =
        wire::ErrorReply{{ErrorCode::not_primary, "a standby"}, first.address()};
  });
  first.on_shard([&] { first.silent = true; });
  client::Transaction transaction = client.begin();
  transaction.store(client::Oid{1}, std::string("one"));
  auto committed = std::async(std::launch::async, [&] { return transaction.commit(); });
  // It has asked the second in vain; then that has all that the first had, and leads.
  testing::FakeServer& old = first.server;
  testing::FakeServer& next = second.server;
  const auto asked = [&] {
    bool so = false;
    second.on_shard([&] { so = next.count_received<wire::Hello>() > 0; });
    return so;
  };
  while (!asked()) std::this_thread::yield();
  first.on_shard([&] {
    EXPECT_EQ(old.count_received<wire::Commit>(), 2U);
    second.on_shard([&] {
      next.objects = old.objects;
      next.log = old.log;
      next.outcomes = old.outcomes;
      next.visible = old.visible;
      next.epoch = Epoch(2);
      next.refuse_hello.reset();
    });
  });
  const client::Tid tid = committed.get();
  EXPECT_GE(client.snapshot(), tid);
  EXPECT_EQ(client.epoch(), 2U);
  second.on_shard([&] {
    EXPECT_EQ(next.count_received<wire::OutcomeQuery>(), 1U);
    EXPECT_EQ(next.count_received<wire::Commit>(), 0U);
  });
}

TEST(NetClient, StaysWithAServerThatIsInTheMiddleOfAnAnswer) {
  ServedFake fake;
  fake.server.put(Oid(1), std::string(1'000, 'x'));
  client::Options options = options_for({fake.address()});
  options.heartbeat = std::chrono::milliseconds(300);
  client::Client client(options);
  client.wait_connected();
  fake.on_shard([&] { fake.silent = true; });
  auto loaded =
      std::async(std::launch::async, [&] { return client.begin().load(client::Oid{1}).str(); });
  std::string answer;
  while (answer.empty()) {
    std::this_thread::yield();
    fake.on_shard([&] {
      if (fake.server.count_received<wire::Load>() == 0) return;
      const auto& next = fake.server.outgoing.front();
      std::visit([&](const auto& m) { wire::encode(m, next.request_id, answer); }, next.message);
      fake.server.outgoing.pop_front();
    });
  }
  // A part each time that the client asks for a sign of life, for much longer than it waits for
  // one.
  const auto asked = [&] {
    std::size_t count = 0;
    fake.on_shard([&] {
      count = fake.server.count_received<wire::Ping>() + fake.server.count_received<wire::Hello>();
    });
    return count;
  };
  for (std::size_t sent = 0; sent < answer.size(); sent += 100) {
    const std::size_t before = asked();
    fake.on_shard([&] { fake.tell_part(ByteView(answer).substr(sent, 100)); });
    while (sent + 100 < answer.size() && asked() == before) std::this_thread::yield();
  }
  fake.on_shard([&] {
    fake.silent = false;
    fake.say();
  });
  EXPECT_EQ(loaded.get().size(), 1'000U);
  EXPECT_EQ(client.stats().connections, 1U);
}

TEST(NetClient, AServerThatTellsWhatTheCacheMissedIsWaitedFor) {
  ServedFake fake;
  fake.on_shard([&] { fake.silent = true; });
  client::Options options = options_for({fake.address()});
  options.connect_timeout = std::chrono::milliseconds(500);
  client::Client client(options);
  const auto hellos = [&] {
    std::size_t count = 0;
    fake.on_shard([&] { count = fake.server.count_received<wire::Hello>(); });
    return count;
  };
  while (hellos() == 0) std::this_thread::yield();
  for (std::uint64_t i = 0; i < 15; ++i) {
    fake.on_shard([&] { fake.tell(wire::Invalidate{Tid(1 + i), {Oid(i)}, true}); });
    // tidy: allow sleep: it is the time that the server takes
    std::this_thread::sleep_for(std::chrono::milliseconds(80));
  }
  fake.on_shard([&] {
    fake.silent = false;
    fake.say();
  });
  client.wait_connected();
  EXPECT_EQ(hellos(), 1U);
}

TEST(NetClient, StaysWithASilentPrimaryWhenNoneOfALaterEpochAnswers) {
  ServedFake first;
  ServedFake other;  // says that it leads, too, in the same epoch
  client::Options options = options_for({first.address(), other.address()});
  options.heartbeat = std::chrono::seconds(5);
  client::Client client(options);
  client.wait_connected();
  first.on_shard([&] { first.silent = true; });
  auto loaded = std::async(std::launch::async, [&] { return client.status(); });
  const auto asked_often = [&] {
    bool so = false;
    other.on_shard([&] { so = other.server.count_received<wire::Hello>() >= 2; });
    return so;
  };
  while (!asked_often()) std::this_thread::yield();
  first.on_shard([&] {
    first.silent = false;
    first.say();
  });
  EXPECT_EQ(loaded.get().node, "fake");
  EXPECT_EQ(client.stats().connections, 1U);
}

TEST(NetClient, ReadsFromAStandbyBeforeThePrimary) {
  ServedFake primary;
  ServedFake standby;
  standby.server.role = wire::NodeRole::standby;
  client::Options options = options_for({primary.address(), standby.address()});
  options.read_preference = client::ReadPreference::standby;
  client::Client client(options);
  client.wait_connected();
  EXPECT_EQ(client.status().role, client::ServerStatus::Role::standby);
  client::Transaction transaction = client.begin();
  transaction.store(client::Oid{1}, std::string("one"));
  EXPECT_THROW(transaction.commit(), client::ReadOnlyError);
}

TEST(NetClient, ReadsFromThePrimaryWhenThereIsNoStandby) {
  ServedFake primary;
  client::Options options = options_for({"127.0.0.1:1", primary.address()});
  options.read_preference = client::ReadPreference::standby;
  client::Client client(options);
  client.wait_connected();
  EXPECT_EQ(client.status().role, client::ServerStatus::Role::primary);
}

TEST(NetClient, FindsOutWhatBecameOfACommitWhoseReplyWasLost) {
  ServedFake fake;
  client::Client client(options_for({fake.address()}));
  fake.on_shard([&] { fake.cut_at_commit = true; });
  client::Transaction transaction = client.begin();
  transaction.store(client::Oid{1}, std::string("one"));
  const client::Tid tid = transaction.commit();
  EXPECT_GE(client.snapshot(), tid);
  EXPECT_EQ(client.stats().outcomes_asked, 1U);
  EXPECT_EQ(client.stats().connections, 2U);
}

TEST(NetClient, SaysWhyItHasNoConnection) {
  client::Options options = options_for({"127.0.0.1:1"});
  options.call_timeout = std::chrono::milliseconds(50);
  client::Client client(options);
  try {
    client.wait_connected();
    FAIL() << "connected to nothing";
  } catch (const client::DisconnectedError& error) {
    EXPECT_NE(std::string(error.what()).find("127.0.0.1:1"), std::string::npos) << error.what();
  }
}

TEST(NetClient, StartsWarmFromItsCacheFile) {
  std::string directory = ::testing::TempDir() + "net_client_XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  ServedFake fake;
  client::Options options = options_for({fake.address()});
  options.cache_file = directory + "/cache";
  {
    client::Client client(options);
    client::run_transaction(client, [](client::Transaction& transaction) {
      transaction.store(client::Oid{1}, std::string("one"));
      transaction.store(client::Oid{2}, std::string("two"));
    });
  }
  fake.on_shard([&] { fake.server.commit_elsewhere({{Oid(2), "changed"}}, false); });
  {
    client::Client client(options);
    client::Transaction transaction = client.begin();
    EXPECT_EQ(transaction.load(client::Oid{1}).str(), "one");
    EXPECT_EQ(transaction.load(client::Oid{2}).str(), "changed");
    EXPECT_TRUE(client.stats().started_warm);
    EXPECT_EQ(client.stats().cache_hits, 1U);
  }
  std::filesystem::remove_all(directory);
}

TEST(NetClient, CloseEndsWhatWaits) {
  client::Client client(options_for({"127.0.0.1:1"}));
  auto waiting = std::async(std::launch::async, [&] { client.ping(); });
  client.close();
  EXPECT_THROW(waiting.get(), client::UsageError);
  EXPECT_THROW(client.ping(), client::UsageError);
}

TEST(NetClient, RefusesOptionsThatCannotBe) {
  EXPECT_THROW(client::Client(options_for({})), client::InvalidArgumentError);
  EXPECT_THROW(client::Client(options_for({"host:port"})), client::InvalidArgumentError);
}

}  // namespace
}  // namespace zeolite::client_core
