#include <algorithm>

#include "protocol/failover_steps.h"

namespace zeolite::protocol {

void FailoverSteps::standbys() {
  for (std::size_t node = 0; node < kNodes; ++node) {
    for (std::size_t reign = 0; reign < state_.reign_count; ++reign) {
      if (state_.reigns[reign].served == 0 || state_.reigns[reign].owner == node) {
        continue;
      }
      obey(node, reign);
      if (feeds_on(node, reign)) {
        undo(node, reign);
        take_entry(node, reign);
        begin_checkpoint(node, reign);
      }
    }
    install_checkpoint(node);
    remove_unrecorded(node);
  }
}

// A process that serves a reign takes nothing from one before it, whatever its promise says.
bool FailoverSteps::leads_beyond(std::size_t node, Index epoch) const {
  return std::ranges::any_of(state_.reigns, [&](const Reign& reign) {
    return reign.alive != 0 && reign.serving != 0 && reign.owner == node && reign.epoch > epoch &&
           state_.nodes[node].promise <= reign.epoch;
  });
}

bool FailoverSteps::feeds_on(std::size_t node, std::size_t reign) const {
  const Index epoch = state_.reigns[reign].epoch;
  const Index promise = state_.nodes[node].promise;
  return (promise == epoch || broken(Mutation::standby_ignores_epoch)) &&
         !leads_beyond(node, epoch);
}

// The promise first, and nothing else in the same step.
void FailoverSteps::obey(std::size_t node, std::size_t reign) {
  const Index epoch = state_.reigns[reign].epoch;
  if (state_.nodes[node].promise >= epoch || leads_beyond(node, epoch)) {
    return;
  }
  State next = state_;
  raise_promise(next.nodes[node], epoch);
  take(next, "node # promises epoch @", node, epoch);
}

void FailoverSteps::raise_promise(Node& node, Index epoch) const {
  node.promise = epoch;
  if (!broken(Mutation::checkpoint_without_promise_check)) {
    node.checkpoint_of = 0;
    node.checkpoint_size = 0;
  }
}

void FailoverSteps::undo(std::size_t node, std::size_t reign) {
  const Reign& from = state_.reigns[reign];
  Log sent = from.sent;
  const Log& log = state_.nodes[node].log;
  if (broken(Mutation::ancestor_from_durable) && from.serving != 0 && owns_its_log(from)) {
    sent.cut(state_.nodes[from.owner].durable);
    if (log.shared_with(sent) == sent.size && log.size > sent.size) {
      State next = state_;
      next.nodes[node].log.cut(sent.size);
      next.nodes[node].durable = std::min(next.nodes[node].durable, sent.size);
      take(next, "node # undoes what is not durable at epoch @", node, from.epoch);
      return;
    }
  }
  const Index shared = log.shared_with(sent);
  if (shared == log.size || shared == sent.size) {
    return;
  }
  if (log.removals(shared) != 0 && !broken(Mutation::undo_past_removals)) {
    return;  // what differs cannot be undone: a checkpoint
  }
  State next = state_;
  Node& it = next.nodes[node];
  if (broken(Mutation::undo_keeps_outcomes)) {
    for (std::size_t place = shared; place < log.size; ++place) {
      if (log.entries[place].kind() == EntryKind::commit) {
        add(it.kept_outcomes, log.entries[place].request());
      }
    }
  }
  it.log.cut(shared);
  it.durable = std::min(it.durable, shared);
  take(next, "node # undoes what epoch @ does not have", node, from.epoch);
}

void FailoverSteps::take_entry(std::size_t node, std::size_t reign) {
  const Reign& from = state_.reigns[reign];
  const Log& log = state_.nodes[node].log;
  const Index shared = log.shared_with(from.sent);
  if (shared != log.size || shared == from.sent.size) {
    return;
  }
  State next = state_;
  Node& it = next.nodes[node];
  const Entry entry = from.sent.entries[shared];
  it.log.append(entry);
  if (!broken(Mutation::ack_before_standby_sync)) {
    it.durable = it.log.size;
  }
  if (entry.kind() == EntryKind::removal) {
    add(it.removed, entry.request());
  }
  if (broken(Mutation::stream_without_removed) && entry.kind() == EntryKind::commit &&
      has(state_.nodes[from.owner].removed, entry.request())) {
    add(it.removed, entry.request());
  }
  if (!broken(Mutation::checkpoint_beside_stream) &&
      !broken(Mutation::checkpoint_without_promise_check)) {
    it.checkpoint_of = 0;
    it.checkpoint_size = 0;
  }
  Index& confirmed = next.reigns[reign].confirmed[node];
  confirmed = std::max(confirmed, it.log.size);
  take(next, "node # appends the next entry of epoch @", node, from.epoch);
}

// The copy is of what is durable on a primary whose log is still its own. The standby may have
// confirmed more than that, which the copy will take away again: it does not count any more.
void FailoverSteps::begin_checkpoint(std::size_t node, std::size_t reign) {
  const Reign& from = state_.reigns[reign];
  const Node& owner = state_.nodes[from.owner];
  const Node& it = state_.nodes[node];
  if (!protocol_.checkpoints || it.checkpoint_of != 0 || from.serving == 0 || !owns_its_log(from) ||
      from.sent.size < owner.durable) {
    return;
  }
  State next = state_;
  next.nodes[node].checkpoint_of = static_cast<Index>(reign + 1);
  next.nodes[node].checkpoint_size = owner.durable;
  if (!broken(Mutation::checkpoint_keeps_confirmed)) {
    next.reigns[reign].confirmed[node] = 0;
  }
  take(next, "a checkpoint for node # is made by epoch @", node, from.epoch);
}

void FailoverSteps::install_checkpoint(std::size_t node) {
  const Node& before = state_.nodes[node];
  if (before.checkpoint_of == 0) {
    return;
  }
  const std::size_t reign = before.checkpoint_of - 1U;
  const Reign& from = state_.reigns[reign];
  const bool promise_kept = before.promise == from.epoch;
  if (leads_beyond(node, from.epoch) ||
      (!promise_kept && !broken(Mutation::checkpoint_without_promise_check))) {
    return;
  }
  State next = state_;
  Node& it = next.nodes[node];
  it.log = from.sent;
  it.log.cut(before.checkpoint_size);
  it.durable = broken(Mutation::checkpoint_not_synced) ? Index{0} : it.log.size;
  it.removed = broken(Mutation::checkpoint_while_removing) ? state_.nodes[from.owner].removed
                                                           : it.log.removals();
  it.kept_outcomes = 0;
  it.checkpoint_of = 0;
  it.checkpoint_size = 0;
  if (broken(Mutation::checkpoint_readable_at_once)) {
    for (std::size_t place = 0; place < it.log.size; ++place) {
      if (it.log.entries[place].kind() == EntryKind::commit) {
        next.seen[place] = it.log.entries[place];
      }
    }
  }
  Index& confirmed = next.reigns[reign].confirmed[node];
  confirmed = std::max(confirmed, it.log.size);
  take(next, "node # installs the checkpoint of epoch @", node, from.epoch);
}

void FailoverSteps::remove_unrecorded(std::size_t node) {
  if (!broken(Mutation::remove_without_record)) {
    return;
  }
  const Log& log = state_.nodes[node].log;
  for (std::size_t request = 0; request < protocol_.requests; ++request) {
    if (log.contains(EntryKind::pack, 0) && log.contains(EntryKind::commit, request) &&
        !has(state_.nodes[node].removed, request)) {
      State next = state_;
      add(next.nodes[node].removed, request);
      take(next, "node # removes what request @ wrote, unrecorded", node, request);
    }
  }
}

void FailoverSteps::crashes() {
  for (std::size_t node = 0; node < kNodes; ++node) {
    crash(node);
  }
}

// And restarts as a standby: what was not synced is gone, and so is its role.
void FailoverSteps::crash(std::size_t node) {
  State next = state_;
  Node& it = next.nodes[node];
  it.log.cut(it.durable);
  if (!broken(Mutation::removal_outlives_record) && !broken(Mutation::remove_without_record)) {
    it.removed = it.log.removals();
  }
  it.checkpoint_of = 0;
  it.checkpoint_size = 0;
  for (std::size_t reign = 0; reign < next.reign_count; ++reign) {
    Reign& led = next.reigns[reign];
    if (led.handed_to == node + 1) {
      led.handed_to = kHandoverGone;
    }
    if (led.owner != node || led.alive == 0) {
      continue;
    }
    if (broken(Mutation::resume_epoch) && led.serving != 0 && next.leader == reign + 1) {
      led.sent = it.log;
    } else {
      led.alive = 0;
    }
  }
  take(next, "node # crashes and restarts", node);
}

}  // namespace zeolite::protocol
