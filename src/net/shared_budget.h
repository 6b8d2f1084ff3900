#pragma once

#include <atomic>
#include <cstdint>

namespace zeolite::net {

// Memory that many connections share, such that a few greedy ones cannot shut out the rest: each
// may hold as much as is still free. The first can take half, the next a quarter, and so on;
// whoever needs little always finds room ("dynamic thresholds", known from switch buffers). Thread:
// any.
class SharedBudget {
 public:
  explicit SharedBudget(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  void add(std::uint64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void remove(std::uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  // Whether one that holds `held` bytes (already added) may keep them.
  [[nodiscard]] bool allows(std::uint64_t held) const {
    const std::uint64_t used = used_.load(std::memory_order_relaxed);
    return used <= bytes_max_ && held <= bytes_max_ - used;
  }
  [[nodiscard]] std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  std::uint64_t bytes_max_;
  std::atomic<std::uint64_t> used_ = 0;
};

}  // namespace zeolite::net
