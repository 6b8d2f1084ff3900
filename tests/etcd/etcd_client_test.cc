#include "etcd/etcd_client.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "etcd/fake_etcd.h"
#include "etcd/http_attempt.h"

namespace zeolite::etcd {
namespace {

using namespace std::chrono_literals;
namespace dcs = replication::dcs;
using Answer = Result<dcs::Answer>;

const std::string kHeld =
    R"({"header":{"revision":"9"},"succeeded":true,"responses":[{"response_delete_range":{}}]})";
const std::string kNotHeld = R"({"header":{"revision":"9"}})";
const std::string kReleased = kHeld;
const std::string kNoLeader = R"({"error":"etcdserver: no leader","code":14})";

// Long for what is expected to be answered at once, short for what is expected to run out.
constexpr Duration kLong = 20s;
constexpr Duration kShort = 100ms;

class EtcdClientTest : public ::testing::Test {
 protected:
  void start(std::size_t count) {
    std::vector<net::HostPort> endpoints;
    for (std::size_t i = 0; i < count; ++i) {
      servers.push_back(std::make_unique<FakeEtcd>(context));
      endpoints.push_back(servers.back()->address());
    }
    client = std::make_unique<EtcdClient>(context, std::move(endpoints), "/zeolite/c/");
  }
  FakeEtcd& server(std::size_t index = 0) { return *servers[index]; }

  // The answer, which must be the only one.
  Answer ask(dcs::Request request, Duration timeout = kLong) {
    std::optional<Answer> answer;
    client->send(std::move(request), timeout, [&](Answer got) {
      EXPECT_FALSE(answer) << "answered twice";
      answer = std::move(got);
    });
    EXPECT_FALSE(answer) << "answered from within send()";
    while (!answer) context.run_one();
    context.poll();
    return *std::move(answer);
  }
  ErrorCode error_of(dcs::Request request, Duration timeout = kLong) {
    const Answer answer = ask(std::move(request), timeout);
    EXPECT_FALSE(answer);
    return answer ? ErrorCode{} : answer.error().code;
  }
  bool held(dcs::Request request) {
    const Answer answer = ask(std::move(request));
    EXPECT_TRUE(answer) << answer.error().detail;
    return answer && std::get<dcs::Guarded>(*answer).held;
  }

  boost::asio::io_context context{1};
  std::vector<std::unique_ptr<FakeEtcd>> servers;
  std::unique_ptr<EtcdClient> client;
};

TEST_F(EtcdClientTest, KeepsItsConnection) {
  start(1);
  server().reply_json(kHeld);
  server().reply_json(kNotHeld);
  EXPECT_TRUE(held(dcs::Confirm{9}));
  EXPECT_FALSE(held(dcs::Confirm{9}));
  EXPECT_EQ(server().accepted(), 1U);
  EXPECT_TRUE(server().requests()[0].starts_with("/v3/kv/txn {\"compare\":"));
}

// As the gateway answers a keepalive, and errors with their trailer.
TEST_F(EtcdClientTest, ReadsChunks) {
  start(1);
  server().reply(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "26\r\n{\"result\":{\"header\":{},\"ID\":\"7\",\"TTL\":\r\n5\r\n\"3\"}}"
      "\r\n1\r\n\n\r\n0\r\n\r\n");
  server().reply(
      "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n"
      "Trailer: Grpc-Trailer-Content-Type\r\n\r\n"
      "31\r\n{\"error\":\"etcdserver: requested lease not found\"}\r\n0\r\n"
      "Grpc-Trailer-Content-Type: application/grpc\r\n\r\n");
  server().reply_json(kHeld);
  const Answer kept = ask(dcs::KeepAlive{7});
  ASSERT_TRUE(kept) << kept.error().detail;
  EXPECT_EQ(std::get<dcs::Leased>(*kept).ttl, Duration(3s));
  EXPECT_EQ(error_of(dcs::Register{7, {}}), ErrorCode::not_found);
  EXPECT_TRUE(held(dcs::Confirm{9}));
  EXPECT_EQ(server().accepted(), 1U);
}

TEST_F(EtcdClientTest, ConnectsAnewWhenTheKeptConnectionWasClosed) {
  start(1);
  server().reply_json(kHeld);
  server().reply_json(kReleased);
  EXPECT_TRUE(held(dcs::Confirm{9}));
  server().close_connections();
  // Not one that may be repeated: it is noticed before anything is sent.
  EXPECT_TRUE(held(dcs::Release{9}));
  EXPECT_EQ(server().accepted(), 2U);
}

TEST_F(EtcdClientTest, RepeatsOnAFreshConnectionWhatMayBeRepeated) {
  start(1);
  server().reply_json(kHeld);
  server().reply("", true);
  server().reply_json(kHeld);
  EXPECT_TRUE(held(dcs::Confirm{9}));
  EXPECT_TRUE(held(dcs::Confirm{9}));
  EXPECT_EQ(server().requests().size(), 3U);
  EXPECT_EQ(server().accepted(), 2U);
}

TEST_F(EtcdClientTest, DoesNotRepeatWhatMayHaveHappened) {
  start(2);
  server(0).reply_json(kHeld);
  server(0).reply("", true);
  EXPECT_TRUE(held(dcs::Confirm{9}));
  EXPECT_EQ(error_of(dcs::Release{9}), ErrorCode::unavailable);
  EXPECT_EQ(server(0).requests().size(), 2U);
  EXPECT_TRUE(server(1).requests().empty());
}

TEST_F(EtcdClientTest, TriesTheNextWhenOneIsDown) {
  start(3);
  server(0).stop();
  server(1).stop();
  server(2).reply_json(kReleased);
  EXPECT_TRUE(held(dcs::Release{9}));
}

TEST_F(EtcdClientTest, StaysWhereItIsAnswered) {
  start(2);
  server(0).reply("", true);
  server(1).reply_json(kHeld);
  server(1).reply_json(kHeld);
  EXPECT_TRUE(held(dcs::Confirm{9}));
  EXPECT_TRUE(held(dcs::Confirm{9}));
  EXPECT_EQ(server(0).requests().size(), 1U);
  EXPECT_EQ(server(1).accepted(), 1U);
}

TEST_F(EtcdClientTest, TriesTheNextWhenOneSaysThatItCannot) {
  start(2);
  server(0).reply_json(kNoLeader, "503 Service Unavailable");
  server(1).reply_json(kHeld);
  EXPECT_TRUE(held(dcs::Confirm{9}));
}

TEST_F(EtcdClientTest, TriesTheNextWhenOneIsSilent) {
  start(2);
  server(1).reply_json(kHeld);
  const Answer answer = ask(dcs::Confirm{9}, 500ms);
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(server(0).requests().size(), 1U);
}

TEST_F(EtcdClientTest, GoesElsewhereAfterAnUnknownOutcome) {
  start(2);
  EXPECT_EQ(error_of(dcs::Release{9}, kShort), ErrorCode::timeout);
  EXPECT_TRUE(server(1).requests().empty());
  server(1).reply_json(kNotHeld);
  EXPECT_FALSE(held(dcs::Release{9}));
}

TEST_F(EtcdClientTest, EndsWhenNobodyIsThere) {
  start(2);
  server(0).stop();
  server(1).stop();
  EXPECT_EQ(error_of(dcs::Confirm{9}), ErrorCode::unavailable);
}

TEST_F(EtcdClientTest, EndsInTimeWhenNobodyAnswers) {
  start(2);
  EXPECT_EQ(error_of(dcs::Confirm{9}, kShort), ErrorCode::timeout);
  EXPECT_EQ(server(0).requests().size() + server(1).requests().size(), 2U);
}

TEST_F(EtcdClientTest, EndsInTimeWhenAnAnswerDoesNotEnd) {
  start(1);
  server().reply("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
  EXPECT_EQ(error_of(dcs::Release{9}, kShort), ErrorCode::timeout);
}

TEST_F(EtcdClientTest, TakesNoTimeAtAll) {
  start(1);
  EXPECT_EQ(error_of(dcs::Confirm{9}, Duration{}), ErrorCode::timeout);
}

TEST_F(EtcdClientTest, ForgetsALateAnswer) {
  start(1);
  server().reply("HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n{");
  EXPECT_EQ(error_of(dcs::Release{9}, kShort), ErrorCode::timeout);
  // On a connection of its own: the rest of the late answer cannot be taken for this one's.
  server().reply_json(kNotHeld);
  EXPECT_FALSE(held(dcs::Release{9}));
  EXPECT_EQ(server().accepted(), 2U);
}

TEST_F(EtcdClientTest, RefusesAnAnswerWithoutEnd) {
  start(1);
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: ";
  server().reply(head + std::to_string(HttpAttempt::kBodyMax + 1) + "\r\n\r\n");
  EXPECT_EQ(error_of(dcs::Confirm{9}), ErrorCode::protocol_error);
  server().reply("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n");
  EXPECT_NE(error_of(dcs::Confirm{9}, 1s), ErrorCode{});
}

TEST_F(EtcdClientTest, RefusesWhatIsNotHttp) {
  start(1);
  server().reply("SSH-2.0-OpenSSH_9.2\r\n\r\n");
  EXPECT_EQ(error_of(dcs::Release{9}), ErrorCode::protocol_error);
}

TEST_F(EtcdClientTest, AnAnswerThatIsCutShortIsNotStrange) {
  start(1);
  server().reply("HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n{", true);
  EXPECT_EQ(error_of(dcs::Release{9}), ErrorCode::unavailable);
  server().reply("", true);
  EXPECT_EQ(error_of(dcs::Release{9}), ErrorCode::unavailable);
}

TEST_F(EtcdClientTest, DoesNotKeepAConnectionThatTheServerCloses) {
  start(1);
  server().reply("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " +
                     std::to_string(kHeld.size()) + "\r\n\r\n" + kHeld,
                 true);
  server().reply_json(kReleased);
  EXPECT_TRUE(held(dcs::Confirm{9}));
  EXPECT_TRUE(held(dcs::Release{9}));
}

TEST_F(EtcdClientTest, DoesNotUseAConnectionWithBytesNobodyAskedFor) {
  start(1);
  server().reply("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kHeld.size()) + "\r\n\r\n" +
                 kHeld + "HTTP/1.1 200 OK\r\n");
  server().reply_json(kReleased);
  EXPECT_TRUE(held(dcs::Confirm{9}));
  EXPECT_TRUE(held(dcs::Release{9}));
  EXPECT_EQ(server().accepted(), 2U);
}

// One that hangs does not hold up another.
TEST_F(EtcdClientTest, RunsRequestsBesideEachOther) {
  start(1);
  server().reply("HTTP/1.1 200 OK\r\n");
  server().reply_json(kHeld);
  std::vector<std::string> ended;
  client->send(dcs::Release{9}, 300ms, [&](const Answer&) { ended.emplace_back("hangs"); });
  while (server().requests().empty()) context.run_one();
  client->send(dcs::Confirm{9}, kLong, [&](const Answer&) { ended.emplace_back("answered"); });
  while (ended.size() < 2) context.run_one();
  EXPECT_EQ(ended, (std::vector<std::string>{"answered", "hangs"}));
}

TEST_F(EtcdClientTest, DropsWhatIsUnderWayWhenItEnds) {
  start(1);
  const auto watched = std::make_shared<int>(1);
  bool called = false;
  client->send(dcs::Confirm{9}, kLong, [&called, watched](const Answer&) { called = true; });
  while (server().requests().empty()) context.run_one();
  client.reset();
  servers.clear();
  context.run();
  EXPECT_FALSE(called);
  EXPECT_EQ(watched.use_count(), 1);
}

TEST_F(EtcdClientTest, MayEndInACallback) {
  start(1);
  server().reply_json(kHeld);
  bool called = false;
  client->send(dcs::Confirm{9}, kLong, [&](const Answer&) {
    client.reset();
    called = true;
  });
  while (!called) context.run_one();
  context.poll();
}

TEST_F(EtcdClientTest, LooksNamesUp) {
  servers.push_back(std::make_unique<FakeEtcd>(context));
  client = std::make_unique<EtcdClient>(
      context,
      std::vector<net::HostPort>{{"name.invalid", 1}, {"localhost", server().address().port}},
      "/zeolite/c/");
  server().reply_json(kReleased);
  EXPECT_TRUE(held(dcs::Release{9}));
}

TEST(EtcdEndpoints, AreUrlsOrAddresses) {
  const auto endpoints =
      parse_endpoints("http://127.0.0.1:2379,http://etcd-1/,[::1]:23,[::1],etcd-2:4001");
  ASSERT_TRUE(endpoints) << endpoints.error().detail;
  std::vector<std::string> texts;
  for (const net::HostPort& endpoint : *endpoints) texts.push_back(endpoint.to_string());
  EXPECT_EQ(texts, (std::vector<std::string>{"127.0.0.1:2379", "etcd-1:2379", "[::1]:23",
                                             "[::1]:2379", "etcd-2:4001"}));
}

TEST(EtcdEndpoints, AreRefusedWithAReason) {
  for (const char* text :
       {"", "http://", "a,", ",a", "http://a/v3", "ftp://a", "a:b", "a b", "http://user@a"}) {
    const auto endpoints = parse_endpoints(text);
    ASSERT_FALSE(endpoints) << text;
    EXPECT_EQ(endpoints.error().code, ErrorCode::invalid_argument);
  }
  EXPECT_NE(parse_endpoints("https://a:2379").error().detail.find("TLS"), std::string::npos);
}

TEST(EtcdRevoke, WaitsForTheEndOfTheLease) {
  boost::asio::io_context context(1);
  FakeEtcd server(context);
  server.reply_json(R"({"header":{"revision":"9"}})");
  const std::jthread serving([&] { context.run_for(20s); });
  const Result<> ended = revoke({server.address()}, 77, 10s);
  context.stop();
  EXPECT_TRUE(ended) << ended.error().detail;
}

TEST(EtcdRevoke, EndsInTime) {
  boost::asio::io_context context(1);
  const FakeEtcd server(context);  // accepts, as the system does that for it, and is silent
  const Result<> ended = revoke({server.address()}, 77, 50ms);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::timeout);
}

}  // namespace
}  // namespace zeolite::etcd
