#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/check.h"

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

  // The same for one who would hold `more` bytes.
  [[nodiscard]] bool has_room(std::uint64_t more) const {
    const std::uint64_t used = used_.load(std::memory_order_relaxed);
    return used <= bytes_max_ && more <= (bytes_max_ - used) / 2;
  }

  // One holder at a time may have what there is no room for, so that what is larger than all that
  // may be used still comes through. False: another is that one.
  [[nodiscard]] bool begin_beyond() { return !beyond_.exchange(true); }
  void end_beyond() { beyond_.store(false); }

 private:
  std::uint64_t bytes_max_;
  std::atomic<std::uint64_t> used_ = 0;
  std::atomic<bool> beyond_ = false;
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
    if (beyond_) {
      if (!budget_->has_room(held)) return true;
      beyond_ = false;
      budget_->end_beyond();
    }
    const bool grew = held > charged_;
    if (grew) budget_->add(held - charged_);
    if (held < charged_) budget_->remove(charged_ - held);
    charged_ = held;
    return !grew || budget_->allows(held);
  }
  // After settle(held) found no room: it is the one holder whose bytes are not counted, until a
  // settle() finds room. False: another is that one.
  [[nodiscard]] bool settle_beyond(std::uint64_t held) {
    CHECK(budget_ != nullptr && held == charged_, "there was no room");
    if (!budget_->begin_beyond()) return false;
    beyond_ = true;
    budget_->remove(std::exchange(charged_, 0));
    return true;
  }

 private:
  SharedBudget* budget_;
  std::uint64_t charged_ = 0;
  bool beyond_ = false;  // it is the one
};

}  // namespace zeolite::net
