#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"

namespace zeolite::maintenance {

// Makes items on threads of its own, ahead of who takes them, and hands them over in order. What
// must be done in order is one step (`plan`: read on in a file), what may be done beside it another
// (the work that plan returns). `Item` is moved, and says in a member `bytes` what memory it takes.
//
// Memory: while what was made and not taken has `bytes_max` together, nothing more is planned; so
// one more item for each thread.
// Thread: next() is called by one thread at a time, is_full() by any. What plan has done before it
// gave an item's work, or the end, has happened for whoever took that item, or the end.
template <typename Item>
class ReadAhead {
 public:
  using Work = std::function<Item()>;
  // The work for the next item; nothing at the end. One call after the other, from the beginning
  // on, and never again after the end or an error.
  using Plan = std::function<Result<std::optional<Work>>()>;

  ReadAhead(std::size_t threads, std::size_t bytes_max, Plan plan)
      : bytes_max_(bytes_max), plan_(std::move(plan)) {
    threads_.reserve(threads);
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { main(); });
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Waits for the calls that are under way; what was made and not taken is dropped.
  ~ReadAhead() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // The next item, waited for; nothing at the end, and from then on. An error of plan comes after
  // all items that were planned before it, and from then on.
  [[nodiscard]] Result<std::optional<Item>> next() {
    std::unique_lock lock(mutex_);
    made_.wait(lock, [this] { return items_.empty() ? end_.has_value() : items_[0].has_value(); });
    if (items_.empty()) {
      RETURN_IF_ERROR(*end_);
      return std::nullopt;
    }
    std::optional<Item> item = std::move(items_.front());
    items_.pop_front();
    held_bytes_ -= item->bytes;
    lock.unlock();
    room_.notify_one();
    return item;
  }

  // Whether it waits for items to be taken, and makes none.
  [[nodiscard]] bool is_full() const {
    const std::lock_guard lock(mutex_);
    return waiting_for_room_ && working_ == 0 && held_bytes_ >= bytes_max_;
  }

 private:
  using Slot = std::optional<Item>;  // nothing: it is being made

  void main() {
    pthread_setname_np(pthread_self(), "read-ahead");
    Slot* slot = nullptr;
    while (const std::optional<Work> work = plan_next(slot)) {
      Item item = (*work)();
      const std::lock_guard lock(mutex_);
      --working_;
      held_bytes_ += item.bytes;
      slot->emplace(std::move(item));
      made_.notify_one();
    }
  }

  // And its place among the items. Nothing: there is no more to be done.
  std::optional<Work> plan_next(Slot*& slot) {
    const std::lock_guard in_order(plan_mutex_);
    if (!wait_for_room()) return std::nullopt;
    Result<std::optional<Work>> planned = plan_();
    const std::lock_guard lock(mutex_);
    if (planned && *planned) {
      ++working_;
      slot = &items_.emplace_back();
      return std::move(*planned);
    }
    end_ = planned ? Result<>() : Result<>(std::unexpected(std::move(planned).error()));
    made_.notify_one();
    return std::nullopt;
  }

  // False when there is nothing to plan, or nobody to take it, any more.
  bool wait_for_room() {
    std::unique_lock lock(mutex_);
    waiting_for_room_ = true;
    room_.wait(lock, [this] { return stopping_ || end_ || held_bytes_ < bytes_max_; });
    waiting_for_room_ = false;
    return !stopping_ && !end_;
  }

  const std::size_t bytes_max_;
  const Plan plan_;
  std::mutex plan_mutex_;     // held while planning; locked before mutex_
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable made_;
  std::condition_variable room_;   // at most one thread waits
  std::deque<Slot> items_;         // planned and not taken
  std::size_t held_bytes_ = 0;     // of those that are made
  std::size_t working_ = 0;        // of those that are not
  std::optional<Result<>> end_;    // nothing: there is more to plan
  bool waiting_for_room_ = false;  // a thread is
  bool stopping_ = false;
  std::vector<std::thread> threads_;  // last: they use the others
};

}  // namespace zeolite::maintenance
