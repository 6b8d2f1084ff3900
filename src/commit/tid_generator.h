#pragma once

#include <optional>

#include "base/time.h"
#include "model/ids.h"

namespace zeolite::commit {

// Makes the tids of one reign: each the time of its transaction as far as the clock can be
// believed, and each greater than all before it whatever the clock does.
//
//  - A clock that reads behind: tids go on by the smallest step until it has caught up.
//  - A clock that suddenly reads more than kJumpMax ahead of what the monotonic clock says must
//    have passed is not followed: one tid from next year would push all later ones there too.
//    Tids then follow the monotonic clock, until the new reading has agreed with itself for
//    kTrustAfter; then it is believed.
//
// Thread: one at a time. Owned by the coordinator.
class TidGenerator {
 public:
  static constexpr Duration kJumpMax = std::chrono::seconds(60);
  static constexpr Duration kTrustAfter = std::chrono::seconds(60);
  // How far two readings of one clock may disagree, beyond what passed between them.
  static constexpr Duration kDriftMax = std::chrono::seconds(1);

  // `last` is the newest tid in the log; the wall clock's first reading is believed.
  TidGenerator(Tid last, Now now);

  // The next tid: greater than last(). Readings may arrive a little out of order.
  [[nodiscard]] Tid next(Now now);

  // The smallest tid above last(), whatever the clock says: for records whose time nobody is shown.
  // The reading is taken note of.
  [[nodiscard]] Tid step(Now now);

  // Whether `tid`, from elsewhere, may be the next: it is above last(), and so far from the
  // greatest that there is room for all that may follow.
  [[nodiscard]] bool accepts(Tid tid) const;
  // Uses such a tid: later ones lie above it.
  void use(Tid tid);

  [[nodiscard]] Tid last() const { return last_; }

  // The wall clock jumped (either way) and the new reading is not believed yet; operators should
  // hear of it. As of the last call of next().
  [[nodiscard]] bool distrusts_clock() const { return candidate_.has_value(); }

 private:
  // The time by which this tid is made; follows or refuses the clock.
  WallTime believed_time(Now now);

  Tid last_;
  Now anchor_;                    // the newest reading that was believed
  std::optional<Now> candidate_;  // first reading of a clock that jumped
};

}  // namespace zeolite::commit
