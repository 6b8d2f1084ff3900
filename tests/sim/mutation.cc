#include "sim/mutation.h"

#include <array>

namespace zeolite::sim {
namespace {

#define MUTATION(name, sentence) \
  DescribedMutation { Mutation::name, #name, sentence }
#define HECTIC_MUTATION(name, sentence) \
  DescribedMutation { Mutation::name, #name, sentence, true }

constexpr std::array kDescribed = {
    MUTATION(ack_before_local_sync,
             "a commit is acknowledged when the standbys have it, before the primary's disk has"),
    MUTATION(ack_before_standby_sync, "a standby acknowledges what it has not synced"),
    MUTATION(never_waits, "a primary acknowledges what is durable on its own disk"),
    MUTATION(stops_waiting_at_once,
             "a primary stops waiting for a standby before it is published that it left S"),
    MUTATION(strict_acks_alone, "in strict mode a primary without standbys acknowledges"),
    MUTATION(ends_late, "a primary that steps down acknowledges what is under way"),
    MUTATION(read_before_ack, "a reader sees a commit when it is durable on the primary"),
    MUTATION(standby_shows_all, "a reader sees all that a standby has"),
    MUTATION(promise_not_stored, "a promise is answered and not stored"),
    MUTATION(promise_stored_late, "a promise is answered before it is stored"),
    MUTATION(failed_promise_counts, "a node goes on when its promise could not be stored"),
    MUTATION(resume_epoch, "a restarted primary goes on in its epoch while its key is there"),
    HECTIC_MUTATION(counter_not_raised, "the leader key is taken without raising the counter"),
    MUTATION(anyone_promotes, "a node that is not in S takes the leader key"),
    HECTIC_MUTATION(sync_key_unguarded, "the sync key is written by one who no longer leads"),
    MUTATION(publish_without_waiting,
             "a standby is published in S before it has everything and is waited for"),
    MUTATION(publish_ignores_inherited,
             "a standby is published in S when it has what this reign acknowledged, and not what "
             "the reign began with"),
    MUTATION(histories_not_compared, "a standby streams from wherever its log ends"),
    MUTATION(undo_without_archive, "what is undone is not kept in a file before"),
    MUTATION(tombstone_not_written,
             "an outcome is answered as aborted and nothing is written to the log"),
    HECTIC_MUTATION(tombstone_not_looked_up,
                    "a late copy of a commit request commits although there is a tombstone"),
    HECTIC_MUTATION(acquire_unguarded,
                    "the leader key is taken by one that has read an old counter or an old S"),
    MUTATION(current_removed, "a pack removes what is current at its horizon"),
    MUTATION(epochs_not_unique,
             "two that are promoted by command without knowing of each other lead one epoch"),
    MUTATION(
        removed_before_shown,
        "a standby removes what its readers may still look at, before they see the pack record"),
    MUTATION(handover_before_caught_up, "the handover is sent before the target has everything"),
    HECTIC_MUTATION(handover_goes_on,
                    "a primary commits and acknowledges after it sent the handover"),
    MUTATION(tids_by_clock_alone, "a new primary goes on from its clock, wherever its log ends"),
    MUTATION(reads_past_deadline, "a primary answers readers after its deadline"),
    MUTATION(given_up_copy_installed,
             "a copy that is whole is installed at the next start, whatever was done since"),
    MUTATION(older_copy_taken, "a copy is taken that lacks what its standby has confirmed"),
    MUTATION(checkpoints_mixed,
             "a standby is sent some files of one checkpoint and some of another"),
    MUTATION(conflicts_not_looked_up,
             "a write is not judged by what the object is, but by what this reign has committed"),
};

}  // namespace

std::span<const DescribedMutation> mutations() { return kDescribed; }

}  // namespace zeolite::sim
