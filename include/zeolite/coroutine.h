#pragma once

#if __has_include(<coroutine>)
#include <version>
#endif

#if defined(__cpp_impl_coroutine) && defined(__cpp_lib_coroutine)
#define ZEOLITE_HAS_COROUTINES 1

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "zeolite/client.h"

// Awaitable load and commit, for coroutines of any type.
//
// Where the coroutine goes on: without an executor on the client's own thread, where it must not
// block (a blocking call of the library throws UsageError there) and holds up all of the client's
// traffic while it computes; or, when the answer is at hand, on the awaiting thread without being
// suspended. With an executor (anything callable with a std::function<void()>, which it must run
// once on a thread of its choice) it always goes on there after being suspended.
//
// Errors are thrown from co_await. The transaction must outlive the co_await.
namespace zeolite::client {
inline namespace v1 {

// Goes on where the answer arrived: on the client's own thread.
struct InlineExecutor {
  void operator()(const std::function<void()>& function) const { function(); }
};

// What co_load() and co_commit() return; await it once, at once.
template <typename T, typename Start, typename Executor>
class Awaitable {
 public:
  Awaitable(std::optional<T> ready, Start start, Executor executor)
      : ready_(std::move(ready)), start_(std::move(start)), executor_(std::move(executor)) {}

  [[nodiscard]] bool await_ready() const noexcept { return ready_.has_value(); }

  void await_suspend(std::coroutine_handle<> handle) {
    // The callback may resume, and so destroy, this awaitable before start() returns: start from
    // copies that live here, on the stack.
    Start start = std::move(start_);
    Executor executor = std::move(executor_);
    start([this, handle, executor = std::move(executor)](AsyncResult<T> result) mutable {
      result_.emplace(std::move(result));
      Executor mine = std::move(executor);
      mine([handle] { handle.resume(); });
    });
  }

  T await_resume() {
    if (ready_) return *std::move(ready_);
    return std::move(*result_).get();
  }

 private:
  std::optional<T> ready_;
  std::optional<AsyncResult<T>> result_;
  Start start_;
  Executor executor_;
};

// co_await co_load(transaction, oid): the record, as Transaction::load().
template <typename Executor = InlineExecutor>
[[nodiscard]] auto co_load(Transaction& transaction, Oid oid, Executor executor = {}) {
  auto start = [&transaction, oid](Callback<Bytes> done) {
    transaction.load_async(oid, std::move(done));
  };
  return Awaitable<Bytes, decltype(start), Executor>(transaction.try_load(oid), std::move(start),
                                                     std::move(executor));
}

// co_await co_commit(transaction): the tid, as Transaction::commit().
template <typename Executor = InlineExecutor>
[[nodiscard]] auto co_commit(Transaction& transaction, Executor executor = {}) {
  auto start = [&transaction](Callback<Tid> done) { transaction.commit_async(std::move(done)); };
  return Awaitable<Tid, decltype(start), Executor>(std::nullopt, std::move(start),
                                                   std::move(executor));
}

}  // namespace v1
}  // namespace zeolite::client

#endif
