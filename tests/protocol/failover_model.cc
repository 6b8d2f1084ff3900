#include "protocol/failover_model.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "protocol/failover_steps.h"

namespace zeolite::protocol {
namespace {

// The nodes that are alike before anything happened: all but the first to lead.
constexpr std::size_t kOne = 1, kOther = 2;

void swap_bits(Mask& mask) {
  if (has(mask, kOne) != has(mask, kOther)) {
    mask = static_cast<Mask>(mask ^ (bit(kOne) | bit(kOther)));
  }
}

// A node, as `from` + the node.
void swap_name(Index& name, std::size_t from) {
  if (name == from + kOne) {
    name = static_cast<Index>(from + kOther);
  } else if (name == from + kOther) {
    name = static_cast<Index>(from + kOne);
  }
}

FailoverState swapped(FailoverState state) {
  std::swap(state.nodes[kOne], state.nodes[kOther]);
  for (std::size_t reign = 0; reign < state.reign_count; ++reign) {
    Reign& it = state.reigns[reign];
    std::swap(it.confirmed[kOne], it.confirmed[kOther]);
    swap_name(it.owner, 0);
    swap_name(it.draining_to, 1);
    swap_name(it.handed_to, 1);
    swap_bits(it.waited);
    swap_bits(it.published);
  }
  swap_name(state.sync_leader, 0);
  swap_bits(state.sync_members);
  swap_bits(state.ever_members);
  return state;
}

void end(Reign& reign) {
  reign.alive = 0;
  reign.serving = 0;
  reign.waited = 0;
  reign.published = 0;
  reign.acknowledged = 0;
  reign.inherited = 0;
  reign.confirmed = {};
  reign.draining_to = 0;
  reign.remembered = 0;
  if (!reign.handover_under_way()) {
    reign.handed_to = 0;
  }
}

// Acknowledged, or read, and not in the log of the newest primary.
bool lost(const std::array<Entry, kLogMax>& known, const Log& log) {
  for (std::size_t place = 0; place < kLogMax; ++place) {
    if (!known[place].none() && known[place] != log.entries[place]) {
      return true;
    }
  }
  return false;
}

bool outcomes_hold(const FailoverState& state, const Log& log) {
  for (std::size_t request = 0; request < kRequestsMax; ++request) {
    const bool committed = log.contains(EntryKind::commit, request);
    if ((state.outcomes[request] == Answer::committed && !committed) ||
        (state.outcomes[request] == Answer::aborted && committed)) {
      return false;
    }
  }
  return true;
}

// Promoted by command, a node may get the number of an epoch that ended before it served, on a
// node that nobody could ask: then there are two records of one epoch. Their tids and chains tell
// them apart, which is more than a place in a log does.
bool may_differ(Entry left, Entry right) {
  return left.epoch() != right.epoch() || left.kind() == EntryKind::epoch ||
         right.kind() == EntryKind::epoch;
}

bool logs_agree(const FailoverState& state, bool coordinated) {
  for (std::size_t one = 0; one < kNodes; ++one) {
    for (std::size_t other = one + 1; other < kNodes; ++other) {
      const Log& left = state.nodes[one].log;
      const Log& right = state.nodes[other].log;
      for (std::size_t place = 0; place < left.size && place < right.size; ++place) {
        const Entry a = left.entries[place];
        const Entry b = right.entries[place];
        const bool same_epoch = coordinated ? a.epoch() == b.epoch() : !may_differ(a, b);
        if (same_epoch && a != b) {
          return false;
        }
      }
    }
  }
  return true;
}

bool removed_as_logged(const FailoverState& state) {
  return std::ranges::all_of(state.nodes,
                             [](const Node& node) { return node.removed == node.log.removals(); });
}

// On how few disks is something that was acknowledged?
bool on_two_disks(const FailoverState& state) {
  for (std::size_t place = 0; place < kLogMax; ++place) {
    const auto holds = [&](const Node& node) {
      return place < node.durable && node.log.entries[place] == state.answered[place];
    };
    if (!state.answered[place].none() && std::ranges::count_if(state.nodes, holds) < 2) {
      return false;
    }
  }
  return true;
}

std::string_view text_of(Fault fault) {
  switch (fault) {
    case Fault::none:
      break;
    case Fault::two_acknowledged:
      return "two commits were acknowledged at one place";
    case Fault::outcome_changed:
      return "an outcome that was answered changed";
    case Fault::two_serve_one_epoch:
      return "two primaries served one epoch";
  }
  return {};
}

}  // namespace

void FailoverModel::expand(const State& state, Successors& successors) const {
  const std::size_t begin = successors.size();
  FailoverSteps steps(protocol_, state, successors);
  steps.leases();
  steps.candidacies();
  steps.reigns();
  steps.standbys();
  steps.crashes();
  for (std::size_t at = begin; at < successors.size(); ++at) {
    forget(successors[at].first);
  }
}

// Makes states equal that have the same future. It is what keeps them few.
void FailoverModel::forget(State& state) const {
  for (std::size_t reign = 0; reign < state.reign_count; ++reign) {
    Reign& it = state.reigns[reign];
    const bool outdone = state.nodes[it.owner].promise > it.epoch;
    const bool too_late = protocol_.coordinated && it.serving == 0 && state.leader != reign + 1;
    if (it.alive == 0 || outdone || too_late) {
      end(it);
    }
  }
  if (state.leader != 0 && state.reigns[state.leader - 1U].alive == 0) {
    state.leader = 0;
  }
  for (std::size_t reign = 0; reign < state.reign_count; ++reign) {
    if (!may_still_be_read(state, reign)) {
      state.reigns[reign].sent = {};
    }
  }
}

bool FailoverModel::may_still_be_read(const State& state, std::size_t reign) const {
  const Reign& it = state.reigns[reign];
  if (it.alive != 0 || state.newest == reign + 1 || broken(Mutation::standby_ignores_epoch)) {
    return true;
  }
  for (std::size_t node = 0; node < kNodes; ++node) {
    const Node& reader = state.nodes[node];
    if (reader.checkpoint_of == reign + 1 || (node != it.owner && reader.promise <= it.epoch)) {
      return true;
    }
  }
  return false;
}

FailoverModel::State FailoverModel::representative(const State& state) const {
  const State other = swapped(state);
  return std::memcmp(&state, &other, sizeof state) <= 0 ? state : other;
}

std::optional<std::string_view> FailoverModel::violation(const State& state) const {
  if (state.fault != Fault::none) {
    return text_of(state.fault);
  }
  if (state.newest != 0) {
    const Log& log = state.reigns[state.newest - 1U].sent;
    if (lost(state.answered, log)) {
      return "what was acknowledged is not in the newest primary's log";
    }
    if (lost(state.seen, log)) {
      return "what a reader saw is not in the newest primary's log";
    }
    if (!outcomes_hold(state, log)) {
      return "the newest primary's log does not say what was answered about a request";
    }
  }
  if (!logs_agree(state, protocol_.coordinated)) {
    return "two nodes have different entries at one position";
  }
  if (!removed_as_logged(state)) {
    return "what a node removed is not what the log up to its position says";
  }
  if (protocol_.strict && !on_two_disks(state)) {
    return "what was acknowledged in strict mode is on one disk only";
  }
  return std::nullopt;
}

std::string FailoverModel::text(const Step& step) const {
  std::string text;
  for (const char letter : step.text) {
    if (letter == '#' || letter == '@') {
      text += std::to_string(letter == '#' ? step.first : step.second);
    } else {
      text += letter;
    }
  }
  return text;
}

}  // namespace zeolite::protocol
