#include "daemon/native_connection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>

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
  EXPECT_EQ(peer.expect<wire::ErrorReply>(0).error.code, ErrorCode::timeout);
  EXPECT_TRUE(peer.at_end());
  settle(talker);
}

TEST_F(NativeConnectionTest, StagedBytesAreCountedAndGivenBack) {
  net::Peer peer = connect();
  peer.send(wire::Stage{1, change(1, 7).writes, {}}, 0);
  settle(peer);
  EXPECT_GT(staged_->used(), 0U);
  commit(peer, 1, 8);
  settle(peer);
  EXPECT_EQ(staged_->used(), 0U);
  peer.send(wire::Stage{2, change(2, 9).writes, {}}, 0);
  settle(peer);
  EXPECT_GT(staged_->used(), 0U);
  peer.close();
  closed_.wait_for(1);
  run([] {});
  EXPECT_EQ(staged_->used(), 0U);
}

TEST_F(NativeConnectionTest, TooMuchStagedByAllEndsTheOneThatAdds) {
  limit_staged(16'000);
  net::Peer patient = connect();
  net::Peer greedy = connect();
  patient.send(wire::Stage{1, change(1, 7).writes, {}}, 0);
  settle(patient);
  wire::Stage stage{1, change(1, 8).writes, {}};
  stage.writes[0].data = Bytes(std::string(8'000, 'x'));
  greedy.send(stage, 0);
  EXPECT_EQ(greedy.expect<wire::ErrorReply>(0).error.code, ErrorCode::unavailable);
  EXPECT_TRUE(greedy.at_end());
  commit(patient, 1, 9);
}

TEST_F(NativeConnectionTest, WhoDoesNotVoteInTimeIsClosed) {
  net::Peer slow = connect();
  net::Peer brisk = connect();
  slow.send(wire::Stage{1, change(1, 7).writes, {}}, 0);
  settle(slow);
  const auto sweep = [this](Instant now) {
    run([&] {
      for (const auto& [owner, connection] : std::map(connections_)) {
        connection->check_progress(now);
      }
    });
  };
  const Instant seen{1s};
  sweep(seen);
  brisk.send(wire::Stage{1, change(1, 8).writes, {}}, 0);
  settle(brisk);
  sweep(seen + config_.vote_timeout);  // the first look at brisk's
  run([&] { EXPECT_EQ(connections_.size(), 2U); });
  sweep(seen + config_.vote_timeout + 1ns);
  EXPECT_EQ(slow.expect<wire::ErrorReply>(0).error.code, ErrorCode::timeout);
  EXPECT_TRUE(slow.at_end());
  closed_.wait_for(1);
  EXPECT_GT(commit(brisk, 1, 9), kNoTid);
  run([&] { EXPECT_EQ(staged_->used(), 0U); });
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

TEST_F(NativeConnectionTest, ARequestDuringTheCatchUpEndsItAlone) {
  net::Peer writer = connect();
  wire::Hello warm = hello();
  warm.cache.tid = commit(writer, 1, 1);
  commit(writer, 2, 2);
  control_->log_read.shut();
  net::Peer reader = dial();
  reader.send(warm, 1);
  control_->log_read.wait_for(1);
  reader.send(wire::Load{Oid(1)}, 2);
  EXPECT_EQ(reader.expect<wire::ErrorReply>(0).error.code, ErrorCode::protocol_error);
  EXPECT_TRUE(reader.at_end());
  control_->log_read.open();
  commit(writer, 3, 3);
  EXPECT_EQ(settle(writer), engine_->visible());
}

TEST_F(NativeConnectionTest, AVerifyEndsWithItsClient) {
  net::Peer writer = connect();
  commit(writer, 1, 1);
  net::Peer first = connect();
  first.send(wire::Verify{}, 4);
  EXPECT_EQ(first.expect<wire::VerifyReport>(4).transactions, 1U);
  const std::size_t walks = control_->walk.arrived();
  ASSERT_GT(walks, 0U);
  const std::size_t before = control_->log_read.arrived();
  control_->log_read.shut();
  first.send(wire::Verify{}, 5);
  control_->log_read.wait_for(before + 1);
  net::Peer second = connect();
  second.send(wire::Verify{}, 6);
  EXPECT_EQ(second.expect<wire::ErrorReply>(6).error.code, ErrorCode::unavailable);
  first.close();
  closed_.wait_for(1);
  control_->log_read.open();
  // Others are served as soon as it has seen that it is cancelled.
  std::optional<net::Peer::Received> answer;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    second.send(wire::Verify{}, 7);
    answer = second.receive();
    if (!answer || !std::holds_alternative<wire::ErrorReply>(answer->message)) break;
  }
  ASSERT_TRUE(answer && std::holds_alternative<wire::VerifyReport>(answer->message));
  EXPECT_EQ(control_->walk.arrived(), 2 * walks);  // the first did not get that far
}

// The connection forgets itself when the first of several requests is taken: it is told of more
// than may wait for it.
TEST_F(NativeConnectionTest, ClosingItselfWhileItAnswersIsHarmless) {
  net::Peer writer = connect();
  config_.outbound_bytes_max = 100'000;
  net::Peer reader = connect();
  control_->append.shut();
  std::mt19937_64 random(1);  // does not get smaller by compression
  for (std::uint32_t id = 1; id <= 2; ++id) {
    wire::Commit wide = change(id, random() >> 24);
    while (wide.writes.size() < 30'000) {
      wide.writes.push_back({Oid(random() >> 24), kNoTid, RevisionKind::data, Bytes("x")});
    }
    writer.send(wide, id);
  }
  settle(writer);
  held_wakes_ = 0;
  control_->append.open();
  while (engine_->counts().in_flight > 0) std::this_thread::yield();
  std::string requests;
  for (std::uint32_t id = 2; id <= 40; ++id) {
    wire::encode(wire::Load{Oid(7)}, id, requests);
    wire::encode(change(id, 100 + id), 1000 + id, requests);
  }
  reader.send_bytes(requests);
  closed_.wait_for(1);
  EXPECT_FALSE(reader.receive());
  held_wakes_ = SIZE_MAX;
  for (std::uint32_t id = 1; id <= 2; ++id) writer.expect<wire::Committed>(id);
  run([&] { EXPECT_EQ(connections_.size(), 1U); });
  const Tid tid = commit(writer, 3, 8);
  EXPECT_EQ(settle(writer), tid);
}

// Else it would read an older state here after a newer one there.
TEST_F(NativeConnectionTest, NewsAreWhatReadersOfStandbysMayHaveSeen) {
  net::Peer writer = connect();
  const Tid before = commit(writer, 1, 7);
  engine_->announce(Tid(before.value() + 1));
  writer.send(wire::Ping{}, 5);
  writer.send(wire::StatusQuery{}, 6);
  writer.expect<wire::StatusReport>(6);
  const Tid after = commit(writer, 2, 8);
  EXPECT_EQ(writer.expect<wire::Pong>(5).visible, after);
}

// More than may wait for a client is on its way to one that takes it all, but late.
TEST_F(NativeConnectionTest, WhoAsksForMuchThatIsOnDiskGetsItAll) {
  constexpr std::uint32_t kObjects = 40;
  config_.frame_bytes_max = 500'000;
  config_.outbound_bytes_max = 1'000'000;
  net::Peer writer = connect();
  std::mt19937 random(1);
  for (std::uint32_t i = 1; i <= kObjects; ++i) {
    wire::Commit large = change(i, i);
    std::string noise(300'000, ' ');  // does not get smaller by compression
    std::ranges::generate(noise, [&] { return static_cast<char>(random() >> 24); });
    large.writes[0].data = Bytes(std::move(noise));
    writer.send(large, i);
    writer.expect<wire::Committed>(i);
  }
  control_->set_cold(true);
  net::Peer reader = connect();
  const std::size_t before = control_->disk_read.arrived();
  control_->disk_read.shut();
  std::string requests;
  for (std::uint32_t id = 1; id <= kObjects; ++id) {
    if (id % 2 == 0) {
      wire::encode(wire::Load{Oid(id)}, id, requests);
    } else {
      wire::encode(wire::LoadMany{{Oid(id)}}, id, requests);
    }
  }
  reader.send_bytes(requests);
  control_->disk_read.wait_for(before + 2);  // the pool has two threads
  control_->disk_read.open();
  std::set<std::uint32_t> answered;
  for (std::uint32_t i = 1; i <= kObjects; ++i) {
    const auto received = reader.receive();
    ASSERT_TRUE(received) << "closed after " << i - 1;
    EXPECT_FALSE(std::holds_alternative<wire::ErrorReply>(received->message));
    answered.insert(received->request_id);
  }
  EXPECT_EQ(answered.size(), kObjects);
  EXPECT_EQ(settle(reader), engine_->visible());
}

// Reads that wait for room hold their client only as long as it is there.
TEST_F(NativeConnectionTest, LeavingWhileAnswersWaitForRoomIsHarmless) {
  config_.outbound_bytes_max = 2'000;
  net::Peer writer = connect();
  for (std::uint32_t i = 1; i <= 10; ++i) {
    wire::Commit large = change(i, i);
    large.writes[0].data = Bytes(std::string(1'500, static_cast<char>('a' + i)));
    writer.send(large, i);
    writer.expect<wire::Committed>(i);
  }
  control_->set_cold(true);
  control_->disk_read.shut();
  const std::size_t before = control_->disk_read.arrived();
  net::Peer reader = connect();
  for (std::uint32_t id = 1; id <= 10; ++id) reader.send(wire::Load{Oid(id)}, id);
  control_->disk_read.wait_for(before + 2);
  reader.close();
  closed_.wait_for(1);
  control_->disk_read.open();
  pool_.join();
  run([&] { EXPECT_EQ(connections_.size(), 1U); });
}

TEST_F(NativeConnectionTest, AbortDoesNotUndoACommitThatIsBeingWritten) {
  net::Peer peer = connect();
  control_->append.shut();
  const std::size_t before = control_->append.arrived();
  peer.send(change(1, 7), 11);
  control_->append.wait_for(before + 1);
  peer.send(wire::Abort{1}, 12);
  peer.expect<wire::Done>(12);
  control_->append.open();
  const Tid tid = peer.expect<wire::Committed>(11).tid;
  EXPECT_EQ(settle(peer), tid);
  EXPECT_EQ(engine_->counters().aborts, 0U);
  run([&] { EXPECT_EQ(staged_->used(), 0U); });
}

TEST_F(NativeConnectionTest, AnAwaitedLineThatIsReachedIsAPong) {
  net::Peer peer = connect();
  const Tid tid = commit(peer, 1, 7);
  peer.send(wire::Await{{}, tid, 0}, 5);
  EXPECT_EQ(peer.expect<wire::Pong>(5).visible, tid);
}

TEST_F(NativeConnectionTest, AnAwaitedLineIsWaitedFor) {
  net::Peer writer = connect();
  net::Peer reader = connect();
  const Tid first = commit(writer, 1, 7);
  EXPECT_EQ(reader.expect<wire::Invalidate>(0).tid, first);
  reader.send(wire::Await{{}, Tid(first.value() + 1), 600'000}, 5);
  EXPECT_EQ(settle(reader), first);  // not answered yet
  const Tid second = commit(writer, 2, 8);
  EXPECT_EQ(reader.expect<wire::Invalidate>(0).tid, second);
  EXPECT_EQ(reader.expect<wire::Pong>(5).visible, second);
}

TEST_F(NativeConnectionTest, AnAwaitedLineThatDoesNotComeInTimeIsAnError) {
  net::Peer peer = connect();
  peer.send(wire::Await{engine_->epoch(), kMaxTid, 0}, 5);
  EXPECT_EQ(peer.expect<wire::ErrorReply>(5).error.code, ErrorCode::timeout);
}

TEST_F(NativeConnectionTest, ALineOfAnEarlierReignThatWasNotReachedNeverWillBe) {
  net::Peer peer = connect();
  ASSERT_GT(engine_->epoch(), Epoch(0));
  peer.send(wire::Await{Epoch(engine_->epoch().value() - 1), kMaxTid, 600'000}, 5);
  // (Of epoch 0 nothing is known: it is waited for.)
  if (engine_->epoch() > Epoch(1)) {
    EXPECT_EQ(peer.expect<wire::ErrorReply>(5).error.code, ErrorCode::stale_epoch);
  }
}

TEST_F(NativeConnectionTest, AServerAloneDoesNotChangeItsRole) {
  net::Peer peer = connect();
  peer.send(wire::Promote{}, 5);
  EXPECT_EQ(peer.expect<wire::ErrorReply>(5).error.code, ErrorCode::invalid_argument);
  peer.send(wire::Switchover{}, 6);
  EXPECT_EQ(peer.expect<wire::ErrorReply>(6).error.code, ErrorCode::invalid_argument);
  peer.send(wire::Demote{}, 7);
  EXPECT_EQ(peer.expect<wire::ErrorReply>(7).error.code, ErrorCode::invalid_argument);
}

// ---- for how long what is told is true ----------------------------------------------------------

class LimitsTest : public HubTest {
 protected:
  LimitsTest() {
    set_role(wire::NodeRole::standby);
    environment_.limits = &limits_;
    clock_.advance(100s);
  }
  void set_role(wire::NodeRole role) {
    auto view = std::make_shared<ClusterView>();
    view->role = role;
    view->shows = true;
    view->leader = "10.0.0.1:8090";
    environment_.cluster = [view] { return view; };
  }
  void commit_something() {
    set_role(wire::NodeRole::primary);
    net::Peer writer = connect();
    commit(writer, 1, 7);
    set_role(wire::NodeRole::standby);
  }
  static wire::Hello reader(std::uint32_t bound_ms) {
    wire::Hello message = hello();
    message.accepts_standby = true;
    message.max_staleness_ms = bound_ms;
    return message;
  }
  void sweep() {
    run([&] {
      for (const auto& [owner, connection] : std::map(connections_)) {
        connection->check_progress(clock_.now().instant);
      }
    });
  }
  static void expect_sent_away(net::Peer& peer, std::uint32_t request_id) {
    const auto error = peer.expect<wire::ErrorReply>(request_id);
    EXPECT_EQ(error.error.code, ErrorCode::not_primary) << error.error.detail;
    EXPECT_EQ(error.leader, "10.0.0.1:8090");
    EXPECT_TRUE(peer.at_end());
  }

  ServingLimits limits_;
};

TEST_F(LimitsTest, AStandbyThatIsTooFarBehindSendsTheClientAway) {
  commit_something();
  limits_.set(true, {}, clock_.now().instant);
  clock_.advance(2000ms);
  net::Peer near_enough = connect(reader(2000));
  net::Peer content = connect(reader(0));
  clock_.advance(1ms);
  net::Peer late = dial();
  late.send(reader(2000), 5);
  expect_sent_away(late, 5);
  settle(content);
  near_enough.send(wire::Load{Oid(7)}, 6);
  expect_sent_away(near_enough, 0);
}

TEST_F(LimitsTest, NewsOfThePrimaryMakesItGoOn) {
  commit_something();
  limits_.set(true, {}, clock_.now().instant);
  net::Peer peer = connect(reader(500));
  for (int i = 0; i < 4; ++i) {
    clock_.advance(400ms);
    settle(peer);
    limits_.set(true, {}, clock_.now().instant);
  }
}

TEST_F(LimitsTest, WhoReadsFromItsCacheOnlyIsToldToo) {
  commit_something();
  limits_.set(true, {}, clock_.now().instant);
  net::Peer peer = connect(reader(500));
  clock_.advance(500ms);
  sweep();
  settle(peer);
  clock_.advance(1ms);
  sweep();
  expect_sent_away(peer, 0);
}

TEST_F(LimitsTest, AStandbyThatNeverHeardOfAnyPrimaryIsNotFresh) {
  commit_something();
  limits_.set(true, {}, {});
  net::Peer peer = dial();
  peer.send(reader(1'000'000), 5);
  expect_sent_away(peer, 5);
  net::Peer content = connect(reader(0));
}

TEST_F(LimitsTest, ThePrimaryIsFresh) {
  set_role(wire::NodeRole::primary);
  limits_.set(false, {}, {});
  net::Peer peer = connect(reader(1));
  clock_.advance(1000s);
  settle(peer);
}

// The process was stopped: requests are there before the thread that would step down runs.
TEST_F(LimitsTest, APrimaryWhoseTimeIsOverTellsNobodyWhatItKnows) {
  set_role(wire::NodeRole::primary);
  limits_.set(false, clock_.now().instant + 1s, {});
  net::Peer peer = connect();
  net::Peer other = connect();
  const Tid tid = commit(peer, 1, 7);
  EXPECT_EQ(other.expect<wire::Invalidate>(0).tid, tid);
  peer.send(wire::Load{Oid(7)}, 6);
  EXPECT_EQ(peer.expect<wire::Loaded>(6).tid, tid);
  clock_.advance(1s);
  peer.send(wire::Load{Oid(7)}, 7);
  expect_sent_away(peer, 0);
  sweep();
  expect_sent_away(other, 0);
  net::Peer late = dial();
  late.send(hello(), 1);
  expect_sent_away(late, 1);
}

// It is in time when it is asked, but not when the disk has answered.
TEST_F(LimitsTest, TheTimeOfTheAnswerCounts) {
  set_role(wire::NodeRole::primary);
  limits_.set(false, clock_.now().instant + 1s, {});
  net::Peer peer = connect();
  commit(peer, 1, 7);
  control_->set_cold(true);
  control_->disk_read.shut();
  peer.send(wire::Load{Oid(7)}, 6);
  control_->disk_read.wait_for(1);
  clock_.advance(1s);
  control_->disk_read.open();
  expect_sent_away(peer, 0);
}

TEST_F(LimitsTest, StatusIsToldAlsoAfterIt) {
  set_role(wire::NodeRole::primary);
  limits_.set(false, clock_.now().instant + 1s, {});
  net::Peer peer = connect();
  clock_.advance(1s);
  peer.send(wire::StatusQuery{}, 6);
  peer.expect<wire::StatusReport>(6);
}

}  // namespace
}  // namespace zeolite::daemon
