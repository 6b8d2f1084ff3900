#include "sim/event_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::sim {

void EventQueue::after(Duration delay, Event event) {
  CHECK(delay >= Duration{}, "nothing happens in the past");
  heap_.push_back({.at = now_ + delay, .number = next_number_++, .event = std::move(event)});
  std::ranges::push_heap(heap_, Later{});
}

void EventQueue::after(Duration delay, const Process::Life& life, Event event) {
  CHECK(delay >= Duration{}, "nothing happens in the past");
  heap_.push_back({.at = now_ + delay,
                   .number = next_number_++,
                   .event = std::move(event),
                   .bound = true,
                   .life = life});
  std::ranges::push_heap(heap_, Later{});
}

EventQueue::Scheduled EventQueue::take_next() {
  std::ranges::pop_heap(heap_, Later{});
  Scheduled next = std::move(heap_.back());
  heap_.pop_back();
  return next;
}

bool EventQueue::run_one(Instant until) {
  while (!heap_.empty() && heap_.front().at <= until) {
    Scheduled next = take_next();
    now_ = std::max(now_, next.at);
    if (next.bound) {
      const auto process = next.life.lock();
      if (!process) continue;
      if (process->paused_until > now_) {
        // The number stays: what waited goes before what comes at that instant.
        next.at = process->paused_until;
        heap_.push_back(std::move(next));
        std::ranges::push_heap(heap_, Later{});
        continue;
      }
    }
    ++events_;
    next.event();
    return true;
  }
  now_ = std::max(now_, until);
  return false;
}

}  // namespace zeolite::sim
