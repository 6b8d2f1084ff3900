#include "daemon/line_waiters.h"

#include <boost/system/error_code.hpp>
#include <utility>
#include <vector>

namespace zeolite::daemon {

void LineWaiters::add(commit::OwnerId owner, Tid at_least, Duration timeout, Done done) {
  const auto waiter = std::make_shared<Waiter>(
      owner, std::move(done), boost::asio::steady_timer(shard_.context(), timeout));
  const auto at = waiters_.emplace(at_least, waiter);
  // A handler that is on its way when its waiter goes finds the waiter gone, and us perhaps too.
  waiter->timer.async_wait(
      [this, at, alive = std::weak_ptr(waiter)](const boost::system::error_code& cancelled) {
        if (cancelled || alive.expired()) return;
        expire(at);
      });
}

void LineWaiters::expire(Waiters::iterator at) {
  const std::shared_ptr<Waiter> waiter = std::move(at->second);
  waiters_.erase(at);
  waiter->done(false);
}

void LineWaiters::moved(Tid line) {
  if (waiters_.empty() || waiters_.begin()->first > line) return;
  // Answering one may end its connection, and with it other waits.
  std::vector<std::shared_ptr<Waiter>> reached;
  while (!waiters_.empty() && waiters_.begin()->first <= line) {
    reached.push_back(std::move(waiters_.begin()->second));
    waiters_.erase(waiters_.begin());
  }
  for (const std::shared_ptr<Waiter>& waiter : reached) waiter->timer.cancel();
  for (const std::shared_ptr<Waiter>& waiter : reached) waiter->done(true);
}

void LineWaiters::forget(commit::OwnerId owner) {
  std::erase_if(waiters_, [&](const auto& entry) { return entry.second->owner == owner; });
}

}  // namespace zeolite::daemon
