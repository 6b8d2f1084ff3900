#include "daemon/zeo_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/zeo_fixture.h"

namespace zeolite::daemon {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using zeo::bytes;
using zeo::integer;
using zeo::none;
using zeo::oid;
using zeo::text;
using zeo::value_of;

class ZeoConnectionTest : public ZeoHubTest {
 protected:
  void sweep(Instant now) {
    run([&] {
      for (const auto& [owner, connection] : std::map(zeo_connections_)) {
        connection->check_progress(now);
      }
    });
  }
  std::size_t open() {
    std::size_t count = 0;
    run([&] { count = zeo_connections_.size(); });
    return count;
  }
  std::string warning() {
    const std::lock_guard lock(log_mutex_);
    return warnings_.empty() ? "" : warnings_.back();
  }
};

TEST_F(ZeoConnectionTest, StoragesHaveTheirNameAndOne) {
  connect_zeo();  // asks for "1"
  ZeoPeer peer = dial_zeo();
  peer.say("Z5");
  EXPECT_EQ(peer.ask_error("register", {text("other"), Value(false)}),
            zeo::value_error("unknown storage other"));
  EXPECT_EQ(peer.ask("register", {text("main"), Value(false)}), value_of(kNoTid));
}

TEST_F(ZeoConnectionTest, MonitoringIsAnsweredAndEnds) {
  ZeoPeer peer = dial_zeo();
  peer.say("ruok");
  EXPECT_EQ(peer.hear()->view(), "{}");
  EXPECT_TRUE(peer.at_end());
}

// A handshake that goes on when the test says so, and then carries bytes as they are.
class GatedChannel final : public net::SecureChannel {
 public:
  GatedChannel(const std::atomic<bool>& done, std::atomic<int>& opened, int descriptor)
      : done_(done), opened_(opened), descriptor_(descriptor) {}

  Next handshake() override {
    if (!done_) return Next::readable;
    open_ = true;
    ++opened_;
    return Next::go_on;
  }
  bool is_open() const override { return open_; }
  Step read(char* to, std::size_t room) override {
    const ssize_t received = ::recv(descriptor_, to, room, 0);
    if (received == 0) return {.next = Next::end};
    return {.bytes = received < 0 ? 0 : static_cast<std::size_t>(received), .next = Next::readable};
  }
  Step write(ByteView bytes) override {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return {.next = Next::writable};
    return {.bytes = static_cast<std::size_t>(sent)};
  }
  bool has_more() const override { return false; }
  bool has_unfinished() const override { return false; }
  void say_goodbye() override {}
  const Error& end_reason() const override { return gone_; }

 private:
  const std::atomic<bool>& done_;
  std::atomic<int>& opened_;
  int descriptor_;
  bool open_ = false;
  Error gone_{ErrorCode::unavailable, "gone"};
};

class GatedChannels final : public net::SecureChannels {
 public:
  std::unique_ptr<net::SecureChannel> accept(int descriptor) const override {
    return std::make_unique<GatedChannel>(done, opened, descriptor);
  }
  std::atomic<bool> done = false;
  mutable std::atomic<int> opened = 0;
};

TEST_F(ZeoConnectionTest, IsGreetedBehindTheTlsHandshake) {
  GatedChannels tls;
  environment_.zeo_tls = &tls;
  ZeoPeer peer = dial_unheard();
  peer.send_bytes("x");  // waits within the handshake
  tls.done = true;
  EXPECT_EQ(peer.hear()->view(), "Z5");
}

TEST_F(ZeoConnectionTest, WhoDoesNotBeginTlsInTimeIsHungUpOnWithOneLine) {
  GatedChannels tls;
  environment_.zeo_tls = &tls;
  ZeoPeer peer = dial_unheard();
  sweep(clock_.now().instant + config_.handshake_timeout);
  EXPECT_EQ(open(), 1U);
  sweep(clock_.now().instant + config_.handshake_timeout + 1ns);
  EXPECT_TRUE(peer.at_end());
  EXPECT_EQ(open(), 0U);
  EXPECT_THAT(warning(), ::testing::HasSubstr("did not begin to speak TLS"));
}

// What a TLS client says first is the length of a message that is far too long.
TEST_F(ZeoConnectionTest, ATlsClientWithoutTlsHereIsHungUpOn) {
  ZeoPeer peer = dial_zeo();
  peer.send_bytes(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
  EXPECT_TRUE(peer.at_end());
  closed_.wait_for(1);
  EXPECT_NE(warning(), "");
}

// On a server that is not the primary, and parks its writers.
class ParkedZeoConnectionTest : public ZeoConnectionTest {
 protected:
  ParkedZeoConnectionTest() {
    config_.zeo_parks = true;
    environment_.cluster = [this] { return board_.view(); };
    become(wire::NodeRole::standby);
  }
  void become(wire::NodeRole role) {
    ClusterView view;
    view.role = role;
    board_.set(std::move(view));
    run([&] {
      for (const auto& [owner, connection] : std::map(zeo_connections_)) {
        connection->cluster_changed();
      }
    });
  }
  void let_the_handshake_time_out() {
    sweep(clock_.now().instant + config_.handshake_timeout + 1ns);
  }

  ClusterBoard board_;
};

TEST_F(ParkedZeoConnectionTest, IsGreetedOnceWhenTheServerLeads) {
  ZeoPeer peer = dial_unheard();
  for (const wire::NodeRole role : {wire::NodeRole::standby, wire::NodeRole::starting}) {
    become(role);
    let_the_handshake_time_out();
    EXPECT_EQ(open(), 1U);
  }
  clock_.advance(config_.handshake_timeout * 10);
  become(wire::NodeRole::primary);
  become(wire::NodeRole::primary);
  EXPECT_EQ(peer.hear()->view(), "Z5");
  sweep(clock_.now().instant);
  EXPECT_EQ(open(), 1U);
  peer.say("Z5");
  EXPECT_EQ(peer.ask("register", {text("main"), Value(false)}), value_of(kNoTid));
}

TEST_F(ParkedZeoConnectionTest, HasToBeginTlsInTimeAllTheSame) {
  GatedChannels tls;
  environment_.zeo_tls = &tls;
  ZeoPeer silent = dial_unheard();
  let_the_handshake_time_out();
  EXPECT_TRUE(silent.at_end());
  tls.done = true;
  ZeoPeer peer = dial_unheard();
  peer.send_bytes("x");
  while (tls.opened == 0) run([] {});
  let_the_handshake_time_out();
  EXPECT_EQ(open(), 1U);
}

TEST_F(ParkedZeoConnectionTest, OnceGreetedHasToRegisterInTime) {
  ZeoPeer peer = dial_unheard();
  become(wire::NodeRole::primary);
  EXPECT_EQ(peer.hear()->view(), "Z5");
  let_the_handshake_time_out();
  EXPECT_TRUE(peer.at_end());
}

TEST_F(ParkedZeoConnectionTest, IsSentElsewhereUnlessItIsGreeted) {
  const auto send_round = [this] {
    run([&] {
      for (const auto& [owner, connection] : std::map(zeo_connections_)) {
        connection->try_elsewhere(clock_.now().instant);
      }
    });
  };
  ZeoPeer parked = dial_unheard();
  clock_.advance(1ns);
  ZeoPeer just_parked = dial_unheard();
  send_round();
  EXPECT_TRUE(parked.at_end());
  EXPECT_EQ(open(), 1U);
  become(wire::NodeRole::primary);
  EXPECT_EQ(just_parked.hear()->view(), "Z5");
  ZeoPeer peer = dial_zeo();
  clock_.advance(1ns);
  send_round();
  peer.say("Z5");
  EXPECT_EQ(peer.ask("register", {text("main"), Value(false)}), value_of(kNoTid));
}

TEST_F(ParkedZeoConnectionTest, IsForgottenWhenTheClientLeaves) {
  dial_unheard().close();
  closed_.wait_for(1);
  EXPECT_EQ(open(), 0U);
  EXPECT_EQ(warning(), "");
  become(wire::NodeRole::primary);
}

TEST_F(ParkedZeoConnectionTest, IsToldTheStateAndOtherwiseHasToWait) {
  ZeoPeer monitoring = dial_unheard();
  monitoring.say("ruok");
  EXPECT_EQ(monitoring.hear()->view(), "{}");
  EXPECT_TRUE(monitoring.at_end());
  ZeoPeer hasty = dial_unheard();
  hasty.say("Z5");
  EXPECT_TRUE(hasty.at_end());
  closed_.wait_for(2);
  EXPECT_THAT(warning(), ::testing::HasSubstr("did not wait to be greeted"));
}

TEST_F(ZeoConnectionTest, ConnectionsMayEndWhileAllAreToldOfAPack) {
  constexpr std::size_t kPeers = 30;
  ServingLimits limits;
  environment_.limits = &limits;
  std::vector<ZeoPeer> peers;
  for (std::size_t i = 0; i < kPeers; ++i) peers.push_back(connect_zeo());
  run([&] { limits.set(false, Instant{}, std::nullopt); });  // nobody may be told any more
  hub_->packed();
  for (ZeoPeer& peer : peers) EXPECT_TRUE(peer.at_end());
  closed_.wait_for(kPeers);
  EXPECT_EQ(hub_->clients(), 0U);
}

TEST_F(ZeoConnectionTest, WhoSaysNothingIsClosedInTime) {
  ZeoPeer silent = dial_zeo();
  ZeoPeer half = dial_zeo();
  half.say("Z5");
  ZeoPeer live = connect_zeo();
  sweep(Instant{config_.handshake_timeout});
  EXPECT_EQ(open(), 3U);
  sweep(Instant{config_.handshake_timeout + 1ns});
  EXPECT_TRUE(silent.at_end());
  EXPECT_TRUE(half.at_end());
  EXPECT_EQ(live.ask("ping"), none());
}

TEST_F(ZeoConnectionTest, ClosingWithoutAWordIsNotWorthALine) {
  {
    ZeoPeer prober = dial_zeo();
    prober.close();
  }
  closed_.wait_for(1);
  EXPECT_EQ(open(), 0U);
  EXPECT_EQ(warning(), "");
}

TEST_F(ZeoConnectionTest, ABadGreetingIsWorthOne) {
  ZeoPeer peer = dial_zeo();
  peer.say("Z4");
  EXPECT_TRUE(peer.at_end());
  closed_.wait_for(1);
  EXPECT_THAT(warning(), ::testing::HasSubstr("the client wants protocol 'Z4'"));
}

TEST_F(ZeoConnectionTest, ALongMessageIsRefusedByItsLength) {
  ZeoPeer stranger = dial_zeo();
  stranger.send_bytes("\0\1\0\1"s);  // 64 KiB and one, before it registered
  EXPECT_TRUE(stranger.at_end());
  ZeoPeer live = connect_zeo();
  live.send_bytes("\xff\xff\xff\xff"s);
  EXPECT_TRUE(live.at_end());
}

TEST_F(ZeoConnectionTest, RegisteringAgainAndAgainIsHarmless) {
  ZeoPeer peer = dial_zeo();
  peer.say("Z5");
  for (std::int64_t n = 0; n < 500; ++n) peer.call(n, "register", {text("other"), Value(false)});
  for (std::int64_t n = 0; n < 500; ++n) {
    EXPECT_EQ(peer.error(n).class_name, "builtins.ValueError");
  }
  peer.call(1000, "register", {text("main"), Value(false)});
  for (std::int64_t n = 0; n < 500; ++n) peer.call(n, "register", {text("main"), Value(true)});
  EXPECT_EQ(peer.result(1000), value_of(kNoTid));
  for (std::int64_t n = 0; n < 500; ++n) {
    EXPECT_EQ(peer.error(n).class_name, "builtins.ValueError");
  }
  run([&] { EXPECT_EQ(hub_->clients(), 1U); });
}

TEST_F(ZeoConnectionTest, PickleBombsEndTheirConnectionAlone) {
  ZeoPeer other = connect_zeo();
  const std::string deep = "\x80\x03"s + std::string(1'000'000, '(') + ".";
  std::string laughs = "\x80\x04]\x94"s;
  for (char i = 0; i < 60; ++i) laughs += "](h"s + i + "h"s + i + "e\x94"s;
  for (const std::string& bomb :
       {deep, laughs + ".", "cos\nsystem\n(S'true'\ntR."s, "\x80\x03\x8b\xff\xff\xff\x7f"s}) {
    ZeoPeer peer = connect_zeo();
    peer.say(bomb);
    EXPECT_TRUE(peer.at_end());
    EXPECT_EQ(other.ask("ping"), none());
  }
}

// It is not read any more, and at last it is closed.
TEST_F(ZeoConnectionTest, AThousandLoadsForAClientThatDoesNotReadAreBounded) {
  net::Peer writer = connect();
  wire::Commit large = change(1, 7);
  large.writes[0].data = Bytes(std::string(50'000, 'x'));
  writer.send(large, 1);
  writer.expect<wire::Committed>(1);
  config_.outbound_bytes_max = 1'000'000;
  ZeoPeer reader = dial_zeo(zeo::Encoding::pickle, 16 * 1024);
  std::string requests = zeo::sized("Z5");
  const auto add = [&](std::int64_t id, std::string_view method, std::vector<Value> arguments) {
    requests += zeo::sized(
        zeo::client_message(zeo::Encoding::pickle, Value(id), false, method, std::move(arguments))
            .view());
  };
  add(1, "register", {text("main"), Value(false)});
  for (std::int64_t id = 2; id < 1002; ++id) add(id, "loadBefore", {oid(7), value_of(kMaxTid)});
  reader.send_bytes(requests);
  settle(writer);
  run([] {});
  EXPECT_LE(buffers_.used(), config_.outbound_bytes_max);
  for (std::int64_t id = 1; id < 1002; ++id) reader.result(id);  // it reads at last
}

TEST_F(ZeoConnectionTest, CallsForNewOidsThatWaitAreBounded) {
  constexpr std::int64_t kCalls = 1500;
  ZeoPeer peer = connect_zeo();
  control_->append.shut();  // nobody is given oids before the log has the mark
  std::string requests;
  for (std::int64_t id = 1; id <= kCalls; ++id) {
    requests += zeo::sized(
        zeo::client_message(zeo::Encoding::pickle, Value(id), false, "new_oids", {}).view());
  }
  peer.send_bytes(requests);
  const auto waiting = [this] {
    std::size_t calls = 0;
    run([&] { calls = zeo_connections_.begin()->second->waiting_calls(); });
    return calls;
  };
  while (waiting() < 1024) std::this_thread::yield();
  net::Peer other = connect();
  settle(other);
  EXPECT_EQ(waiting(), 1024U);
  control_->append.open();
  for (std::int64_t id = 1; id <= kCalls; ++id) peer.result(id);
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(ZeoConnectionTest, VotesThatUndoLeaveAThreadToLoads) {
  ZeoPeer loader = connect_zeo();
  std::array<ZeoPeer, 2> undoers = {connect_zeo(), connect_zeo()};
  const Tid tid = loader.commit(7, kNoTid, "data");
  const Tid undone = loader.commit(1, kNoTid, "1");
  loader.commit(1, undone, "2");
  const std::size_t before = control_->revision.arrived();
  control_->revision.shut();
  for (ZeoPeer& undoer : undoers) {
    for (int commits = 0; commits < 3; ++commits) undoer.told("invalidateTransaction");
    undoer.begin();
    undoer.one_way("undoa", {value_of(undone), ZeoPeer::kTransaction});
    undoer.call(40, "vote", {ZeoPeer::kTransaction});
    EXPECT_EQ(undoer.ask("ping"), none());
  }
  control_->revision.wait_for(before + 1);
  control_->set_cold(true);
  EXPECT_EQ(loader.ask("getTid", {oid(7)}), value_of(tid));
  EXPECT_EQ(control_->revision.arrived(), before + 1);
  control_->revision.open();
  for (ZeoPeer& undoer : undoers) {
    EXPECT_EQ(undoer.error(40).class_name, "ZODB.POSException.MultipleUndoErrors");
  }
}

TEST_F(ZeoConnectionTest, WhatAVoteUndoesIsNotLookedAtWhenNobodyWaits) {
  ZeoPeer peer = connect_zeo();
  std::vector<Tid> tids = {peer.commit(1, kNoTid, "0")};
  for (int n = 1; n < 10; ++n) tids.push_back(peer.commit(1, tids.back(), std::to_string(n)));
  ZeoPeer leaver = connect_zeo();
  hold_pool();
  for (ZeoPeer* each : {&leaver, &peer}) {
    each->begin();
    for (auto tid = tids.rbegin(); tid != tids.rend(); ++tid) {
      each->one_way("undoa", {value_of(*tid), ZeoPeer::kTransaction});
    }
    each->call(40, "vote", {ZeoPeer::kTransaction});
    EXPECT_EQ(each->ask("ping"), none());
  }
  leaver.close();
  closed_.wait_for(1);
  peer.call(41, "tpc_abort", {ZeoPeer::kTransaction});
  EXPECT_EQ(peer.error(40).class_name, "ZODB.POSException.StorageTransactionError");
  EXPECT_EQ(peer.result(41), none());
  const std::size_t before = control_->entries;
  pool_gate_.open();
  rest_pool();
  EXPECT_EQ(peer.ask("history", {oid(1), integer(1)}).get<pickle::List>()->items.size(), 1U);
  EXPECT_EQ(control_->entries, before + 1);
}

TEST_F(ZeoConnectionTest, WhoVotesAndLeavesLetsGo) {
  ZeoPeer leaver = connect_zeo();
  ZeoPeer waiter = connect_zeo();
  leaver.begin();
  leaver.store(7, kNoTid, "x");
  EXPECT_EQ(leaver.vote(), zeo::list({}));
  waiter.begin();
  waiter.store(7, kNoTid, "y");
  waiter.call(40, "vote", {ZeoPeer::kTransaction});
  EXPECT_EQ(waiter.ask("ping"), none());
  leaver.close();
  EXPECT_EQ(waiter.result(40), zeo::list({}));
}

TEST_F(ZeoConnectionTest, ChecksAloneHoldNothingWhenTheyAreFinished) {
  ZeoPeer peer = connect_zeo();
  const Tid tid = peer.commit(7, kNoTid, "x");
  peer.begin();
  peer.one_way("checkCurrentSerialInTransaction", {oid(7), value_of(tid), ZeoPeer::kTransaction});
  EXPECT_EQ(peer.vote(), zeo::list({}));
  EXPECT_GT(peer.finish(), tid);
  EXPECT_EQ(engine_->counts().voted, 0U);
  EXPECT_GT(peer.commit(7, tid, "y"), tid);
}

// As with Python's server and FileStorage.
TEST_F(ZeoConnectionTest, ATransactionThatWritesNothingHasItsPlace) {
  ZeoPeer watcher = connect_zeo();
  ZeoPeer peer = connect_zeo();
  const Tid before = peer.commit(7, kNoTid, "x");
  watcher.expect_invalidation(before, {Oid(7)});
  peer.begin("user", "nothing");
  EXPECT_EQ(peer.vote(), zeo::list({}));
  const Tid tid = peer.finish();
  EXPECT_GT(tid, before);
  watcher.expect_invalidation(tid, {});
  EXPECT_EQ(watcher.ask("lastTransaction"), value_of(tid));
  EXPECT_EQ(watcher.ask("getInvalidations", {value_of(before)}),
            zeo::tuple({value_of(tid), zeo::list({})}));
  const Value iterator = watcher.ask("iterator_start", {value_of(tid), none()});
  EXPECT_EQ(watcher.ask("iterator_next", {iterator}),
            zeo::tuple({value_of(tid), text(" "), bytes("user"), bytes("nothing"), zeo::dict({})}));
  const Value records = watcher.ask("iterator_record_start", {iterator, value_of(tid)});
  EXPECT_EQ(watcher.ask("iterator_record_next", {records}), none());
  EXPECT_EQ(watcher.ask("undoLog", {zeo::integer(0), zeo::integer(-20)})
                .get<pickle::List>()
                ->items.size(),
            2U);
  EXPECT_GT(peer.commit(7, before, "y"), tid);
}

TEST_F(ZeoConnectionTest, TheInfoBeforeTheAnswerTellsTheNewSize) {
  ZeoPeer peer = connect_zeo();
  peer.begin();
  peer.store(7, kNoTid, "x");
  EXPECT_EQ(peer.vote(), zeo::list({}));
  peer.send_finish();
  const std::vector<Value> info = peer.told("info");
  ASSERT_EQ(info.size(), 1U);
  const auto* dict = info[0].get<pickle::Dict>();
  ASSERT_NE(dict, nullptr);
  EXPECT_EQ(dict->items.size(), 2U);
  EXPECT_EQ(*dict->find("length"), zeo::integer(1));
  EXPECT_TRUE(dict->find("size")->is<std::int64_t>());
  EXPECT_TRUE(peer.result(57).is<Bytes>());
}

TEST_F(ZeoConnectionTest, WhatIsHeldIsCountedAndGivenBack) {
  ZeoPeer peer = connect_zeo();
  peer.begin();
  peer.store(7, kNoTid, std::string(1000, 'x'));
  EXPECT_EQ(peer.ask("ping"), none());
  EXPECT_GE(staged_->used(), 1000U);
  EXPECT_EQ(peer.vote(), zeo::list({}));
  peer.finish();
  EXPECT_EQ(peer.ask("ping"), none());
  EXPECT_EQ(staged_->used(), 0U);
}

TEST_F(ZeoConnectionTest, TooMuchHeldByAllEndsTheOneThatAdds) {
  limit_staged(16'000);
  ZeoPeer patient = connect_zeo();
  patient.begin();
  patient.store(7, kNoTid, "little");
  EXPECT_EQ(patient.ask("ping"), none());
  ZeoPeer greedy = connect_zeo();
  greedy.begin();
  greedy.store(8, kNoTid, std::string(20'000, 'x'));
  EXPECT_TRUE(greedy.at_end());
  EXPECT_EQ(patient.vote(), zeo::list({}));
}

// The process was stopped: requests are there before the thread that would step down runs.
TEST_F(ZeoConnectionTest, APrimaryWhoseTimeIsOverHangsUp) {
  ServingLimits limits;
  environment_.limits = &limits;
  clock_.advance(100s);
  limits.set(false, clock_.now().instant + 1s, {});
  ZeoPeer peer = connect_zeo();
  peer.commit(7, kNoTid, "data");
  peer.ask("loadBefore", {oid(7), value_of(kMaxTid)});
  clock_.advance(1s);
  peer.call(9, "loadBefore", {oid(7), value_of(kMaxTid)});
  EXPECT_TRUE(peer.at_end());
}

// That there is no such object may be as wrong as what is in it.
TEST_F(ZeoConnectionTest, NoErrorIsToldOnceTheTimeOfThePrimaryIsOver) {
  ServingLimits limits;
  environment_.limits = &limits;
  clock_.advance(100s);
  limits.set(false, clock_.now().instant + 1s, {});
  ZeoPeer peer = connect_zeo();
  control_->set_cold(true);
  control_->disk_read.shut();
  peer.call(9, "loadBefore", {oid(99), value_of(kMaxTid)});
  control_->disk_read.wait_for(1);
  clock_.advance(1s);
  control_->disk_read.open();
  EXPECT_TRUE(peer.at_end());
}

TEST_F(ZeoConnectionTest, WhoBeginsATransactionAndFallsSilentIsClosed) {
  ZeoPeer idle = connect_zeo();
  ZeoPeer silent = connect_zeo();
  ZeoPeer slow = connect_zeo();
  silent.begin();
  slow.begin();
  EXPECT_EQ(silent.ask("ping"), none());
  EXPECT_EQ(slow.ask("ping"), none());
  sweep(Instant{});
  slow.store(7, kNoTid, "x");
  EXPECT_EQ(slow.ask("ping"), none());
  const Instant now{config_.vote_timeout};
  sweep(now);
  EXPECT_EQ(open(), 3U);
  sweep(now + 1ns);
  EXPECT_TRUE(silent.at_end());
  EXPECT_THAT(warning(), ::testing::HasSubstr("not gone on with in time"));
  EXPECT_EQ(idle.ask("ping"), none());
  EXPECT_EQ(slow.vote(), zeo::list({}));
  sweep(now + 2 * config_.vote_timeout);  // a vote has its own time
  EXPECT_GT(slow.finish(), kNoTid);
  sweep(now + 4 * config_.vote_timeout);
  EXPECT_EQ(slow.ask("ping"), none());
}

TEST_F(ZeoConnectionTest, WhoMeetsConflictsAndFallsSilentIsClosed) {
  ZeoPeer peer = connect_zeo();
  const Tid tid = peer.commit(7, kNoTid, "x");
  peer.commit(7, tid, "y");
  peer.begin();
  peer.store(7, tid, "z");
  EXPECT_NE(peer.vote(), zeo::list({}));  // to be resolved
  sweep(Instant{});
  sweep(Instant{config_.vote_timeout});
  EXPECT_EQ(peer.ask("ping"), none());
  sweep(Instant{config_.vote_timeout + 1ns});
  EXPECT_TRUE(peer.at_end());
}

}  // namespace
}  // namespace zeolite::daemon
