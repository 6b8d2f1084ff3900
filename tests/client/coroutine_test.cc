#include "zeolite/coroutine.h"

#include <gtest/gtest.h>

#include <deque>

#include "client/fake_client.h"

namespace zeolite::client {
namespace {

using client_core::ClientAccess;
using client_core::testing::FakeClient;

// A coroutine that runs by itself; its errors are the test's.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

class CoroutineTest : public ::testing::Test {
 protected:
  CoroutineTest() {
    core_->server.put(::zeolite::Oid(1), "one");
    core_->connect();
  }

  std::shared_ptr<FakeClient> core_ = std::make_shared<FakeClient>();
  Client client_ = ClientAccess::make(core_);
};

Detached copy_object(Transaction& transaction, Oid from, Oid to, std::string& result) {
  try {
    const Bytes bytes = co_await co_load(transaction, from);
    transaction.store(to, bytes);
    result = to_string(co_await co_commit(transaction));
  } catch (const Error& error) {
    result = error.what();
  }
}

TEST_F(CoroutineTest, LoadsAndCommits) {
  Transaction transaction = client_.begin();
  std::string result;
  core_->deliver = false;
  copy_object(transaction, Oid{1}, Oid{2}, result);
  EXPECT_EQ(result, "");
  core_->deliver = true;
  core_->deliver_all();
  EXPECT_EQ(result, to_string(client_.snapshot()));
  EXPECT_EQ(core_->server.current(::zeolite::Oid(2)), "one");
}

TEST_F(CoroutineTest, ThrowsFromTheAwait) {
  Transaction transaction = client_.begin();
  std::string result;
  copy_object(transaction, Oid{99}, Oid{2}, result);
  EXPECT_NE(result.find("there is no object"), std::string::npos);
}

Detached load_on(Transaction& transaction, std::deque<std::function<void()>>& queue,
                 std::string& result) {
  const auto executor = [&queue](std::function<void()> function) {
    queue.push_back(std::move(function));
  };
  const Bytes bytes = co_await co_load(transaction, Oid{1}, executor);
  result = bytes.str();
}

TEST_F(CoroutineTest, GoesOnWhereTheExecutorSays) {
  Transaction transaction = client_.begin();
  std::deque<std::function<void()>> queue;
  std::string result;
  load_on(transaction, queue, result);
  EXPECT_EQ(result, "");
  ASSERT_EQ(queue.size(), 1U);
  queue.front()();
  EXPECT_EQ(result, "one");
}

TEST_F(CoroutineTest, DoesNotSuspendWhenTheAnswerIsAtHand) {
  Transaction transaction = client_.begin();
  static_cast<void>(transaction.load(Oid{1}));
  std::deque<std::function<void()>> queue;
  std::string result;
  load_on(transaction, queue, result);
  EXPECT_EQ(result, "one");
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace zeolite::client
