#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace zeolite::testing {

using Environment = std::vector<std::string>;  // "NAME=value", added to the test's own

// A program started by a test, with what it prints. It is killed with its owner, and when the test
// itself dies.
//
// Thread: the test's; two threads of its own collect the output.
class ChildProcess {
 public:
  using Milliseconds = std::chrono::milliseconds;

  // `command` is the program's path and its arguments.
  explicit ChildProcess(const std::vector<std::string>& command,
                        const Environment& environment = {});
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

  // Waits for a line on standard error that begins with `prefix`. Nothing when the output ends, or
  // the time is over, without one.
  [[nodiscard]] std::optional<std::string> wait_line(std::string_view prefix, Milliseconds timeout);

  void send_signal(int signal) const;
  // Waits for the end. The exit code, or 128 + the signal that ended it; nothing: still running.
  [[nodiscard]] std::optional<int> wait(Milliseconds timeout);

  // What was printed so far; complete once wait() has returned a code.
  [[nodiscard]] std::string standard_output();
  [[nodiscard]] std::string standard_error();

 private:
  struct Output {
    int descriptor = -1;
    std::string text;    // with mutex_
    bool ended = false;  // with mutex_
    std::thread reader;
  };
  void collect(Output& output);
  void join();

  pid_t pid_ = -1;
  std::optional<int> exit_code_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Output out_, error_;
};

struct ProgramResult {
  std::optional<int> exit_code;  // nothing: it did not end in time and was killed
  std::string out;
  std::string error;
};

// Runs a program to its end.
[[nodiscard]] ProgramResult run_program(
    const std::vector<std::string>& command, const Environment& environment = {},
    std::chrono::milliseconds timeout = std::chrono::seconds(60));

}  // namespace zeolite::testing
