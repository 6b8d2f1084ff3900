#include "protocol/mutation.h"

#include <algorithm>
#include <array>

namespace zeolite::protocol {
namespace {

struct Described {
  Mutation mutation;
  std::string_view name;
  std::string_view sentence;
};

#define MUTATION(name, sentence) \
  Described { Mutation::name, #name, sentence }

constexpr std::array kDescribed = {
    MUTATION(ack_before_local_sync,
             "a commit is acknowledged when the standbys have it, before the primary's disk has"),
    MUTATION(ack_before_standby_sync, "a standby acknowledges what it has not synced"),
    MUTATION(read_before_ack, "a reader sees a commit when it is durable on the primary"),
    MUTATION(sync_key_unguarded, "the sync key is written by one who no longer leads"),
    MUTATION(publish_before_caught_up, "a standby is published in S before it has everything"),
    MUTATION(publish_ignores_inherited,
             "a standby is published in S when it has what this reign acknowledged, and not what "
             "the reign began with"),
    MUTATION(stop_waiting_before_published,
             "a standby leaves Q before it is published that it left S"),
    MUTATION(strict_acks_alone, "in strict mode a primary without standbys acknowledges"),
    MUTATION(strict_inherits_alone,
             "in strict mode a new primary shows its log before a standby holds it as well"),
    MUTATION(standby_ignores_epoch, "a standby accepts what an epoch below its promise sent"),
    MUTATION(anyone_promotes, "a node that is not in S takes the leader key"),
    MUTATION(acquire_with_old_sync_key,
             "the leader key is taken without the guard that the sync key is still the one read"),
    MUTATION(epoch_counter_not_raised, "the leader key is taken without raising the counter"),
    MUTATION(epoch_not_above_promise,
             "without a coordination service, whoever takes over does so in the epoch it promised "
             "last"),
    MUTATION(no_own_promise, "a new primary does not store its own promise"),
    MUTATION(resume_epoch, "a restarted primary goes on in its epoch while its lease lasts"),
    MUTATION(ancestor_from_durable,
             "the position in a hello is compared with what is durable on the primary, not with "
             "what it has sent; so a standby undoes what it confirmed"),
    MUTATION(checkpoint_without_promise_check,
             "a checkpoint is installed although the promise has risen since it was begun"),
    MUTATION(checkpoint_not_synced, "a checkpoint counts as acknowledged before it is synced"),
    MUTATION(checkpoint_beside_stream,
             "groups are acknowledged while a checkpoint comes that will replace them"),
    MUTATION(checkpoint_keeps_confirmed,
             "what a standby confirmed still counts when it gets a checkpoint that has less"),
    MUTATION(checkpoint_readable_at_once,
             "readers of a standby see all of a checkpoint, acknowledged or not"),
    MUTATION(tombstone_answered_before_durable,
             "an outcome is answered as aborted when the tombstone is appended"),
    MUTATION(tombstone_in_memory,
             "an outcome is answered as aborted and only remembered, not written to the log"),
    MUTATION(tombstone_not_looked_up,
             "a late copy of a commit request commits although there is a tombstone"),
    MUTATION(outcome_ignores_in_flight,
             "an outcome is answered from what is acknowledged, not from what is in the log"),
    MUTATION(undo_keeps_outcomes, "what is undone leaves its outcome behind"),
    MUTATION(undo_past_removals,
             "a node undoes the record of a removal, though not the removal itself"),
    MUTATION(stream_without_removed,
             "an entry is streamed without the revision that was packed away since"),
    MUTATION(remove_without_record,
             "a node removes what the pack record allows when it likes, without records"),
    MUTATION(removal_outlives_record, "a removal becomes durable before its record"),
    MUTATION(checkpoint_while_removing,
             "a checkpoint is a log of one moment with the revisions of a later one"),
    MUTATION(handover_before_caught_up, "the handover is sent before the target has everything"),
    MUTATION(handover_goes_on_acknowledging,
             "a primary commits and acknowledges after it sent the handover"),
    MUTATION(handover_resumed_unanswered,
             "a primary goes on although the target may still act on the handover"),
};

#undef MUTATION

const Described* find(Mutation mutation) {
  const auto* found = std::ranges::find(kDescribed, mutation, &Described::mutation);
  return found == kDescribed.end() ? nullptr : found;
}

constexpr auto kAll = [] {
  std::array<Mutation, kDescribed.size()> all{};
  std::ranges::transform(kDescribed, all.begin(), &Described::mutation);
  return all;
}();

}  // namespace

std::span<const Mutation> all_mutations() { return kAll; }

std::string_view name_of(Mutation mutation) {
  const Described* found = find(mutation);
  return found != nullptr ? found->name : "none";
}

std::string_view describe(Mutation mutation) {
  const Described* found = find(mutation);
  return found != nullptr ? found->sentence : "the protocol as it is";
}

}  // namespace zeolite::protocol
