// Node: promotion, switchover and demotion by command, and leading again without an election.

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "replication/node.h"

namespace zeolite::replication {
namespace {

constexpr Duration kPromoteTimeout = std::chrono::seconds(15);

}  // namespace

wire::RoleChanged Node::role_changed() const {
  wire::RoleChanged changed;
  changed.role = role_ == Role::primary   ? wire::NodeRole::primary
                 : role_ == Role::standby ? wire::NodeRole::standby
                                          : wire::NodeRole::starting;
  changed.epoch = epoch_;
  changed.primary = leader();
  return changed;
}

std::string Node::promote_command(bool force) const {
  const std::string at = options_.address.empty() ? "HOST:PORT" : options_.address;
  return "zeolite promote --at " + at + (force ? " --force" : "");
}

// Why acknowledged commits may be missing here.
std::string Node::what_it_may_lack() const {
  if (follower_.upstream_epoch() != Epoch{}) {
    return "this standby was not in sync when it last heard of the primary, so acknowledged "
           "commits may be missing here";
  }
  if (!options_.stepped_down.empty()) {
    return "this node was the primary and stepped down (" + options_.stepped_down +
           "), and has heard of no primary since; another that was promoted may have commits that "
           "this one lacks, and they would be lost";
  }
  if (outranked()) {
    return "this node knows that epoch " + std::to_string(heard().value()) +
           " was promised elsewhere, and has not followed it, so acknowledged commits may be "
           "missing "
           "here: promote the one that was in sync, or that served last";
  }
  return "this node has heard of no primary since it was started, so acknowledged commits may be "
         "missing here: promote the one that was in sync, or that served last";
}

std::string Node::advice() const {
  const bool waits = role_ == Role::starting || role_ == Role::standby;
  if (!waits || follower_.streaming()) return {};
  if (election_) return election_->obstacle();
  if (asking_ && !outranked()) return {};
  const bool sure = follower_.in_sync();
  const std::string reason =
      sure ? "this standby was in sync when it last heard of the primary" : what_it_may_lack();
  if (upstream_.empty() || asking_) {
    return "nobody leads as far as this node knows, and it follows nobody; " + reason +
           "; to make it the primary, type: " + promote_command(!sure);
  }
  return "it cannot follow " + upstream_ + " now; if that does not lead any more: " + reason +
         "; to make this node the primary, type: " + promote_command(!sure);
}

void Node::promote(CommandId command, bool force, Instant now, Actions& actions) {
  if (role_ == Role::primary) {
    actions.emplace_back(action::Answer{command, role_changed()});
    return;
  }
  const auto refuse = [&](std::string why) {
    actions.emplace_back(action::Answer{command, make_error(ErrorCode::conflict, std::move(why))});
  };
  if (role_ == Role::promoting || promoting_) return refuse("this node is being promoted already");
  if (role_ == Role::ended) return refuse("this node has just stepped down; try again");
  if (!follower_.settled()) {
    return refuse("the end of this node's log is being undone or replaced; try again");
  }
  if (linked_ && follower_.streaming() && !force) {
    return refuse("the primary " + upstream_ + " is alive; to hand over in order, type: zeolite " +
                  "switchover --at " + upstream_ +
                  (election_ ? "" : "; to take over all the same: " + promote_command(true)));
  }
  if (!election_ && !follower_.in_sync() && !force) {
    return refuse(what_it_may_lack() +
                  "; to make it the primary all the same, type: " + promote_command(true));
  }
  if (election_ && !force) {
    if (std::string why = election_->hopeless(); !why.empty()) return refuse(std::move(why));
  }
  promoting_ = {.command = command, .until = now + kPromoteTimeout};
  if (!election_) {
    begin_reign(commanded_epoch(), true, actions);
    return;
  }
  Election::Effects effects;
  std::optional<Election::Trust> trust;
  if (force) trust = Election::Trust{};
  election_->hurry(trust, now, effects);
  run(std::move(effects), now, actions);
}

void Node::answer_promoted(Actions& actions) {
  if (!promoting_) return;
  actions.emplace_back(action::Answer{promoting_->command, role_changed()});
  promoting_.reset();
}

std::optional<PeerId> Node::choose_target(const std::string& name) const {
  std::optional<PeerId> best;
  const auto rank = [](const Peer& peer) { return std::pair(!peer.disk_full, peer.flushed.tid); };
  for (const auto& [id, peer] : peers_) {
    if (peer.state != Peer::State::streaming) continue;
    if (!name.empty() && peer.hello.name != name) continue;
    if (name.empty() && !sync_->is_waited_for(peer.hello.node)) continue;
    if (best && rank(peer) <= rank(peers_.at(*best))) continue;
    best = id;
  }
  return best;
}

void Node::switchover(CommandId command, const wire::Switchover& request, Instant now,
                      Actions& actions) {
  const auto refuse = [&](ErrorCode code, std::string why) {
    actions.emplace_back(action::Answer{command, make_error(code, std::move(why))});
  };
  if (role_ != Role::primary) {
    return refuse(ErrorCode::not_primary, "only the primary hands over; it is " +
                                              (leader().empty() ? "not known" : leader()));
  }
  if (handing_) return refuse(ErrorCode::conflict, "a switchover is under way already");
  const std::optional<PeerId> target = choose_target(request.target);
  if (!target) {
    return refuse(ErrorCode::conflict,
                  request.target.empty() ? "no standby is in sync"
                                         : "no standby named " + request.target + " is connected");
  }
  const Peer& chosen = peers_.at(*target);
  if (chosen.disk_full) {
    // It might not even find room for its promise, and then nobody would lead.
    return refuse(ErrorCode::out_of_space,
                  "the disk of the standby " + chosen.hello.name +
                      " is full, so it could not lead: free space there, and try again");
  }
  if (!may_count(chosen.hello)) {
    return refuse(ErrorCode::conflict, "the standby " + request.target +
                                           " takes part in no election (it has no --etcd), so it "
                                           "does not lead this cluster");
  }
  handing_ = {.command = command,
              .target = *target,
              .until = now + std::chrono::milliseconds(request.timeout_ms)};
  actions.emplace_back(action::HoldCommits{});
}

void Node::commits_held(const Position& own, Tid sent, Instant now, Actions& actions) {
  if (!handing_ || role_ != Role::primary) return;
  durable(own, now, actions);
  if (!handing_) return;
  handing_->last = own;
  handing_->sent = sent;
  hand_over_when_ready(now, actions);
}

// Nothing of this epoch is acknowledged any more once the target was told: what it has is all there
// ever was. That may be more than is here: a group is sent before it is appended, and a full disk
// had no room for it. Nobody was answered that; whoever asks for it asks the target, where it is
// part of the log.
void Node::hand_over_when_ready(Instant now, Actions& actions) {
  if (!handing_ || !handing_->last || role_ != Role::primary) return;
  const auto target = peers_.find(handing_->target);
  if (target == peers_.end()) {
    give_up_handover("the standby is gone", actions);
    return;
  }
  // One that greets anew takes no handover.
  if (target->second.state != Peer::State::streaming) return;
  if (target->second.disk_full) {
    give_up_handover("the disk of the standby is full", actions);
    return;
  }
  const Position& own = *handing_->last;
  const Position& end = target->second.flushed;
  // It refuses while anything is on its way to it that it is not told of.
  if (end.tid < std::max(own.tid, handing_->sent)) return;
  if (end.tid == own.tid && end != own) return;
  // What was durable and unacknowledged is acknowledged now at the latest: the target has it.
  if (sync_->waiting() && sync_->acknowledged() < own.tid) return;
  actions.emplace_back(
      action::ToPeer{handing_->target, wire::Handover{.epoch = epoch_, .last = end}});
  const std::string address = target->second.hello.address;
  const CommandId command = handing_->command;
  handing_.reset();
  if (election_) {
    Election::Effects effects;
    election_->resign(now, effects);
    run(std::move(effects), now, actions);
  }
  // Before the server ends, and its connections with it.
  wire::RoleChanged changed = role_changed();
  changed.role = wire::NodeRole::standby;
  changed.primary = address;
  actions.emplace_back(action::Answer{command, std::move(changed)});
  step_down("handed over to " + target->second.hello.name, address, actions);
}

void Node::give_up_handover(const std::string& why, Actions& actions) {
  actions.emplace_back(action::Answer{
      handing_->command,
      make_error(ErrorCode::timeout, "no switchover: " + why + "; this node goes on as primary")});
  handing_.reset();
  actions.emplace_back(action::ReleaseCommits{});
}

void Node::demote(CommandId command, Instant now, Actions& actions) {
  if (role_ != Role::primary && role_ != Role::promoting) {
    actions.emplace_back(action::Answer{command, role_changed()});
    return;
  }
  wire::RoleChanged changed = role_changed();
  changed.role = wire::NodeRole::standby;
  changed.primary.clear();
  actions.emplace_back(action::Answer{command, std::move(changed)});
  resign_and_step_down("by command", now, actions);
}

void Node::tick_commands(Instant now, Actions& actions) {
  if (handing_ && now >= handing_->until) {
    give_up_handover("the standby has not everything in time", actions);
  }
  if (!promoting_ || now < promoting_->until) return;
  std::string why = "the coordination service did not let it lead in time";
  if (sync_ && sync_->strict()) {
    why = "this node leads, and serves as soon as a standby follows it, as strict demands";
  } else if (role_ == Role::promoting) {
    why = "this node is still beginning its reign";
  }
  actions.emplace_back(
      action::Answer{promoting_->command, make_error(ErrorCode::timeout, std::move(why))});
  promoting_.reset();
}

// The role ends: who waits for a command is told.
void Node::fail_commands(const Error& why, Actions& actions) {
  if (promoting_) {
    actions.emplace_back(action::Answer{promoting_->command, std::unexpected(why)});
    promoting_.reset();
  }
  if (handing_) {
    actions.emplace_back(action::Answer{handing_->command, std::unexpected(why)});
    handing_.reset();
  }
}

}  // namespace zeolite::replication
