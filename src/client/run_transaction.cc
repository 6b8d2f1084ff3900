#include "zeolite/run_transaction.h"

#include <algorithm>
#include <random>
#include <thread>

namespace zeolite::client {
inline namespace v1 {

namespace {

// For a transaction that is committed but not known here yet: invalidations take milliseconds.
constexpr std::chrono::milliseconds kSeeConflictMax{2'000};

std::chrono::microseconds draw_pause(const RetryPolicy& policy, int attempt) {
  const int doublings = std::min(attempt - 1, 20);
  const std::chrono::microseconds::rep limit =
      std::min(policy.backoff_min.count() << doublings, policy.backoff_max.count());
  if (limit <= 0) return std::chrono::microseconds(0);
  thread_local std::minstd_rand random(std::random_device{}());
  return std::chrono::microseconds(
      std::uniform_int_distribution<std::chrono::microseconds::rep>(0, limit)(random));
}

}  // namespace

bool detail::wait_to_retry(Client& client, const Error& error, const RetryPolicy& policy,
                           int attempt) {
  if (!error.retryable() || attempt >= policy.attempts_max) return false;
  if (const auto* conflict = dynamic_cast<const ConflictError*>(&error)) {
    // A snapshot from before those transactions would only conflict again.
    Tid newest;
    for (const Conflict& each : conflict->conflicts()) newest = std::max(newest, each.current);
    static_cast<void>(client.wait_for(newest, kSeeConflictMax));
  }
  std::this_thread::sleep_for(draw_pause(policy, attempt));
  return true;
}

}  // namespace v1
}  // namespace zeolite::client
