#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "cli/command_line.h"
#include "cli/latency_histogram.h"

namespace zeolite::cli {

using BenchClock = std::chrono::steady_clock;

// What a run found. The rates are per second of the time between the first request and the end.
struct BenchReport {
  BenchKind kind = BenchKind::commit;
  std::uint32_t clients = 0;
  double seconds = 0;
  std::uint64_t commits = 0;  // acknowledged to the client, at once or by asking for the outcome
  std::uint64_t loads = 0;
  std::uint64_t pings = 0;
  // Those of the three above that came before the end; the rates are made of these.
  std::uint64_t commits_in_time = 0;
  std::uint64_t reads_in_time = 0;  // loads or pings
  std::uint64_t conflicts = 0;
  std::uint64_t errors = 0;      // requests answered by an error
  std::uint64_t unknown = 0;     // commits whose outcome was still not known at the end
  std::uint64_t resolved = 0;    // commits whose answer was lost and whose outcome was found out
  std::uint64_t reconnects = 0;  // connections lost while measuring
  LatencyHistogram commit_latency;
  LatencyHistogram load_latency;  // of pings, when that is what was measured
  LatencyHistogram told_latency;  // invalidate: from the commit's answer to the last client told
  Duration longest_gap{0};        // between two acknowledgements, the start and the end included
  std::string last_error;         // the newest reason for errors or reconnects
  // In the end the server was gone (unavailable) or did not answer (timeout).
  std::optional<Error> silence;

  // Requests that did what the run is about.
  [[nodiscard]] std::uint64_t acknowledged() const { return commits + loads + pings; }
};

// What the clients of one run share: what to do, whether to go on, and where to count.
// Thread: the load generator's shard, while the run lasts. Owner: LoadGenerator.
class BenchRun {
 public:
  BenchRun(const BenchOptions& options, std::uint64_t seed);

  [[nodiscard]] const BenchOptions& options() const { return options_; }
  [[nodiscard]] std::mt19937_64& random() { return random_; }
  // `size` bytes that do not compress, different each time, without copying.
  [[nodiscard]] Bytes payload();

  // The measurement lasts from one to the other.
  void begin(BenchClock::time_point now);
  void end(BenchClock::time_point now);

  // One request did its job.
  void count_commit(BenchClock::time_point sent, BenchClock::time_point now);
  void count_load(BenchClock::time_point sent, BenchClock::time_point now);
  void count_ping(BenchClock::time_point sent, BenchClock::time_point now);
  void count_error(const Error& error);
  void count_reconnect(const Error& why);

  BenchReport report;

 private:
  // Whether it came before the end.
  bool acknowledged(BenchClock::time_point now);

  const BenchOptions options_;
  std::mt19937_64 random_;
  Bytes noise_;
  bool measuring_ = false;
  BenchClock::time_point begun_{};
  BenchClock::time_point last_acknowledged_{};
};

}  // namespace zeolite::cli
