#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace zeolite::daemon {

// How much of answers one connection may have waiting: what was read for it by other threads and is
// not sent yet, and what its peer has not taken. A client that does read must not be hung up on for
// what the server gathered for it.
//
// Thread: any; set_unsent() is called by the connection's shard only.
class AnswerRoom {
 public:
  explicit AnswerRoom(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // False when there is no room for `bytes` now. When nothing waits there is room for any answer.
  [[nodiscard]] bool take(std::size_t bytes) {
    std::size_t taken = taken_.load();
    do {
      const std::size_t held = taken + unsent_.load();
      const std::size_t most = bytes_max_.load();
      if (held > 0 && (held > most || bytes > most - held)) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + bytes));
    return true;
  }
  void give_back(std::size_t bytes) { taken_.fetch_sub(bytes); }
  // The connection is closed, its answers are dropped: there is room for any.
  void lift() { bytes_max_.store(SIZE_MAX); }
  [[nodiscard]] bool lifted() const { return bytes_max_.load() == SIZE_MAX; }
  // Of the connection's output, as it is now.
  void set_unsent(std::size_t bytes) { unsent_.store(bytes); }

  [[nodiscard]] std::size_t taken() const { return taken_.load(); }
  [[nodiscard]] bool empty() const { return taken_.load() + unsent_.load() == 0; }

 private:
  std::atomic<std::size_t> bytes_max_;
  std::atomic<std::size_t> taken_ = 0;
  std::atomic<std::size_t> unsent_ = 0;
};

}  // namespace zeolite::daemon
