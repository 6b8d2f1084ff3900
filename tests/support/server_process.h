#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/child_process.h"

namespace zeolite::testing {

// A real `zeolite serve` on a free port of 127.0.0.1. Killed with its owner, as by kill(). Thread:
// the test's.
class ServerProcess {
 public:
  struct Options {
    std::string program;                        // path of `zeolite`
    std::optional<std::filesystem::path> data;  // --data
    std::optional<std::string> config;          // text of a configuration file, beside the data
    std::vector<std::string> arguments;         // further ones
    Environment environment;
    std::uint16_t port = 0;  // 0: the server picks one
    std::chrono::milliseconds ready_timeout = std::chrono::seconds(30);
  };

  explicit ServerProcess(Options options);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Starts it and waits until it is ready. False: it ended, or hung, before: see wait_exit().
  [[nodiscard]] bool start();
  // Starts it without waiting.
  void launch();

  // The native port; of the last start that became ready.
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] bool running() const { return process_ != nullptr; }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }  // while it runs

  // kill -9, and waits for the end. The test fails when the server had ended by itself before: a
  // sanitizer's report is not to be taken for our kill.
  void kill();
  // SIGTERM; the exit code, nothing when it does not end within 20 s.
  [[nodiscard]] std::optional<int> stop();
  // Waits for it to end by itself; then as stop().
  [[nodiscard]] std::optional<int> wait_exit(std::chrono::milliseconds timeout);
  // SIGSTOP or the like.
  void send_signal(int signal) const { process_->send_signal(signal); }

  // For the next start.
  void set_environment(Environment environment) { options_.environment = std::move(environment); }

  // Standard error of the present, or else of the last, process.
  [[nodiscard]] std::string standard_error() const;
  // Resident memory in bytes, now and at its highest. 0: not running.
  [[nodiscard]] std::uint64_t resident_bytes() const { return memory_bytes("VmRSS:"); }
  [[nodiscard]] std::uint64_t peak_resident_bytes() const { return memory_bytes("VmHWM:"); }

 private:
  // What the kernel says under this name in /proc/PID/status.
  [[nodiscard]] std::uint64_t memory_bytes(std::string_view name) const;

  Options options_;
  std::unique_ptr<ChildProcess> process_;
  std::string last_error_;
  std::uint16_t port_ = 0;
};

}  // namespace zeolite::testing
