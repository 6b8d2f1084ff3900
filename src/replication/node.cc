#include "replication/node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/milliseconds.h"
#include "base/overloaded.h"

namespace zeolite::replication {
namespace {

constexpr Duration kRetryMin = std::chrono::milliseconds(50);
constexpr Duration kRetryMax = std::chrono::milliseconds(800);
// Standbys that did not answer whether one was promoted are asked again.
constexpr Duration kAskAgainMin = std::chrono::milliseconds(200);
constexpr Duration kAskAgainMax = std::chrono::seconds(5);

}  // namespace

Node::Node(Options options, const Durable& durable)
    : options_(std::move(options)),
      epoch_(durable.last.epoch),
      heard_(durable.heard),
      follower_({.node = options_.id,
                 .name = options_.name,
                 .address = options_.address,
                 .storage = options_.storage,
                 .by_command = !options_.elects},
                durable.cluster, durable.last, std::max(durable.promised, durable.last.epoch),
                options_.silence_max),
      to_ask_(options_.ask_first.begin(), options_.ask_first.end()),
      ask_again_(kAskAgainMin, kAskAgainMax, options_.seed),
      reconnect_(kRetryMin, kRetryMax, options_.seed) {
  if (options_.elects) {
    election_.emplace(Election::Options{.node = options_.id,
                                        .name = options_.name,
                                        .address = options_.address,
                                        .ttl = options_.lease,
                                        .seed = options_.seed});
  }
}

Node::~Node() = default;

void Node::start(Instant now, Actions& actions) {
  started_at_ = now;
  abstain_until_ = now + options_.abstain;
  beat_at_ = now;
  if (election_) {
    Election::Effects effects;
    election_->start(now, effects);
    run(std::move(effects), now, actions);
    return;
  }
  if (options_.leads) {
    ask_next(now, actions);
    return;
  }
  if (!options_.upstream.empty()) follow(options_.upstream, now, actions);
  if (upstream_.empty()) actions.emplace_back(action::Note{true, advice()});
}

void Node::tick(Instant now, Actions& actions) {
  if (role_ == Role::ended) return;
  if (election_) {
    Election::Effects effects;
    election_->tick(local(now), now, effects);
    run(std::move(effects), now, actions);
    if (role_ == Role::ended) return;
  }
  if (asking_ && now >= ask_until_) {
    actions.emplace_back(action::Disconnect{"no answer in time"});
    lose_upstream("no answer in time", {}, now, actions);
  }
  if (retry_at_ && now >= *retry_at_) retry(now, actions);
  if (connecting_ && now - connecting_since_ > options_.silence_max) {
    actions.emplace_back(action::Disconnect{"no connection in time"});
    lose_upstream("no connection in time", {}, now, actions);
  }
  if (linked_) {
    Follower::Actions follower;
    follower_.tick(now, follower);
    run(std::move(follower), now, actions);
  }
  note_held(now, actions);
  // Not before the empty S is published: one publication is under way at a time.
  if (sync_ && ready_) {
    SyncSet::Effects effects;
    sync_->tick(now, effects);
    run(std::move(effects), now, actions);
    serve_when_acknowledged(now, actions);
  }
  tick_peers(now, actions);
  tick_commands(now, actions);
}

// ---- the coordination service -------------------------------------------------------------------

void Node::answered(const dcs::Request& request, Result<dcs::Answer> answer, Instant sent,
                    Instant now, Actions& actions) {
  if (role_ == Role::ended || !election_) return;
  Election::Effects effects;
  election_->answered(request, std::move(answer), sent, now, effects);
  run(std::move(effects), now, actions);
}

Election::Local Node::local(Instant now) const {
  Election::Local local;
  local.last = own_end();
  local.has_data = !local.last.tid.is_zero();
  if (follower_.cluster() != Id128{}) local.cluster = follower_.cluster();
  local.heard = heard();
  local.settled = follower_.settled();
  local.abstains = now < abstain_until_;
  local.disk_full = follower_.disk_full();
  local.role = role_ == Role::primary ? "primary" : "standby";
  return local;
}

void Node::run(Election::Effects from, Instant now, Actions& actions) {
  for (Election::Note& note : from.notes) {
    actions.emplace_back(action::Note{note.warning, std::move(note.text)});
  }
  for (dcs::Request& request : from.requests) {
    actions.emplace_back(action::AskDcs{std::move(request)});
  }
  if (from.decision) decide(*from.decision, now, actions);
}

void Node::decide(const Election::Decision& decision, Instant now, Actions& actions) {
  std::visit(Overloaded{
                 [&](const Election::Lead& lead) { elected(lead, now, actions); },
                 [&](const Election::Follow& found) {
                   if (role_ == Role::primary || role_ == Role::promoting) return;
                   if (found.leader.address != upstream_) {
                     follow(found.leader.address, now, actions);
                   }
                 },
                 // Whom this node follows may serve on as long as its standbys obey it.
                 [&](const Election::NoLeader&) {},
                 [&](const Election::Published&) {
                   if (!ready_) {
                     ready_ = true;
                     serve_when_acknowledged(now, actions);
                     return;
                   }
                   SyncSet::Effects effects;
                   sync_->published(now, effects);
                   run(std::move(effects), now, actions);
                 },
                 [&](const Election::StepDown& down) { step_down(down.why, {}, actions); },
             },
             decision);
}

void Node::elected(const Election::Lead& lead, Instant now, Actions& actions) {
  // The answer came so late that the next reign has begun, and was promised to.
  if (lead.epoch <= heard()) {
    resign_and_step_down("it was elected for an epoch that has ended", now, actions);
    return;
  }
  // That began while the answer was awaited.
  if (!follower_.settled()) {
    resign_and_step_down("it was elected while the end of its log is undone", now, actions);
    return;
  }
  serve_from_ = lead.own_sync ? Instant{} : earliest_service();
  begin_reign(lead.epoch, true, actions);
}

// Nobody counts the reigns that begin by command. Two nodes that are promoted without knowing of
// each other shall not have the same epoch, in which each would take the other's word: it ends in a
// number of the node. And it is above all in which their common primary may begin when it is
// restarted, and above all that this node has heard of: one that has promised such a one would end
// the reign.
Epoch Node::commanded_epoch() const {
  const Epoch above = std::max(heard(), own_end().epoch);
  constexpr std::uint64_t kNodes = 1U << 16U;
  const std::uint64_t node = options_.id[0] * 256U + options_.id[1];
  return Epoch((above.value() / kNodes + 1) * kNodes + node);
}

// Before anything follows from it.
void Node::hears_of(const Id128& cluster, Epoch epoch, Actions& actions) {
  if (cluster != follower_.cluster() || epoch <= heard()) return;
  heard_ = epoch;
  actions.emplace_back(action::StoreHeard{epoch});
}

void Node::resign_and_step_down(std::string why, Instant now, Actions& actions) {
  if (election_) {
    Election::Effects effects;
    election_->resign(now, effects);
    run(std::move(effects), now, actions);
  }
  step_down(std::move(why), {}, actions);
}

// ---- leading ------------------------------------------------------------------------------------

void Node::begin_reign(Epoch epoch, bool takeover, Actions& actions) {
  CHECK(role_ != Role::primary && role_ != Role::promoting, "one reign at a time");
  CHECK(epoch > follower_.promised(), "a reign is later than all that was promised");
  // Nobody can have anything of this cluster, and nobody is to confirm what is restored here.
  const bool alone = !takeover && heard() == Epoch{} && follower_.last() == Position{} &&
                     options_.ask_first.empty() && !options_.sync.strict;
  epoch_ = epoch;
  follower_.promised(epoch);
  actions.emplace_back(action::StorePromise{epoch});
  if (linked_) {
    // If it is alive after all, it learns at once that its reign has ended.
    const wire::StaleEpoch stale{.promised = epoch, .leader = options_.address};
    actions.emplace_back(action::ToUpstream{stale});
  }
  if (linked_ || connecting_) {
    follower_.disconnected();
    actions.emplace_back(action::Disconnect{"this node takes over"});
  }
  linked_ = false;
  connecting_ = false;
  asking_ = false;
  retry_at_.reset();
  role_ = Role::promoting;
  actions.emplace_back(action::DiscardCopy{});
  actions.emplace_back(action::Lead{epoch, takeover, alone});
}

// Whose beats this node echoed may serve readers for a while without the coordination service
// (Election::predecessor_validity): two shall not at the same time. What this process does not
// remember it may have echoed before it started.
Instant Node::earliest_service() const {
  if (handed_over_ == follower_.promised()) return {};
  const Instant echoed = std::max(started_at_, follower_.heard_at().value_or(Instant{}));
  return echoed + election_->predecessor_validity();
}

void Node::reign_begun(const Position& begin, Instant now, Actions& actions) {
  if (role_ != Role::promoting) return;
  CHECK(begin.epoch == epoch_ || begin == Position{}, "the epoch record is of the reign");
  begin_ = begin;
  own_ = begin;
  sync_.emplace(options_.sync, begin.tid);
  if (sync_->waiting()) actions.emplace_back(action::SetWaiting{true});
  for (const auto& [id, peer] : peers_) {
    if (peer.state != Peer::State::streaming || !may_count(peer.hello)) continue;
    SyncSet::Effects effects;
    sync_->connected(peer.hello.node, peer.flushed.tid, now, effects);
    run(std::move(effects), now, actions);
  }
  if (election_) {
    publish({}, now, actions);
  } else {
    ready_ = true;
    serve_when_acknowledged(now, actions);
  }
}

void Node::publish(std::vector<NodeId> members, Instant now, Actions& actions) {
  SyncKey key;
  key.leader = options_.id;
  key.epoch = epoch_;
  key.members = std::move(members);
  key.automatic = options_.sync.durability == Durability::standby;
  Election::Effects effects;
  election_->publish(std::move(key), now, effects);
  run(std::move(effects), now, actions);
}

// The reign is established when nobody else can be promoted with less than this node has, and when
// what it begins with is acknowledged.
void Node::serve_when_acknowledged(Instant now, Actions& actions) {
  if (role_ != Role::promoting || !ready_ || sync_->acknowledged() < begin_.tid) return;
  if (now < serve_from_) return;
  role_ = Role::primary;
  actions.emplace_back(action::Serve{epoch_, sync_->acknowledged()});
  beat_all(now, actions);
  answer_promoted(actions);
}

void Node::durable(const Position& own, Instant now, Actions& actions) {
  if (!sync_ || role_ == Role::ended || own.tid <= own_.tid) return;
  own_ = own;
  for (auto& [id, peer] : peers_) {
    if (peer.early) compare_when_durable(id, peer, actions);
  }
  SyncSet::Effects effects;
  sync_->durable(own.tid, now, effects);
  note_lags(now);
  run(std::move(effects), now, actions);
}

void Node::waiting_from(Tid acknowledged, Instant now, Actions& actions) {
  if (!sync_ || role_ == Role::ended || !sync_->waiting()) return;
  SyncSet::Effects effects;
  sync_->waiting_from(acknowledged, now, effects);
  run(std::move(effects), now, actions);
}

void Node::run(SyncSet::Effects from, Instant now, Actions& actions) {
  for (const SyncSet::Change& change : from.changes) note_change(change, actions);
  if (from.set_waiting) actions.emplace_back(action::SetWaiting{*from.set_waiting});
  if (from.acknowledge && role_ == Role::primary) {
    // The standbys are told first, so that they show what a client was answered when this process
    // dies then: a stock ZEO client that has seen more than a standby shows is not served there.
    beat_all(now, actions);
    actions.emplace_back(action::Acknowledge{*from.acknowledge});
  }
  if (from.publish) {
    if (election_) {
      publish(*std::move(from.publish), now, actions);
    } else {
      SyncSet::Effects effects;
      sync_->published(now, effects);
      run(std::move(effects), now, actions);
    }
  }
  serve_when_acknowledged(now, actions);
}

std::string Node::name_of(const NodeId& node) const {
  for (const auto& [id, peer] : peers_) {
    if (peer.hello.node == node) return peer.hello.name;
  }
  if (const auto known = names_.find(node); known != names_.end()) return known->second;
  return to_hex(node);
}

void Node::note_change(const SyncSet::Change& change, Actions& actions) {
  using Kind = SyncSet::Change::Kind;
  const auto note = [&](bool warning, std::string text) {
    actions.emplace_back(action::Note{warning, std::move(text)});
  };
  const std::string name = name_of(change.node);
  switch (change.kind) {
    case Kind::waited_for:
      return note(false, "commits wait for standby " + name);
    case Kind::in_sync:
      ++counters_.sync_changes;
      return note(false, "standby " + name + " is in sync");
    case Kind::left_sync:
      ++counters_.sync_changes;
      return note(true, "standby " + name + " is not in sync any more: " + change.why);
    case Kind::let_go: {
      std::string text = "commits no longer wait for standby " + name + ": " + change.why;
      if (change.delayed > Duration(0)) {
        ++counters_.delayed_groups;
        counters_.longest_delay = std::max(counters_.longest_delay, change.delayed);
        text += "; they waited " + std::to_string(whole_milliseconds(change.delayed)) + " ms";
      }
      return note(true, std::move(text));
    }
    case Kind::blocked:
      counters_.blocked = true;
      return note(true, "commits wait: no standby is there to confirm them, and they are strict");
    case Kind::unblocked:
      counters_.blocked = false;
      return note(false, "commits are confirmed again");
  }
}

void Node::step_down(std::string why, std::string leader, Actions& actions) {
  if (role_ == Role::ended) return;
  role_ = Role::ended;
  stepped_down_ = true;
  fail_commands({ErrorCode::unavailable, "this node steps down: " + why}, actions);
  actions.emplace_back(action::Note{true, "stepping down: " + why});
  actions.emplace_back(action::StepDown{std::move(why), std::move(leader)});
}

void Node::stop(Instant now, Actions& actions) {
  if (role_ == Role::ended) return;
  if (election_) {
    Election::Effects effects;
    election_->resign(now, effects);
    run(std::move(effects), now, actions);
  }
  role_ = Role::ended;
  fail_commands({ErrorCode::unavailable, "this node is being stopped"}, actions);
}

// Also when it has ended by itself: what it asked for then is not carried out either.
void Node::storing_failed(const Error& why, Instant now, Actions& actions) {
  if (election_) {
    Election::Effects effects;
    election_->resign(now, effects);
    run(std::move(effects), now, actions);
  }
  role_ = Role::ended;
  stepped_down_ = true;
  fail_commands(why, actions);
}

// ---- status -------------------------------------------------------------------------------------

const Position& Node::own_end() const { return sync_ ? own_ : follower_.last(); }

Tid Node::shown() const {
  if (!sync_) return follower_.visible();
  if (role_ != Role::primary) return kNoTid;
  return sync_->waiting() ? sync_->acknowledged() : own_.tid;
}

std::string Node::leader() const {
  if (role_ == Role::primary) return options_.address;
  if (role_ == Role::standby) return upstream_;
  return {};
}

std::optional<Instant> Node::serves_until() const {
  // Also when it is stopped and gives the leader's key back: somebody else may serve then.
  const bool replaced = role_ == Role::ended && (stepped_down_ || election_);
  if (replaced && sync_) return Instant{};
  if (role_ != Role::primary || !election_) return std::nullopt;
  return election_->lead_until();
}

std::optional<Instant> Node::shown_as_of() const {
  if (role_ == Role::primary) return std::nullopt;
  return follower_.shown_as_of();
}

std::vector<PeerStatus> Node::peers() const {
  std::vector<PeerStatus> result;
  for (const auto& [id, peer] : peers_) {
    result.push_back({.peer = id,
                      .node = peer.hello.node,
                      .name = peer.hello.name,
                      .address = peer.hello.address,
                      .streaming = peer.state == Peer::State::streaming,
                      .in_sync = sync_ && sync_->in_sync(peer.hello.node),
                      .waited_for = sync_ && sync_->is_waited_for(peer.hello.node),
                      .flushed = peer.flushed.tid,
                      .behind_since = peer.behind_since});
  }
  return result;
}

}  // namespace zeolite::replication
