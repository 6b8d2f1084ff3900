#include "net/stream_connection.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <utility>

#include "net/line_connection.h"
#include "net/loopback_peer.h"

namespace zeolite::net {
namespace {

using Next = SecureChannel::Next;

// What a channel does next, as the test says; and what it was asked.
struct Script {
  std::string shakes = "";  // what handshake() waits for, one after the other: 'r' and 'w'
  bool refuses = false;     // the handshake ends the connection
  std::string input;        // what is there to be read
  std::size_t at_once = 4;  // bytes that one read gives
  std::size_t output_room = SIZE_MAX;  // bytes that write() takes before it has to wait
  bool read_waits_to_write = false;    // the next read() does
  bool ends = false;                   // after the input
  Error why{ErrorCode::unavailable, "it is gone"};

  std::string output;
  int goodbyes = 0;
  int reads = 0;
};

// Never touches the descriptor: what it says does not agree with what the socket has.
class ScriptedChannel final : public SecureChannel {
 public:
  explicit ScriptedChannel(Script& script) : script_(script) {}

  Next handshake() override {
    if (script_.refuses) return Next::end;
    if (script_.shakes.empty()) {
      open_ = true;
      return Next::go_on;
    }
    const char waits = script_.shakes.front();
    script_.shakes.erase(0, 1);
    return waits == 'r' ? Next::readable : Next::writable;
  }
  bool is_open() const override { return open_; }
  Step read(char* to, std::size_t room) override {
    ++script_.reads;
    has_more_ = false;
    if (std::exchange(script_.read_waits_to_write, false)) return {.next = Next::writable};
    if (script_.input.empty() && script_.ends) {
      open_ = false;
      return {.next = Next::end};
    }
    const std::size_t size = std::min({room, script_.at_once, script_.input.size()});
    script_.input.copy(to, size);
    script_.input.erase(0, size);
    has_more_ = !script_.input.empty() || script_.ends;
    return {.bytes = size, .next = has_more_ ? Next::go_on : Next::readable};
  }
  Step write(ByteView bytes) override {
    const std::size_t size = std::min(bytes.size(), script_.output_room);
    script_.output += bytes.substr(0, size);
    script_.output_room -= script_.output_room == SIZE_MAX ? 0 : size;
    if (size > 0) return {.bytes = size};
    script_.output_room = SIZE_MAX;  // when it is writable
    return {.next = Next::writable};
  }
  bool has_more() const override { return has_more_; }
  bool has_unfinished() const override { return false; }
  void say_goodbye() override { ++script_.goodbyes; }
  const Error& end_reason() const override { return script_.why; }

 private:
  Script& script_;
  bool open_ = false;
  bool has_more_ = false;
};

class ScriptedChannels final : public SecureChannels {
 public:
  explicit ScriptedChannels(Script& script) : script_(script) {}
  std::unique_ptr<SecureChannel> accept(int) const override {
    return std::make_unique<ScriptedChannel>(script_);
  }

 private:
  Script& script_;
};

// A connection through a channel whose every answer is the test's.
class SecureStreamTest : public ::testing::Test {
 protected:
  ~SecureStreamTest() override {
    if (connection_) run([&] { connection_->detach(); });
  }

  void open() {
    SocketPair pair = SocketPair::make(shard_.context(), peer_context_);
    peer_.emplace(std::move(pair.far));
    connection_ = std::make_shared<LineConnection>(shard_, std::move(pair.near), recorder_,
                                                   LineConnection::Limits{});
    run([&] {
      connection_->secure(ScriptedChannels(script_));
      connection_->start();
    });
  }
  // The socket is readable, once and for all: nobody reads this.
  void poke() { peer_->send_bytes("poke"); }
  template <typename F>
  void run(F function) {
    shard_.run(std::move(function));
  }

  Script script_;  // the shard's, once open
  LineRecorder recorder_;
  boost::asio::io_context peer_context_;
  std::optional<Peer> peer_;
  std::shared_ptr<LineConnection> connection_;
  IoShard shard_{"net-test"};
};

TEST_F(SecureStreamTest, TheHandshakeMayWaitForEither) {
  script_.shakes = "rwwr";
  script_.input = "hello\n";
  open();
  run([&] { connection_->send_encoded("welcome\n"); });
  run([&] {
    EXPECT_EQ(script_.output, "");
    EXPECT_FALSE(connection_->established());
  });
  EXPECT_EQ(recorder_.drained(), 0);
  poke();
  EXPECT_EQ(recorder_.wait_for_line(0), "hello");
  run([&] { EXPECT_EQ(script_.output, "welcome\n"); });
  EXPECT_EQ(recorder_.drained(), 1);
}

TEST_F(SecureStreamTest, ReadsOnWhileTheChannelHasMore) {
  script_.input = "first line\nsecond line\nthird line\n";
  open();
  poke();
  EXPECT_EQ(recorder_.wait_for_line(2), "third line");
}

TEST_F(SecureStreamTest, WhatTheChannelHoldsIsDeliveredAfterAPause) {
  script_.input = "1\n2\n3\n4\n5\n6\n7\n8\n";
  recorder_.react = [&](const std::string& line) {
    if (line == "3") connection_->pause_reading();
  };
  open();
  poke();
  EXPECT_EQ(recorder_.wait_for_line(2), "3");
  int reads = 0;
  run([&] { reads = script_.reads; });
  run([&] { EXPECT_EQ(script_.reads, reads); });
  EXPECT_EQ(recorder_.lines(), 3U);
  run([&] { connection_->resume_reading(); });
  EXPECT_EQ(recorder_.wait_for_line(7), "8");
}

TEST_F(SecureStreamTest, AReadMayWaitToWrite) {
  script_.read_waits_to_write = true;
  script_.input = "hello\n";
  open();
  poke();
  EXPECT_EQ(recorder_.wait_for_line(0), "hello");
}

TEST_F(SecureStreamTest, AWriteThatWaitsGoesOn) {
  script_.output_room = 3;
  open();
  poke();
  int before = 0;  // with nothing to write, it is drained as soon as the channel is open
  run([&] {
    before = recorder_.drained();
    connection_->send_encoded("welcome\n");
  });
  while (recorder_.drained() == before) run([] {});
  run([&] { EXPECT_EQ(script_.output, "welcome\n"); });
}

TEST_F(SecureStreamTest, AllIsDeliveredBeforeTheEnd) {
  script_.input = "1\n2\n3\n4\n5\n";
  script_.ends = true;
  recorder_.react = [&](const std::string& line) {
    if (line == "2") connection_->pause_reading();
  };
  open();
  poke();
  recorder_.wait_for_line(1);
  run([] {});
  EXPECT_EQ(recorder_.closings(), 0);
  run([&] { connection_->resume_reading(); });
  EXPECT_EQ(recorder_.wait_for_line(4), "5");
  EXPECT_EQ(recorder_.wait_for_close().detail, "it is gone");
  EXPECT_EQ(recorder_.lines(), 5U);
}

TEST_F(SecureStreamTest, AHandshakeThatFailsEndsItWithoutLastWords) {
  script_.refuses = true;
  script_.why = Error{ErrorCode::protocol_error, "no"};
  open();
  run([&] { connection_->send_encoded("welcome\n"); });
  poke();
  EXPECT_EQ(recorder_.wait_for_close().detail, "no");
  EXPECT_TRUE(peer_->at_end());  // in order: what the channel told the peer is not destroyed
  run([&] { EXPECT_EQ(script_.output, ""); });
  EXPECT_EQ(recorder_.closings(), 1);
}

TEST_F(SecureStreamTest, WhoIsToCloseDoesNotWaitForTheHandshake) {
  script_.shakes = std::string(100, 'r');
  open();
  run([&] {
    connection_->send_encoded("welcome\n");
    connection_->close_after_flush(Error{ErrorCode::shutting_down, "enough"});
  });
  EXPECT_EQ(recorder_.wait_for_close().detail, "enough");
  EXPECT_TRUE(peer_->at_end());
  run([&] { EXPECT_EQ(script_.output, ""); });
}

TEST_F(SecureStreamTest, SaysGoodbyeOnceHoweverItEnds) {
  for (const bool flush : {true, false}) {
    script_ = Script{};
    open();
    poke();
    run([&] {
      if (flush) {
        connection_->close_after_flush(Error{ErrorCode::shutting_down, "enough"});
      } else {
        connection_->close(Error{ErrorCode::shutting_down, "enough"});
      }
      connection_->close(Error{ErrorCode::shutting_down, "enough"});
      EXPECT_EQ(script_.goodbyes, 1);
    });
    run([&] { connection_->detach(); });
  }
}

}  // namespace
}  // namespace zeolite::net
