#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "integration/program.h"
#include "storage/file_descriptor.h"
#include "support/raw_client.h"

namespace zeolite::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMegabyte = 1 << 20;

// Sanitizers keep what was freed, and more, and take ten times as long for everything.
#if defined(ZEOLITE_SANITIZED)
constexpr bool kMemoryIsOurs = false;
constexpr int kSlowdown = 10;
#else
constexpr bool kMemoryIsOurs = true;
constexpr int kSlowdown = 1;
#endif

// Low limits, so that a test meets them soon.
constexpr const char* kConfig = R"(
[memory]
block_cache = "8 MiB"
memtable = "4 MiB"
[limits]
frame = "4 MiB"
transaction = "8 MiB"
staged = "32 MiB"
outbound = "8 MiB"
[timeouts]
handshake = "3 s"
progress = "4 s"
)";

wire::Hello hello_of(bool wants_invalidations) {
  wire::Hello hello;
  hello.session = random_session();
  hello.wants_invalidations = wants_invalidations;
  return hello;
}

// Measures how long the machine itself keeps one waiting who wants a processor and the disk: nobody
// beside the offender can be spared that.
class Pace {
 public:
  Pace() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

  Clock::duration longest_stall() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    return longest_;
  }

 private:
  void run(const std::stop_token& stop) {
    const storage::FileDescriptor file(
        ::open((directory_ / "pace").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    while (!stop.stop_requested()) {
      const auto begun = Clock::now();
      EXPECT_EQ(::pwrite(file.get(), "x", 1, 0), 1);
      EXPECT_EQ(::fdatasync(file.get()), 0);
      std::this_thread::sleep_for(kPause);
      longest_ = std::max(longest_, Clock::now() - begun - kPause);
    }
  }

  static constexpr milliseconds kPause{10};
  TemporaryDirectory directory_;
  Clock::duration longest_{};
  std::jthread thread_;
};

// A client like any other, that does its work beside the offender and measures how it fares.
class Neighbour {
 public:
  explicit Neighbour(std::uint16_t port)
      : oid_(++created_), thread_([this, port] {
          run(port);
          tell_working();  // also when it could not
        }) {}
  ~Neighbour() {
    if (thread_.joinable()) finish();
  }
  Neighbour(const Neighbour&) = delete;
  Neighbour& operator=(const Neighbour&) = delete;

  void wait_until_working() { working_.wait(false); }

  void finish() {
    stopping_ = true;
    thread_.join();
    ASSERT_GT(latencies_.size(), 3U) << "its commits went on";
    std::ranges::sort(latencies_);
    // A commit waits for three threads and the disk.
    EXPECT_LT(latencies_[latencies_.size() * 99 / 100],
              kSlowdown * milliseconds(500) + 3 * pace_.longest_stall());
  }

 private:
  void tell_working() {
    working_ = true;
    working_.notify_all();
  }

  void run(std::uint16_t port) {
    Result<RawClient> client = RawClient::open(port, hello_of(true));
    ASSERT_TRUE(client) << client.error().to_string();
    Tid base;
    for (std::uint64_t number = 1; !stopping_ || number < 5; ++number) {
      const auto begun = Clock::now();
      wire::Commit commit;
      commit.number = number;
      commit.begun = client->welcome().visible.tid;
      commit.writes = {{.oid = oid_, .base = base, .data = Bytes(std::to_string(number))}};
      const auto committed = client->ask<wire::Committed>(commit);
      ASSERT_TRUE(committed) << committed.error().to_string();
      base = committed->tid;
      tell_working();
      const auto loaded = client->ask<wire::Loaded>(wire::Load{oid_});
      ASSERT_TRUE(loaded) << loaded.error().to_string();
      ASSERT_EQ(loaded->data.view(), std::to_string(number));
      latencies_.push_back(Clock::now() - begun);
    }
  }

  static inline std::uint64_t created_ = 0;
  const Oid oid_;  // its own
  std::atomic<bool> stopping_ = false, working_ = false;
  std::vector<Clock::duration> latencies_;
  Pace pace_;
  std::thread thread_;
};

class HostileClient : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerProcess::Options options = serve_options(directory_);
    options.config = kConfig;
    server_ = std::make_unique<ServerProcess>(options);
    ASSERT_TRUE(server_->start()) << server_->standard_error();
    // What a server that works needs, before anybody misbehaves.
    Neighbour(port()).finish();
    resident_at_rest_ = server_->resident_bytes();
    neighbour_ = std::make_unique<Neighbour>(port());
    neighbour_->wait_until_working();
    asker_ = open();
    // Those who came before have gone.
    ASSERT_TRUE(wait_for_clients(2, seconds(10)));
  }
  void TearDown() override {
    if (!neighbour_) return;
    neighbour_->finish();
    if (kMemoryIsOurs) {
      EXPECT_LT(server_->peak_resident_bytes(), resident_at_rest_ + 100 * kMegabyte);
    }
    EXPECT_EQ(server_->stop(), 0) << server_->standard_error();
    if (HasFailure()) std::cout << "the server said:\n" << server_->standard_error();
  }

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

  [[nodiscard]] RawClient open(bool wants_invalidations = false) const {
    return *RawClient::open(port(), hello_of(wants_invalidations));
  }
  // With the neighbour and the one who asks, who both are there from the beginning to the end.
  std::uint64_t count_clients() {
    const auto status = asker_->ask<wire::StatusReport>(wire::StatusQuery{});
    return status ? status->clients : 0;
  }
  // Whether the server comes down to `count`.
  bool wait_for_clients(std::uint64_t count, milliseconds timeout) {
    const auto until = Clock::now() + timeout;
    while (count_clients() > count) {
      if (Clock::now() > until) return false;
      std::this_thread::sleep_for(milliseconds(5));  // others want the processor, too
    }
    return true;
  }
  // The offender is told why, in words, and closed.
  static void expect_refused(RawClient& client, std::string_view words,
                             milliseconds timeout = seconds(10)) {
    Error why{ErrorCode::unavailable, "nothing was said"};
    EXPECT_TRUE(client.wait_closed(timeout, &why));
    EXPECT_EQ(why.code, ErrorCode::protocol_error) << why.to_string();
    ASSERT_FALSE(words.empty());
    EXPECT_NE(why.detail.find(words), std::string::npos) << why.to_string();
  }

  TemporaryDirectory directory_;
  std::unique_ptr<ServerProcess> server_;
  std::uint64_t resident_at_rest_ = 0;
  std::unique_ptr<Neighbour> neighbour_;
  std::optional<RawClient> asker_;
};

template <typename M>
std::string frame_of(const M& message) {
  std::string frame;
  wire::encode(message, 7, frame);
  return frame;
}

TEST_F(HostileClient, HttpIsRefusedInWords) {
  RawClient client = *RawClient::connect(port());
  ASSERT_TRUE(client.send_bytes("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  expect_refused(client, "is this a Zeolite native port?");
}

TEST_F(HostileClient, RandomBytesAreClosed) {
  std::mt19937 random(1);
  for (int i = 0; i < 50; ++i) {
    RawClient client = *RawClient::connect(port());
    std::string bytes(std::uniform_int_distribution<std::size_t>(16, 20'000)(random), '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    static_cast<void>(client.send_bytes(bytes));
    EXPECT_TRUE(client.wait_closed(seconds(5)));
  }
}

TEST_F(HostileClient, FrameAboveTheLimitIsRefusedByItsHeader) {
  RawClient client = open();
  std::string header = frame_of(wire::Ping{}).substr(0, wire::kFrameHeaderSize);
  const std::uint32_t length = 5 * kMegabyte;  // little-endian, as the machine
  std::memcpy(header.data(), &length, sizeof length);
  ASSERT_TRUE(client.send_bytes(header));
  expect_refused(client, "a frame of 5242880 bytes; the limit is 4194304");
}

TEST_F(HostileClient, LargeFrameBeforeHelloIsRefused) {
  RawClient client = *RawClient::connect(port());
  wire::Hello hello = hello_of(false);
  std::mt19937 random(2);
  for (int i = 0; i < 20'000; ++i) hello.label += static_cast<char>(random());
  static_cast<void>(client.send_bytes(frame_of(hello)));
  expect_refused(client, "the limit is");
}

TEST_F(HostileClient, WrongChecksumIsRefused) {
  RawClient client = open();
  std::string frame = frame_of(wire::Load{Oid(77)});
  frame[wire::kFrameHeaderSize + 3] ^= 1;
  ASSERT_TRUE(client.send_bytes(frame));
  expect_refused(client, "checksum is wrong");
}

TEST_F(HostileClient, BodyThatLiesAboutItsListsIsRefused) {
  const std::string honest = frame_of(wire::LoadMany{{Oid(1), Oid(2), Oid(3)}});
  wire::FrameDecoder decoder(wire::kBodyMaxDefault);
  decoder.feed(Bytes::copy_of(honest));
  const wire::Frame frame = **decoder.next();
  // Each word of the body in turn says "very many".
  int refused = 0;
  for (std::size_t word = 0; word + 8 <= frame.body.size(); word += 8) {
    std::string body(frame.body.view());
    std::memset(body.data() + word + 4, 0x7F, 4);
    std::string lying;
    wire::append_frame(frame.type, 7, body, SIZE_MAX, lying);
    RawClient client = open();
    ASSERT_TRUE(client.send_bytes(lying));
    const Result<wire::Message> reply = client.receive_reply(7, seconds(5));
    refused += !reply;
    if (!reply) {
      EXPECT_EQ(reply.error().code, ErrorCode::protocol_error) << reply.error().to_string();
    }
  }
  EXPECT_GE(refused, 2);
}

TEST_F(HostileClient, RequestBeforeHelloIsRefused) {
  RawClient client = *RawClient::connect(port());
  ASSERT_TRUE(client.send(wire::Load{Oid(77)}, 3));
  expect_refused(client, "hello");
}

TEST_F(HostileClient, ReplyAsRequestAndSecondHelloAreRefused) {
  RawClient client = open();
  ASSERT_TRUE(client.send(wire::Committed{}, 3));
  expect_refused(client, "not a request");
  RawClient again = open();
  ASSERT_TRUE(again.send(hello_of(false), 3));
  expect_refused(again, "not a request");
}

TEST_F(HostileClient, UnknownStorageAndVersionAreRefused) {
  wire::Hello hello = hello_of(false);
  hello.storage = "nowhere";
  const auto refused = RawClient::open(port(), hello);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::not_found);
  hello = hello_of(false);
  hello.version_min = hello.version_max = 99;
  const auto too_new = RawClient::open(port(), hello);
  ASSERT_FALSE(too_new);
  EXPECT_EQ(too_new.error().code, ErrorCode::protocol_error);
}

TEST_F(HostileClient, FinishWithoutVoteIsAnErrorAndTheConnectionGoesOn) {
  RawClient client = open();
  const auto finished = client.ask<wire::Committed>(wire::Finish{.number = 5});
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(client.ask<wire::Pong>(wire::Ping{}));
}

TEST_F(HostileClient, ObjectTwiceInOneTransactionIsAnErrorAndTheConnectionGoesOn) {
  RawClient client = open();
  wire::Commit commit;
  commit.number = 1;
  commit.writes = {{.oid = Oid(900), .base = {}, .data = Bytes(std::string("a"))},
                   {.oid = Oid(900), .base = {}, .data = Bytes(std::string("b"))}};
  const auto committed = client.ask<wire::Committed>(commit);
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(committed.error().detail.find("0000000000000384"), std::string::npos);
  EXPECT_TRUE(client.ask<wire::Pong>(wire::Ping{}));
}

TEST_F(HostileClient, TransactionAboveTheLimitIsRefused) {
  RawClient client = open();
  for (std::uint64_t i = 0; i < 12; ++i) {
    wire::Stage stage;
    stage.number = 1;
    stage.writes = {{.oid = Oid(1000 + i), .base = {}, .data = Bytes(std::string(kMegabyte, 'x'))}};
    if (!client.send(stage, 0)) break;
  }
  expect_refused(client, "larger than the server's limit");
}

TEST_F(HostileClient, StagedBytesOfAllClientsTogetherAreBounded) {
  std::vector<RawClient> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(open());
  for (RawClient& client : clients) {
    for (std::uint64_t part = 0; part < 7; ++part) {
      wire::Stage stage;
      stage.number = 1;
      stage.writes = {
          {.oid = Oid(1000 + part), .base = {}, .data = Bytes(std::string(kMegabyte, 'x'))}};
      static_cast<void>(client.send(stage, 0));
    }
  }
  int refused = 0;
  for (RawClient& client : clients) refused += !client.ask<wire::Pong>(wire::Ping{});
  EXPECT_GE(refused, 2);
  EXPECT_LT(refused, 8);
}

// Transactions that are begun and never ended cost memory even when they hold no data.
TEST_F(HostileClient, EmptyTransactionsWithoutEndAreBounded) {
  RawClient client = open();
  std::string frames;
  for (std::uint64_t number = 1; number <= 1'000'000; ++number) {
    wire::Stage stage;
    stage.number = number;
    wire::encode(stage, 0, frames);
    if (frames.size() < kMegabyte) continue;
    if (!client.send_bytes(frames)) break;
    frames.clear();
  }
  static_cast<void>(client.ask<wire::Pong>(wire::Ping{}));
}

TEST_F(HostileClient, VotesWithoutFinishAreBounded) {
  RawClient client = open();
  for (std::uint64_t number = 1; number <= 2'000; ++number) {
    wire::Vote vote;
    vote.number = number;
    vote.begun = client.welcome().visible.tid;
    vote.metadata.description = vote.metadata.user = vote.metadata.extension =
        std::string(65'000, 'm');
    if (!client.ask<wire::Voted>(vote)) break;
  }
}

TEST_F(HostileClient, ReaderThatStopsReadingIsClosed) {
  {
    RawClient writer = open();
    wire::Commit commit;
    commit.number = 1;
    commit.begun = writer.welcome().visible.tid;
    std::string data(512 * 1024, '\0');
    std::mt19937 random(3);
    for (char& c : data) c = static_cast<char>(random());
    commit.writes = {{.oid = Oid(800), .base = {}, .data = Bytes(data)}};
    ASSERT_TRUE(writer.ask<wire::Committed>(commit));
  }
  RawClient client = open();
  const std::uint64_t clients = count_clients();
  std::string requests;
  for (std::uint32_t id = 1; id <= 1000; ++id) wire::encode(wire::Load{Oid(800)}, id, requests);
  static_cast<void>(client.send_bytes(requests));
  EXPECT_TRUE(wait_for_clients(clients - 1, seconds(15)));
}

TEST_F(HostileClient, SubscriberThatStopsReadingIsClosed) {
  RawClient writer = open();
  RawClient subscriber = open(true);
  subscriber.keep_little_unread();
  const std::uint64_t clients = count_clients();
  Tid base;
  bool closed = false;
  for (std::uint64_t number = 1; number <= 500 && !closed; ++number) {
    wire::Commit commit;
    commit.number = number;
    commit.begun = writer.welcome().visible.tid;
    for (std::uint64_t i = 1; i <= 5000; ++i) {
      // Scattered, so that the invalidation does not compress.
      const Oid oid(i * 0x9E37'79B9'7F4A'7C15U >> 24U);
      commit.writes.push_back({.oid = oid, .base = base, .data = Bytes(std::string("x"))});
    }
    const auto committed = writer.ask<wire::Committed>(commit);
    ASSERT_TRUE(committed) << committed.error().to_string();
    base = committed->tid;
    closed = count_clients() < clients;
  }
  EXPECT_TRUE(closed || wait_for_clients(clients - 1, seconds(15)));
}

TEST_F(HostileClient, OneByteNowAndThenIsClosedInTime) {
  RawClient client = open();
  const std::string frame = frame_of(wire::Ping{.payload = Bytes(std::string(1000, 'p'))});
  const auto begun = Clock::now();
  bool open = true;
  for (std::size_t i = 0; open && Clock::now() - begun < seconds(15); ++i) {
    open = client.send_bytes(frame.substr(i, 1)).has_value();
    // The pace is the attack.
    if (open) open = !client.wait_closed(milliseconds(300));
  }
  EXPECT_FALSE(open);
  EXPECT_LT(Clock::now() - begun, seconds(10));
}

TEST_F(HostileClient, HelloThatNeverComesIsClosedInTime) {
  RawClient silent = *RawClient::connect(port());
  RawClient slow = *RawClient::connect(port());
  const std::string hello = frame_of(hello_of(false));
  ASSERT_TRUE(slow.send_bytes(hello.substr(0, hello.size() / 2)));
  EXPECT_TRUE(silent.wait_closed(seconds(10)));
  EXPECT_TRUE(slow.wait_closed(seconds(10)));
}

TEST_F(HostileClient, IdleConnectionsCostLittle) {
  constexpr std::size_t kConnections = 2000 / kSlowdown;
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, kConnections + 200);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_cur < kConnections + 200) GTEST_SKIP() << "too few file descriptors allowed";
  const std::uint64_t before = server_->resident_bytes();
  const std::uint64_t clients = count_clients();
  std::vector<RawClient> idle;
  for (std::size_t i = 0; i < kConnections; ++i) {
    Result<RawClient> client = RawClient::open(port(), hello_of(true));
    ASSERT_TRUE(client) << i << ": " << client.error().to_string();
    idle.push_back(*std::move(client));
  }
  EXPECT_EQ(count_clients(), clients + kConnections);
  const std::uint64_t after = server_->resident_bytes();
  if (kMemoryIsOurs) {
    EXPECT_LT(after, before + kConnections * 32 * 1024)
        << (after - before) / kConnections << " each";
  }
  idle.clear();
  EXPECT_TRUE(wait_for_clients(clients, seconds(20)));
}

}  // namespace
}  // namespace zeolite::testing
