#pragma once

#include <cstddef>

#include "base/time.h"

namespace zeolite::server {

// Decides how long the log writer waits before it syncs the next group.
//
// Without a wait, clients that commit in a closed loop settle into two halves that take turns: one
// half's group is being synced while the other half's gathers, and each sync carries half of what
// it could. So, after a group was answered, the writer waits for the clients it has just answered
// to come back, as long as experience says that they do so in much less time than a sync takes.
// The wait is bounded, learned from success and failure, and never applied to a lone client.
//
// Thread: the log writer's (under the engine's mutex). No I/O, no clocks.
class GroupPacer {
 public:
  // `wait_max`: the longest wait allowed; zero never waits. `inline_sync_max`: the longest average
  // sync with which a group is written inline; zero never does.
  explicit GroupPacer(Duration wait_max, Duration inline_sync_max = {})
      : wait_max_(wait_max), inline_sync_max_(inline_sync_max), budget_(wait_max) {}

  // A group of `size` transactions was answered at `now`, after a sync that took `sync`.
  void answered(std::size_t size, Duration sync, Instant now);

  // How many transactions the next group should have before it is worth starting at once, given
  // that `waiting` stood in line when the last group was answered.
  [[nodiscard]] std::size_t target() const { return target_; }
  // The instant until which to wait for target(); not after it.
  [[nodiscard]] Instant deadline() const { return deadline_; }

  // Whether the thread that closes a group should write it itself instead of waking the log writer:
  // for a lone client the two thread hops cost nearly as much as a fast disk's sync. Only when the
  // last group was a single transaction and syncs take so little that others on the thread can
  // bear the wait (docs/decisions/0004).
  [[nodiscard]] bool prefers_inline() const {
    return answered_ == 1 && sync_ > Duration{} && sync_ <= inline_sync_max_;
  }

  // To be called right after answered(), with the number already in line.
  void start_waiting(std::size_t waiting);
  // The wait ended with `size` in line at `now`.
  void started(std::size_t size, Instant now);

 private:
  Duration wait_max_;
  Duration inline_sync_max_;
  Duration budget_;  // present length of a wait
  Duration sync_{};  // moving average of the time of a sync
  Instant answered_at_{};
  Instant deadline_{};
  std::size_t answered_ = 0;  // size of the group answered last
  std::size_t waiting_ = 0;   // in line when it was answered
  std::size_t target_ = 1;
  unsigned failures_ = 0;  // waits that were not worth it
};

}  // namespace zeolite::server
