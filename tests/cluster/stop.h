#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

namespace zeolite::cluster_test {

// Tells all threads of the process to come to an end. Thread: any.
class Stop {
 public:
  using Clock = std::chrono::steady_clock;

  void request() {
    const std::lock_guard lock(mutex_);
    if (!requested_at_) requested_at_ = Clock::now();
    changed_.notify_all();
  }
  [[nodiscard]] bool requested() const {
    const std::lock_guard lock(mutex_);
    return requested_at_.has_value();
  }
  // How long ago it was requested; zero when it was not.
  [[nodiscard]] Clock::duration since() const {
    const std::lock_guard lock(mutex_);
    return requested_at_ ? Clock::now() - *requested_at_ : Clock::duration(0);
  }
  // Waits that long, or until it is requested.
  void pause(std::chrono::milliseconds length) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, length, [this] { return requested_at_.has_value(); });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Clock::time_point> requested_at_;
};

}  // namespace zeolite::cluster_test
