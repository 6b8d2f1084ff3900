// Three elections against three real etcd: one leads, leases run out, epochs increase.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"
#include "etcd/etcd_client.h"
#include "etcd/etcd_json.h"
#include "replication/election.h"
#include "support/etcd_process.h"

namespace zeolite {
namespace {

using namespace std::chrono_literals;
using replication::Election;
using replication::NodeId;
using testing::EtcdProcess;
namespace dcs = replication::dcs;

constexpr Id128 kCluster = {0xc1};
constexpr Duration kTtl = 3s;
constexpr std::size_t kNodes = 3;

NodeId node_id(std::size_t index) { return {static_cast<std::uint8_t>(index + 1)}; }
std::string node_address(std::size_t index) { return "h:" + std::to_string(index); }

// What a node does about its election and nothing else: it promises what it leads or follows, and
// as the leader publishes all others, so that each may be the next. One life is one process.
class Candidate {
 public:
  Candidate(boost::asio::io_context& context, const EtcdProcess& etcd, std::size_t index)
      : context_(context), etcd_(etcd), index_(index) {}

  void begin() {
    life_ = std::make_unique<Life>(Election::Options{.node = node_id(index_),
                                                     .name = std::to_string(index_),
                                                     .address = node_address(index_),
                                                     .ttl = kTtl,
                                                     .seed = index_},
                                   context_, etcd_);
    Election::Effects effects;
    life_->election.start(now(), effects);
    carry_out(std::move(effects));
  }
  // As a process that is killed: what it asked for may still be carried out.
  void die() { life_.reset(); }
  void tick() {
    if (!life_) return;
    Election::Effects effects;
    life_->election.tick(local_, now(), effects);
    carry_out(std::move(effects));
    // What became of the former role is begun anew, as in a server.
    if (life_->ended) begin();
  }

  [[nodiscard]] bool serves() const {
    return life_ && life_->serves && life_->election.leading() &&
           now() < life_->election.lead_until();
  }
  [[nodiscard]] Instant lead_until() const { return life_->election.lead_until(); }
  [[nodiscard]] Epoch epoch() const { return local_.heard; }
  // When its newest reign began, before it was published.
  [[nodiscard]] Instant led_at() const { return led_at_; }
  [[nodiscard]] const std::string& follows() const { return life_->follows; }
  [[nodiscard]] static Instant now() { return SystemClock().now().instant; }

 private:
  struct Life {
    Life(Election::Options options, boost::asio::io_context& context, const EtcdProcess& etcd)
        : election(std::move(options)),
          client(context, etcd.endpoints(), etcd::key_prefix("c").value()) {}
    Election election;
    bool serves = false;
    bool ended = false;
    std::string follows;
    etcd::EtcdClient client;  // last: drops its callbacks before what they use
  };

  void carry_out(Election::Effects effects) {
    for (dcs::Request& request : effects.requests) {
      life_->client.send(request, 1s, [this, request, sent = now()](Result<dcs::Answer> answer) {
        Election::Effects next;
        life_->election.answered(request, std::move(answer), sent, now(), next);
        carry_out(std::move(next));
      });
    }
    if (effects.decision) decide(*effects.decision);
  }
  void decide(const Election::Decision& decision) {
    if (const auto* lead = std::get_if<Election::Lead>(&decision)) {
      EXPECT_GT(lead->epoch, local_.heard) << "epochs increase";
      local_.heard = lead->epoch;
      local_.last.epoch = lead->epoch;  // the reign's first record
      led_at_ = now();
      life_->follows = node_address(index_);
      replication::SyncKey key;
      key.leader = node_id(index_);
      key.epoch = lead->epoch;
      for (std::size_t i = 0; i < kNodes; ++i) {
        if (i != index_) key.members.push_back(node_id(i));
      }
      Election::Effects effects;
      life_->election.publish(std::move(key), now(), effects);
      carry_out(std::move(effects));
    } else if (const auto* follow = std::get_if<Election::Follow>(&decision)) {
      local_.heard = std::max(local_.heard, follow->leader.epoch);
      local_.last.epoch = local_.heard;  // it is in sync: S names it
      life_->follows = follow->leader.address;
    } else if (std::holds_alternative<Election::Published>(decision)) {
      life_->serves = true;
    } else if (std::holds_alternative<Election::StepDown>(decision)) {
      life_->ended = true;
    }
  }

  boost::asio::io_context& context_;
  const EtcdProcess& etcd_;
  const std::size_t index_;
  Election::Local local_{.last = {Epoch(1), Tid(100), {}},
                         .has_data = true,
                         .cluster = kCluster,
                         .heard = {},
                         .role = "standby"};
  Instant led_at_{};
  std::unique_ptr<Life> life_;
};

class Elections : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdProcess::program()) GTEST_SKIP() << EtcdProcess::kMissing;
    etcd_ = std::make_unique<EtcdProcess>(3);
    ASSERT_TRUE(etcd_->start()) << etcd_->logs();
    for (std::size_t i = 0; i < kNodes; ++i) {
      candidates_[i] = std::make_unique<Candidate>(context_, *etcd_, i);
      candidates_[i]->begin();
    }
  }

  // Lets all run until the condition holds. At no moment do two serve.
  bool run_until(const std::function<bool()>& condition, Duration timeout) {
    const Instant until = Candidate::now() + timeout;
    while (!condition()) {
      if (Candidate::now() > until) return false;
      context_.restart();
      context_.run_for(20ms);
      for (const auto& candidate : candidates_) candidate->tick();
      EXPECT_LE(std::ranges::count_if(candidates_, [](const auto& it) { return it->serves(); }), 1);
    }
    return true;
  }
  [[nodiscard]] std::optional<std::size_t> serving() const {
    for (std::size_t i = 0; i < kNodes; ++i) {
      if (candidates_[i]->serves()) return i;
    }
    return std::nullopt;
  }
  // Waits for one that serves, in a later epoch than `above`.
  std::optional<std::size_t> next_leader(Epoch above, Duration timeout) {
    const auto serves = [&] { return serving() && candidates_[*serving()]->epoch() > above; };
    if (!run_until(serves, timeout)) return std::nullopt;
    return serving();
  }
  Candidate& at(std::size_t index) { return *candidates_[index]; }

  boost::asio::io_context context_{1};
  std::unique_ptr<EtcdProcess> etcd_;
  std::array<std::unique_ptr<Candidate>, kNodes> candidates_;
};

TEST_F(Elections, OneLeadsAndTheOthersKnowIt) {
  const auto leader = next_leader({}, 20s);
  ASSERT_TRUE(leader) << etcd_->logs();
  const Epoch epoch = at(*leader).epoch();
  EXPECT_TRUE(run_until(
      [&] {
        return std::ranges::all_of(candidates_, [&](const auto& candidate) {
          return candidate->follows() == node_address(*leader);
        });
      },
      5s));
  // Longer than the lease: it is kept alive and confirmed.
  EXPECT_FALSE(run_until([&] { return serving() != leader; }, 2 * kTtl));
  EXPECT_EQ(at(*leader).epoch(), epoch);
}

TEST_F(Elections, AnotherLeadsALaterEpochWhenTheLeasesOfTheDeadRunOut) {
  Epoch before;
  for (int round = 0; round < 3; ++round) {
    const auto leader = next_leader(before, 20s);
    ASSERT_TRUE(leader) << etcd_->logs();
    before = at(*leader).epoch();
    const Instant until = at(*leader).lead_until();
    at(*leader).die();
    const auto next = next_leader(before, 20s);
    ASSERT_TRUE(next) << etcd_->logs();
    EXPECT_NE(*next, *leader);
    EXPECT_GE(at(*next).led_at(), until) << "the dead one could have served until then";
    at(*leader).begin();
    before = at(*next).epoch();
    EXPECT_TRUE(run_until([&] { return at(*leader).follows() == node_address(*next); }, 10s));
    EXPECT_EQ(at(*leader).epoch(), before);
    at(*next).die();
    const auto last = next_leader(before, 20s);
    ASSERT_TRUE(last) << etcd_->logs();
    before = Epoch(at(*last).epoch().value() - 1);  // it serves: the next round begins with it
    at(*next).begin();
  }
}

TEST_F(Elections, OneLeadsWhenTheLeaderOfEtcdIsKilled) {
  const auto leader = next_leader({}, 20s);
  ASSERT_TRUE(leader) << etcd_->logs();
  const auto first = etcd_->leader();
  ASSERT_TRUE(first);
  etcd_->kill(*first);
  // The same one, or another: but a later epoch then.
  const Epoch before = at(*leader).epoch();
  run_until([] { return false; }, kTtl);
  ASSERT_TRUE(run_until([&] { return serving().has_value(); }, 30s)) << etcd_->logs();
  const std::size_t now = *serving();
  EXPECT_TRUE(at(now).epoch() > before || now == *leader);

  // Now both die at once.
  etcd_->restart(*first);
  ASSERT_TRUE(etcd_->wait_ready()) << etcd_->logs();
  ASSERT_TRUE(run_until([&] { return serving().has_value(); }, 30s)) << etcd_->logs();
  const std::size_t victim = *serving();
  const Epoch last = at(victim).epoch();
  const Instant until = at(victim).lead_until();
  const auto second = etcd_->leader();
  ASSERT_TRUE(second);
  etcd_->kill(*second);
  at(victim).die();
  const auto next = next_leader(last, 30s);
  ASSERT_TRUE(next) << etcd_->logs();
  EXPECT_NE(*next, victim);
  EXPECT_GE(at(*next).led_at(), until);
}

// Nobody can know who leads: the one that does ends at its deadline, and nobody begins.
TEST_F(Elections, NobodyLeadsWithoutAMajorityOfEtcd) {
  const auto leader = next_leader({}, 20s);
  ASSERT_TRUE(leader) << etcd_->logs();
  const Epoch before = at(*leader).epoch();
  const auto first = etcd_->leader();
  ASSERT_TRUE(first);
  etcd_->kill(*first);
  etcd_->kill((*first + 1) % 3);
  ASSERT_TRUE(run_until([&] { return !serving(); }, 2 * kTtl + 5s));
  EXPECT_FALSE(run_until([&] { return serving().has_value(); }, 2 * kTtl));
  etcd_->restart(*first);
  ASSERT_TRUE(next_leader(before, 30s)) << etcd_->logs();
}

}  // namespace
}  // namespace zeolite
