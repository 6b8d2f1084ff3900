#include "support/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/check.h"

namespace zeolite::testing {

namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// The environment of the test with `added` before it: the first of a name is the one that counts.
std::vector<std::string> with_added(const Environment& added) {
  std::vector<std::string> result(added.begin(), added.end());
  for (char** entry = environ; *entry != nullptr; ++entry) result.emplace_back(*entry);
  return result;
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& command,
                           const Environment& environment) {
  std::array<int, 2> out{}, error{};
  CHECK(::pipe2(out.data(), O_CLOEXEC) == 0 && ::pipe2(error.data(), O_CLOEXEC) == 0, "pipes");
  std::vector<std::string> arguments = command;
  std::vector<std::string> variables = with_added(environment);
  // Built before the fork: the child of a program with threads may not allocate.
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(variables);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  CHECK(pid_ >= 0, "fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(125);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(error[1], STDERR_FILENO);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(error[1]);
  out_.descriptor = out[0];
  error_.descriptor = error[0];
  out_.reader = std::thread([this] { collect(out_); });
  error_.reader = std::thread([this] { collect(error_); });
}

ChildProcess::~ChildProcess() {
  if (!exit_code_) {
    send_signal(SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
  }
  join();
}

void ChildProcess::collect(Output& output) {
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t size = ::read(output.descriptor, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    const std::lock_guard lock(mutex_);
    if (size > 0) {
      output.text.append(buffer.data(), static_cast<std::size_t>(size));
    } else {
      output.ended = true;
    }
    changed_.notify_all();
    if (size <= 0) break;
  }
  ::close(output.descriptor);
}

void ChildProcess::join() {
  if (out_.reader.joinable()) out_.reader.join();
  if (error_.reader.joinable()) error_.reader.join();
}

std::optional<std::string> ChildProcess::wait_line(std::string_view prefix, Milliseconds timeout) {
  std::optional<std::string> found;
  std::unique_lock lock(mutex_);
  std::size_t line = 0;
  const auto look = [&] {
    for (std::size_t end; (end = error_.text.find('\n', line)) != std::string::npos;) {
      const std::string text = error_.text.substr(line, end - line);
      line = end + 1;
      if (text.starts_with(prefix)) {
        found = text;
        return true;
      }
    }
    return error_.ended;
  };
  static_cast<void>(changed_.wait_for(lock, timeout, look));
  return found;
}

void ChildProcess::send_signal(int signal) const {
  if (!exit_code_) ::kill(pid_, signal);
}

std::optional<int> ChildProcess::wait(Milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!exit_code_) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (std::chrono::steady_clock::now() > until) {
      return std::nullopt;
    } else {
      // Its output ends with it; until then look now and then.
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, Milliseconds(2));
    }
  }
  join();
  return exit_code_;
}

std::string ChildProcess::standard_output() {
  const std::lock_guard lock(mutex_);
  return out_.text;
}

std::string ChildProcess::standard_error() {
  const std::lock_guard lock(mutex_);
  return error_.text;
}

ProgramResult run_program(const std::vector<std::string>& command, const Environment& environment,
                          std::chrono::milliseconds timeout) {
  ChildProcess process(command, environment);
  ProgramResult result;
  result.exit_code = process.wait(timeout);
  result.out = process.standard_output();
  result.error = process.standard_error();
  return result;
}

}  // namespace zeolite::testing
