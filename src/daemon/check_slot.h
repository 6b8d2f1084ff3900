#pragma once

#include <atomic>
#include <memory>
#include <mutex>

namespace zeolite::daemon {

// The one full check of a storage that may run in a server at a time. It takes hours where there is
// much, so it must end when nobody waits for it any more. Thread: any.
class CheckSlot {
 public:
  // Turns true when the check is to end.
  using Cancelled = std::shared_ptr<std::atomic<bool>>;

  // For a check that begins: to be given back when it has ended. Null while another one runs.
  [[nodiscard]] Cancelled take() {
    const std::lock_guard lock(mutex_);
    if (running_ != nullptr) return nullptr;
    running_ = std::make_shared<std::atomic<bool>>(stopped_);
    return running_;
  }
  void give_back(const Cancelled& cancelled) {
    const std::lock_guard lock(mutex_);
    if (running_ == cancelled) running_ = nullptr;
  }
  // Ends what runs, and what begins from now on.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (running_ != nullptr) running_->store(true);
  }

 private:
  std::mutex mutex_;
  Cancelled running_;
  bool stopped_ = false;
};

}  // namespace zeolite::daemon
