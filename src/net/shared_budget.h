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

// What one holder has of a budget. Thread: one at a time.
class BudgetCharge {
 public:
  // `budget` may be null: nothing is counted, and there is always room.
  explicit BudgetCharge(SharedBudget* budget) : budget_(budget) {}
  ~BudgetCharge() { (void)settle(0); }
  BudgetCharge(const BudgetCharge&) = delete;
  BudgetCharge& operator=(const BudgetCharge&) = delete;

  // It holds so many bytes from now on. False: that is more than before, and there is no room.
  [[nodiscard]] bool settle(std::uint64_t held) {
    if (budget_ == nullptr) return true;
    const bool grew = held > charged_;
    if (grew) budget_->add(held - charged_);
    if (held < charged_) budget_->remove(charged_ - held);
    charged_ = held;
    return !grew || budget_->allows(held);
  }

 private:
  SharedBudget* budget_;
  std::uint64_t charged_ = 0;
};

}  // namespace zeolite::net
