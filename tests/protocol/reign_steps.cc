#include <algorithm>

#include "protocol/failover_steps.h"

namespace zeolite::protocol {

void FailoverSteps::leases() {
  if (state_.leader != 0) {
    State next = state_;
    next.leader = 0;
    take(next, "the lease of reign # ends", state_.leader);
  }
}

void FailoverSteps::candidacies() {
  if (state_.reign_count == protocol_.reigns) {
    return;
  }
  for (std::size_t node = 0; node < kNodes; ++node) {
    if (!may_lead(node)) {
      continue;
    }
    if (protocol_.coordinated) {
      acquire(node);
    } else {
      promote_by_command(node);
    }
  }
  for (std::size_t reign = 0; reign < state_.reign_count; ++reign) {
    accept_handover(reign);
  }
}

bool FailoverSteps::may_lead(std::size_t node) const {
  if (state_.reign_count == 0) {
    return node == 0;
  }
  const bool old_hint =
      broken(Mutation::acquire_with_old_sync_key) && has(state_.ever_members, node);
  return has(state_.sync_members, node) || state_.sync_leader == node || old_hint ||
         broken(Mutation::anyone_promotes);
}

void FailoverSteps::acquire(std::size_t node) {
  if (state_.leader != 0) {
    return;
  }
  State next = state_;
  if (!broken(Mutation::epoch_counter_not_raised) || next.epoch_counter == 0) {
    ++next.epoch_counter;
  }
  next.leader = begin_reign(next, node, next.epoch_counter);
  take(next, "node # takes the leader key, epoch @", node, next.epoch_counter);
}

// The operator has seen that whoever led is dead, and that no handover is under way; the last
// primary's heartbeats said who may be promoted.
void FailoverSteps::promote_by_command(std::size_t node) {
  for (std::size_t reign = 0; reign < state_.reign_count; ++reign) {
    if (state_.reigns[reign].alive != 0 || state_.reigns[reign].handover_under_way()) {
      return;
    }
  }
  State next = state_;
  const std::size_t epoch = epoch_above(state_.nodes[node].promise);
  (void)begin_reign(next, node, epoch);
  take(next, "node # is promoted by command, epoch @", node, epoch);
}

void FailoverSteps::accept_handover(std::size_t reign) {
  const Reign& from = state_.reigns[reign];
  if (!from.handover_under_way()) {
    return;
  }
  const std::size_t target = from.handed_to - 1U;
  if (state_.nodes[target].promise > from.epoch) {
    return;
  }
  State next = state_;
  next.reigns[reign].handed_to = kHandoverGone;
  const std::size_t epoch = epoch_above(from.epoch);
  (void)begin_reign(next, target, epoch);
  take(next, "node # takes over by the handover, epoch @", target, epoch);
}

std::size_t FailoverSteps::epoch_above(Index promise) const {
  return promise + (broken(Mutation::epoch_not_above_promise) && promise != 0 ? 0U : 1U);
}

// Returns 1 + the reign.
Index FailoverSteps::begin_reign(State& next, std::size_t owner, std::size_t epoch) const {
  Reign& reign = next.reigns[next.reign_count++];
  reign.owner = static_cast<Index>(owner);
  reign.epoch = static_cast<Index>(epoch);
  reign.alive = 1;
  return next.reign_count;
}

void FailoverSteps::reigns() {
  for (std::size_t reign = 0; reign < state_.reign_count; ++reign) {
    const Reign& it = state_.reigns[reign];
    if (it.alive == 0) {
      continue;
    }
    if (it.serving == 0) {
      become_ready(reign);
      continue;
    }
    if (!owns_its_log(it)) {
      continue;
    }
    commit(reign);
    sync(reign);
    acknowledge(reign);
    show_early(reign);
    change_members(reign);
    answer_outcomes(reign);
    pack(reign);
    hand_over(reign);
  }
}

// The promise, the epoch record, the sync key: one after the other.
void FailoverSteps::become_ready(std::size_t reign) {
  const Reign& it = state_.reigns[reign];
  const Node& node = state_.nodes[it.owner];
  State next = state_;
  Node& owner = next.nodes[it.owner];
  if (node.promise < it.epoch && !broken(Mutation::no_own_promise)) {
    raise_promise(owner, it.epoch);
    take(next, "node # promises its own epoch @", it.owner, it.epoch);
    return;
  }
  const Entry record(it.epoch, EntryKind::epoch);
  const bool written = node.log.size > 0 && node.log.entries[node.log.size - 1U] == record;
  if (!written && !node.log.full()) {
    owner.log.append(record);
    owner.durable = owner.log.size;
    take(next, "node # writes its epoch record @", it.owner, it.epoch);
  } else if (written && holds_guard(reign)) {
    serve(reign);
  }
}

void FailoverSteps::serve(std::size_t reign) {
  State next = state_;
  Reign& it = next.reigns[reign];
  const Log& log = next.nodes[it.owner].log;
  it.sent = log;
  it.serving = 1;
  it.served = 1;
  it.inherited = log.size;
  put_sync(next, reign);
  if (next.newest == 0 || next.reigns[next.newest - 1U].epoch < it.epoch) {
    next.newest = static_cast<Index>(reign + 1);
  }
  for (std::size_t other = 0; other < next.reign_count; ++other) {
    if (other != reign && next.reigns[other].served != 0 && next.reigns[other].epoch == it.epoch) {
      next.fault = Fault::two_serve_one_epoch;
    }
  }
  // Who may be promoted now is this node alone: what its log has is visible at once. In strict
  // mode that would be on one disk only.
  if (!protocol_.strict || broken(Mutation::strict_inherits_alone)) {
    for (it.acknowledged = 0; it.acknowledged < log.size; ++it.acknowledged) {
      note_acknowledged(next, log.entries[it.acknowledged], it.acknowledged);
    }
  }
  take(next, "node # serves epoch @", it.owner, it.epoch);
}

bool FailoverSteps::owns_its_log(const Reign& reign) const {
  const Node& node = state_.nodes[reign.owner];
  return node.promise <= reign.epoch && node.log.size >= reign.sent.size;
}

// Without a coordination service nothing is guarded: S is what the primary says.
bool FailoverSteps::holds_guard(std::size_t reign) const {
  return !protocol_.coordinated || state_.leader == reign + 1;
}

void FailoverSteps::append(State& next, std::size_t reign, Entry entry) const {
  Reign& it = next.reigns[reign];
  Node& owner = next.nodes[it.owner];
  owner.log.append(entry);
  ++next.appends;
  if (entry.kind() == EntryKind::removal) {
    add(owner.removed, entry.request());
  }
  if (protocol_.early_send) {
    it.sent = owner.log;
  }
}

void FailoverSteps::commit(std::size_t reign) {
  const Reign& it = state_.reigns[reign];
  const Log& log = state_.nodes[it.owner].log;
  const bool held_back = it.draining_to != 0 &&
                         !(broken(Mutation::handover_goes_on_acknowledging) && it.handed_to != 0);
  if (held_back || state_.appends == protocol_.appends || log.full()) {
    return;
  }
  for (std::size_t request = 0; request < protocol_.requests; ++request) {
    // Requests are alike: new ones come in order. A copy may be as late as it likes.
    const bool fresh = request == state_.requests;
    const bool copy = protocol_.outcomes && request < state_.requests;
    const bool refused =
        log.contains(EntryKind::commit, request) || has(it.remembered, request) ||
        (log.contains(EntryKind::tombstone, request) && !broken(Mutation::tombstone_not_looked_up));
    if ((!fresh && !copy) || refused) {
      continue;
    }
    State next = state_;
    next.requests = std::max(next.requests, static_cast<Index>(request + 1));
    append(next, reign, Entry(it.epoch, EntryKind::commit, request));
    take(next, "epoch # appends the commit of request @", it.epoch, request);
  }
}

void FailoverSteps::sync(std::size_t reign) {
  const Node& node = state_.nodes[state_.reigns[reign].owner];
  if (node.durable == node.log.size) {
    return;
  }
  State next = state_;
  next.nodes[state_.reigns[reign].owner].durable = node.log.size;
  next.reigns[reign].sent = node.log;
  take(next, "epoch # syncs its log", state_.reigns[reign].epoch);
}

void FailoverSteps::acknowledge(std::size_t reign) {
  const Reign& it = state_.reigns[reign];
  const Node& owner = state_.nodes[it.owner];
  const std::size_t place = it.acknowledged;
  if (place == owner.log.size) {
    return;
  }
  const bool durable =
      place < owner.durable || (broken(Mutation::ack_before_local_sync) && it.waited != 0);
  const bool handed =
      it.draining_to != 0 && it.handed_to != 0 && !broken(Mutation::handover_goes_on_acknowledging);
  const bool alone = protocol_.strict && it.waited == 0 && !broken(Mutation::strict_acks_alone);
  if (!durable || handed || alone) {
    return;
  }
  for (std::size_t node = 0; node < kNodes; ++node) {
    if (has(it.waited, node) && it.confirmed[node] <= place) {
      return;
    }
  }
  State next = state_;
  ++next.reigns[reign].acknowledged;
  note_acknowledged(next, owner.log.entries[place], place);
  take(next, "epoch # acknowledges place @", it.epoch, place);
}

void FailoverSteps::show_early(std::size_t reign) {
  const Reign& it = state_.reigns[reign];
  const Node& owner = state_.nodes[it.owner];
  if (broken(Mutation::read_before_ack) && it.acknowledged < owner.durable) {
    State next = state_;
    next.seen[it.acknowledged] = owner.log.entries[it.acknowledged];
    take(next, "a reader at epoch # sees place @", it.epoch, it.acknowledged);
  }
}

void FailoverSteps::note_acknowledged(State& state, Entry entry, std::size_t place) {
  if (entry.kind() != EntryKind::commit && entry.kind() != EntryKind::tombstone) {
    return;
  }
  Entry& known = state.answered[place];
  if (!known.none() && known != entry) {
    state.fault = Fault::two_acknowledged;
  }
  known = entry;
  note_outcome(state, entry.request(),
               entry.kind() == EntryKind::commit ? Answer::committed : Answer::aborted);
}

void FailoverSteps::note_outcome(State& state, std::size_t request, Answer answer) {
  Answer& known = state.outcomes[request];
  if (known != Answer::none && known != answer) {
    state.fault = Fault::outcome_changed;
  }
  known = answer;
}

void FailoverSteps::change_members(std::size_t reign) {
  const Reign& it = state_.reigns[reign];
  for (std::size_t node = 0; node < kNodes; ++node) {
    if (node == it.owner) {
      continue;
    }
    if (!has(it.waited, node)) {
      State next = state_;
      add(next.reigns[reign].waited, node);
      take(next, "epoch # begins to wait for node @", it.epoch, node);
      continue;
    }
    if (has(it.published, node)) {
      withdraw(reign, node);
    } else {
      publish(reign, node);
    }
    // Whether it still leads does not matter: what it knows is what was published last.
    if (!has(it.published, node) || broken(Mutation::stop_waiting_before_published)) {
      State next = state_;
      drop(next.reigns[reign].waited, node);
      take(next, "epoch # waits no longer for node @", it.epoch, node);
    }
  }
}

// Without a coordination service S is told in heartbeats: those of the newest epoch are believed.
void FailoverSteps::put_sync(State& next, std::size_t reign) const {
  if (!protocol_.coordinated && next.newest != 0 &&
      next.reigns[next.newest - 1U].epoch > next.reigns[reign].epoch) {
    return;
  }
  next.sync_leader = next.reigns[reign].owner;
  next.sync_members = next.reigns[reign].published;
  if (broken(Mutation::acquire_with_old_sync_key)) {
    next.ever_members = static_cast<Mask>(next.ever_members | next.sync_members);
  }
}

void FailoverSteps::publish(std::size_t reign, std::size_t node) {
  const Reign& it = state_.reigns[reign];
  std::size_t needed = std::max(it.acknowledged, it.inherited);
  if (broken(Mutation::publish_ignores_inherited) && it.acknowledged <= it.inherited) {
    needed = 1;
  }
  const bool caught_up = it.confirmed[node] >= needed || broken(Mutation::publish_before_caught_up);
  const bool guarded = holds_guard(reign) || broken(Mutation::sync_key_unguarded);
  if (!caught_up || !guarded) {
    return;
  }
  State next = state_;
  add(next.reigns[reign].published, node);
  put_sync(next, reign);
  take(next, "epoch # publishes node @ in S", it.epoch, node);
}

void FailoverSteps::withdraw(std::size_t reign, std::size_t node) {
  const Reign& it = state_.reigns[reign];
  const bool last = it.published == bit(node);
  if ((protocol_.strict && last) ||
      (!holds_guard(reign) && !broken(Mutation::sync_key_unguarded))) {
    return;
  }
  State next = state_;
  drop(next.reigns[reign].published, node);
  put_sync(next, reign);
  take(next, "epoch # publishes that node @ is not in S", it.epoch, node);
}

void FailoverSteps::answer_outcomes(std::size_t reign) {
  const Reign& it = state_.reigns[reign];
  if (!protocol_.outcomes || it.draining_to != 0) {
    return;
  }
  const Node& owner = state_.nodes[it.owner];
  const std::size_t within =
      broken(Mutation::outcome_ignores_in_flight) ? it.acknowledged : kLogMax;
  for (std::size_t request = 0; request < protocol_.requests; ++request) {
    if (request > state_.requests) {
      break;  // like the one before it
    }
    if (has(owner.kept_outcomes, request)) {
      State next = state_;
      note_outcome(next, request, Answer::committed);
      take(next, "epoch # answers that request @ committed", it.epoch, request);
    } else if (!owner.log.contains(EntryKind::commit, request, within) &&
               !owner.log.contains(EntryKind::tombstone, request)) {
      put_tombstone(reign, request);
    }
  }
}

void FailoverSteps::put_tombstone(std::size_t reign, std::size_t request) {
  const Reign& it = state_.reigns[reign];
  State next = state_;
  next.requests = std::max(next.requests, static_cast<Index>(request + 1));
  if (broken(Mutation::tombstone_in_memory)) {
    add(next.reigns[reign].remembered, request);
    note_outcome(next, request, Answer::aborted);
    take(next, "epoch # answers that request @ will not commit", it.epoch, request);
    return;
  }
  if (state_.appends == protocol_.appends || state_.nodes[it.owner].log.full()) {
    return;
  }
  append(next, reign, Entry(it.epoch, EntryKind::tombstone, request));
  if (broken(Mutation::tombstone_answered_before_durable)) {
    note_outcome(next, request, Answer::aborted);
  }
  take(next, "epoch # appends a tombstone of request @", it.epoch, request);
}

void FailoverSteps::pack(std::size_t reign) {
  const Reign& it = state_.reigns[reign];
  const Node& owner = state_.nodes[it.owner];
  if (!protocol_.packs || it.draining_to != 0 || state_.appends == protocol_.appends ||
      owner.log.full()) {
    return;
  }
  bool packed = false;
  Mask removable = 0;  // what was committed before the pack record
  for (std::size_t place = 0; place < owner.log.size; ++place) {
    const Entry entry = owner.log.entries[place];
    packed = packed || entry.kind() == EntryKind::pack;
    if (entry.kind() == EntryKind::commit && !packed) {
      add(removable, entry.request());
    }
  }
  if (!packed && removable != 0) {
    State next = state_;
    append(next, reign, Entry(it.epoch, EntryKind::pack));
    take(next, "epoch # appends a pack record", it.epoch);
  }
  for (std::size_t request = 0; packed && request < kRequestsMax; ++request) {
    if (has(removable, request) && !has(owner.removed, request) &&
        !broken(Mutation::remove_without_record)) {
      State next = state_;
      append(next, reign, Entry(it.epoch, EntryKind::removal, request));
      take(next, "epoch # removes what request @ wrote, and records it", it.epoch, request);
    }
  }
}

void FailoverSteps::hand_over(std::size_t reign) {
  const Reign& it = state_.reigns[reign];
  if (it.draining_to != 0) {
    send_handover(reign, it.draining_to - 1U);
    // Once the message is on its way only the target can say that it will not act on it.
    if (it.handed_to == 0 || broken(Mutation::handover_resumed_unanswered)) {
      State next = state_;
      next.reigns[reign].draining_to = 0;
      take(next, "epoch # goes on instead of handing over", it.epoch);
    }
    if (it.handover_under_way()) {
      State next = state_;
      next.reigns[reign].draining_to = 0;
      next.reigns[reign].handed_to = 0;
      take(next, "node @ refuses the handover of epoch #", it.epoch, it.handed_to - 1U);
    }
    return;
  }
  for (std::size_t target = 0; target < kNodes; ++target) {
    if (target != it.owner && it.handed_to == 0 && state_.handovers < protocol_.handovers) {
      State next = state_;
      ++next.handovers;
      next.reigns[reign].draining_to = static_cast<Index>(target + 1);
      take(next, "epoch # holds back commits to hand over to node @", it.epoch, target);
    }
  }
}

void FailoverSteps::send_handover(std::size_t reign, std::size_t target) {
  const Reign& it = state_.reigns[reign];
  const Node& owner = state_.nodes[it.owner];
  const bool has_everything =
      it.confirmed[target] == owner.log.size && owner.durable == owner.log.size;
  if (it.handed_to != 0 || (!has_everything && !broken(Mutation::handover_before_caught_up))) {
    return;
  }
  State next = state_;
  if (!protocol_.coordinated) {
    next.reigns[reign].handed_to = static_cast<Index>(target + 1);
    take(next, "epoch # sends the handover to node @", it.epoch, target);
  } else if (has(it.published, target) && holds_guard(reign)) {
    // The key decides, not the message: the target may take it because it is in S.
    next.leader = 0;
    next.reigns[reign].alive = 0;
    take(next, "epoch # gives the leader key back for node @", it.epoch, target);
  }
}

}  // namespace zeolite::protocol
