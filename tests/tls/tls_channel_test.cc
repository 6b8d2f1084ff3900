#include "tls/tls_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "net/io_shard.h"
#include "net/line_connection.h"
#include "net/loopback_peer.h"
#include "tls/certificates.h"
#include "tls/tls_client.h"
#include "tls/tls_context.h"

namespace zeolite::tls {
namespace {

using namespace std::chrono_literals;
using net::LineConnection;
using net::SecureChannel;
using ::testing::HasSubstr;

constexpr int kSmallBuffer = 16 * 1024;
constexpr std::size_t kRecord = 16 * 1024;  // the longest that TLS has

// A server's connection with TLS, and a client that the test's thread plays.
class TlsConnectionTest : public ::testing::Test {
 protected:
  ~TlsConnectionTest() override {
    if (connection_) run([&] { connection_->detach(); });
  }

  std::unique_ptr<TlsContext> context(const std::filesystem::path& client_ca = {}) {
    return TlsContext::load({.certificate = server_.certificate_file,
                             .key = server_.key_file,
                             .key_password = {},
                             .client_ca = client_ca},
                            [](const std::string& what) { ADD_FAILURE() << what; })
        .value();
  }
  // The far side is `client_`.
  void open(const TlsContext& context, const TlsClient::Wishes& wishes = {},
            const LineConnection::Limits& limits = {}, int buffer = 0) {
    net::SocketPair pair = net::SocketPair::make(shard_.context(), peer_context_, buffer);
    client_ = std::make_unique<TlsClient>(std::move(pair.far), wishes);
    connection_ = std::make_shared<LineConnection>(shard_, std::move(pair.near), recorder_, limits);
    run([&] {
      connection_->secure(context);
      connection_->start();
    });
  }
  void open(const TlsClient::Wishes& wishes = {}, const LineConnection::Limits& limits = {},
            int buffer = 0) {
    open(*context(), wishes, limits, buffer);
  }
  template <typename F>
  void run(F function) {
    shard_.run(std::move(function));
  }
  void send(const std::string& line) {
    run([&] { connection_->send_encoded(line + "\n"); });
  }
  void echo() {
    recorder_.react = [this](const std::string& line) { connection_->send_encoded(line + "\n"); };
  }

  Certificates certificates_;
  Identity server_ = certificates_.make("server");
  net::LineRecorder recorder_;
  boost::asio::io_context peer_context_;
  std::unique_ptr<TlsClient> client_;
  std::shared_ptr<LineConnection> connection_;
  net::IoShard shard_{"tls-test"};
};

TEST_F(TlsConnectionTest, Echoes) {
  echo();
  open();
  ASSERT_TRUE(client_->connect());
  ASSERT_TRUE(client_->send("one\ntwo\n"));
  EXPECT_EQ(client_->receive(8), "one\ntwo\n");
  run([&] { EXPECT_TRUE(connection_->established()); });
}

TEST_F(TlsConnectionTest, SpeaksVersion12) {
  echo();
  open({.version_max = TLS1_2_VERSION});
  ASSERT_TRUE(client_->connect());
  ASSERT_TRUE(client_->send("one\n"));
  EXPECT_EQ(client_->receive(4), "one\n");
}

TEST_F(TlsConnectionTest, RefusesOlderVersions) {
  open({.version_max = TLS1_1_VERSION});
  EXPECT_FALSE(client_->connect());
  EXPECT_EQ(recorder_.wait_for_close().code, ErrorCode::protocol_error);
  EXPECT_THAT(recorder_.wait_for_close().detail, HasSubstr("before 1.2"));
}

TEST_F(TlsConnectionTest, WhatIsSentBeforeTheHandshakeWaitsForIt) {
  open();
  send("welcome");
  run([&] {
    EXPECT_FALSE(connection_->established());
    EXPECT_EQ(connection_->outbound(), 8U);
  });
  EXPECT_EQ(recorder_.drained(), 0);
  ASSERT_TRUE(client_->connect());
  EXPECT_EQ(client_->receive(8), "welcome\n");
}

// Then OpenSSL has read the message ahead by the time the handshake is done, and the socket stays
// silent.
TEST_F(TlsConnectionTest, TakesAMessageThatCameWithTheEndOfTheHandshake) {
  open();
  ASSERT_TRUE(client_->connect_holding_back());
  ASSERT_TRUE(client_->send("at once\n"));
  EXPECT_EQ(recorder_.wait_for_line(0), "at once");
}

TEST_F(TlsConnectionTest, TakesWhatArrivesByteByByte) {
  echo();
  open({.piece = 1});
  ASSERT_TRUE(client_->connect());
  ASSERT_TRUE(client_->send("one\n"));
  EXPECT_EQ(client_->receive(4), "one\n");
}

// Neither reads before it has written all: what the server cannot write yet must not keep it from
// reading.
TEST_F(TlsConnectionTest, LargeMessagesGoBothWaysAtOnce) {
  open({}, {}, kSmallBuffer);
  ASSERT_TRUE(client_->connect());
  const std::string down(4 << 20, 'd');
  const std::string up(4 << 20, 'u');
  send(down);
  ASSERT_TRUE(client_->send(up + "\n"));
  EXPECT_EQ(recorder_.wait_for_line(0), up);
  EXPECT_EQ(client_->receive(down.size() + 1), down + "\n");
}

TEST_F(TlsConnectionTest, OutputThatGrowsWhileARecordWaitsStaysInOrder) {
  open({}, {}, kSmallBuffer);
  ASSERT_TRUE(client_->connect());
  std::string all;
  for (int i = 0; i < 100; ++i) {
    const std::string line(20'000, static_cast<char>('a' + i % 26));
    all += line + "\n";
    send(line);
  }
  EXPECT_EQ(client_->receive(all.size()), all);
}

TEST_F(TlsConnectionTest, DeliversNothingWhilePausedAndAllAfterwards) {
  recorder_.react = [&](const std::string&) {
    connection_->pause_reading();
    shard_.post([&] { connection_->resume_reading(); });
  };
  open();
  ASSERT_TRUE(client_->connect());
  std::string lines;
  for (int i = 0; i < 50; ++i) lines += "line " + std::to_string(i) + "\n";
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(client_->send(lines));
  EXPECT_EQ(recorder_.wait_for_line(999), "line 49");
}

TEST_F(TlsConnectionTest, ClosesAPeerThatDoesNotRead) {
  open({}, {.outbound_max = 1 << 20}, kSmallBuffer);
  ASSERT_TRUE(client_->connect());
  for (int i = 0; i < 40; ++i) send(std::string(64 * 1024, 'x'));
  EXPECT_THAT(recorder_.wait_for_close().detail, HasSubstr("does not read"));
}

TEST_F(TlsConnectionTest, ClosesAPeerThatLeavesARecordUnfinished) {
  open({}, {.progress_timeout = 30s});
  ASSERT_TRUE(client_->connect());
  ASSERT_TRUE(client_->send("first\n"));
  recorder_.wait_for_line(0);
  // Of a record that cannot be read before it is whole; the line before it says that it is there.
  ASSERT_TRUE(client_->send("second\n"));
  client_->send_all_but_one_byte("third\n");
  recorder_.wait_for_line(1);
  // It may be under way for a moment.
  bool closed = false;
  for (Instant at{100s}; !closed; at = at + 30s) {
    run([&] {
      connection_->check_progress(at);
      closed = connection_->closed();
    });
  }
  EXPECT_EQ(recorder_.wait_for_close().code, ErrorCode::timeout);
}

TEST_F(TlsConnectionTest, SaysGoodbyeBehindItsLastWords) {
  open();
  ASSERT_TRUE(client_->connect());
  ASSERT_TRUE(client_->send("here I am\n"));
  recorder_.wait_for_line(0);  // the server knows as well that the handshake is done
  run([&] {
    connection_->send_encoded("last words\n");
    connection_->close_after_flush(Error{ErrorCode::shutting_down, "enough"});
  });
  EXPECT_EQ(client_->receive(11), "last words\n");
  EXPECT_TRUE(client_->hears_goodbye());
  EXPECT_EQ(recorder_.wait_for_close().detail, "enough");
}

TEST_F(TlsConnectionTest, AnswersTheClientsGoodbye) {
  open();
  ASSERT_TRUE(client_->connect());
  ASSERT_TRUE(client_->send("one\n"));
  client_->say_goodbye();
  EXPECT_EQ(recorder_.wait_for_close().code, ErrorCode::unavailable);
  EXPECT_EQ(recorder_.lines(), 1U);
  EXPECT_TRUE(client_->hears_goodbye());
}

TEST_F(TlsConnectionTest, AClientThatJustGoesIsNoOffender) {
  open();
  ASSERT_TRUE(client_->connect());
  ASSERT_TRUE(client_->send("one\n"));
  client_->socket().close();
  EXPECT_EQ(recorder_.wait_for_close().code, ErrorCode::unavailable);
}

TEST_F(TlsConnectionTest, NeitherIsOneThatGoesWithinTheHandshake) {
  open();
  client_->send_raw(ByteView("\x16\x03\x01", 3));
  client_->socket().close();
  EXPECT_EQ(recorder_.wait_for_close().code, ErrorCode::unavailable);
}

TEST_F(TlsConnectionTest, HangsUpOnWhoDoesNotSpeakTls) {
  for (const std::string& words :
       {std::string("\0\0\0\2Z5\0\0\0\0", 10), std::string("GET / HTTP/1.1\r\n\r\n"),
        std::string(100, '\xff')}) {
    net::LineRecorder recorder;
    net::SocketPair pair = net::SocketPair::make(shard_.context(), peer_context_);
    net::Peer peer(std::move(pair.far));
    const auto connection = std::make_shared<LineConnection>(shard_, std::move(pair.near), recorder,
                                                             LineConnection::Limits{});
    const std::unique_ptr<TlsContext> tls = context();
    run([&] {
      connection->secure(*tls);
      connection->send_encoded("a greeting that is not to be seen\n");
      connection->start();
    });
    peer.send_bytes(words);
    EXPECT_EQ(recorder.wait_for_close().code, ErrorCode::protocol_error);
    EXPECT_THAT(recorder.wait_for_close().detail, HasSubstr("TLS"));
    std::string heard(1000, '\0');
    boost::system::error_code error;
    heard.resize(boost::asio::read(peer.socket(), boost::asio::buffer(heard), error));
    EXPECT_EQ(error, boost::asio::error::eof);  // not a reset, which would destroy the alert
    EXPECT_EQ(heard.find("greeting"), std::string::npos);
    EXPECT_EQ(recorder.closings(), 1);
  }
}

// With authorities of clients.
class ClientCertificateTest : public TlsConnectionTest {
 protected:
  Error refusal(const Identity* identity) {
    open(*tls_, {.identity = identity});
    if (client_->connect()) {
      EXPECT_EQ(client_->receive(1), "");  // it hears of it only now
    }
    return recorder_.wait_for_close();
  }

  Identity authority_ = certificates_.make("authority");
  std::unique_ptr<TlsContext> tls_ = context(authority_.certificate_file);
};

TEST_F(ClientCertificateTest, OneFromTheAuthorityIsTaken) {
  const Identity client = certificates_.make("client", {.issuer = &authority_});
  echo();
  open(*tls_, {.identity = &client});
  ASSERT_TRUE(client_->connect());
  ASSERT_TRUE(client_->send("one\n"));
  EXPECT_EQ(client_->receive(4), "one\n");
}

TEST_F(ClientCertificateTest, OneThatIsNamedItselfIsTaken) {
  const Identity client = certificates_.make("client", {.issuer = &authority_});
  tls_ = context(client.certificate_file);
  echo();
  open(*tls_, {.identity = &client});
  ASSERT_TRUE(client_->connect());
  ASSERT_TRUE(client_->send("one\n"));
  EXPECT_EQ(client_->receive(4), "one\n");
}

TEST_F(ClientCertificateTest, NoneIsRefused) {
  const Error why = refusal(nullptr);
  EXPECT_EQ(why.code, ErrorCode::protocol_error);
  EXPECT_THAT(why.detail, HasSubstr("has shown no certificate"));
}

TEST_F(ClientCertificateTest, OneFromElsewhereIsRefused) {
  const Identity stranger = certificates_.make("stranger");
  const Error why = refusal(&stranger);
  EXPECT_EQ(why.code, ErrorCode::protocol_error);
  EXPECT_THAT(why.detail, HasSubstr("certificate is refused: self-signed"));
}

TEST_F(ClientCertificateTest, OneThatHasExpiredIsRefused) {
  const Identity old = certificates_.make(
      "old",
      {.issuer = &authority_, .begins = Certificates::Days(-2), .ends = Certificates::Days(-1)});
  EXPECT_THAT(refusal(&old).detail, HasSubstr("expired"));
}

// The channel alone, over a pair of sockets; the server's steps are the test's.
class TlsChannelTest : public TlsConnectionTest {
 protected:
  TlsChannelTest() {
    net::SocketPair pair = net::SocketPair::make(peer_context_, peer_context_);
    near_.emplace(std::move(pair.near));
    near_->native_non_blocking(true);  // its own wait() still waits
    client_ = std::make_unique<TlsClient>(std::move(pair.far));
    channel_ = context()->accept(near_->native_handle());
    std::thread client([this] { EXPECT_TRUE(client_->connect()); });
    while (channel_->handshake() == SecureChannel::Next::readable) wait_readable();
    client.join();
    EXPECT_TRUE(channel_->is_open());
  }
  void wait_readable() { near_->wait(boost::asio::ip::tcp::socket::wait_read); }
  SecureChannel::Step read(std::size_t room) { return channel_->read(buffer_.data(), room); }

  std::optional<boost::asio::ip::tcp::socket> near_;
  std::unique_ptr<SecureChannel> channel_;
  std::string buffer_ = std::string(64 * 1024, '\0');
};

TEST_F(TlsChannelTest, SaysWhenItHoldsMoreThanThereIsRoomFor) {
  ASSERT_TRUE(client_->send(std::string(100, 'x')));
  wait_readable();
  SecureChannel::Step step = read(60);
  EXPECT_EQ(step.bytes, 60U);
  EXPECT_EQ(step.next, SecureChannel::Next::go_on);
  EXPECT_TRUE(channel_->has_more());
  EXPECT_EQ(near_->available(), 0U);  // so nobody would call for the rest
  step = read(60);
  EXPECT_EQ(step.bytes, 40U);
  EXPECT_EQ(step.next, SecureChannel::Next::readable);
  EXPECT_FALSE(channel_->has_more());
}

TEST_F(TlsChannelTest, GivesWhatCameBeforeTheEndFirst) {
  ASSERT_TRUE(client_->send("one\n"));
  client_->say_goodbye();
  client_->socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send);
  SecureChannel::Step step;
  while (step.bytes == 0) {
    wait_readable();
    step = read(1000);
    ASSERT_NE(step.next, SecureChannel::Next::end);
  }
  while (step.next != SecureChannel::Next::end) step = read(1000);
  EXPECT_EQ(step.bytes, 0U);
  EXPECT_EQ(channel_->end_reason().code, ErrorCode::unavailable);
}

TEST_F(TlsChannelTest, HoldsAnUnfinishedRecord) {
  EXPECT_FALSE(channel_->has_unfinished());
  client_->send_all_but_one_byte("one\n");
  wait_readable();
  const SecureChannel::Step step = read(1000);
  EXPECT_EQ(step.bytes, 0U);
  EXPECT_EQ(step.next, SecureChannel::Next::readable);
  EXPECT_TRUE(channel_->has_unfinished());
  EXPECT_FALSE(channel_->has_more());
}

TEST_F(TlsChannelTest, TakesOneRecordAtATime) {
  const std::string much(3 * kRecord, 'x');
  const SecureChannel::Step step = channel_->write(much);
  EXPECT_EQ(step.bytes, kRecord);
  EXPECT_EQ(step.next, SecureChannel::Next::go_on);
}

TEST_F(TlsChannelTest, BytesThatWereChangedOnTheWayAreAnOffence) {
  ASSERT_TRUE(client_->send("one\n"));
  wait_readable();
  EXPECT_EQ(read(1000).bytes, 4U);
  client_->send_raw(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  wait_readable();
  EXPECT_EQ(read(1000).next, SecureChannel::Next::end);
  EXPECT_EQ(channel_->end_reason().code, ErrorCode::protocol_error);
  EXPECT_FALSE(channel_->is_open());
  channel_->say_goodbye();
}

}  // namespace
}  // namespace zeolite::tls
