#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace zeolite::storage::testing {

inline constexpr int kKilled = 137;
inline constexpr std::size_t kAll = ~std::size_t{0};

// A program that works on a database and prints a number for each step that must survive its
// death, each higher than the one before. Ends with the test at the latest.
class KilledChild {
 public:
  // `arguments`: the program, then its arguments. `crash_point`: where it is to end, "" for
  // nowhere.
  KilledChild(std::vector<std::string> arguments, const std::string& crash_point) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) std::abort();
    out_ = pipe[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::string setting = "ZEOLITE_CRASH_POINT=" + crash_point;
    std::array<char*, 2> environment = {setting.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environment.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
  }
  KilledChild(const KilledChild&) = delete;
  KilledChild& operator=(const KilledChild&) = delete;
  ~KilledChild() { ::close(out_); }

  // The last number, after reading `lines` lines or to the end.
  std::uint64_t read_last(std::size_t lines) {
    std::string line;
    char byte = 0;
    while (lines > 0 && ::read(out_, &byte, 1) == 1) {
      if (byte != '\n') {
        line.push_back(byte);
        continue;
      }
      std::from_chars(line.data(), line.data() + line.size(), last_);
      line.clear();
      --lines;
    }
    return last_;
  }
  void kill() const { ::kill(pid_, SIGKILL); }
  // Exit status; 137 also for SIGKILL.
  [[nodiscard]] int wait() const {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  std::uint64_t last_ = 0;
};

}  // namespace zeolite::storage::testing
