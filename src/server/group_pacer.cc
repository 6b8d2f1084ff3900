#include "server/group_pacer.h"

#include <algorithm>

namespace zeolite::server {

namespace {

// A wait is worth it while it is shorter than this part of a sync. Where standbys confirm, a group
// costs so much more that it may be as long as all of that took.
constexpr int kSyncShare = 2;
// After so many waits that were not worth it the longest is tried again.
constexpr unsigned kRetryAfter = 64;
// The shortest wait tried again after failures, as a part of the longest.
constexpr int kBudgetFloor = 16;

Duration averaged(Duration average, Duration next) {
  return average == Duration{} ? next : (average * 7 + next) / 8;
}

}  // namespace

void GroupPacer::Budget::failed() {
  length_ = std::max(max_ / kBudgetFloor, length_ / 2);
  // Clients change: once in a while the whole wait is tried again.
  if (++failures_ % kRetryAfter == 0) length_ = max_;
}

void GroupPacer::Budget::may_be_longer() { length_ = std::min(max_, length_ * 2); }

void GroupPacer::answered(std::size_t size, Duration sync, Instant now) {
  sync_ = averaged(sync_, sync);
  worth_ = sync_ / kSyncShare;
  answered_ = size;
  answered_at_ = now;
}

void GroupPacer::written(std::size_t size, std::size_t waiting, Duration sync, Instant now) {
  sync_ = averaged(sync_, sync);
  answered_ = 0;
  target_ = 1;
  deadline_ = now;
  // A lone client has to be answered before it is back.
  if (size + waiting <= 1) return;
  unconfirmed_ = true;
  target_ = kNoTarget;
  deadline_ = now + std::min(confirm_.length(), sync_);
}

void GroupPacer::confirmed(std::size_t size, Duration took, bool all, Instant now) {
  took_ = averaged(took_, took);
  worth_ = took_;
  answered_ += size;
  answered_at_ = now;
  if (!all || !unconfirmed_) return;
  unconfirmed_ = false;
  confirm_.may_be_longer();
}

void GroupPacer::start_waiting(std::size_t waiting) {
  if (unconfirmed_) return;
  waiting_ = waiting;
  target_ = 1;
  deadline_ = answered_at_;
  // A lone client is served at once.
  if (waiting + answered_ <= 1) return;
  target_ = waiting + answered_;
  deadline_ = answered_at_ + std::min(come_back_.length(), worth_);
}

void GroupPacer::started(std::size_t size, Instant now) {
  if (unconfirmed_) {
    unconfirmed_ = false;
    confirm_.failed();
    return;
  }
  if (target_ <= 1) return;
  // Success: at least half of those who were answered came back within the wait.
  const bool worth_it = size >= waiting_ + (answered_ + 1) / 2;
  if (!worth_it) {
    come_back_.failed();
  } else if (now >= deadline_) {
    come_back_.may_be_longer();  // some were late: a little longer may catch them
  }
}

}  // namespace zeolite::server
