#include "cli/bench_run.h"

#include <algorithm>

namespace zeolite::cli {

namespace {

// Far more than a compression window or a storage block, so that no two records in one share much.
constexpr std::size_t kNoiseBytes = std::size_t{16} << 20;

Bytes make_noise(std::size_t size, std::mt19937_64& random) {
  std::string noise;
  noise.reserve(size + sizeof(std::uint64_t));
  while (noise.size() < size) put_u64(noise, random());
  return Bytes(std::move(noise));
}

}  // namespace

BenchRun::BenchRun(const BenchOptions& options, std::uint64_t seed)
    : options_(options), random_(seed), noise_(make_noise(kNoiseBytes + options.size, random_)) {
  report.kind = options.kind;
  report.clients = options.clients;
}

Bytes BenchRun::payload() { return noise_.slice(random_() % kNoiseBytes, options_.size); }

void BenchRun::begin(BenchClock::time_point now) {
  measuring_ = true;
  begun_ = now;
  last_acknowledged_ = now;
}

void BenchRun::end(BenchClock::time_point now) {
  if (!measuring_) return;
  measuring_ = false;
  report.seconds = std::chrono::duration<double>(now - begun_).count();
  report.longest_gap = std::max<Duration>(report.longest_gap, now - last_acknowledged_);
}

bool BenchRun::acknowledged(BenchClock::time_point now) {
  if (!measuring_) return false;
  report.longest_gap = std::max<Duration>(report.longest_gap, now - last_acknowledged_);
  last_acknowledged_ = now;
  return true;
}

void BenchRun::count_commit(BenchClock::time_point sent, BenchClock::time_point now) {
  ++report.commits;
  report.commit_latency.add(now - sent);
  if (acknowledged(now)) ++report.commits_in_time;
}

void BenchRun::count_load(BenchClock::time_point sent, BenchClock::time_point now) {
  ++report.loads;
  report.load_latency.add(now - sent);
  if (acknowledged(now)) ++report.reads_in_time;
}

void BenchRun::count_ping(BenchClock::time_point sent, BenchClock::time_point now) {
  ++report.pings;
  report.load_latency.add(now - sent);
  if (acknowledged(now)) ++report.reads_in_time;
}

void BenchRun::count_error(const Error& error) {
  ++report.errors;
  report.last_error = error.to_string();
}

void BenchRun::count_reconnect(const Error& why) {
  ++report.reconnects;
  report.last_error = why.to_string();
}

}  // namespace zeolite::cli
