#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/ids.h"
#include "sim/sim_store.h"

namespace zeolite::sim {

// Remembers what anybody was told, and finds what contradicts it. Knows nothing of how the servers
// decide: it sees their disks and what they say. The first contradiction is kept.
class Checker {
 public:
  using NodeIndex = std::size_t;

  // A node's disk. `strict`: nothing may be acknowledged that only one disk has.
  void watch(const SimStore& disk) { disks_.push_back(&disk); }
  void set_strict(bool strict) { strict_ = strict; }
  // Operators may promote whom they like: what one acknowledges, another need not have. What is
  // left is what a single node and its log promise (R2, R3, R5, R6, R8 and R9).
  void set_forks() { forks_ = true; }
  // Leases hold and clocks are right: nobody answers as the primary when another does.
  void set_one_at_a_time() { one_at_a_time_ = true; }

  // A commit was acknowledged, or readers were shown, everything up to `tid`, which is on `disk`.
  // From now on every primary must have it at that position, and nothing else (R1, R3, R6, R8).
  void told(NodeIndex node, const SimStore& disk, Tid tid, std::string_view what);
  // The coordination service would let this node lead: it has all that was told (R1, R4).
  void may_lead(NodeIndex node, const SimStore& disk);
  // What is on a disk after `known`: an epoch and a tid name one history (R3, R8).
  void durable(NodeIndex node, const SimStore& disk, Tid known);
  // A node shows others that it has promised this (R5), or that it has this on its disk (R6).
  void shows_promise(NodeIndex node, const SimStore& disk, Epoch promise);
  void shows_position(NodeIndex node, const SimStore& disk, const Position& position);
  // Something was undone there (R9).
  void undone(NodeIndex node, const SimStore& disk);
  // A node begins a reign; an epoch is one node's, once, and above all it has heard of (R2).
  void begins(NodeIndex node, Epoch epoch, const SimStore& disk);
  // A node serves: in an epoch of its own, above all before (R2), and it has all that was told.
  void serves(NodeIndex node, Epoch epoch, const SimStore& disk);
  // It does so no more.
  void ended(NodeIndex node);
  // A reader is answered by the primary of that epoch: none of a later one has served by then.
  void answers_as_primary(NodeIndex node, Epoch epoch);
  // A client learned how its commit ended (R7).
  void committed(const CommitId& id, Tid tid);
  void aborted(const CommitId& id);
  // What is in the accounts, read at one line.
  void balance(NodeIndex node, Tid line, std::int64_t sum, std::int64_t expected);
  // The end of a run, after everything healed: this is what all nodes have now.
  void final_log(const SimStore& disk);

  void fail(std::string why);
  [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }
  // For statistics: how much was held against how much.
  [[nodiscard]] std::size_t committed_count() const { return committed_.size(); }
  [[nodiscard]] Tid newest_told() const { return newest_.tid; }

 private:
  void learn(const SimStore& disk, const Position& position);

  std::vector<const SimStore*> disks_;
  bool strict_ = false;
  bool forks_ = false;
  bool one_at_a_time_ = false;
  std::map<std::pair<Epoch, Tid>, ChainHash> chains_;  // of all that was ever durable anywhere
  std::map<Epoch, NodeIndex> begun_;
  std::map<Tid, ChainHash> history_;  // of all entries up to newest_
  Position newest_;                   // told
  std::map<CommitId, Tid> in_history_;
  std::map<CommitId, Tid> committed_;
  std::map<CommitId, bool> aborted_;
  struct Serving {
    NodeIndex node = 0;
    Epoch epoch;
    const SimStore* disk = nullptr;
  };
  std::optional<Serving> newest_primary_;  // while it serves
  Epoch newest_epoch_;
  std::optional<std::string> violation_;
};

}  // namespace zeolite::sim
