// Node: whom it follows, and what it does to its own disk for that.

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/overloaded.h"
#include "replication/node.h"

namespace zeolite::replication {

// ---- following ----------------------------------------------------------------------------------

void Node::follow(std::string address, Instant now, Actions& actions) {
  if (address == options_.address && !address.empty()) return;
  if (linked_ || connecting_) {
    follower_.disconnected();
    actions.emplace_back(action::Disconnect{"it follows another"});
  }
  linked_ = false;
  role_ = Role::standby;
  upstream_ = std::move(address);
  reconnect_.begin_anew();
  connect(now, actions);
}

void Node::connect(Instant now, Actions& actions) {
  retry_at_.reset();
  connecting_ = true;
  connecting_since_ = now;
  actions.emplace_back(action::Connect{upstream_});
}

void Node::retry(Instant now, Actions& actions) {
  if (role_ == Role::standby) {
    connect(now, actions);
  } else {
    retry_at_.reset();
    if (!to_ask_.empty()) ask(now, actions);
  }
}

void Node::upstream_connected(Instant now, Actions& actions) {
  if (!connecting_) return;
  connecting_ = false;
  linked_ = true;
  Follower::Actions follower;
  follower_.connected(now, follower);
  run(std::move(follower), now, actions);
}

void Node::upstream_lost(const std::string& why, Instant now, Actions& actions) {
  if (!linked_ && !connecting_) return;
  lose_upstream(why, {}, now, actions);
}

void Node::lose_upstream(const std::string& why, const std::string& leader, Instant now,
                         Actions& actions) {
  if (!asking_ && role_ == Role::standby && reconnect_.failed(why)) {
    const std::string what = follower_.streaming() ? "the stream from " + upstream_ + " ended: "
                                                   : "cannot follow " + upstream_ + ": ";
    actions.emplace_back(action::Note{true, what + why});
  }
  follower_.disconnected();
  linked_ = false;
  connecting_ = false;
  if (asking_) {
    ask_next(now, actions);
    return;
  }
  if (role_ != Role::standby) return;
  // Without an election, what was told at a rejection is followed, and the own setting next.
  if (!election_ && !leader.empty() && leader != options_.address) {
    upstream_ = leader;
  } else if (!election_) {
    upstream_ = options_.upstream;
  }
  if (upstream_.empty()) return;
  retry_at_ = now + reconnect_.pause();
}

// That it is followed again, after it could not be.
void Node::note_held(Instant now, Actions& actions) {
  if (!linked_ || !follower_.streaming()) return;
  const std::optional<std::uint64_t> failures = reconnect_.held(now);
  if (!failures) return;
  const std::string times = std::to_string(*failures) + (*failures == 1 ? " time" : " times");
  actions.emplace_back(action::Note{
      false,
      "streams from " + upstream_ + " again; until then it was lost or not reached " + times});
}

void Node::from_upstream(UpstreamMessage message, Instant now, Actions& actions) {
  if (!linked_) return;
  if (const auto* welcome = std::get_if<wire::ReplicaWelcome>(&message)) {
    hears_of(welcome->cluster_id, welcome->epoch, actions);
  } else if (const auto* stale = std::get_if<wire::StaleEpoch>(&message)) {
    hears_of(follower_.cluster(), stale->promised, actions);
  }
  if (asking_ && !heard_while_asking(message, now, actions)) return;
  if (role_ != Role::standby) return;
  Follower::Actions follower;
  std::visit(
      Overloaded{
          [&](wire::ReplicaWelcome& welcome) {
            follower_.on_welcome(welcome, now, follower);
            if (!follower_.streaming()) return;
            reconnect_.works(now);
            actions.emplace_back(action::DiscardCopy{});
          },
          [&](wire::ReplicaAppend& append) {
            follower_.on_append(std::move(append), now, follower);
          },
          [&](const wire::ReplicaHeartbeat& heartbeat) {
            follower_.on_heartbeat(heartbeat, now, follower);
          },
          [&](const wire::StaleEpoch& stale) { follower_.on_stale(stale, follower); },
          [&](const wire::Handover& handover) { follower_.on_handover(handover, now, follower); },
      },
      message);
  run(std::move(follower), now, actions);
}

void Node::run(Follower::Actions from, Instant now, Actions& actions) {
  for (Follower::Action& step : from) {
    std::visit(
        Overloaded{
            [&](const Follower::StorePromise& promise) {
              epoch_ = promise.epoch;
              actions.emplace_back(action::StorePromise{promise.epoch});
            },
            [&](Follower::Send& send) {
              actions.emplace_back(action::ToUpstream{std::move(send.message)});
            },
            [&](Follower::Append& append) {
              actions.emplace_back(action::Append{std::move(append.group)});
            },
            [&](const Follower::Rollback& rollback) {
              drop_all_peers("the node undoes what it had beyond the others", now, actions);
              actions.emplace_back(action::Rollback{rollback.to});
            },
            [&](const Follower::Locate& locate) {
              actions.emplace_back(action::Locate{locate.max});
            },
            [&](const Follower::TakeCheckpoint& take) {
              drop_all_peers("the node takes a checkpoint", now, actions);
              actions.emplace_back(take);
            },
            [&](const Follower::InstallCheckpoint& install) {
              end_with_copy(install, now, actions);
            },
            [&](const Follower::Show& show) {
              actions.emplace_back(action::Show{show.visible});
              beat_all(now, actions);
            },
            [&](const Follower::HandedOver& handed) { take_over(handed.epoch, now, actions); },
            [&](const Follower::Close& close) {
              actions.emplace_back(action::Disconnect{close.why});
              lose_upstream(close.refused ? "it refused: " + close.why : close.why, close.leader,
                            now, actions);
            },
        },
        step);
  }
}

void Node::copied(const Id128& cluster, const Position& position, Instant now, Actions& actions) {
  if (role_ != Role::standby) return;
  Follower::Actions follower;
  follower_.copied(cluster, position, follower);
  run(std::move(follower), now, actions);
}

// Nothing may happen to the own log between the decision and the installation: neither is a reign
// begun nor another followed, whatever is on its way to this node.
void Node::end_with_copy(const action::InstallCheckpoint& install, Instant now, Actions& actions) {
  CHECK(role_ == Role::standby, "who leads takes no copies");
  if (election_) {
    Election::Effects effects;
    election_->resign(now, effects);
    run(std::move(effects), now, actions);
  }
  role_ = Role::ended;
  fail_commands({ErrorCode::unavailable, "this node begins anew with a copy of the database"},
                actions);
  actions.emplace_back(install);
}

void Node::take_over(Epoch from, Instant now, Actions& actions) {
  actions.emplace_back(action::Note{false, "the primary hands over"});
  handed_over_ = from;
  if (!election_) {
    begin_reign(commanded_epoch(), true, actions);
    return;
  }
  Election::Effects effects;
  // If somebody has led since, S alone tells who has everything.
  election_->hurry(Election::Trust{from}, now, effects);
  run(std::move(effects), now, actions);
}

// ---- the own disk, following --------------------------------------------------------------------

void Node::appended(const Position& last, Instant now, Actions& actions) {
  Follower::Actions follower;
  follower_.appended(last, now, follower);
  run(std::move(follower), now, actions);
}

void Node::append_failed(std::string why, Instant now, Actions& actions) {
  Follower::Actions follower;
  follower_.append_failed(std::move(why), follower);
  run(std::move(follower), now, actions);
}

void Node::rolled_back(const Position& last, Instant now, Actions& actions) {
  Follower::Actions follower;
  follower_.rolled_back(last, now, follower);
  run(std::move(follower), now, actions);
}

void Node::rollback_refused(bool needs_checkpoint, Instant now, Actions& actions) {
  Follower::Actions follower;
  if (needs_checkpoint) {
    follower_.needs_checkpoint(now, follower);
  } else {
    follower_.rollback_refused(now, follower);
  }
  run(std::move(follower), now, actions);
}

void Node::located(const Position& position, Instant now, Actions& actions) {
  Follower::Actions follower;
  follower_.located(position, now, follower);
  run(std::move(follower), now, actions);
}

void Node::database_made(const Id128& cluster) { follower_.database_made(cluster); }

}  // namespace zeolite::replication
