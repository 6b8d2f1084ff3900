#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/time.h"

namespace zeolite::sim {

class EventQueue;

// What may stop or die: a server's process, a client. Its events wait while it is paused and are
// dropped when it is dead. Owned by whoever plays it; the queue keeps only a weak reference.
class Process {
 public:
  struct State {
    Instant paused_until{};
  };
  // One life of it, until it is killed.
  using Life = std::weak_ptr<State>;

  Process() : state_(std::make_shared<State>()) {}

  // From now on nothing of it happens any more; it begins a new life.
  void kill() { state_ = std::make_shared<State>(); }
  // Its events until then happen then, in their order.
  void pause_until(Instant until) { state_->paused_until = until; }
  [[nodiscard]] Life life() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

// Virtual time: what is to happen, and when. Events at one instant happen in the order in which
// they were put in, so a run depends on nothing but what is put in.
class EventQueue {
 public:
  using Event = std::function<void()>;

  [[nodiscard]] Instant now() const { return now_; }
  void after(Duration delay, Event event);
  // Nothing happens when that life has ended by then.
  void after(Duration delay, const Process::Life& life, Event event);
  void after(Duration delay, const Process& process, Event event) {
    after(delay, process.life(), std::move(event));
  }

  // The next event, if there is one until `until`; else the time becomes `until`.
  bool run_one(Instant until);
  void run_until(Instant until) {
    while (run_one(until)) {
    }
  }
  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  struct Scheduled {
    Instant at;
    std::uint64_t number;  // of equal times the lower goes first
    Event event;
    bool bound = false;
    Process::Life life{};
  };
  struct Later {
    bool operator()(const Scheduled& a, const Scheduled& b) const {
      return a.at != b.at ? a.at > b.at : a.number > b.number;
    }
  };
  Scheduled take_next();

  Instant now_{};
  std::uint64_t next_number_ = 0;
  std::uint64_t events_ = 0;
  std::vector<Scheduled> heap_;
};

}  // namespace zeolite::sim
