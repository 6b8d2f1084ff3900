#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "invalidation/invalidation_batch.h"
#include "model/ids.h"

namespace zeolite::invalidation {

// One connection's place in the stream of invalidations: its line, and what it is sent to move on.
//
// The line is the tid up to which the connection was told everything. It is what its reads are
// made at, and a reply that tells of a commit T (its own, or by any tid in it) may go out when
// the line has reached T. docs/ordering.md gives the rules and the reasons.
//
// A new subscription is catching up: what is published meanwhile waits. The caller brings the
// client to a line (the registration reply, or what the log says since the client's own tid),
// writes that out and calls caught_up(); from then on batches go straight through.
//
// `out` receives the batches to write to the connection now, in order. The caller writes them
// before anything that was not written yet.
//
// Thread: its connection's shard. Owned by the connection's session.
class Subscription {
 public:
  enum class State : std::uint8_t {
    catching_up,
    live
  };
  enum class Offer : std::uint8_t {
    taken,
    overflow,  // too far behind: close the connection; it reconnects and catches up from the log
  };

  // Joins the stream after `line`, the shard's newest published tid: each later batch must be
  // offered. At most `queue_bytes_max` of batches wait while catching up.
  Subscription(Tid line, std::size_t queue_bytes_max);

  // A batch became visible; tids strictly increase. `own`: this connection committed it, so it is
  // not sent, the commit's reply tells. After overflow nothing more is taken.
  [[nodiscard]] Offer offer(const BatchPtr& batch, bool own, std::vector<BatchPtr>& out);

  // The client has been told everything up to `line`, which is the line that was joined at or
  // above. What waits beyond it is sent.
  void caught_up(Tid line, std::vector<BatchPtr>& out);

  [[nodiscard]] State state() const { return state_; }
  // Everything up to here was told. While catching up: kNoTid.
  [[nodiscard]] Tid line() const { return state_ == State::live ? line_ : kNoTid; }

 private:
  struct Waiting {
    BatchPtr batch;
    bool own;
  };
  void tell(const BatchPtr& batch, bool own, std::vector<BatchPtr>& out);

  State state_ = State::catching_up;
  bool overflown_ = false;
  Tid line_;     // live: told up to here; catching up: joined here
  Tid offered_;  // newest batch seen
  std::size_t queue_bytes_max_;
  std::size_t queued_bytes_ = 0;
  std::deque<Waiting> queue_;
};

}  // namespace zeolite::invalidation
