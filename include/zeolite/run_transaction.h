#pragma once

#include <chrono>
#include <type_traits>
#include <utility>

#include "zeolite/client.h"

namespace zeolite::client {
inline namespace v1 {

// How often and how fast run_transaction() tries again.
struct RetryPolicy {
  int attempts_max = 30;
  // Pause before the second attempt, doubling up to the maximum; each is drawn at random between
  // zero and that (full jitter), so that competitors part.
  std::chrono::microseconds backoff_min{500};
  std::chrono::microseconds backoff_max{100'000};
};

namespace detail {
// Prepares the next attempt after `error`: waits until the client has seen the transactions that
// were in the way, then sleeps. `attempt` is the one that failed, from 1. False: give up.
[[nodiscard]] bool wait_to_retry(Client& client, const Error& error, const RetryPolicy& policy,
                                 int attempt);
}  // namespace detail

// Runs function(transaction) and commits, again from the start in a new transaction while that
// fails with a retryable error. The function may run several times: it must have no effect outside
// the transaction. If it ends the transaction itself (abort), nothing is committed.
//
// Returns what the function returns, or the commit's tid when that is void. Throws the last error
// when the policy is used up, any error that is not retryable, and whatever the function throws.
template <typename Function>
auto run_transaction(Client& client, Function&& function, const RetryPolicy& policy = {}) {
  using Value = std::invoke_result_t<Function&, Transaction&>;
  for (int attempt = 1;; ++attempt) {
    try {
      Transaction transaction = client.begin();
      if constexpr (std::is_void_v<Value>) {
        function(transaction);
        return transaction.active() ? transaction.commit() : transaction.snapshot();
      } else {
        Value value = function(transaction);
        if (transaction.active()) transaction.commit();
        return value;
      }
    } catch (const Error& error) {
      if (!detail::wait_to_retry(client, error, policy, attempt)) throw;
    }
  }
}

}  // namespace v1
}  // namespace zeolite::client
