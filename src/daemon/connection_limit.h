#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "daemon/server.h"

namespace zeolite::daemon {

// How many connections the server has, and whether one more may come in. Thread: any.
class ConnectionLimit {
 public:
  ConnectionLimit(std::uint32_t max, LogSink log) : max_(max), log_(std::move(log)) {}

  void opened() { open_.fetch_add(1, std::memory_order_relaxed); }
  void closed() { open_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t open() const { return open_.load(std::memory_order_relaxed); }

  // Whether a native client may come in, which is hung up on otherwise: it tries again later.
  [[nodiscard]] bool admits() {
    if (open() < max_) return true;
    log_(LogLevel::warning, "a connection was refused: " + already());
    return false;
  }

  // Whether a ZEO client may come in, besides `under_way` ones that are not counted yet. It has to
  // wait at the door otherwise: hung up on, it connects again without a pause, or never.
  [[nodiscard]] bool has_room(std::size_t under_way) {
    const bool full = open() + under_way >= max_;
    if (full != was_full_.exchange(full) && full) {
      log_(LogLevel::warning, "ZEO clients have to wait: " + already());
    }
    return !full;
  }

 private:
  [[nodiscard]] std::string already() const {
    return "there are " + std::to_string(max_) + " connections already";
  }

  std::uint32_t max_;
  LogSink log_;
  std::atomic<std::uint32_t> open_ = 0;
  std::atomic<bool> was_full_ = false;
};

}  // namespace zeolite::daemon
