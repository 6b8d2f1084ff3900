#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/check.h"
#include "commit/calls.h"

namespace zeolite::daemon {

// Calls of connections that another thread works off, because the first of them has much to read.
// Until that is done, later calls of the same connection wait behind it, so that their order stays.
// Thread: any; the calls of one connection are made by one thread, and worked off by one.
class CallsApart {
 public:
  // The connection is gone.
  struct Lost {};
  using Step = std::variant<commit::calls::Call, Lost>;

  // From now on the calls of `owner` wait; the caller sees to it that they are worked off.
  void begin(commit::OwnerId owner, commit::calls::Call first) {
    const std::lock_guard lock(mutex_);
    waiting_[owner].push_back(std::move(first));
    owners_.store(waiting_.size());
  }
  // Keeps a Call, or Lost, that comes after a call that waits. False: none does, `step` is as it
  // was.
  template <typename T>
  [[nodiscard]] bool keep(commit::OwnerId owner, T& step) {
    if (owners_.load() == 0) return false;
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(owner);
    if (found == waiting_.end()) return false;
    found->second.emplace_back(std::move(step));
    return true;
  }
  // The next one of `owner`, when the one before it is done; nothing: none waits any more.
  [[nodiscard]] std::optional<Step> next(commit::OwnerId owner) {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(owner);
    CHECK(found != waiting_.end(), "whoever works calls off has begun");
    if (found->second.empty()) {
      waiting_.erase(found);
      owners_.store(waiting_.size());
      return std::nullopt;
    }
    Step step = std::move(found->second.front());
    found->second.pop_front();
    return step;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<commit::OwnerId, std::deque<Step>> waiting_;
  std::atomic<std::size_t> owners_ = 0;  // in waiting_
};

}  // namespace zeolite::daemon
