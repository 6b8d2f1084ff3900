#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace zeolite::sim {

// A rule of the protocol that is broken on purpose, to see that the simulation notices. The code
// that ships stays as it is: what is broken is what a server does with a Node's decisions, what the
// Node is told, or what the coordination service promises.
//
// By the rules of docs/replication.md:
//   R1   ack_before_local_sync, ack_before_standby_sync, never_waits, stops_waiting_at_once,
//        ends_late, anyone_promotes, acquire_unguarded, publish_ignores_inherited;
//        with strict: strict_acks_alone
//        by a switchover: handover_before_caught_up, handover_goes_on
//   R2   counter_not_raised, epochs_not_unique
//   R3   resume_epoch, histories_not_compared
//   R4   publish_without_waiting, sync_key_unguarded
//   R5   promise_not_stored, promise_stored_late, failed_promise_counts
//   R6   read_before_ack, standby_shows_all
//   R7   tombstone_not_written, tombstone_not_looked_up
//   R8   tids_by_clock_alone
//   R9   undo_without_archive
//   R10  histories_not_compared
//   the leader's deadline: reads_past_deadline
//   copies (R1, R3): given_up_copy_installed, older_copy_taken, checkpoints_mixed
//   snapshots: conflicts_not_looked_up, current_removed, removed_before_shown
// Not here: that a node forgets at a restart what it has heard of; no seed promoted it below that.
// NodePromote and NodeAsking do. Nor that a standby obeys an ended reign. It needs a primary that
// was stopped and another that has led, acknowledged alone and come back meanwhile, as what an old
// read says; no seed came to that. The search in tests/protocol does, and FollowerTest.Refuses*
// break each place.
enum class Mutation : std::uint8_t {
  none,
  ack_before_local_sync,
  ack_before_standby_sync,
  never_waits,
  stops_waiting_at_once,
  strict_acks_alone,
  ends_late,
  read_before_ack,
  standby_shows_all,
  promise_not_stored,
  promise_stored_late,
  failed_promise_counts,
  resume_epoch,
  counter_not_raised,
  anyone_promotes,
  sync_key_unguarded,
  publish_without_waiting,
  publish_ignores_inherited,
  histories_not_compared,
  undo_without_archive,
  tombstone_not_written,
  tombstone_not_looked_up,
  conflicts_not_looked_up,
  acquire_unguarded,
  current_removed,
  removed_before_shown,
  epochs_not_unique,
  handover_before_caught_up,
  handover_goes_on,
  tids_by_clock_alone,
  reads_past_deadline,
  given_up_copy_installed,
  older_copy_taken,
  checkpoints_mixed,
};

struct DescribedMutation {
  Mutation mutation = Mutation::none;
  std::string_view name;
  std::string_view sentence;
  bool hectic = false;  // noticed in hectic runs
};

// All but none.
[[nodiscard]] std::span<const DescribedMutation> mutations();

}  // namespace zeolite::sim
