#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "replication/election.h"
#include "replication/node_ids.h"

namespace zeolite::replication {

using namespace std::chrono_literals;

inline constexpr Duration kTtl = 3s;
inline constexpr LeaseId kGranted = 70;
inline constexpr Revision kLeaderRevision = 50;

// The election with its network: requests under way, answered by hand.
class ElectionRun {
 public:
  struct UnderWay {
    dcs::Request request;
    Instant sent;
  };

  ElectionRun() {
    local.last = {.epoch = Epoch(4), .tid = Tid(100), .chain = {}};
    local.has_data = true;
    local.cluster = kCluster;
    local.role = "standby";
    view.cluster = kCluster;
    view.epoch = Epoch(4);
    view.epoch_revision = 40;
    view.sync = SyncKey{
        .leader = kOther, .epoch = Epoch(4), .members = {kSelf}, .automatic = true, .revision = 41};
  }

  // ---- driving ----

  void take(Election::Effects effects) {
    for (dcs::Request& request : effects.requests) {
      for (const UnderWay& other : under_way) {
        EXPECT_NE(other.request.index(), request.index()) << "two of a kind are under way";
      }
      under_way.push_back({std::move(request), now});
    }
    if (effects.decision) decisions.push_back(*effects.decision);
    for (auto& note : effects.notes) notes.push_back(note.text);
  }
  void start() {
    Election::Effects effects;
    election.start(now, effects);
    take(std::move(effects));
  }
  void tick() {
    Election::Effects effects;
    election.tick(local, now, effects);
    take(std::move(effects));
  }
  // Time goes by, with ticks.
  void pass(Duration time, Duration step = 50ms) {
    for (const Instant until = now + time; now < until;) {
      now = now + std::min(step, until - now);
      tick();
    }
  }
  template <typename R>
  const R* asked() const {
    for (const UnderWay& one : under_way) {
      if (const R* request = std::get_if<R>(&one.request)) return request;
    }
    return nullptr;
  }
  template <typename R>
  void answer(Result<dcs::Answer> with) {
    for (std::size_t i = 0; i < under_way.size(); ++i) {
      if (!std::holds_alternative<R>(under_way[i].request)) continue;
      const UnderWay one = under_way[i];
      under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(i));
      Election::Effects effects;
      election.answered(one.request, std::move(with), one.sent, now, effects);
      take(std::move(effects));
      return;
    }
    ADD_FAILURE() << "nothing of the kind was asked";
  }
  template <typename R>
  void fail(ErrorCode code = ErrorCode::timeout) {
    answer<R>(make_error(code, "no answer"));
  }
  void show(const DcsView& shown) { answer<dcs::Read>(dcs::Viewed{shown}); }
  // Answers all that has nothing to do with the test, for some time.
  void live(Duration time, bool keep = true, bool confirm = true) {
    for (const Instant until = now + time; now < until;) {
      pass(50ms);
      if (asked<dcs::Read>() != nullptr) show(view);
      if (asked<dcs::Register>() != nullptr) answer<dcs::Register>(dcs::Guarded{true, 0});
      if (keep && asked<dcs::KeepAlive>() != nullptr) {
        answer<dcs::KeepAlive>(dcs::Leased{asked<dcs::KeepAlive>()->lease, kTtl});
      }
      if (confirm && asked<dcs::Confirm>() != nullptr) {
        answer<dcs::Confirm>(dcs::Guarded{true, 0});
      }
    }
  }

  // ---- the usual ways ----

  void grant(LeaseId lease = kGranted) { answer<dcs::GrantLease>(dcs::Leased{lease, kTtl}); }
  // Until the Acquire is under way.
  void try_to_lead() {
    start();
    grant();
    show(view);
    live(1s);
    ASSERT_NE(asked<dcs::Acquire>(), nullptr);
  }
  void lead() {
    try_to_lead();
    answer<dcs::Acquire>(dcs::Guarded{true, kLeaderRevision});
    ASSERT_TRUE(election.leading());
    view.leader = own_key();
    view.epoch = Epoch(5);
  }
  // Whether it tries within `time`, with this view.
  bool tries(Duration time = 2s) {
    start();
    grant();
    show(view);
    live(time);
    return asked<dcs::Acquire>() != nullptr;
  }
  LeaderKey own_key() const {
    return {.node = kSelf,
            .name = "a",
            .address = "h:1",
            .epoch = Epoch(5),
            .revision = kLeaderRevision,
            .lease = kGranted,
            .ttl = kTtl};
  }
  LeaderKey other_key() const {
    return {.node = kOther,
            .name = "b",
            .address = "h:2",
            .epoch = Epoch(4),
            .revision = 39,
            .lease = 71,
            .ttl = kTtl};
  }
  MemberKey member(const NodeId& node, std::uint64_t tid) const {
    return {.node = node, .name = "m", .address = "h:3", .role = "standby", .last_tid = Tid(tid)};
  }
  SyncKey sync_of(std::vector<NodeId> members) const {
    return {.leader = kSelf,
            .epoch = Epoch(5),
            .members = std::move(members),
            .automatic = true,
            .revision = 0};
  }
  void publish(std::vector<NodeId> members) {
    Election::Effects effects;
    election.publish(sync_of(std::move(members)), now, effects);
    take(std::move(effects));
  }
  void hurry(std::optional<Election::Trust> trust) {
    Election::Effects effects;
    election.hurry(trust, now, effects);
    take(std::move(effects));
  }
  template <typename D>
  std::size_t decided() const {
    std::size_t count = 0;
    for (const auto& one : decisions) count += std::holds_alternative<D>(one) ? 1U : 0U;
    return count;
  }

  Instant now{1000s};
  Election::Local local;
  DcsView view;
  Election election{{.node = kSelf, .name = "a", .address = "h:1", .ttl = kTtl, .seed = 7}};
  std::vector<UnderWay> under_way;
  std::vector<Election::Decision> decisions;
  std::vector<std::string> notes;
};

class ElectionTest : public ::testing::Test, protected ElectionRun {};

}  // namespace zeolite::replication
