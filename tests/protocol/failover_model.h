#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/failover_state.h"
#include "protocol/mutation.h"

namespace zeolite::protocol {

// Which form of the protocol, with which of its parts, and how much may happen.
struct Protocol {
  bool early_send = true;    // groups are sent while they are being synced
  bool strict = false;       // nothing is acknowledged without a standby
  bool coordinated = true;   // false: no coordination service; promotion by command and handover
  bool checkpoints = false;  // standbys may take a copy of the primary's log instead of streaming
  bool outcomes = false;     // requests come in late copies, and clients ask what became of them
  bool packs = false;
  std::size_t reigns = 2;    // at most kReignsMax
  std::size_t appends = 1;   // entries besides epoch records; with reigns at most kLogMax
  std::size_t requests = 1;  // at most kRequestsMax; without outcomes each is sent once
  std::size_t handovers = 0;
  Mutation mutation = Mutation::none;

  friend bool operator==(const Protocol&, const Protocol&) = default;
};

// The protocol of docs/replication.md as states and steps, for StateSearch.
//
// The adversary: a lease may end at any moment, an old primary need never notice, what was sent
// arrives at any time or never, and nodes crash at any moment and lose what was not synced; all
// without limit. Only reigns and appends are bounded, which bounds everything. The coordination
// service is one atomic register; disks are not lost.
//
// A violation is something that a client or an operator could notice: what was acknowledged or read
// is not in the newest primary's log (R1, R6), an outcome changes (R7), two primaries serve one
// epoch (R2), two nodes differ in one position's entry (R3) or in what was removed up to it, or,
// in strict mode, one lost disk would lose what was acknowledged.
class FailoverModel {
 public:
  using State = FailoverState;
  // Text with # and @ for the numbers.
  struct Step {
    std::string_view text;
    std::size_t first = 0;
    std::size_t second = 0;
  };
  using Successors = std::vector<std::pair<State, Step>>;

  explicit FailoverModel(const Protocol& protocol) : protocol_(protocol) {}

  [[nodiscard]] State initial() const { return {}; }
  void expand(const State& state, Successors& successors) const;
  // Node 0 is the first to lead; the others are alike. What can have no consequences any more is
  // forgotten.
  [[nodiscard]] State representative(const State& state) const;
  [[nodiscard]] std::optional<std::string_view> violation(const State& state) const;
  [[nodiscard]] std::string text(const Step& step) const;

 private:
  [[nodiscard]] bool broken(Mutation mutation) const { return protocol_.mutation == mutation; }
  void forget(State& state) const;
  [[nodiscard]] bool may_still_be_read(const State& state, std::size_t reign) const;

  Protocol protocol_;
};

}  // namespace zeolite::protocol
