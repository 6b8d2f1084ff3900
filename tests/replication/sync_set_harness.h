#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "replication/sync_set.h"

namespace zeolite::replication {

inline NodeId node(char name) { return NodeId{static_cast<std::uint8_t>(name)}; }

using Names = std::string;  // one letter per standby

inline Names names_of(const std::vector<NodeId>& nodes) {
  Names names;
  for (const NodeId& each : nodes) names += static_cast<char>(each[0]);
  return names;
}

// Plays the primary that owns the set: carries out its effects, knows what was really acknowledged,
// and holds publications back until told. After each step: S, before and after a publication under
// way, is within Q, and everybody in it has what was acknowledged.
class Primary {
 public:
  static constexpr std::uint64_t kBegin = 10;  // the epoch record

  explicit Primary(SyncSet::Options options = {}) : set_(options, Tid(kBegin)) {
    waiting_ = set_.waiting();
    if (!waiting_) acked_ = kBegin;
  }

  void write(std::uint64_t tid) {
    durable_ = tid;
    // Where nobody is waited for it is acknowledged before the set hears of it.
    if (!waiting_) acked_ = durable_;
    step([&](auto& effects) { set_.durable(Tid(tid), now_, effects); });
  }
  // What the set is not told of yet, because the owner need not.
  void write_quietly(std::uint64_t tid) {
    ASSERT_FALSE(waiting_);
    acked_ = durable_ = tid;
  }
  void connect(char name, std::uint64_t flushed) {
    claims_[name] = flushed;
    step([&](auto& effects) { set_.connected(node(name), Tid(flushed), now_, effects); });
  }
  void flush(char name, std::uint64_t tid) {
    claims_[name] = std::max(claims_[name], tid);
    step([&](auto& effects) { set_.flushed(node(name), Tid(tid), now_, effects); });
  }
  void lose(char name) {
    step([&](auto& effects) { set_.disconnected(node(name), now_, effects); });
  }
  void tick(Duration after = std::chrono::milliseconds(100)) {
    now_ = now_ + after;
    step([&](auto& effects) { set_.tick(now_, effects); });
  }
  // The coordination service did what was asked for last.
  void publish() {
    ASSERT_TRUE(publishing_);
    published_ = *std::exchange(publishing_, std::nullopt);
    step([&](auto& effects) { set_.published(now_, effects); });
  }
  void publish_all() {
    while (publishing_) publish();
  }
  // A standby that is in Q and S, with all there is.
  void join(char name) {
    connect(name, durable_);
    tick();
    publish_all();
    ASSERT_TRUE(set_.in_sync(node(name)));
  }

  [[nodiscard]] std::uint64_t acked() const { return acked_; }
  [[nodiscard]] bool waiting() const { return waiting_; }
  [[nodiscard]] Names q() const { return names_of(set_.waited_for()); }
  [[nodiscard]] Names s() const { return names_of(published_); }
  [[nodiscard]] std::optional<Names> publishing() const {
    if (!publishing_) return std::nullopt;
    return names_of(*publishing_);
  }
  [[nodiscard]] const std::string& last_why() const { return last_why_; }
  // For how long commits had waited for the one that was let go last, if they had.
  [[nodiscard]] Duration delayed() const { return delayed_; }
  [[nodiscard]] bool blocked() const { return blocked_; }
  SyncSet& set() { return set_; }

 private:
  template <typename Call>
  void step(Call call) {
    SyncSet::Effects effects;
    call(effects);
    carry_out(std::move(effects));
    check();
  }
  void carry_out(SyncSet::Effects effects) {
    for (const SyncSet::Change& change : effects.changes) {
      if (!change.why.empty()) last_why_ = change.why;
      if (change.delayed > Duration(0)) delayed_ = change.delayed;
      using Kind = SyncSet::Change::Kind;
      if (change.kind == Kind::blocked || change.kind == Kind::unblocked) {
        EXPECT_NE(blocked_, change.kind == Kind::blocked) << "told once";
        blocked_ = change.kind == Kind::blocked;
      }
    }
    if (effects.set_waiting) {
      waiting_ = *effects.set_waiting;
      if (waiting_) {
        step([&](auto& more) { set_.waiting_from(Tid(acked_), now_, more); });
      } else {
        acked_ = durable_;
      }
    }
    if (effects.acknowledge) {
      EXPECT_TRUE(waiting_) << "told to acknowledge while it need not be told";
      EXPECT_GT(effects.acknowledge->value(), acked_) << "said once";
      EXPECT_LE(effects.acknowledge->value(), durable_);
      acked_ = effects.acknowledge->value();
    }
    if (effects.publish) {
      EXPECT_FALSE(publishing_) << "one publication at a time";
      publishing_ = std::move(effects.publish);
    }
  }
  void check() const {
    std::vector<NodeId> may_lead = published_;
    if (publishing_) may_lead.insert(may_lead.end(), publishing_->begin(), publishing_->end());
    const std::vector<NodeId> q = set_.waited_for();
    for (const NodeId& each : may_lead) {
      EXPECT_TRUE(std::ranges::find(q, each) != q.end()) << "S within Q";
      const char name = static_cast<char>(each[0]);
      if (!forgetful_.contains(name)) {
        EXPECT_GE(claims_.at(name), acked_) << "what was acknowledged is on " << name;
      }
    }
    EXPECT_EQ(waiting_, set_.waiting());
    EXPECT_LE(set_.acknowledged().value(), acked_) << "knows of no more than was acknowledged";
    EXPECT_TRUE(waiting_ || q.empty());
  }

 public:
  // Whose disk lost something: what it had acknowledged may be missing there.
  Names forgetful_;

 private:
  SyncSet set_;
  Instant now_{std::chrono::seconds(1000)};
  std::uint64_t durable_ = kBegin;
  std::uint64_t acked_ = 0;
  bool waiting_ = false;
  std::map<char, std::uint64_t> claims_;  // what each said last to have
  std::vector<NodeId> published_;
  std::optional<std::vector<NodeId>> publishing_;
  std::string last_why_;
  Duration delayed_{};
  bool blocked_ = false;
};

}  // namespace zeolite::replication
