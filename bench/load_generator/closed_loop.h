#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/load_generator/dialogue.h"
#include "bench/load_generator/latency_log.h"

namespace zeolite::bench {

// Where a server listens: an IPv4 address and a port.
struct Address {
  std::string host;
  std::uint16_t port = 0;
};

// "127.0.0.1:6379". Error invalid_argument.
[[nodiscard]] Result<Address> parse_address(const std::string& text);

// A connected TCP socket without Nagle's delay. Blocking. The caller closes it.
[[nodiscard]] Result<int> connect_to(const Address& address);

// Drives many clients of one server: one thread, one epoll, non-blocking sockets, each client with
// exactly one request outstanding and its next one sent as soon as the answer is read.
// Thread: the caller's; nothing runs but in run().
class ClosedLoop {
 public:
  ClosedLoop();
  ~ClosedLoop();
  ClosedLoop(const ClosedLoop&) = delete;
  ClosedLoop& operator=(const ClosedLoop&) = delete;

  // Connects a client and brings it to where it could send its first request.
  [[nodiscard]] Result<> add_client(const Address& address, std::unique_ptr<Dialogue> dialogue);

  // Runs all clients for `duration` and returns what was answered in that time; then waits for the
  // outstanding answers, uncounted. Any error of a server or a socket ends the run.
  [[nodiscard]] Result<LatencyLog> run(std::chrono::nanoseconds duration);

 private:
  struct Client;

  [[nodiscard]] Result<> send_next(Client& client);
  [[nodiscard]] Result<> flush(Client& client);
  [[nodiscard]] Result<> receive(Client& client);
  [[nodiscard]] Result<> on_events(Client& client, std::uint32_t events);
  [[nodiscard]] Result<> wait_for_events(int timeout_ms);

  int epoll_ = -1;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<char> buffer_;
  LatencyLog log_;
  SteadyTime end_{};
  std::size_t outstanding_ = 0;
};

}  // namespace zeolite::bench
