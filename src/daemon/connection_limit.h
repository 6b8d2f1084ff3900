#pragma once

#include <array>
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
    log_(LogLevel::warning, "a connection was refused: " + already(max_));
    return false;
  }

  enum class ZeoClient : std::uint8_t {
    served,
    parked  // is not greeted yet
  };
  // Whether such a client may come in, besides `under_way` ones that are not counted yet. It has to
  // wait at the door otherwise: hung up on, it connects again without a pause, or never. Parked
  // ones leave half of the connections to others, above all to who has this server promoted.
  [[nodiscard]] bool has_room(std::size_t under_way, ZeoClient client) {
    const std::uint32_t room = client == ZeoClient::parked ? max_ - max_ / 2 : max_;
    const bool full = open() + under_way >= room;
    std::atomic<bool>& was_full = was_full_.at(static_cast<std::size_t>(client));
    if (full != was_full.exchange(full) && full) {
      log_(LogLevel::warning, "ZEO clients have to wait: " + already(room));
    }
    return !full;
  }

 private:
  [[nodiscard]] static std::string already(std::uint32_t connections) {
    return "there are " + std::to_string(connections) + " connections already";
  }

  std::uint32_t max_;
  LogSink log_;
  std::atomic<std::uint32_t> open_ = 0;
  std::array<std::atomic<bool>, 2> was_full_{};  // by ZeoClient
};

}  // namespace zeolite::daemon
