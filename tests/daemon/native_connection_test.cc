#include "daemon/native_connection.h"

#include <gtest/gtest.h>

#include <string>

#include "daemon/hub_fixture.h"

namespace zeolite::daemon {
namespace {

using namespace std::chrono_literals;
using NativeConnectionTest = HubTest;

TEST_F(NativeConnectionTest, IsWelcomedAtTheLine) {
  const Tid tid = [this] {
    net::Peer writer = connect();
    return commit(writer, 1, 7);
  }();
  net::Peer peer = dial();
  peer.send(hello(), 1);
  const auto welcome = peer.expect<wire::Welcome>(1);
  EXPECT_EQ(welcome.node, "alpha");
  EXPECT_EQ(welcome.visible, control_->content.last_position());
  EXPECT_EQ(welcome.visible.tid, tid);
  EXPECT_EQ(welcome.body_max, config_.frame_bytes_max);
  EXPECT_EQ(welcome.transaction_bytes_max, config_.transaction_bytes_max);
  EXPECT_FALSE(welcome.cache_valid);
}

TEST_F(NativeConnectionTest, AStorageThatIsNotThereIsRefused) {
  net::Peer peer = dial();
  wire::Hello message = hello();
  message.storage = "other";
  peer.send(message, 4);
  EXPECT_EQ(peer.expect<wire::ErrorReply>(4).error.code, ErrorCode::not_found);
  EXPECT_TRUE(peer.at_end());
}

TEST_F(NativeConnectionTest, AFrameThatCannotBeReadIsAnsweredAndEndsIt) {
  net::Peer peer = connect();
  std::string frame;
  wire::append_frame(250, 9, "nonsense", SIZE_MAX, frame);
  peer.send_bytes(frame);
  EXPECT_EQ(peer.expect<wire::ErrorReply>(9).error.code, ErrorCode::protocol_error);
  EXPECT_TRUE(peer.at_end());
}

TEST_F(NativeConnectionTest, WhoSaysNothingIsClosedInTime) {
  net::Peer peer = dial();
  net::Peer talker = connect();
  const auto sweep = [this](Instant now) {
    run([&] {
      for (const auto& [owner, connection] : std::map(connections_)) {
        connection->check_progress(now);
      }
    });
  };
  sweep(Instant{config_.handshake_timeout});
  run([&] { EXPECT_EQ(connections_.size(), 2U); });
  sweep(Instant{config_.handshake_timeout + 1ns});
  EXPECT_TRUE(peer.at_end());
  settle(talker);
}

TEST_F(NativeConnectionTest, StagedBytesAreCountedAndGivenBack) {
  net::Peer peer = connect();
  peer.send(wire::Stage{1, change(1, 7).writes, {}}, 0);
  settle(peer);
  EXPECT_GT(staged_bytes_, 0U);
  commit(peer, 1, 8);
  settle(peer);
  EXPECT_EQ(staged_bytes_, 0U);
  peer.send(wire::Stage{2, change(2, 9).writes, {}}, 0);
  settle(peer);
  EXPECT_GT(staged_bytes_, 0U);
  peer.close();
  closed_.wait_for(1);
  run([] {});
  EXPECT_EQ(staged_bytes_, 0U);
}

TEST_F(NativeConnectionTest, TooMuchStagedByAllEndsTheOneThatAdds) {
  config_.staged_bytes_max = 1000;
  net::Peer patient = connect();
  net::Peer greedy = connect();
  patient.send(wire::Stage{1, change(1, 7).writes, {}}, 0);
  settle(patient);
  wire::Stage stage{1, change(1, 8).writes, {}};
  stage.writes[0].data = Bytes(std::string(1000, 'x'));
  greedy.send(stage, 0);
  EXPECT_EQ(greedy.expect<wire::ErrorReply>(0).error.code, ErrorCode::unavailable);
  EXPECT_TRUE(greedy.at_end());
  commit(patient, 1, 9);
}

TEST_F(NativeConnectionTest, ABusyConnectionIsReadAgainWhenItsAnswersAreOut) {
  net::Peer peer = connect();
  control_->append.shut();
  constexpr std::uint32_t kCommits = 1500;  // more than may be pending
  for (std::uint32_t n = 1; n <= kCommits; ++n) peer.send(change(n, n), n);
  control_->append.open();
  for (std::uint32_t n = 1; n <= kCommits; ++n) peer.expect<wire::Committed>(n);
}

TEST_F(NativeConnectionTest, LeavingDuringACatchUpIsHarmless) {
  net::Peer writer = connect();
  wire::Hello warm = hello();
  warm.cache.tid = commit(writer, 1, 1);
  commit(writer, 2, 2);
  control_->log_read.shut();
  net::Peer reader = dial();
  reader.send(warm, 1);
  control_->log_read.wait_for(1);
  reader.close();
  closed_.wait_for(1);
  control_->log_read.open();
  settle(writer);
}

}  // namespace
}  // namespace zeolite::daemon
