#include "cli/supervisor.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "etcd/etcd_client.h"

namespace zeolite::cli {

namespace {

constexpr Duration kRevokeTimeout = std::chrono::seconds(2);

volatile std::sig_atomic_t child_to_signal = 0;

extern "C" void pass_on(int signal) {
  if (child_to_signal > 0) ::kill(static_cast<pid_t>(child_to_signal), signal);
}

void tell_lease(int pipe, replication::LeaseId lease) {
  // Shorter than PIPE_BUF: it arrives whole. A parent that is gone is no reason to stop.
  [[maybe_unused]] const ssize_t written = ::write(pipe, &lease, sizeof lease);
}

// The lease that the child told of last; waits for the child's end of the pipe to close.
replication::LeaseId read_leases(int pipe) {
  replication::LeaseId newest = 0;
  replication::LeaseId lease = 0;
  while (true) {
    const ssize_t got = ::read(pipe, &lease, sizeof lease);
    if (got == static_cast<ssize_t>(sizeof lease)) {
      newest = lease;
    } else if (got == 0 || errno != EINTR) {
      return newest;
    }
  }
}

}  // namespace

ExitCode supervise(
    const std::vector<net::HostPort>& etcd,
    const std::function<ExitCode(std::function<void(replication::LeaseId)>)>& serve) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return report_failure("serve", Error{ErrorCode::io_error, std::strerror(errno)});
  }
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) {
    return report_failure("serve", Error{ErrorCode::io_error, std::strerror(errno)});
  }
  if (child == 0) {
    ::close(pipe[0]);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) return ExitCode::failed;
    return serve([out = pipe[1]](replication::LeaseId lease) { tell_lease(out, lease); });
  }
  ::close(pipe[1]);
  child_to_signal = child;
  struct sigaction action{};
  action.sa_handler = pass_on;
  for (const int signal : {SIGTERM, SIGINT}) ::sigaction(signal, &action, nullptr);
  const replication::LeaseId lease = read_leases(pipe[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ExitCode::done;
  if (lease != 0) {
    const Result<> revoked = etcd::revoke(etcd, lease, kRevokeTimeout);
    std::fprintf(stderr, "zeolite serve: the server has died; %s\n",
                 revoked ? "its lease is ended" : revoked.error().detail.c_str());
  }
  return WIFEXITED(status) ? static_cast<ExitCode>(WEXITSTATUS(status)) : ExitCode::failed;
}

}  // namespace zeolite::cli
