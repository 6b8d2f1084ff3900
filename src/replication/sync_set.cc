#include "replication/sync_set.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::replication {
namespace {

bool names(const std::vector<NodeId>& set, const NodeId& node) {
  return std::ranges::find(set, node) != set.end();
}

}  // namespace

SyncSet::SyncSet(const Options& options, Tid baseline)
    : options_(options), baseline_(baseline), durable_(baseline), durable_at_tick_(baseline) {
  if (options_.durability == Durability::standby && options_.strict) {
    // Nothing of this reign was acknowledged, and its beginning is not until a standby has it.
    waiting_ = true;
    took_effect_ = true;
  } else {
    acknowledged_ = baseline;
  }
}

void SyncSet::durable(Tid own, Instant now, Effects& effects) {
  if (own <= durable_) return;
  durable_ = own;
  for (auto& [node, member] : members_) {
    if (in_q(member)) note_progress(member, now);
  }
  settle(effects);
}

void SyncSet::connected(const NodeId& node, Tid flushed, Instant now, Effects& effects) {
  Member& member = members_[node];
  member.connected = true;
  // What counts is what it has now: its disk may have lost what it had acknowledged.
  member.deficient = offered(member) && flushed < acknowledged_;
  member.flushed = flushed;
  member.behind_since.reset();
  note_progress(member, now);
  settle(effects);
}

void SyncSet::flushed(const NodeId& node, Tid flushed, Instant now, Effects& effects) {
  const auto found = members_.find(node);
  if (found == members_.end() || !found->second.connected) return;
  Member& member = found->second;
  if (flushed > member.flushed) member.flushed = flushed;
  if (member.flushed >= acknowledged_) member.deficient = false;
  note_progress(member, now);
  settle(effects);
}

void SyncSet::disconnected(const NodeId& node, Instant now, Effects& effects) {
  const auto found = members_.find(node);
  if (found == members_.end()) return;
  Member& member = found->second;
  member.connected = false;
  member.lost_at = now;
  if (member.stage == Stage::following) {
    members_.erase(found);
  } else if (member.stage == Stage::joining) {
    // Nobody was told of it yet, so nothing has to be published.
    let_go(node, member, "its connection ended", now, effects);
    settle(effects);
  }
}

void SyncSet::waiting_from(Tid acknowledged, Instant /*now*/, Effects& effects) {
  CHECK(waiting_, "waiting takes effect only when it was asked for");
  if (took_effect_) return;  // whatever was acknowledged since is known here
  took_effect_ = true;
  acknowledged_ = std::max(acknowledged_, acknowledged);
  durable_ = std::max(durable_, acknowledged);
  settle(effects);
}

void SyncSet::published(Instant now, Effects& effects) {
  CHECK(publishing_.has_value(), "one publication is under way at a time");
  published_ = *std::exchange(publishing_, std::nullopt);
  // A member that is let go may leave the map: walk over a copy of the names.
  std::vector<NodeId> nodes;
  for (const auto& [node, member] : members_) nodes.push_back(node);
  for (const NodeId& node : nodes) {
    Member& member = members_.at(node);
    if (member.stage == Stage::publishing) {
      member.stage = Stage::synchronous;
      effects.changes.push_back({.node = node, .kind = Change::Kind::in_sync});
    } else if (member.stage == Stage::leaving && !names(published_, node)) {
      // (One that was to leave after this publication had begun waits for the next.)
      const std::string why = std::exchange(leaving_why_[node], {});
      leaving_why_.erase(node);
      effects.changes.push_back({.node = node, .kind = Change::Kind::left_sync, .why = why});
      let_go(node, member, why, now, effects);
    }
  }
  settle(effects);
}

void SyncSet::tick(Instant now, Effects& effects) {
  // In this order, so that one who leaves does not leave the primary alone without need.
  let_in(now, effects);
  check_overdue(now, effects);
  durable_at_tick_ = durable_;
  settle(effects);
  check_blocked(effects);
}

// Told at a tick, so that a connection that is back at once is not worth a word.
void SyncSet::check_blocked(Effects& effects) {
  if (!options_.strict || options_.durability == Durability::local) return;
  const bool blocked = std::ranges::none_of(
      members_, [](const auto& entry) { return in_q(entry.second) && entry.second.connected; });
  if (blocked == blocked_) return;
  blocked_ = blocked;
  effects.changes.push_back({.kind = blocked ? Change::Kind::blocked : Change::Kind::unblocked});
}

bool SyncSet::in_sync(const NodeId& node) const {
  const auto found = members_.find(node);
  return found != members_.end() && in_s(found->second);
}

bool SyncSet::is_waited_for(const NodeId& node) const {
  const auto found = members_.find(node);
  return found != members_.end() && in_q(found->second);
}

std::vector<NodeId> SyncSet::waited_for() const {
  std::vector<NodeId> nodes;
  for (const auto& [node, member] : members_) {
    if (in_q(member)) nodes.push_back(node);
  }
  return nodes;
}

std::size_t SyncSet::count_waited_for() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(members_, [](const auto& entry) { return in_q(entry.second); }));
}

// A member stalls when it does not reach in time what was durable when it fell behind.
void SyncSet::note_progress(Member& member, Instant now) const {
  if (member.flushed >= durable_) {
    member.behind_since.reset();
  } else if (!member.behind_since || member.flushed >= member.target) {
    member.behind_since = now;
    member.target = durable_;
  }
}

// Acknowledges what everybody who is waited for has, and publishes what is due.
void SyncSet::settle(Effects& effects) {
  const std::size_t waited = count_waited_for();
  if (waiting_ && took_effect_ && waited > 0) {
    Tid all = durable_;
    for (const auto& [node, member] : members_) {
      if (in_q(member)) all = std::min(all, member.flushed);
    }
    if (all > acknowledged_) {
      acknowledged_ = all;
      effects.acknowledge = all;
    }
  }
  if (!waiting_) acknowledged_ = std::max(acknowledged_, durable_);
  publish_next(effects);
  check_invariants();
}

void SyncSet::let_in(Instant now, Effects& effects) {
  if (options_.durability == Durability::local) return;
  for (auto& [node, member] : members_) {
    if (member.stage != Stage::following || !member.connected) continue;
    if (member.flushed < durable_at_tick_ || member.flushed < baseline_) continue;
    member.stage = Stage::joining;
    member.behind_since.reset();
    note_progress(member, now);
    effects.changes.push_back({.node = node, .kind = Change::Kind::waited_for});
    if (!waiting_) {
      waiting_ = true;
      took_effect_ = false;
      effects.set_waiting = true;
    }
  }
}

void SyncSet::publish_next(Effects& effects) {
  if (publishing_) return;
  bool changed = false;
  for (auto& [node, member] : members_) {
    if (member.stage == Stage::leaving) changed = true;
    if (member.stage != Stage::joining || !member.connected || !took_effect_) continue;
    if (member.flushed < std::max(acknowledged_, baseline_)) continue;
    member.stage = Stage::publishing;
    changed = true;
  }
  if (!changed) return;
  std::vector<NodeId> set;
  for (const auto& [node, member] : members_) {
    if (member.stage == Stage::synchronous || member.stage == Stage::publishing) {
      set.push_back(node);
    }
  }
  publishing_ = set;
  effects.publish = std::move(set);
}

// With strict, one stays published whatever becomes of it; if it can be chosen, one that is there.
void SyncSet::check_overdue(Instant now, Effects& effects) {
  std::vector<NodeId> overdue;
  std::size_t staying = 0;
  for (const auto& [node, member] : members_) {
    if (member.stage == Stage::synchronous) ++staying;
    if (member.stage != Stage::synchronous && member.stage != Stage::joining) continue;
    const bool lost = !member.connected && now - member.lost_at >= options_.lost_timeout;
    const bool stalled =
        member.behind_since && now - *member.behind_since >= options_.stall_timeout;
    if (lost || stalled || member.deficient) overdue.push_back(node);
  }
  std::ranges::stable_partition(overdue,
                                [&](const NodeId& node) { return !members_.at(node).connected; });
  for (const NodeId& node : overdue) {
    Member& member = members_.at(node);
    if (member.stage == Stage::synchronous) {
      if (options_.strict && staying == 1 && !member.deficient) continue;
      --staying;
    }
    const char* const why = member.deficient   ? "it lost what it had acknowledged"
                            : member.connected ? "it does not keep up"
                                               : "its connection is lost";
    leave(node, member, why, now, effects);
  }
}

void SyncSet::leave(const NodeId& node, Member& member, std::string why, Instant now,
                    Effects& effects) {
  if (member.stage == Stage::joining) {
    let_go(node, member, std::move(why), now, effects);
    return;
  }
  member.stage = Stage::leaving;
  leaving_why_[node] = std::move(why);
}

void SyncSet::let_go(const NodeId& node, Member& member, std::string why, Instant now,
                     Effects& effects) {
  const Duration delayed = member.behind_since ? now - *member.behind_since : Duration(0);
  effects.changes.push_back({node, Change::Kind::let_go, std::move(why), delayed});
  member.stage = Stage::following;
  member.behind_since.reset();
  if (!member.connected) members_.erase(node);
  if (count_waited_for() > 0 || options_.strict) return;
  // Alone: S is empty, which is published, so nobody else can be promoted.
  waiting_ = false;
  took_effect_ = false;
  acknowledged_ = std::max(acknowledged_, durable_);
  effects.set_waiting = false;
}

void SyncSet::check_invariants() const {
  for (const NodeId& node : published_) {
    CHECK(is_waited_for(node), "who may be promoted is waited for");
  }
  for (const NodeId& node : publishing_.value_or(std::vector<NodeId>())) {
    CHECK(is_waited_for(node), "who may soon be promoted is waited for");
  }
  for (const auto& [node, member] : members_) {
    CHECK(!in_q(member) || waiting_, "commits wait while anybody is waited for");
    CHECK(!offered(member) || member.deficient || member.flushed >= acknowledged_,
          "who may be promoted has all that was acknowledged");
  }
}

}  // namespace zeolite::replication
