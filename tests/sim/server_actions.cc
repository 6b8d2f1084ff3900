#include <algorithm>
#include <charconv>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/overloaded.h"
#include "sim/server.h"
#include "storage/log_search.h"

// Server: what its Node asks for.
namespace zeolite::sim {

namespace action = replication::action;

namespace {

constexpr std::size_t kGroupMax = 50;

// Broken: whoever reads it finds itself in S.
void add_to_sync(Result<replication::dcs::Answer>& answer, const replication::NodeId& node) {
  auto* const viewed = answer ? std::get_if<replication::dcs::Viewed>(&*answer) : nullptr;
  if (viewed != nullptr && viewed->view.sync) viewed->view.sync->members.push_back(node);
}

}  // namespace

void Server::carry_out_next() {
  if (carrying_out_) return;
  carrying_out_ = true;
  const std::uint64_t life = life_;
  while (life == life_ && !waits_ && !actions_.empty()) {
    replication::Action action = std::move(actions_.front());
    actions_.pop_front();
    carry_out(action);
  }
  carrying_out_ = false;
}

// Keeps the next actions back until `done` is called.
void Server::wait_for(std::function<void(std::function<void()> done)> start) {
  waits_ = true;
  start([this, life = life_] {
    if (life != life_) return;
    waits_ = false;
    carry_out_next();
  });
}

// As soon as nothing is being appended here.
void Server::when_idle(std::function<void()> then) {
  if (!disk_.busy() && appends_.empty()) {
    then();
    return;
  }
  later(std::chrono::microseconds(200),
        [this, then = std::move(then)]() mutable { when_idle(std::move(then)); });
}

void Server::carry_out(replication::Action& action) {
  std::visit(
      Overloaded{
          [&](const action::StorePromise& it) { store_promise(it.epoch); },
          [&](const action::StoreHeard& it) { store_heard(it.epoch); },
          [&](action::Append& it) { append(std::move(it.group)); },
          [&](const action::Rollback& it) { roll_back(it.to); },
          [&](const action::Locate& it) {
            const Position found = storage::last_position_in(disk_.objects(), it.max).value();
            later(random_.delay(std::chrono::microseconds(200)), [this, found] {
              input([&](auto& node, Actions& actions) { node.located(found, instant(), actions); });
            });
          },
          [&](const action::TakeCheckpoint& it) { take_checkpoint(it); },
          [&](const action::InstallCheckpoint& it) { install_checkpoint(it); },
          [&](const action::DiscardCopy&) { discard_copy(); },
          [&](const action::Lead& it) { lead(it); },
          [&](const action::Serve& it) { serve(it); },
          [&](const action::SetWaiting& it) {
            const Tid until = engine_->set_waiting(it.on);
            if (!it.on) return;
            input([&](auto& node, Actions& actions) {
              node.waiting_from(until, instant(), actions);
            });
          },
          [&](const action::Acknowledge& it) { engine_->acknowledge(it.up_to); },
          [&](const action::Show& it) { show(it.visible); },
          [&](const action::HoldCommits&) {
            engine_->hold([this](const Position& last) {
              const Position told =
                  broken(Mutation::handover_before_caught_up) ? furthest_behind(last) : last;
              input([&](auto& node, Actions& actions) {
                node.commits_held(told, told.tid, instant(), actions);
              });
            });
          },
          [&](const action::ReleaseCommits&) { engine_->release(); },
          [&](const action::StepDown& it) { step_down(it); },
          [&](const action::Connect& it) { connect(it.address); },
          [&](const action::Disconnect&) {
            give_up_copy();
            if (upstream_ != 0) world_.network.close(host_, std::exchange(upstream_, 0));
          },
          [&](action::ToUpstream& it) {
            if (upstream_ == 0) return;
            std::visit([&](auto& message) { send(upstream_, std::move(message)); }, it.message);
          },
          [&](action::ToPeer& it) {
            std::visit([&](auto& message) { send(it.peer, std::move(message)); }, it.message);
          },
          [&](const action::ClosePeer& it) {
            feeders_.erase(it.peer);
            stop_sending(it.peer);
            world_.network.close(host_, it.peer);
          },
          [&](const action::Compare& it) { compare(it.peer, it.position); },
          [&](const action::Feed& it) {
            Feeder& feeder = feeders_[it.peer];
            feeder.sent = it.after;
            feed(it.peer, feeder);
          },
          [&](const action::AskDcs& it) { ask(it.request); },
          [&](const action::Answer& it) {
            world_.trace.note("n", index_, " answers the command ",
                              it.result ? "done" : it.result.error().detail);
          },
          [&](const action::Note& it) { world_.trace.note("n", index_, ": ", it.text); },
      },
      action);
}

// ---- the own disk -------------------------------------------------------------------------------

void Server::store_promise(Epoch epoch) {
  world_.trace.note("n", index_, " promises ", epoch.value());
  wait_for([&](std::function<void()> done) {
    const bool early =
        broken(Mutation::promise_not_stored) || broken(Mutation::promise_stored_late);
    if (!broken(Mutation::promise_not_stored)) {
      disk_.store_promise(process_, epoch, [this, early, done, life = life_](bool stored) {
        if (life == life_ && !early) on_stored(stored, done);
      });
    }
    if (early) done();
  });
}

void Server::store_heard(Epoch epoch) {
  world_.trace.note("n", index_, " has heard of ", epoch.value());
  wait_for([&](std::function<void()> done) {
    disk_.store_heard(process_, epoch, [this, done, life = life_](bool stored) {
      if (life == life_) on_stored(stored, done);
    });
  });
}

// As the daemon does: nothing of what was to follow happens, and this life ends.
void Server::on_stored(bool stored, const std::function<void()>& done) {
  if (stored || broken(Mutation::failed_promise_counts)) {
    done();
    return;
  }
  world_.trace.note("n", index_, " cannot store it: its disk is full");
  actions_.clear();
  Actions last;
  node_->storing_failed({ErrorCode::out_of_space, "the disk is full"}, instant(), last);
  for (replication::Action& action : last) carry_out(action);
  ending_ = true;
  if (engine_) world_.checker.ended(index_);
  world_.network.host_died(host_, false);
  begin_anew_when_there_is_room();
}

void Server::append(wire::ReplicaAppend group) {
  appends_.push_back(std::move(group));
  append_next();
}

void Server::append_next() {
  if (appending_ || appends_.empty()) return;
  wire::ReplicaAppend group = std::move(appends_.front());
  appends_.pop_front();
  const auto fail = [this](const std::string& why) {
    appends_.clear();
    input([&](auto& node, Actions& actions) { node.append_failed(why, instant(), actions); });
  };
  if (group.previous != disk_.end()) {
    fail("the group does not follow the log");
    return;
  }
  if (!broken(Mutation::removed_before_shown)) hold_removals_back(group);
  appending_ = true;
  disk_.append(process_, std::move(group.records),
               [this, fail, life = life_](const Result<Position>& last) {
                 if (life != life_) return;
                 appending_ = false;
                 if (!last) {
                   fail(last.error().detail);
                   return;
                 }
                 note_durable();
                 appended(*last);
                 feed_all();
                 append_next();
               });
  if (broken(Mutation::ack_before_standby_sync)) appended(disk_.end());
}

// What a removal takes away, nobody may look at any more (as daemon/standby_applier.h).
void Server::hold_removals_back(wire::ReplicaAppend& group) {
  const auto removal = std::ranges::find_if(group.records, [this](const TransactionRecord& record) {
    return record.kind == RecordKind::removal && record.pack_record > shown_;
  });
  if (removal == group.records.end()) return;
  if (removal == group.records.begin()) {
    show(removal->pack_record);
    return;
  }
  wire::ReplicaAppend rest;
  rest.epoch = group.epoch;
  rest.previous = group.previous;
  for (auto record = group.records.begin(); record != removal; ++record) {
    rest.previous = storage::position_after(rest.previous, *record);
  }
  rest.records.assign(removal, group.records.end());
  group.records.erase(removal, group.records.end());
  appends_.push_front(std::move(rest));
}

void Server::show(Tid visible) {
  shown_ = std::max(shown_, visible);
  world_.checker.told(index_, disk_, shown_, "shows");
}

void Server::appended(const Position& last) {
  if (!node_ || last.tid <= node_->follower().last().tid) return;
  input([&](auto& node, Actions& actions) { node.appended(last, instant(), actions); });
}

void Server::roll_back(const Position& to) {
  replication::CheckpointShelf::Effects effects;
  shelf_.log_undone(effects);
  carry_out(effects);
  const bool known = to.tid.is_zero() || disk_.position_of(to.tid) == to;
  if (!known || disk_.removes_after(to)) {
    later(random_.delay(std::chrono::microseconds(200)), [this, known] {
      input(
          [&](auto& node, Actions& actions) { node.rollback_refused(known, instant(), actions); });
    });
    return;
  }
  // The archive is synced, and then the entries go; a crash before that leaves all of them.
  later(random_.delay(std::chrono::milliseconds(20)), [this, to] {
    world_.trace.note("n", index_, " undoes what is after ", to_hex(to.tid));
    if (!broken(Mutation::undo_without_archive)) disk_.archive_after(to);
    disk_.roll_back(to);
    world_.checker.undone(index_, disk_);
    noted_ = std::min(noted_, to.tid);
    shown_ = std::min(shown_, to.tid);
    input([&](auto& node, Actions& actions) { node.rolled_back(to, instant(), actions); });
  });
}

replication::Comparison Server::look(const Position& position) const {
  using Kind = storage::HistoryMatch::Kind;
  using Answer = replication::Comparison::Kind;
  if (broken(Mutation::histories_not_compared)) return {.kind = Answer::same, .position = position};
  const auto match = storage::compare_history(disk_.objects(), position).value();
  replication::Comparison result;
  if (match.kind == Kind::probe) {
    result.kind = Answer::probe;
    result.position.epoch = match.probe;
    return result;
  }
  const bool same = match.kind == Kind::same;
  result.kind = same ? Answer::same : Answer::ancestor;
  result.position = same ? position : match.ancestor;
  const std::size_t behind = disk_.entries_after(result.position.tid, false).size();
  result.complete = storage::complete_after(disk_.objects(), result.position) &&
                    (world_.log_kept == 0 || behind <= world_.log_kept);
  return result;
}

void Server::compare(ConnectionId peer, const Position& position) {
  // The answer is of some moment between the question and now.
  const bool early = random_.coin();
  std::optional<replication::Comparison> result;
  if (early) result = look(position);
  later(random_.delay(std::chrono::microseconds(300)), [this, peer, position, result] {
    const replication::Comparison known = result ? *result : look(position);
    input(
        [&](auto& node, Actions& actions) { node.peer_compared(peer, known, instant(), actions); });
  });
}

// ---- roles --------------------------------------------------------------------------------------

void Server::lead(const action::Lead& lead) {
  wait_for([&](std::function<void()> done) {
    // What was taken from the former primary is part of what the reign begins with.
    when_idle([this, lead, done = std::move(done)] {
      world_.trace.note("n", index_, " begins epoch ", lead.epoch.value());
      world_.checker.begins(index_, lead.epoch, disk_);
      engine_ =
          std::make_unique<Engine>(disk_, process_, lead.epoch, engine_outputs(), world_.mutation);
      engine_->begin(lead);
      done();
    });
  });
}

void Server::serve(const action::Serve& serve) {
  world_.trace.note("n", index_, " serves epoch ", serve.epoch.value());
  world_.checker.serves(index_, serve.epoch, disk_);
  keep_role();
  engine_->serve(serve.visible);
}

// Broken: what the last of the standbys has is taken for all there is.
Position Server::furthest_behind(const Position& end) const {
  Position last = end;
  for (const replication::PeerStatus& peer : node_->peers()) {
    if (!peer.streaming || peer.flushed >= last.tid) continue;
    last = disk_.position_of(peer.flushed).value_or(Position{});
  }
  return last;
}

// The server inside the process starts anew; who is connected is cut off.
void Server::step_down(const action::StepDown& down) {
  const bool goes_on = broken(Mutation::handover_goes_on) && serving() && !gone_on_ &&
                       down.why.starts_with("handed over");
  if (goes_on) {
    gone_on_ = true;
    engine_->release();
    (void)engine_->set_waiting(false);
    later(std::chrono::milliseconds(500), [this, down] { step_down(down); });
    return;
  }
  gone_on_ = false;
  world_.trace.note("n", index_, " steps down: ", down.why);
  if (broken(Mutation::ends_late) && serving()) (void)engine_->set_waiting(false);
  ending_ = true;
  if (engine_) world_.checker.ended(index_);
  world_.network.host_died(host_, false);
  // Not at once: whoever is on the stack here belongs to what ends.
  if (!options_.node.elects) {
    role_ = {.leads = false, .follows = down.leader.empty() ? options_.node.upstream : down.leader};
  }
  later({}, [this] {
    when_idle([this] {
      const bool led = engine_ != nullptr;
      process_.kill();
      end_process();
      world_.network.host_lives(host_);
      begin_anew(led ? options_.node.lease : Duration{});
    });
  });
}

void Server::begin_anew_when_there_is_room() {
  later(std::chrono::milliseconds(200), [this] {
    if (disk_.full()) {
      begin_anew_when_there_is_room();
      return;
    }
    when_idle([this] {
      process_.kill();
      end_process();
      world_.network.host_lives(host_);
      begin_anew({});
    });
  });
}

// ---- others -------------------------------------------------------------------------------------

void Server::connect(const std::string& address) {
  give_up_copy();
  if (upstream_ != 0) world_.network.close(host_, std::exchange(upstream_, 0));
  Host host = 0;
  std::from_chars(address.data(), address.data() + address.size(), host);
  upstream_ = world_.network.connect(host_, host);
}

void Server::ask(const replication::dcs::Request& request) {
  const Instant sent = instant();
  replication::dcs::Request asked = request;
  if (auto* const put = std::get_if<replication::dcs::PutSync>(&asked);
      put != nullptr && broken(Mutation::publish_without_waiting)) {
    put->sync.members.clear();
    for (const auto& peer : node_->peers()) put->sync.members.push_back(peer.node);
  }
  world_.service.ask(index_, process_, std::move(asked),
                     [this, request, sent, life = life_](Result<replication::dcs::Answer> answer) {
                       if (life != life_) return;
                       if (broken(Mutation::anyone_promotes)) add_to_sync(answer, options_.node.id);
                       input([&](auto& node, Actions& actions) {
                         node.answered(request, std::move(answer), sent, instant(), actions);
                       });
                     });
}

void Server::feed_all() {
  if (feeds_off_) return;
  for (auto& [peer, feeder] : feeders_) feed(peer, feeder);
}

// A primary sends what is on its way to its disk as well.
void Server::feed(ConnectionId peer, Feeder& feeder) {
  const bool leads = engine_ != nullptr;
  auto entries = disk_.entries_after(feeder.sent.tid, leads);
  while (!entries.empty()) {
    wire::ReplicaAppend group;
    group.epoch = disk_.promise();
    group.previous = feeder.sent;
    const std::size_t count = std::min(entries.size(), kGroupMax);
    for (const SimStore::Entry& entry : entries.first(count)) group.records.push_back(entry.record);
    feeder.sent = entries[count - 1].position;
    entries = entries.subspan(count);
    send(peer, std::move(group));
  }
}

}  // namespace zeolite::sim
