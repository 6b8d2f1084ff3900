#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace zeolite::testing {

// Carries TCP connections to another port of 127.0.0.1, and disturbs them as the test says.
// Thread: the test's; one of its own carries.
class TcpProxy {
 public:
  // Listens on a free port.
  explicit TcpProxy(std::uint16_t target);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // From when this returns nothing is carried, either way; connections stay open.
  void hold();
  void release();
  // A connection ends when so many bytes were carried from the target to it. Nothing: it does not.
  void cut_after(std::optional<std::uint64_t> bytes);
  // So much is carried from the target, over all connections. Nothing: as fast as it goes.
  void limit(std::optional<std::uint64_t> bytes_per_second);

  // Connections that were cut; bytes carried from the target over all of them.
  [[nodiscard]] std::uint64_t cuts() const { return cuts_; }
  [[nodiscard]] std::uint64_t carried() const { return carried_; }

 private:
  struct Pair {
    int client = -1;
    int target = -1;
    std::uint64_t from_target = 0;
    bool over = false;
  };

  void run();
  void accept();
  void carry(Pair& pair, bool from_target);
  void refill();
  [[nodiscard]] bool exhausted() const { return limit_ && allowance_ <= 0; }
  void wake() const;

  const std::uint16_t target_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> cuts_ = 0;
  std::atomic<std::uint64_t> carried_ = 0;
  std::mutex mutex_;  // held while something is carried; guards all below
  bool held_ = false;
  std::optional<std::uint64_t> cut_after_;
  std::optional<std::uint64_t> limit_;
  double allowance_ = 0;  // bytes that may be carried from the target now
  std::chrono::steady_clock::time_point refilled_at_{};
  std::list<Pair> pairs_;
  std::thread thread_;
};

}  // namespace zeolite::testing
