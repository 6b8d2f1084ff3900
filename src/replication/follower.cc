#include "replication/follower.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::replication {
namespace {

// Acknowledgements that follow each other sooner ask the same question.
constexpr Duration kQuestionInterval = std::chrono::milliseconds(10);
// Older ones are not waited for.
constexpr std::size_t kQuestionsMax = 256;
// How often the upstream hears of this node, at least, in the time in which it would be silent.
constexpr int kSignsOfLife = 8;

// Whether the records follow `previous` and each other, and are of no later reign than the
// sender's.
bool in_order(const wire::ReplicaAppend& append) {
  Epoch epoch = append.previous.epoch;
  Tid tid = append.previous.tid;
  for (const TransactionRecord& record : append.records) {
    if (record.tid <= tid || record.epoch < epoch || record.epoch > append.epoch) return false;
    epoch = record.epoch;
    tid = record.tid;
  }
  return true;
}

}  // namespace

Follower::Follower(Identity identity, const Id128& cluster, const Position& last, Epoch promised,
                   Duration silence_max)
    : identity_(std::move(identity)),
      cluster_(cluster),
      last_(last),
      received_(last.tid),
      promised_(promised),
      silence_max_(silence_max) {}

void Follower::connected(Instant now, Actions& actions) {
  heard_at_ = now;
  moved_at_ = Instant{};
  echo_ = 0;
  upstream_visible_ = kNoTid;
  upstream_last_ = kNoTid;
  questions_.clear();
  answered_.reset();
  if (appending() || undoing_) {
    state_ = State::settling;
    return;
  }
  greet(last_, actions);
}

void Follower::disconnected() { state_ = State::disconnected; }

void Follower::promised(Epoch epoch) {
  CHECK(epoch >= promised_, "promises do not go down");
  promised_ = epoch;
}

void Follower::greet(const Position& position, Actions& actions) {
  CHECK(!appending() && !undoing_, "histories are compared when the own log is at rest");
  state_ = State::greeting;
  asked_ = position;
  wire::ReplicaHello hello;
  hello.cluster_id = cluster_;
  hello.node = identity_.node;
  hello.name = identity_.name;
  hello.address = identity_.address;
  hello.promised = promised_;
  hello.position = position;
  hello.last = last_;
  hello.storage = identity_.storage;
  hello.by_command = identity_.by_command;
  actions.emplace_back(Send{std::move(hello)});
}

// Whether the sender's reign may be obeyed; stores the promise if it is a new one.
bool Follower::obey(Epoch epoch, Actions& actions) {
  if (epoch < promised_) {
    actions.emplace_back(Send{wire::StaleEpoch{.promised = promised_, .leader = {}}});
    close("it serves an epoch that has ended", actions);
    return false;
  }
  if (epoch > promised_) {
    promised_ = epoch;
    actions.emplace_back(StorePromise{epoch});
  }
  upstream_epoch_ = epoch;
  return true;
}

void Follower::on_welcome(const wire::ReplicaWelcome& welcome, Instant now, Actions& actions) {
  if (state_ != State::greeting) return;
  heard_at_ = now;
  using Decision = wire::ReplicaWelcome::Decision;
  if (welcome.decision == Decision::reject) {
    state_ = State::disconnected;
    actions.emplace_back(Close{welcome.reason, welcome.leader, true});
    return;
  }
  if (cluster_ != Id128{} && welcome.cluster_id != cluster_) {
    state_ = State::disconnected;
    actions.emplace_back(Close{"it has the database of another cluster", {}, true});
    return;
  }
  if (welcome.cluster_id == Id128{}) {
    state_ = State::disconnected;
    actions.emplace_back(Close{"it has no database", {}, true});
    return;
  }
  if (!obey(welcome.epoch, actions)) return;
  upstream_cluster_ = welcome.cluster_id;
  in_sync_ = false;  // what this reign says counts from now on
  heartbeat_ms_ = welcome.heartbeat_ms;
  switch (welcome.decision) {
    case Decision::stream:
      if (asked_ == last_) {
        state_ = State::streaming;
        acknowledge(now, actions);
        return;
      }
      [[fallthrough]];
    case Decision::ancestor:
      state_ = State::undoing;
      undoing_ = true;
      undo_to_ = welcome.decision == Decision::stream ? asked_ : welcome.position;
      actions.emplace_back(Rollback{undo_to_});
      return;
    case Decision::probe:
      state_ = State::locating;
      actions.emplace_back(Locate{welcome.position.epoch});
      return;
    case Decision::checkpoint:
      take_checkpoint(last_, actions);
      return;
    case Decision::reject:
      return;
  }
}

void Follower::on_append(wire::ReplicaAppend append, Instant now, Actions& actions) {
  if (state_ != State::streaming) return;
  heard_at_ = now;
  if (!obey(append.epoch, actions)) return;
  if (append.records.empty()) return;
  if (append.previous.tid != received_ || !in_order(append)) {
    close("a group does not follow the one before", actions);
    return;
  }
  received_ = append.records.back().tid;
  upstream_last_ = std::max(upstream_last_, received_);
  actions.emplace_back(Append{std::move(append)});
}

void Follower::on_heartbeat(const wire::ReplicaHeartbeat& heartbeat, Instant now,
                            Actions& actions) {
  if (state_ == State::checkpoint) on_beat_while_copying(heartbeat, now, actions);
  if (state_ != State::streaming) return;
  heard_at_ = now;
  if (!obey(heartbeat.epoch, actions)) return;
  upstream_last_ = std::max(upstream_last_, heartbeat.last);
  upstream_visible_ = std::max(upstream_visible_, heartbeat.visible);
  in_sync_ = heartbeat.in_sync;
  const bool new_beat = heartbeat.sequence > echo_;
  echo_ = std::max(echo_, heartbeat.sequence);
  note_answer(heartbeat);
  show(actions);
  if (new_beat) acknowledge(now, actions);
}

// It is alive. The copy is of the reign that the welcome named, and of no other.
void Follower::on_beat_while_copying(const wire::ReplicaHeartbeat& heartbeat, Instant now,
                                     Actions& actions) {
  heard_at_ = now;
  if (heartbeat.epoch != promised_) close("a later reign began during the copy", actions);
}

void Follower::take_checkpoint(const Position& from, Actions& actions) {
  state_ = State::checkpoint;
  taking_ = {.cluster = upstream_cluster_, .from = from};
  actions.emplace_back(taking_);
}

bool Follower::may_replace(const TakeCheckpoint& take, const Id128& cluster,
                           const Position& position) {
  return cluster == take.cluster && position.tid >= take.from.tid;
}

void Follower::copied(const Id128& cluster, const Position& position, Actions& actions) {
  if (state_ != State::checkpoint) return;
  CHECK(!appending() && !undoing_, "the own log is at rest during a copy");
  if (!may_replace(taking_, cluster, position)) {
    close("its copy lacks what this node has", actions);
    return;
  }
  state_ = State::disconnected;
  actions.emplace_back(
      InstallCheckpoint{.cluster = cluster, .position = position, .replaces = last_});
}

void Follower::on_stale(const wire::StaleEpoch& stale, Actions& actions) {
  state_ = State::disconnected;
  actions.emplace_back(Close{"it follows a later epoch", stale.leader, false});
}

void Follower::on_handover(const wire::Handover& handover, Instant now, Actions& actions) {
  if (state_ != State::streaming) return;
  heard_at_ = now;
  if (!obey(handover.epoch, actions)) return;
  if (appending() || handover.last != last_) {
    close("it hands over, and this node has not everything", actions);
    return;
  }
  actions.emplace_back(HandedOver{handover.epoch});
}

void Follower::appended(const Position& last, Instant now, Actions& actions) {
  CHECK(last.tid > last_.tid && last.tid <= received_, "what was handed over becomes durable");
  last_ = last;
  if (state_ == State::streaming) {
    show(actions);
    acknowledge(now, actions);
  } else {
    settle(now, actions);
  }
}

void Follower::append_failed(std::string why, Actions& actions) {
  received_ = last_.tid;
  if (state_ != State::disconnected) close(std::move(why), actions);
}

void Follower::rolled_back(const Position& last, Instant now, Actions& actions) {
  last_ = last;
  received_ = last.tid;
  visible_ = std::min(visible_, last.tid);
  shown_as_of_.reset();
  undoing_ = false;
  if (state_ == State::undoing) state_ = State::settling;
  settle(now, actions);
}

// Greets when what an earlier connection began has ended: until then the end of the log may move
// either way, and what is said of it would be counted on.
void Follower::settle(Instant now, Actions& actions) {
  if (state_ != State::settling || appending() || undoing_) return;
  heard_at_ = now;
  greet(last_, actions);
}

// The other side took it for common: what is older may be.
void Follower::rollback_refused(Instant now, Actions& actions) {
  undoing_ = false;
  if (state_ != State::undoing) return settle(now, actions);
  heard_at_ = now;
  state_ = State::locating;
  const std::uint64_t epoch = undo_to_.epoch.value();
  actions.emplace_back(Locate{Epoch(epoch == 0 ? 0 : epoch - 1)});
}

void Follower::needs_checkpoint(Instant now, Actions& actions) {
  undoing_ = false;
  if (state_ != State::undoing) return settle(now, actions);
  heard_at_ = now;
  // What is beyond that is archived, and in no history that counts.
  take_checkpoint(undo_to_, actions);
}

void Follower::located(const Position& position, Instant now, Actions& actions) {
  if (state_ != State::locating) return;
  heard_at_ = now;
  greet(position, actions);
}

void Follower::tick(Instant now, Actions& actions) {
  // What is done on the own disk may take its time.
  const bool hears =
      state_ == State::streaming || state_ == State::greeting || state_ == State::checkpoint;
  if (!hears) return;
  if (heard_at_ && now - std::max(*heard_at_, moved_at_) > silence_max_) {
    close("nothing was heard of it", actions);
    return;
  }
  // Behind what takes long to arrive, or to be appended, no heartbeat is answered; and the upstream
  // would take this node for gone. It says what it has, and echoes nothing that it has not heard.
  const bool quiet = now - acknowledged_at_ >= silence_max_ / kSignsOfLife;
  if (state_ != State::streaming || moved_at_ <= acknowledged_at_ || !quiet) return;
  acknowledge(now, actions);
}

void Follower::show(Actions& actions) {
  const Tid visible = std::min(upstream_visible_, last_.tid);
  if (visible > visible_) {
    visible_ = visible;
    actions.emplace_back(Show{visible});
  }
  note_shown();
}

// The upstream made the heartbeat when it had the question, so `visible` is no older than that.
// What comes late, or out of a buffer after this process was stopped, answers an old question.
void Follower::note_answer(const wire::ReplicaHeartbeat& heartbeat) {
  const auto asked = questions_.find(heartbeat.answers);
  if (asked == questions_.end()) return;
  const Instant as_of = asked->second + -std::chrono::milliseconds(heartbeat.age_ms);
  questions_.erase(questions_.begin(), asked);
  // One that waits to be shown is not pushed aside by a later one that waits longer.
  if (!answered_) answered_ = Answered{heartbeat.visible, as_of};
}

void Follower::note_shown() {
  if (!answered_ || answered_->visible > visible_) return;
  shown_as_of_ = std::max(shown_as_of_.value_or(answered_->as_of), answered_->as_of);
  answered_.reset();
}

void Follower::acknowledge(Instant now, Actions& actions) {
  acknowledged_at_ = now;
  if (questions_.empty() || now - questions_.rbegin()->second >= kQuestionInterval) {
    questions_.emplace(++question_, now);
    if (questions_.size() > kQuestionsMax) questions_.erase(questions_.begin());
  }
  actions.emplace_back(Send{wire::ReplicaAck{.epoch = promised_,
                                             .flushed = last_,
                                             .visible = visible_,
                                             .disk_full = disk_full_,
                                             .echo = echo_,
                                             .question = question_}});
}

void Follower::close(std::string why, Actions& actions) {
  state_ = State::disconnected;
  actions.emplace_back(Close{std::move(why), {}, false});
}

}  // namespace zeolite::replication
