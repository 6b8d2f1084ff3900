// Clients that work against a cluster and write down all they did and saw, for check_history.py.
// Usage: history_client --connect HOST:PORT,... --out FILE --workload append|bank|fork [--init]
//                       [--read-from primary|standby] [--seconds S] [--clients N] [--seed N]
//                       [--storage NAME]
//        history_client --connect HOST:PORT,... --out FILE --final [--storage NAME]
// The first form works for S seconds or until SIGTERM, then ends within about 15 s whatever the
// servers do; with --seconds 0 it only makes the objects. The second one writes down what is there.
// Exit code: 0 done, 1 failed, 2 usage.

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cluster/final_dump.h"
#include "cluster/history_arguments.h"
#include "cluster/workload.h"

namespace zeolite::cluster_test {

namespace {

// Between two operations of a client, at most.
constexpr std::uint64_t kThinkMsMax = 40;
constexpr int kOpenAttempts = 20;

std::unique_ptr<Workload> make_workload(const std::string& name) {
  if (name == "bank") return bank_workload();
  if (name == "append") return append_workload();
  return fork_workload();
}

// No other process has it.
std::string process_name(const std::string& workload) {
  char suffix[9] = {};
  std::snprintf(suffix, sizeof suffix, "%08x", std::random_device{}());
  return workload + "-" + suffix;
}

sigset_t ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Waits that long, or until somebody wants this process to end.
void wait_for_end(std::uint64_t seconds, const std::atomic<bool>& failed) {
  const sigset_t signals = ending_signals();
  const timespec step{0, 100'000'000};
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < end && !failed) {
    if (sigtimedwait(&signals, nullptr, &step) > 0) return;
  }
}

void open(const Workload& workload, Participant& participant, Stop& stop) {
  for (int i = 0; i < kOpenAttempts; ++i) {
    if (workload.make_objects(participant)) return;
    stop.pause(std::chrono::milliseconds(500));
  }
  throw std::runtime_error("the objects could not be made");
}

int run(const Arguments& arguments) {
  const sigset_t signals = ending_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before there are threads: for all of them
  LineFile log(arguments.out);
  Stop stop;
  const std::unique_ptr<Workload> workload = make_workload(arguments.workload);
  const std::string name = process_name(arguments.workload);
  if (arguments.init) {
    Participant opener(arguments, name + "-open", arguments.clients, log, stop);
    open(*workload, opener, stop);
  }
  if (arguments.seconds == 0) return 0;
  std::atomic<bool> failed{false};
  std::vector<std::thread> threads;
  threads.reserve(arguments.clients);
  for (std::uint64_t i = 0; i < arguments.clients; ++i) {
    threads.emplace_back([&, i] {
      try {
        Participant participant(arguments, name + "-" + std::to_string(i), i, log, stop);
        while (!stop.requested()) {
          workload->step(participant);
          stop.pause(std::chrono::milliseconds(participant.random(kThinkMsMax)));
        }
      } catch (const std::exception& error) {
        std::fprintf(stderr, "history_client: %s\n", error.what());
        failed = true;
      }
    });
  }
  wait_for_end(arguments.seconds, failed);
  stop.request();
  for (std::thread& thread : threads) thread.join();
  return failed ? 1 : 0;
}

}  // namespace

}  // namespace zeolite::cluster_test

int main(int argc, char** argv) {
  using namespace zeolite::cluster_test;
  try {
    const auto arguments = parse_arguments(argc, argv);
    if (!arguments) {
      std::fprintf(stderr,
                   "usage: history_client --connect HOST:PORT,... --out FILE "
                   "(--workload append|bank|fork [--init] [--read-from primary|standby] "
                   "[--seconds S] [--clients N] [--seed N] | --final) [--storage NAME]\n");
      return 2;
    }
    if (!arguments->final) return run(*arguments);
    dump_final(*arguments);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "history_client: %s\n", error.what());
    return 1;
  }
}
