#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace zeolite::protocol {

// A rule of the protocol that is broken on purpose. Each one lets the search find somebody who
// notices: a rule that can be broken without that is not needed, or the model is too weak.
enum class Mutation : std::uint8_t {
  none,

  // Commits.
  ack_before_local_sync,
  ack_before_standby_sync,
  read_before_ack,

  // Who is waited for.
  sync_key_unguarded,
  publish_before_caught_up,
  publish_ignores_inherited,
  stop_waiting_before_published,
  strict_acks_alone,
  strict_inherits_alone,

  // Epochs and election.
  standby_ignores_epoch,
  anyone_promotes,
  acquire_with_old_sync_key,
  epoch_counter_not_raised,
  epoch_not_above_promise,
  no_own_promise,
  resume_epoch,
  ancestor_from_durable,

  // Checkpoints.
  checkpoint_without_promise_check,
  checkpoint_not_synced,
  checkpoint_beside_stream,
  checkpoint_keeps_confirmed,
  checkpoint_readable_at_once,

  // Outcomes.
  tombstone_answered_before_durable,
  tombstone_in_memory,
  tombstone_not_looked_up,
  outcome_ignores_in_flight,
  undo_keeps_outcomes,

  // Packs.
  undo_past_removals,
  stream_without_removed,
  remove_without_record,
  removal_outlives_record,
  checkpoint_while_removing,

  // Switchover.
  handover_before_caught_up,
  handover_goes_on_acknowledging,
  handover_resumed_unanswered,
};

// All but none.
std::span<const Mutation> all_mutations();

// Its name as above, and what is done wrong.
std::string_view name_of(Mutation mutation);
std::string_view describe(Mutation mutation);

}  // namespace zeolite::protocol
