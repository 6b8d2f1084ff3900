#include "replication/election.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/milliseconds.h"

namespace zeolite::replication {
namespace {

constexpr Duration kPollInterval = std::chrono::milliseconds(250);
constexpr Duration kSlowPollIntervalMax = std::chrono::seconds(1);
constexpr Duration kHurriedPollInterval = std::chrono::milliseconds(40);
constexpr Duration kRegisterInterval = std::chrono::seconds(1);
constexpr Duration kHurryTime = std::chrono::seconds(10);
// Candidates of equal rank start within so long of each other.
constexpr std::uint64_t kJitterMaxMs = 60;

template <typename R>
constexpr std::size_t kind_of() {
  return dcs::Request(R{}).index();
}

bool same_content(const SyncKey& a, const SyncKey& b) {
  return a.leader == b.leader && a.epoch == b.epoch && a.members == b.members &&
         a.automatic == b.automatic;
}

std::string in_milliseconds(Duration duration) {
  return std::to_string(whole_milliseconds(duration)) + " ms";
}

bool names(const SyncKey& sync, const NodeId& node) {
  return std::ranges::find(sync.members, node) != sync.members.end();
}

}  // namespace

Election::Election(Options options)
    : options_(std::move(options)),
      random_state_(options_.seed | 1U),
      ttl_(options_.ttl),
      slower_(kPollInterval * 2, kSlowPollIntervalMax, options_.seed),
      poll_interval_(kPollInterval) {}

template <typename R>
void Election::ask(R request, Instant now, Effects& effects) {
  Pending& pending = pending_[dcs::Request(request).index()];
  if (pending.under_way) return;
  pending = {.under_way = true, .asked = now};
  effects.requests.emplace_back(std::move(request));
}

// Whether the last request of this kind was asked so long ago.
template <typename R>
bool Election::due(Duration interval, Instant now) const {
  const Pending& pending = pending_[kind_of<R>()];
  return !pending.under_way && (!pending.asked || now - *pending.asked >= interval);
}

// xorshift64*: good enough for jitter, and the same on every machine.
std::uint64_t Election::random() {
  random_state_ ^= random_state_ >> 12U;
  random_state_ ^= random_state_ << 25U;
  random_state_ ^= random_state_ >> 27U;
  return random_state_ * 0x2545F4914F6CDD1DULL;
}

void Election::start(Instant now, Effects& effects) {
  ask(dcs::GrantLease{options_.ttl}, now, effects);
  ask(dcs::Read{}, now, effects);
}

void Election::tick(const Local& local, Instant now, Effects& effects) {
  if (state_ == State::ended) return;
  if (lease_ == 0) {
    if (due<dcs::GrantLease>(poll_interval_, now)) {
      ask(dcs::GrantLease{options_.ttl}, now, effects);
    }
  } else {
    if (due<dcs::KeepAlive>(ttl_ / 3, now)) ask(dcs::KeepAlive{lease_}, now, effects);
    if (due<dcs::Register>(kRegisterInterval, now)) {
      ask(dcs::Register{lease_, MemberKey{.node = options_.node,
                                          .name = options_.name,
                                          .address = options_.address,
                                          .role = local.role,
                                          .last_tid = local.last.tid}},
          now, effects);
    }
    if (now - leased_at_ > ttl_ && state_ != State::leading) lease_ = 0;
  }
  if (state_ == State::leading) {
    tick_leading(now, effects);
    return;
  }
  const bool hurried = now < hurry_until_;
  const Duration interval =
      hurried && poll_interval_ == kPollInterval ? kHurriedPollInterval : poll_interval_;
  if (due<dcs::Read>(interval, now)) {
    ask(dcs::Read{}, now, effects);
  }
  try_to_lead(local, now, effects);
}

void Election::tick_leading(Instant now, Effects& effects) {
  if (now >= lead_until()) {
    step_down("the coordination service did not confirm the leadership in time", effects);
    return;
  }
  if (due<dcs::Confirm>(ttl_ / 3, now)) ask(dcs::Confirm{leader_revision_}, now, effects);
  // What others see is of use to status; and an unclear publication is cleared up by reading.
  if (due<dcs::Read>(publish_unclear_ ? kHurriedPollInterval : ttl_ / 2, now)) {
    ask(dcs::Read{}, now, effects);
  }
}

Instant Election::lead_until() const {
  // The key lives at least so long after the keepalive was sent, and was there when the guard was.
  const Instant alive = std::min(confirmed_at_, leased_at_) + ttl_;
  return quorum_at_ ? std::max(alive, *quorum_at_ + quorum_validity()) : alive;
}

void Election::quorum_confirmed(Instant at) {
  if (!quorum_at_ || at > *quorum_at_) quorum_at_ = at;
}

// ---- answers ------------------------------------------------------------------------------------

void Election::answered(const dcs::Request& request, Result<dcs::Answer> answer, Instant sent,
                        Instant now, Effects& effects) {
  CHECK(pending_[request.index()].under_way, "a request is answered once");
  pending_[request.index()].under_way = false;
  if (state_ == State::ended) return;
  note_contact(answer, now, effects);
  if (!answer) {
    on_failed(request, answer.error(), now, effects);
  } else if (auto* viewed = std::get_if<dcs::Viewed>(&*answer)) {
    on_viewed(std::move(viewed->view), now, effects);
  } else if (const auto* leased = std::get_if<dcs::Leased>(&*answer)) {
    on_leased(request, *leased, sent, now, effects);
  } else if (const auto* guarded = std::get_if<dcs::Guarded>(&*answer)) {
    on_guarded(request, *guarded, sent, now, effects);
  }
}

// An outage that nobody hears of ends the service with the next fault.
void Election::note_contact(const Result<dcs::Answer>& answer, Instant now, Effects& effects) {
  if (answer) {
    slower_.begin_anew();
    poll_interval_ = kPollInterval;
  } else if (silence_told_ || answer.error().code == ErrorCode::protocol_error) {
    poll_interval_ = slower_.pause();
  }
  if (answer || answer.error().code == ErrorCode::not_found) {
    if (std::exchange(silence_told_, false)) {
      effects.notes.push_back({false, "the coordination service answers again"});
    }
    silent_since_.reset();
    return;
  }
  if (!silent_since_) silent_since_ = now;
  if (silence_told_ || now - *silent_since_ < ttl_) return;
  silence_told_ = true;
  effects.notes.push_back(
      {true, "the coordination service does not answer: " + answer.error().detail});
}

void Election::on_leased(const dcs::Request& request, const dcs::Leased& leased, Instant sent,
                         Instant now, Effects& effects) {
  if (std::holds_alternative<dcs::GrantLease>(request)) {
    lease_ = leased.lease;
    ttl_ = leased.ttl;
    leased_at_ = sent;
    return;
  }
  const LeaseId kept = std::get<dcs::KeepAlive>(request).lease;
  if (kept != lease_) return;
  if (leased.ttl > Duration{}) {
    leased_at_ = std::max(leased_at_, sent);
    return;
  }
  on_lease_gone(kept, now, effects);
}

// A hint. Whether the leadership is gone with it, a guarded transaction tells: a leader keeps the
// name of its lease, by which its key lives, and what it still may do counts from when that was
// kept alive last. Another lease would say nothing about it.
void Election::on_lease_gone(LeaseId lease, Instant now, Effects& effects) {
  if (lease != lease_) return;
  if (state_ == State::leading) {
    ask(dcs::Confirm{leader_revision_}, now, effects);
  } else {
    lease_ = 0;
  }
}

void Election::on_guarded(const dcs::Request& request, const dcs::Guarded& guarded, Instant sent,
                          Instant now, Effects& effects) {
  if (const auto* acquire = std::get_if<dcs::Acquire>(&request)) {
    on_acquired(*acquire, guarded, sent, now, effects);
  } else if (std::holds_alternative<dcs::Confirm>(request)) {
    on_confirmed(guarded, sent, now, effects);
  } else if (std::holds_alternative<dcs::PutSync>(request)) {
    on_put(guarded, now, effects);
  }
}

void Election::on_acquired(const dcs::Acquire& request, const dcs::Guarded& guarded, Instant sent,
                           Instant now, Effects& effects) {
  if (state_ != State::acquiring) return;
  state_ = State::watching;
  if (guarded.held && request.lease == lease_) {
    lead(guarded.revision, sent, now, effects);
    if (state_ == State::leading) return;
  }
  view_is_new_ = false;
  ask(dcs::Read{}, now, effects);
}

// A key under a lease that ended meanwhile is about to go, or gone: the next view tells.
void Election::lead(Revision revision, Instant sent, Instant now, Effects& effects) {
  if (now >= std::min(sent, leased_at_) + ttl_) return;
  state_ = State::leading;
  leader_revision_ = revision;
  confirmed_at_ = sent;
  // Not the view's: that may be older, or newer than what the leadership was gained with.
  sync_revision_ = tried_.sync;
  effects.decision = Lead{tried_.epoch, tried_.own_sync};
}

void Election::on_confirmed(const dcs::Guarded& guarded, Instant sent, Instant now,
                            Effects& effects) {
  if (state_ == State::confirming) {
    state_ = State::watching;
    if (guarded.held && tried_.lease == lease_) lead(leader_revision_, sent, now, effects);
  } else if (state_ == State::leading) {
    if (guarded.held) {
      confirmed_at_ = std::max(confirmed_at_, sent);
    } else {
      step_down("another node may lead: the leader key is gone or not its own", effects);
    }
  }
}

void Election::on_put(const dcs::Guarded& guarded, Instant now, Effects& effects) {
  if (state_ != State::leading || !publishing_) return;
  if (guarded.held) {
    sync_revision_ = guarded.revision;
    publishing_.reset();
    effects.decision = Published{};
    return;
  }
  // Not the leader any more, or an earlier try was carried out though its answer was lost.
  publish_unclear_ = true;
  ask(dcs::Confirm{leader_revision_}, now, effects);
  ask(dcs::Read{}, now, effects);
}

void Election::on_failed(const dcs::Request& request, const Error& error, Instant now,
                         Effects& effects) {
  if (std::holds_alternative<dcs::Acquire>(request) && state_ == State::acquiring) {
    // It may have been carried out; on_viewed recognises it.
    state_ = State::watching;
    view_is_new_ = false;
    ask(dcs::Read{}, now, effects);
  } else if (std::holds_alternative<dcs::Confirm>(request) && state_ == State::confirming) {
    state_ = State::watching;
  } else if (std::holds_alternative<dcs::PutSync>(request) && state_ == State::leading) {
    publish_unclear_ = true;
    ask(dcs::Read{}, now, effects);
  }
  if (error.code == ErrorCode::not_found) {
    if (const auto* acquire = std::get_if<dcs::Acquire>(&request)) {
      on_lease_gone(acquire->lease, now, effects);
    } else if (const auto* member = std::get_if<dcs::Register>(&request)) {
      on_lease_gone(member->lease, now, effects);
    }
  }
  note_strange(error, effects);
}

// Once, however often it is answered so.
void Election::note_strange(const Error& error, Effects& effects) {
  if (error.code != ErrorCode::protocol_error && error.code != ErrorCode::too_new) return;
  if (warned_answer_ == error.detail) return;
  warned_answer_ = error.detail;
  effects.notes.push_back({true, "the coordination service answered strangely: " + error.detail});
}

void Election::on_viewed(DcsView view, Instant now, Effects& effects) {
  view_ = std::move(view);
  view_is_new_ = true;
  if (trust_ && !trust_->counter) trust_->counter = view_->epoch;
  if (state_ == State::leading) {
    on_view_leading(now, effects);
    return;
  }
  if (state_ != State::watching) return;
  if (!view_->leader) {
    if (following_) {
      following_.reset();
      effects.decision = NoLeader{};
    }
    return;
  }
  try_at_.reset();
  ineligible_since_.reset();
  obstacle_.clear();
  const LeaderKey& leader = *view_->leader;
  if (leader.node == options_.node) {
    // Of an unanswered try of this process it may be; one of an earlier process has to run out.
    // That may have the same epoch, if it arrived late, but not the same lease.
    if (leader.epoch == tried_.epoch && leader.lease == tried_.lease && tried_.lease == lease_) {
      state_ = State::confirming;
      leader_revision_ = leader.revision;
      ask(dcs::Confirm{leader_revision_}, now, effects);
    } else if (leader.lease == lease_) {
      // Of a try before the last, which arrived late: it would live as long as this process does.
      ask(dcs::Revoke{lease_}, now, effects);
      lease_ = 0;
    }
    return;
  }
  note_lease(leader, effects);
  if (following_ == leader.node && following_epoch_ == leader.epoch) return;
  following_ = leader.node;
  following_epoch_ = leader.epoch;
  effects.decision = Follow{leader};
}

void Election::note_lease(const LeaderKey& leader, Effects& effects) {
  // How long this node's is is known when it has one.
  if (leader.lease == leader_lease_ || lease_ == 0) {
    leader_ttl_ = std::max(leader_ttl_, leader.ttl);
    return;
  }
  leader_lease_ = leader.lease;
  earlier_ttl_ = std::exchange(leader_ttl_, leader.ttl);
  if (leader.ttl == ttl_) return;
  effects.notes.push_back({.warning = true,
                           .text = "the leader " + leader.name + " has a lease of " +
                                   in_milliseconds(leader.ttl) + ", this node one of " +
                                   in_milliseconds(ttl_) + ": set all nodes to the same --lease"});
}

// What was read while leading is of interest only after an unclear publication.
void Election::on_view_leading(Instant now, Effects& effects) {
  if (!publish_unclear_ || !publishing_) return;
  const Revision seen = view_->sync ? view_->sync->revision : 0;
  // A read may be old: it must not take an earlier S with the same members for this one. The next
  // tick reads again.
  if (seen < sync_revision_) return;
  publish_unclear_ = false;
  // S may have been the same before: what replaced the known one counts.
  if (seen > sync_revision_ && same_content(*view_->sync, *publishing_)) {
    sync_revision_ = seen;
    publishing_.reset();
    effects.decision = Published{};
    return;
  }
  sync_revision_ = seen;
  publishing_->revision = sync_revision_;
  ask(dcs::PutSync{leader_revision_, *publishing_}, now, effects);
}

// ---- trying -------------------------------------------------------------------------------------

bool Election::trusted(Instant now) const {
  return trust_ && now < hurry_until_ && trust_->counter == view_->epoch;
}

// Whether a takeover by this node loses nothing that was acknowledged.
bool Election::eligible(const Local& local, Instant now) const {
  if (trusted(now)) return true;
  if (!view_->sync) {
    // Nobody ever served: any may that brings no less than the others.
    return std::ranges::none_of(view_->members, [&](const MemberKey& member) {
      return member.node != options_.node && member.last_tid > local.last.tid;
    });
  }
  return named(*view_->sync) && !lost_its_reign(local);
}

bool Election::named(const SyncKey& sync) const {
  return sync.leader == options_.node || (sync.automatic && names(sync, options_.node));
}

// S names nobody who has not the beginning of its reign on the disk. One whose log ends before that
// is not what was named: an older copy of the directory, or one that was told to undo what it had.
bool Election::lost_its_reign(const Local& local) const {
  return local.last.epoch < view_->sync->epoch;
}

std::string Election::hopeless() const {
  if (!obstacle_.empty()) return obstacle_;
  if (!view_ || silent_since_ || !view_->sync || named(*view_->sync)) return {};
  return "this node is not in sync, so acknowledged commits may be missing here: promote one that "
         "is, or that led last; with --force this one leads without them";
}

// Whether what was read cannot be the present of this node's cluster; says so once.
bool Election::view_is_foreign(const Local& local, Instant now, Effects& effects) {
  std::string why;
  const bool regressed = local.heard > view_->epoch && !trusted(now);
  if (!regressed) regressed_since_.reset();
  if (view_->cluster && local.cluster != view_->cluster) {
    // Not having a database yet is no reason to warn: it comes from the primary.
    if (!local.cluster) return true;
    why = "another database uses this cluster name in the coordination service";
  } else if (regressed) {
    // One read may be old. If it stays so, S may be as old as the counter, and name nodes that lack
    // what was acknowledged since.
    if (!regressed_since_) regressed_since_ = now;
    if (now - *regressed_since_ < ttl_) return true;
    why = view_->epoch_revision == 0
              ? "the coordination service has no cluster of this name, but this node has served or "
                "followed before: the service is new or was emptied, or --cluster is wrong; if it "
                "is right, promote the node that served last by command, with --force"
              : "the coordination service counts fewer epochs than this cluster has had: its data "
                "was restored from a backup; promote the node that served last by command, with "
                "--force";
  } else {
    return false;
  }
  note_obstacle(std::move(why), effects);
  return true;
}

// Not at once: another goes ahead.
void Election::note_ineligible(const Local& local, Instant now, Effects& effects) {
  if (!view_->sync) return;
  if (!ineligible_since_) ineligible_since_ = now;
  if (now - *ineligible_since_ < ttl_) return;
  if (named(*view_->sync)) {
    note_obstacle("nobody leads, and this node, which was in sync in epoch " +
                      std::to_string(view_->sync->epoch.value()) +
                      ", has a log that ends in epoch " + std::to_string(local.last.epoch.value()) +
                      ": its data is older than what it had, and acknowledged commits are missing "
                      "here; start the node that led last, or another standby that was in sync; if "
                      "they are lost, promote the one that has most by command, with --force",
                  effects);
    return;
  }
  note_obstacle(
      "nobody leads, and acknowledged commits may be missing here: start the node that led last, "
      "or a standby that was in sync; if they are lost, promote the one that has most by command, "
      "with --force",
      effects);
}

// Once, until somebody leads.
void Election::note_obstacle(std::string why, Effects& effects) {
  if (obstacle_ != why) effects.notes.push_back({true, why});
  obstacle_ = std::move(why);
}

// Who is ahead goes first: it need not fetch or undo anything. Where nobody ever served, the others
// are to be seen first. One that can be read and nothing more is better than none.
Duration Election::rank_pause(const Local& local) const {
  if (local.disk_full) return ttl_;
  const Duration longest = ttl_ / 4;
  if (!view_->sync) return longest;
  int ahead = 0;
  for (const MemberKey& member : view_->members) {
    if (member.node == options_.node || member.last_tid <= local.last.tid) continue;
    if (view_->sync->leader == member.node || names(*view_->sync, member.node)) ++ahead;
  }
  return std::min(longest, ahead * ttl_ / 8);
}

void Election::try_to_lead(const Local& local, Instant now, Effects& effects) {
  if (state_ != State::watching || !view_ || !view_is_new_ || view_->leader || lease_ == 0) return;
  const bool hurried = now < hurry_until_;
  if (!local.settled || (local.abstains && !hurried)) return;
  if (view_is_foreign(local, now, effects)) return;
  if (!eligible(local, now)) {
    note_ineligible(local, now, effects);
    return;
  }
  obstacle_.clear();
  if (!hurried) {
    if (!try_at_) {
      try_at_ = now + rank_pause(local) + std::chrono::milliseconds(random() % kJitterMaxMs);
    }
    if (now < *try_at_) return;
  }
  dcs::Acquire acquire;
  acquire.lease = lease_;
  acquire.node = options_.node;
  acquire.name = options_.name;
  acquire.address = options_.address;
  acquire.ttl = ttl_;
  acquire.epoch = std::max(view_->epoch, local.heard).next();
  acquire.epoch_revision = view_->epoch_revision;
  acquire.sync_revision = view_->sync ? view_->sync->revision : 0;
  acquire.cluster = local.cluster;
  acquire.cluster_seen = view_->cluster.has_value();
  state_ = State::acquiring;
  tried_ = {.epoch = acquire.epoch,
            .lease = acquire.lease,
            .sync = acquire.sync_revision,
            .own_sync = !view_->sync || view_->sync->leader == options_.node};
  view_is_new_ = false;
  try_at_.reset();
  ask(std::move(acquire), now, effects);
}

void Election::publish(SyncKey key, Instant now, Effects& effects) {
  CHECK(state_ != State::watching, "only a leader publishes");
  if (state_ != State::leading) return;
  CHECK(!publishing_, "one publication at a time");
  key.revision = sync_revision_;
  publishing_ = std::move(key);
  publish_unclear_ = false;
  ask(dcs::PutSync{leader_revision_, *publishing_}, now, effects);
}

void Election::hurry(std::optional<Trust> trust, Instant now, Effects& effects) {
  if (state_ == State::leading || state_ == State::ended) return;
  hurry_until_ = now + kHurryTime;
  trust_ = trust;
  view_is_new_ = false;
  ask(dcs::Read{}, now, effects);
}

void Election::resign(Instant now, Effects& effects) {
  if (lease_ != 0) ask(dcs::Revoke{lease_}, now, effects);
  lease_ = 0;
  state_ = State::ended;
}

void Election::step_down(std::string why, Effects& effects) {
  state_ = State::ended;
  effects.decision = StepDown{std::move(why)};
}

}  // namespace zeolite::replication
