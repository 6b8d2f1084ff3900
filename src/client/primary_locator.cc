#include "client/primary_locator.h"

#include <algorithm>

namespace zeolite::client_core {

namespace {

constexpr Duration kLasted = std::chrono::seconds(1);

Duration scaled(Duration duration, double factor) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(duration.count()) * factor));
}

}  // namespace

PrimaryLocator::PrimaryLocator(std::size_t addresses, Duration backoff_min, Duration backoff_max)
    : addresses_(addresses),
      backoff_min_(backoff_min),
      backoff_max_(std::max(backoff_min, backoff_max)),
      pause_(backoff_min) {}

Duration PrimaryLocator::failed(double random) {
  current_ = (current_ + 1) % addresses_;
  if (++tried_ < addresses_) return Duration(0);
  tried_ = 0;
  const Duration pause = scaled(pause_, 0.5 + random / 2);
  pause_ = std::min(pause_ * 2, backoff_max_);
  return pause;
}

void PrimaryLocator::established(Instant now) { established_at_ = now; }

Duration PrimaryLocator::lost(Instant now, double random) {
  if (now - established_at_ < kLasted) return failed(random);
  tried_ = 0;
  pause_ = backoff_min_;
  return scaled(backoff_min_, random);
}

}  // namespace zeolite::client_core
