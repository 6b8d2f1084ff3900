// Node: a primary that is started again asks the standbys it had whether one was promoted. Without
// an election only.

#include <algorithm>
#include <string>
#include <variant>

#include "replication/node.h"

namespace zeolite::replication {
namespace {

// How long one that may have taken over has for its answer.
constexpr Duration kAskTimeout = std::chrono::seconds(1);

}  // namespace

// Before it leads it asks each once. Who does not answer then is asked again and again while it
// leads: it may have been promoted, and be cut off from this node.
void Node::ask_next(Instant now, Actions& actions) {
  asking_ = false;
  const bool leads = role_ == Role::promoting || role_ == Role::primary;
  if (!leads && asked_ < options_.ask_first.size()) {
    ++asked_;
    ask(now, actions);
    return;
  }
  if (!leads && outranked()) {
    upstream_.clear();
    warn_once(advice(), actions);
  } else if (!leads) {
    upstream_.clear();
    note_unasked(actions);
    begin_reign(follower_.promised().next(), false, actions);
  }
  if (!to_ask_.empty()) retry_at_ = now + ask_again_.pause();
}

void Node::ask(Instant now, Actions& actions) {
  asking_ = true;
  upstream_ = to_ask_.front();
  to_ask_.pop_front();
  to_ask_.push_back(upstream_);  // until it answers
  ask_until_ = now + kAskTimeout;
  connect(now, actions);
}

void Node::note_unasked(Actions& actions) const {
  if (to_ask_.empty()) return;
  std::string which;
  for (const std::string& address : to_ask_) which += (which.empty() ? "" : ", ") + address;
  actions.emplace_back(action::Note{
      true, "this server leads without having been able to ask its standbys (" + which +
                ") whether one was promoted while it was away; it goes on asking, and steps down "
                "if one was"});
}

// True: it is a standby from now on, of the sender or of whom that names. False: it goes on.
bool Node::heard_while_asking(const UpstreamMessage& message, Instant now, Actions& actions) {
  const auto* welcome = std::get_if<wire::ReplicaWelcome>(&message);
  const bool later = welcome != nullptr && welcome->cluster_id == follower_.cluster() &&
                     welcome->epoch > follower_.promised();
  if (!later) {
    if (welcome != nullptr) std::erase(to_ask_, upstream_);
    actions.emplace_back(action::Disconnect{"it knows of no later epoch"});
    lose_upstream("it knows of no later epoch", {}, now, actions);
    return false;
  }
  asking_ = false;
  const bool named = !welcome->leader.empty() && welcome->leader != options_.address;
  const std::string leader = named ? welcome->leader : upstream_;
  const std::string promised =
      upstream_ + " has promised epoch " + std::to_string(welcome->epoch.value());
  if (role_ == Role::promoting || role_ == Role::primary) {
    step_down(promised + ", which is later than that of this reign", leader, actions);
    return false;
  }
  role_ = Role::standby;
  options_.upstream = leader;
  actions.emplace_back(action::Note{
      true, promised + ", in which this server does not lead: it begins as a standby"});
  return true;
}

}  // namespace zeolite::replication
