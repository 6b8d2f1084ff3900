#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/time.h"
#include "model/ids.h"

namespace zeolite::client_core {

// What all threads of a client may know of its connection: the line (the tid up to which the cache
// is right, and which new transactions read), whether there is a connection, and if not, why.
//
// A history is the run of connections over which the line only moved forward along one log. A
// server that does not know our position (a takeover lost it, or it is too old) begins a new one:
// what was read in the old history must not be mixed with the new.
//
// Thread: any. The session, on the client's own thread, is the only one that changes it.
class ConnectionView {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  struct Point {
    Tid tid;
    std::uint64_t history = 0;  // from 1
  };
  // Zero before the first connection, and while a history begins: it has no line yet.
  [[nodiscard]] Point point() const;
  // Of the present history; to be read after what is to be checked.
  [[nodiscard]] std::uint64_t history() const { return history_.load(std::memory_order_acquire); }

  // Where the cache is right, to be sent to the server or saved with it. tid 0: nowhere.
  struct Place {
    Position position;
    Id128 cluster_id{};
    std::uint64_t history = 0;
  };
  [[nodiscard]] Place place() const;

  // Wait until that is so, or until there is a point; false or nothing at the deadline or after
  // shut_down().
  [[nodiscard]] bool wait_for(Tid tid, Deadline deadline) const;
  [[nodiscard]] std::optional<Point> wait_point(Deadline deadline) const;
  [[nodiscard]] bool wait_connected(Deadline deadline) const;

  [[nodiscard]] bool connected() const;
  // Why there is no connection; empty at first.
  [[nodiscard]] std::string last_failure() const;
  // When the server was last heard of; nothing was: zero.
  [[nodiscard]] Instant heard_at() const {
    return Instant{Duration(heard_at_.load(std::memory_order_relaxed))};
  }
  // Of the present or last connection's server; 0 before the first.
  [[nodiscard]] Epoch epoch() const { return Epoch(epoch_.load(std::memory_order_acquire)); }

  // For the session.
  void set_epoch(Epoch epoch) { epoch_.store(epoch.value(), std::memory_order_release); }
  void set_initial(const Position& position, const Id128& cluster_id);  // from the cache file
  // Before the cache is cleared, so that no reader mixes the two. Until set_connected() there is no
  // line to begin a transaction at: the old history's is not one of the new.
  void begin_history();
  void set_connected(const Position& position, const Id128& cluster_id);
  void advance(const Position& position);
  void set_disconnected(std::string why);
  void set_heard(Instant now) {
    heard_at_.store(now.since_start.count(), std::memory_order_relaxed);
  }
  void shut_down();

 private:
  // With the lock held, which it gives up while it waits.
  template <typename Predicate>
  bool wait(std::unique_lock<std::mutex>& lock, Deadline deadline, Predicate predicate) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable int waiters_ = 0;  // spares the notification nearly always
  Place place_;
  std::string last_failure_;
  bool established_ = false;  // there was a connection of this history, so the line is one
  bool connected_ = false;
  bool shut_down_ = false;
  std::atomic<std::uint64_t> history_{0};
  std::atomic<std::int64_t> heard_at_{0};
  std::atomic<std::uint64_t> epoch_{0};
};

}  // namespace zeolite::client_core
