#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/time.h"
#include "commit/commit_coordinator.h"
#include "replication/node_actions.h"
#include "sim/event_queue.h"
#include "sim/messages.h"
#include "sim/mutation.h"
#include "sim/sim_store.h"

namespace zeolite::sim {

// The commits of one reign: the coordinator, the groups on their way to the disk, and who waits for
// the answer. What the daemon's StorageEngine is, without threads.
class Engine {
 public:
  // Names a request: a connection and its number.
  struct Caller {
    std::uint64_t connection = 0;
    std::uint64_t number = 0;
  };
  struct Outputs {
    std::function<Now()> now;
    std::function<void()> sequenced;        // there is something to send to standbys
    std::function<void(Position)> durable;  // up to there, here
    std::function<void(Position)> begun;    // the epoch record is durable
    std::function<void(Tid)> acknowledged;  // everything up to there
    std::function<void(Caller, CommitReply)> reply;
  };

  Engine(SimStore& store, const Process& process, Epoch epoch, Outputs outputs, Mutation mutation);

  void begin(const replication::action::Lead& lead);
  // The log of one that leads alone is to begin; what was asked for before comes first.
  void begin_log();
  // From now on requests are taken; everything up to `visible` is acknowledged.
  void serve(Tid visible);
  // Returns what was acknowledged until now.
  Tid set_waiting(bool on);
  void acknowledge(Tid up_to);
  // Calls `held` once nothing is being appended.
  void hold(std::function<void(Position)> held);
  void release();
  void tick();

  void commit(Caller caller, const CommitRequest& request);
  void query(Caller caller, const OutcomeRequest& request);
  // Forgets history up to what is visible now: the record of it, then removals, each when the one
  // before is visible. A later reign goes on with it.
  void pack();

  [[nodiscard]] bool serving() const { return serving_; }
  [[nodiscard]] Tid visible() const { return coordinator_.visible_tid(); }

 private:
  [[nodiscard]] commit::Prefetched prefetch(const commit::StagedTransaction& staged) const;
  commit::Ticket ticket_for(Caller caller);
  void run();
  void append_next();
  void on_durable(const Position& last);
  void refetch(commit::Ticket ticket);
  void refuse(Caller caller, ErrorCode error);
  void answer(const commit::CommitEffects::Reply& reply);
  void tell_if_held();
  [[nodiscard]] bool takes_more() const { return serving_ && !holding_ && !store_.full(); }
  void sweep_next();
  [[nodiscard]] std::vector<RevisionKey> removable(Tid horizon) const;

  SimStore& store_;
  const Process& process_;
  Outputs outputs_;
  const Mutation mutation_;
  commit::CommitCoordinator coordinator_;
  commit::CommitEffects effects_;
  std::vector<TransactionRecord> group_;  // sequenced while the one before is being appended
  bool alone_ = false;                    // leads without a first record
  std::uint64_t restored_ = 0;            // the last tid that a client chose
  bool appending_ = false;
  bool begun_ = false;
  bool serving_ = false;
  bool waiting_ = false;
  Tid told_;     // acknowledged
  Tid removed_;  // by the newest removal of this reign
  bool holding_ = false;
  std::function<void(Position)> held_;
  commit::Ticket next_ticket_ = 1;
  std::map<commit::Ticket, Caller> callers_;
};

}  // namespace zeolite::sim
