#pragma once

#include <cstddef>
#include <cstdint>

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
// Where standbys have to confirm a group, it is answered some time after it is durable here, and
// its clients would settle into three or four parts, of which each costs both servers a sync and
// several wake-ups. So its answer is waited for, too, if it comes soon: within the time that the
// own append took. Standbys that are farther away are sent one group after the other.
//
// Thread: the log writer's (under the engine's mutex). No I/O, no clocks.
class GroupPacer {
 public:
  // `wait_max`: the longest wait allowed; zero never waits. `inline_sync_max`: the longest average
  // sync with which a group is written inline; zero never does.
  explicit GroupPacer(Duration wait_max, Duration inline_sync_max = {})
      : inline_sync_max_(inline_sync_max), come_back_(wait_max), confirm_(wait_max) {}

  // A group of `size` transactions was answered at `now`, after a sync that took `sync`.
  void answered(std::size_t size, Duration sync, Instant now);

  // Instead, where standbys confirm: a group of `size` is durable here at `now`, with `waiting` in
  // line behind it,
  void written(std::size_t size, std::size_t waiting, Duration sync, Instant now);
  // and it was answered at `now`, `took` after its begin. `all`: so were all that were written.
  void confirmed(std::size_t size, Duration took, bool all, Instant now);

  // How many transactions the next group should have before it is worth starting at once, given
  // that `waiting` stood in line when the last group was answered.
  [[nodiscard]] std::size_t target() const { return target_; }
  // No number is enough: an answer is waited for.
  static constexpr std::size_t kNoTarget = SIZE_MAX - 1;
  // The instant until which to wait for target(); not after it.
  [[nodiscard]] Instant deadline() const { return deadline_; }

  // Whether the thread that closes a group should write it itself instead of waking the log writer:
  // for a lone client the two thread hops cost nearly as much as a fast disk's sync. Only when the
  // last group was a single transaction and syncs take so little that others on the thread can
  // bear the wait (docs/decisions/0004).
  [[nodiscard]] bool prefers_inline() const {
    return answered_ == 1 && sync_ > Duration{} && sync_ <= inline_sync_max_;
  }

  // To be called right after answered() or confirmed(), with the number already in line.
  void start_waiting(std::size_t waiting);
  // The wait ended with `size` in line at `now`.
  void started(std::size_t size, Instant now);

 private:
  // How long a kind of wait may be, as far as it was learned.
  class Budget {
   public:
    explicit Budget(Duration max) : max_(max), length_(max) {}
    [[nodiscard]] Duration length() const { return length_; }
    void failed();
    void may_be_longer();

   private:
    Duration max_;
    Duration length_;
    unsigned failures_ = 0;
  };

  Duration inline_sync_max_;
  Budget come_back_;  // of those that were answered
  Budget confirm_;    // of what was written
  Duration sync_{};   // moving average of the time of a sync
  Duration took_{};   // the same until a group was confirmed
  Duration worth_{};  // the longest wait that pays for those who were answered last
  Instant answered_at_{};
  Instant deadline_{};
  std::size_t answered_ = 0;  // size of the group answered last
  std::size_t waiting_ = 0;   // in line when it was answered
  std::size_t target_ = 1;
  bool unconfirmed_ = false;  // the wait is for an answer
};

}  // namespace zeolite::server
