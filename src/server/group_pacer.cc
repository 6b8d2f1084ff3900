#include "server/group_pacer.h"

#include <algorithm>

namespace zeolite::server {

namespace {

// A wait is worth it while it is shorter than this part of a sync.
constexpr int kSyncShare = 2;
// After so many waits that were not worth it the longest is tried again.
constexpr unsigned kRetryAfter = 64;
// The shortest wait tried again after failures, as a part of wait_max.
constexpr int kBudgetFloor = 16;

}  // namespace

void GroupPacer::answered(std::size_t size, Duration sync, Instant now) {
  sync_ = sync_ == Duration{} ? sync : (sync_ * 7 + sync) / 8;
  answered_ = size;
  answered_at_ = now;
}

void GroupPacer::start_waiting(std::size_t waiting) {
  waiting_ = waiting;
  target_ = 1;
  deadline_ = answered_at_;
  // A lone client is served at once.
  if (waiting + answered_ <= 1) return;
  target_ = waiting + answered_;
  deadline_ = answered_at_ + std::min(budget_, sync_ / kSyncShare);
}

void GroupPacer::started(std::size_t size, Instant now) {
  if (target_ <= 1) return;
  // Success: at least half of those who were answered came back within the wait.
  const bool worth_it = size >= waiting_ + (answered_ + 1) / 2;
  const Duration floor = wait_max_ / kBudgetFloor;
  if (!worth_it) {
    budget_ = std::max(floor, budget_ / 2);
    // Clients change: once in a while the whole wait is tried again.
    if (++failures_ % kRetryAfter == 0) budget_ = wait_max_;
  } else if (now >= deadline_) {
    budget_ = std::min(wait_max_, budget_ * 2);  // some were late: a little longer may catch them
  }
}

}  // namespace zeolite::server
