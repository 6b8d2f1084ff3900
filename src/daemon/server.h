#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "daemon/config.h"

namespace zeolite::daemon {

enum class LogLevel : std::uint8_t {
  debug,
  info,
  warning,
  error
};
using LogSink = std::function<void(LogLevel, std::string_view)>;  // called from any thread

// The running server: opens the storages, listens, serves, until it is stopped.
// Thread: start, wait and the destructor from one thread; request_stop from any (not from a signal
// handler). Owner: main.
class Server {
 public:
  // Everything is open and listening when this returns. Errors are one line for people: busy
  // (another server on the same data), too_new, corruption, io_error (also for a port that cannot
  // be had), out_of_space.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerConfig config, LogSink log);
  ~Server();

  // The native port's address with the port that was picked; empty when it is not opened.
  [[nodiscard]] std::string native_address() const;
  // The same of the ZEO ports: "host:port" or "unix:/path". On a standby the first is taken, and
  // refuses connections.
  [[nodiscard]] std::string zeo_address() const;
  [[nodiscard]] std::string zeo_read_address() const;

  // Stops accepting, answers what is in flight, closes.
  void request_stop();

  // Why the server has stopped.
  struct End {
    // It is to begin anew, with this configuration: its role has changed, or its database was
    // replaced. Nothing: request_stop() was called.
    std::optional<ServerConfig> restart;
  };
  // Returns when the server has stopped. An error when it had to stop because of a failed write
  // (outcome_unknown: clients ask again after the restart).
  [[nodiscard]] Result<End> wait();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace zeolite::daemon
