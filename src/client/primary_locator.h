#pragma once

#include <cstddef>

#include "base/time.h"

namespace zeolite::client_core {

// Decides which address to try next, and how long to wait before. Goes round all addresses without
// a pause, then waits: doubling from `backoff_min` to `backoff_max`, each pause between half of
// that and the whole. Starts again with the address that last worked.
// Thread: one at a time. Owner: the client. Randomness is passed in: a number in [0, 1).
class PrimaryLocator {
 public:
  // `addresses` >= 1.
  PrimaryLocator(std::size_t addresses, Duration backoff_min, Duration backoff_max);

  // Index of the address to try.
  [[nodiscard]] std::size_t current() const { return current_; }

  // The attempt at current() failed: moves on. Returns the pause before the next attempt.
  [[nodiscard]] Duration failed(double random);
  // A connection to current() was established.
  void established(Instant now);
  // That connection was lost: the same address comes first again, after a little jitter so that
  // all clients of a server do not return in one moment. One that did not last counts as a failed
  // attempt, or a server that accepts and hangs up would be called in a busy loop.
  [[nodiscard]] Duration lost(Instant now, double random);

 private:
  std::size_t addresses_;
  Duration backoff_min_;
  Duration backoff_max_;
  std::size_t current_ = 0;
  std::size_t tried_ = 0;  // in this round
  Duration pause_;         // after this round
  Instant established_at_;
};

}  // namespace zeolite::client_core
