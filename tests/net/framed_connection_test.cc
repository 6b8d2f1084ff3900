#include "net/framed_connection.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "net/loopback_peer.h"

namespace zeolite::net {
namespace {

using namespace std::chrono_literals;

// What is in flight is less than what counts as moving on, and far less than what is sent.
constexpr int kSmallBuffer = 16 * 1024;

// Keeps what the connection reports; the test's thread waits for it.
class Recorder final : public FramedConnection::Handler {
 public:
  void on_frame(wire::Frame frame) override {
    if (react) react(frame);
    const std::lock_guard lock(mutex_);
    frames_.push_back(std::move(frame));
    changed_.notify_all();
  }
  void on_closed(const Error& why) override {
    const std::lock_guard lock(mutex_);
    ++closings_;
    why_ = why;
    changed_.notify_all();
  }

  wire::Frame wait_for_frame(std::size_t index) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return frames_.size() > index; });
    return frames_[index];
  }
  Error wait_for_close() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closings_ > 0; });
    return why_;
  }
  std::size_t frames() {
    const std::lock_guard lock(mutex_);
    return frames_.size();
  }
  int closings() {
    const std::lock_guard lock(mutex_);
    return closings_;
  }

  std::function<void(const wire::Frame&)> react;  // set before start()

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<wire::Frame> frames_;
  int closings_ = 0;
  Error why_{ErrorCode::unavailable, {}};
};

class FramedConnectionTest : public ::testing::Test {
 protected:
  ~FramedConnectionTest() override {
    if (connection_) run([&] { connection_->detach(); });
  }

  void open(const FramedConnection::Limits& limits = {}, int buffer = 0) {
    SocketPair pair = SocketPair::make(shard_.context(), peer_context_, buffer);
    peer_.emplace(std::move(pair.far));
    connection_ =
        std::make_shared<FramedConnection>(shard_, std::move(pair.near), recorder_, limits);
    run([&] { connection_->start(); });
  }
  template <typename F>
  void run(F function) {
    shard_.run(std::move(function));
  }
  static wire::Ping ping(std::size_t size, char fill = 'p') {
    return {Bytes(std::string(size, fill))};
  }
  void check_progress(Instant now) {
    run([&] { connection_->check_progress(now); });
  }

  Recorder recorder_;
  boost::asio::io_context peer_context_;
  std::optional<Peer> peer_;
  std::shared_ptr<FramedConnection> connection_;
  IoShard shard_{"net-test"};
};

TEST_F(FramedConnectionTest, DeliversFramesInOrder) {
  open();
  for (std::uint32_t id = 1; id <= 100; ++id) peer_->send(ping(id), id);
  const wire::Frame last = recorder_.wait_for_frame(99);
  EXPECT_EQ(last.request_id, 100U);
  for (std::uint32_t id = 1; id <= 100; ++id) {
    EXPECT_EQ(recorder_.wait_for_frame(id - 1).request_id, id);
  }
}

TEST_F(FramedConnectionTest, DeliversAFrameThatArrivesByteByByte) {
  open();
  std::string frame;
  wire::encode(ping(10), 7, frame);
  for (const char c : frame) peer_->send_bytes(ByteView(&c, 1));
  const wire::Frame got = recorder_.wait_for_frame(0);
  const auto message = wire::decode(got);
  ASSERT_TRUE(message);
  EXPECT_EQ(std::get<wire::Ping>(*message), ping(10));
}

TEST_F(FramedConnectionTest, DeliversAFrameLargerThanOneRead) {
  open();
  peer_->send(ping(3 * IoShard::kScratchSize), 7);
  EXPECT_GT(recorder_.wait_for_frame(0).body.size(), 3 * IoShard::kScratchSize);
}

TEST_F(FramedConnectionTest, SendsWhatATurnWroteInOrder) {
  open();
  run([&] {
    for (std::uint32_t id = 1; id <= 50; ++id) connection_->send(wire::Pong{}, id);
    std::string encoded;
    wire::encode(wire::Done{}, 51, encoded);
    connection_->send_encoded(encoded);
    EXPECT_GT(connection_->outbound(), 0U);  // gathered until the turn ends
  });
  run([&] { EXPECT_EQ(connection_->outbound(), 0U); });
  for (std::uint32_t id = 1; id <= 50; ++id) peer_->expect<wire::Pong>(id);
  peer_->expect<wire::Done>(51);
}

TEST_F(FramedConnectionTest, SendsMoreThanTheSocketTakesAtOnce) {
  open({}, kSmallBuffer);
  constexpr std::uint32_t kFrames = 32;
  constexpr std::size_t kSize = 4 * kSmallBuffer;
  run([&] {
    for (std::uint32_t id = 0; id < kFrames; ++id) connection_->send(ping(kSize, 'x'), id);
  });
  for (std::uint32_t id = 0; id < kFrames; ++id) {
    EXPECT_EQ(peer_->expect<wire::Ping>(id).payload.size(), kSize);
  }
}

TEST_F(FramedConnectionTest, CloseAfterFlushDeliversEverything) {
  open({}, kSmallBuffer);
  run([&] {
    for (std::uint32_t id = 0; id < 16; ++id) connection_->send(ping(4 * kSmallBuffer, 'x'), id);
    connection_->close_after_flush(Error{ErrorCode::shutting_down, "enough"});
    connection_->send(wire::Done{}, 99);  // too late
  });
  EXPECT_EQ(recorder_.closings(), 0);
  for (std::uint32_t id = 0; id < 16; ++id) peer_->expect<wire::Ping>(id);
  EXPECT_TRUE(peer_->at_end());
  EXPECT_EQ(recorder_.wait_for_close().code, ErrorCode::shutting_down);
}

TEST_F(FramedConnectionTest, CloseAfterFlushOfNothingClosesAtOnce) {
  open();
  run([&] { connection_->close_after_flush(Error{ErrorCode::shutting_down, "enough"}); });
  EXPECT_TRUE(connection_->closed());
  EXPECT_TRUE(peer_->at_end());
  EXPECT_EQ(recorder_.closings(), 1);
}

TEST_F(FramedConnectionTest, ReportsItsEndOnce) {
  open();
  run([&] {
    connection_->close(Error{ErrorCode::unavailable, "first"});
    connection_->close(Error{ErrorCode::timeout, "second"});
    connection_->close_after_flush(Error{ErrorCode::timeout, "third"});
    connection_->send(wire::Done{}, 1);
    connection_->resume_reading();
  });
  EXPECT_EQ(recorder_.wait_for_close().detail, "first");
  EXPECT_EQ(recorder_.closings(), 1);
  EXPECT_TRUE(peer_->at_end());
}

TEST_F(FramedConnectionTest, NoticesThatThePeerHasGone) {
  open();
  peer_->close();
  EXPECT_EQ(recorder_.wait_for_close().code, ErrorCode::unavailable);
  EXPECT_EQ(recorder_.closings(), 1);
}

TEST_F(FramedConnectionTest, KnowsItsPeer) {
  open();
  const auto endpoint = peer_->socket().local_endpoint();
  const std::string expected = "127.0.0.1:" + std::to_string(endpoint.port());
  EXPECT_EQ(connection_->peer(), expected);
  run([&] { connection_->close(Error{ErrorCode::unavailable, "over"}); });
  EXPECT_EQ(connection_->peer(), expected);
}

TEST_F(FramedConnectionTest, ClosesAPeerThatLeavesTooMuchUnread) {
  open({.outbound_max = 100'000}, kSmallBuffer);
  run([&] {
    connection_->send(ping(60'000), 1);
    connection_->send(ping(60'000), 2);
    EXPECT_FALSE(connection_->closed());
    connection_->send(ping(60'000), 3);
    EXPECT_TRUE(connection_->closed());
  });
  EXPECT_EQ(recorder_.wait_for_close().code, ErrorCode::timeout);
  EXPECT_EQ(recorder_.closings(), 1);
}

// An answer that is longer than all that may wait: nobody could ever read it.
TEST_F(FramedConnectionTest, OneMessageMayBeLongerThanWhatMayWait) {
  open({.outbound_max = 100'000}, kSmallBuffer);
  run([&] {
    connection_->send(ping(40'000), 1);
    connection_->send(ping(1'000'000), 2);
  });
  run([&] { connection_->send(ping(40'000), 3); });  // while it is on its way
  for (std::uint32_t id = 1; id <= 3; ++id)
    EXPECT_TRUE(peer_->expect<wire::Ping>(id).payload.size());
  run([&] {  // and there is as much room as before
    EXPECT_FALSE(connection_->closed());
    connection_->send(ping(60'000), 4);
    connection_->send(ping(60'000), 5);
    EXPECT_FALSE(connection_->closed());
    connection_->send(ping(60'000), 6);
    EXPECT_TRUE(connection_->closed());
  });
}

TEST_F(FramedConnectionTest, OneLongMessageAtATimeNeedsNoRoomAmongAll) {
  SharedBudget all(100'000);
  open({.buffers_shared = &all}, kSmallBuffer);
  run([&] { connection_->send(ping(1'000'000), 1); });
  Recorder second_recorder;
  SocketPair pair = SocketPair::make(shard_.context(), peer_context_, kSmallBuffer);
  auto second =
      std::make_shared<FramedConnection>(shard_, std::move(pair.near), second_recorder,
                                         FramedConnection::Limits{.buffers_shared = &all});
  run([&] {
    second->start();
    second->send(ping(1'000'000), 1);
  });
  EXPECT_EQ(second_recorder.wait_for_close().code, ErrorCode::timeout);
  EXPECT_EQ(peer_->expect<wire::Ping>(1).payload.size(), 1'000'000U);
  run([] {});
  EXPECT_EQ(all.used(), 0U);
  run([&] { second->detach(); });
}

TEST_F(FramedConnectionTest, TellsGarbageWhyBeforeItHangsUp) {
  open();
  peer_->send_bytes("GET / HTTP/1.1\r\nHost: example\r\n\r\n");
  EXPECT_EQ(peer_->expect<wire::ErrorReply>(0).error.code, ErrorCode::protocol_error);
  EXPECT_TRUE(peer_->at_end());
  EXPECT_EQ(recorder_.wait_for_close().code, ErrorCode::protocol_error);
  EXPECT_EQ(recorder_.frames(), 0U);
}

TEST_F(FramedConnectionTest, RefusesABodyAboveItsLimit) {
  open({.body_max = 1000});
  run([&] { connection_->set_body_max(2000); });
  peer_->send(ping(1500), 1);
  recorder_.wait_for_frame(0);
  std::string frame;
  wire::encode(ping(4000), 2, frame, SIZE_MAX);
  peer_->send_bytes(ByteView(frame).substr(0, wire::kFrameHeaderSize));
  EXPECT_EQ(peer_->expect<wire::ErrorReply>(0).error.code, ErrorCode::protocol_error);
  EXPECT_EQ(recorder_.frames(), 1U);
}

TEST_F(FramedConnectionTest, DeliversNothingWhilePaused) {
  recorder_.react = [&](const wire::Frame& frame) {
    if (frame.request_id == 2) connection_->pause_reading();
  };
  open();
  std::string frames;  // one write: the frames behind the pause are already received
  for (std::uint32_t id = 1; id <= 4; ++id) wire::encode(ping(10), id, frames);
  peer_->send_bytes(frames);
  recorder_.wait_for_frame(1);
  peer_->send(ping(10), 5);
  run([] {});
  run([&] { EXPECT_EQ(recorder_.frames(), 2U); });
  run([&] { connection_->resume_reading(); });
  for (std::uint32_t id = 3; id <= 5; ++id) {
    EXPECT_EQ(recorder_.wait_for_frame(id - 1).request_id, id);
  }
}

TEST_F(FramedConnectionTest, MayBePausedByEveryFrame) {
  recorder_.react = [&](const wire::Frame&) {
    connection_->pause_reading();
    shard_.post([&] { connection_->resume_reading(); });
  };
  open();
  std::string frames;
  for (std::uint32_t id = 1; id <= 20; ++id) wire::encode(ping(10), id, frames);
  peer_->send_bytes(frames);
  peer_->send_bytes(frames);
  EXPECT_EQ(recorder_.wait_for_frame(39).request_id, 20U);
}

TEST_F(FramedConnectionTest, DeliversNoFrameAfterTheHandlerClosed) {
  recorder_.react = [&](const wire::Frame&) {
    connection_->close(Error{ErrorCode::unavailable, "one was enough"});
  };
  open();
  std::string frames;
  for (std::uint32_t id = 1; id <= 5; ++id) wire::encode(ping(10), id, frames);
  peer_->send_bytes(frames);
  EXPECT_EQ(recorder_.wait_for_close().detail, "one was enough");
  run([] {});
  EXPECT_EQ(recorder_.frames(), 1U);
}

TEST_F(FramedConnectionTest, ADetachedHandlerHearsNoMore) {
  open();
  run([&] { connection_->detach(); });
  EXPECT_TRUE(peer_->at_end());
  run([] {});
  EXPECT_EQ(recorder_.closings(), 0);
  EXPECT_TRUE(connection_->closed());
}

TEST_F(FramedConnectionTest, AnIdlePeerMayStayForEver) {
  open({.progress_timeout = 30s});
  for (const auto at : {0s, 100s, 1000s, 100'000s}) check_progress(Instant{at});
  EXPECT_FALSE(connection_->closed());
}

TEST_F(FramedConnectionTest, ClosesAPeerThatDoesNotRead) {
  open({.progress_timeout = 30s}, kSmallBuffer);
  run([&] { connection_->send(ping(64 * kSmallBuffer, 'x'), 1); });
  check_progress(Instant{100s});
  check_progress(Instant{129s});
  EXPECT_FALSE(connection_->closed());
  check_progress(Instant{130s});
  EXPECT_TRUE(connection_->closed());
  EXPECT_EQ(recorder_.wait_for_close().code, ErrorCode::timeout);
}

// On a busy shard every look may find an answer that was made in the same turn.
TEST_F(FramedConnectionTest, AFewBytesAtATimeThatAreAllTakenAreProgress) {
  open({.progress_timeout = 30s});
  for (const auto at : {100s, 120s, 140s, 160s}) {
    run([&] {
      connection_->send(ping(10), 1);
      connection_->check_progress(Instant{at});
    });
    peer_->expect<wire::Ping>(1);
  }
  EXPECT_FALSE(connection_->closed());
}

TEST_F(FramedConnectionTest, ClosesAPeerThatLeavesAFrameUnfinished) {
  // The first frame's arrival says that the bytes sent with it were received.
  open({.progress_timeout = 30s});
  std::string frames;
  wire::encode(ping(10), 1, frames);
  wire::encode(ping(10), 2, frames);
  peer_->send_bytes(ByteView(frames).substr(0, frames.size() - 1));
  recorder_.wait_for_frame(0);
  check_progress(Instant{100s});
  check_progress(Instant{129s});
  EXPECT_FALSE(connection_->closed());
  check_progress(Instant{130s});
  EXPECT_TRUE(connection_->closed());
  EXPECT_EQ(recorder_.wait_for_close().code, ErrorCode::timeout);
}

TEST_F(FramedConnectionTest, ACompletedFrameStartsTheTimeAnew) {
  open({.progress_timeout = 30s});
  std::string frames;
  for (std::uint32_t id = 1; id <= 3; ++id) wire::encode(ping(10), id, frames);
  const std::size_t size = frames.size() / 3;
  peer_->send_bytes(ByteView(frames).substr(0, size + 1));
  recorder_.wait_for_frame(0);
  check_progress(Instant{100s});
  peer_->send_bytes(ByteView(frames).substr(size + 1, size));
  recorder_.wait_for_frame(1);
  check_progress(Instant{129s});
  check_progress(Instant{158s});
  EXPECT_FALSE(connection_->closed());
  check_progress(Instant{160s});
  EXPECT_TRUE(connection_->closed());
}

}  // namespace
}  // namespace zeolite::net
