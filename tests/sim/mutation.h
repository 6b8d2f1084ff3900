#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace zeolite::sim {

// A rule of the protocol that is broken on purpose, to see that the simulation notices. The code
// that ships stays as it is: what is broken is what a server does with a Node's decisions, what the
// Node is told, or what the coordination service promises.
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
};

struct DescribedMutation {
  Mutation mutation = Mutation::none;
  std::string_view name;
  std::string_view sentence;
};

// All but none.
[[nodiscard]] std::span<const DescribedMutation> mutations();

}  // namespace zeolite::sim
