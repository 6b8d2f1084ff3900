#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>

#include "base/time.h"
#include "commit/calls.h"
#include "model/ids.h"
#include "net/io_shard.h"

namespace zeolite::daemon {

// Requests that are answered once a line has come far enough, or not in time.
// Thread: the shard's. Owner: the hub whose line it is.
class LineWaiters {
 public:
  explicit LineWaiters(net::IoShard& shard) : shard_(shard) {}

  using Done = std::function<void(bool reached)>;
  // Calls `done(true)` from moved() when the line is at least `at_least`, `done(false)` after
  // `timeout`. `owner`: whom to forget.
  void add(commit::OwnerId owner, Tid at_least, Duration timeout, Done done);
  void moved(Tid line);
  // The owner is gone: none of its waits is answered.
  void forget(commit::OwnerId owner);

  [[nodiscard]] std::size_t size() const { return waiters_.size(); }

 private:
  struct Waiter {
    commit::OwnerId owner = 0;
    Done done;
    boost::asio::steady_timer timer;
  };
  using Waiters = std::multimap<Tid, std::shared_ptr<Waiter>>;

  void expire(Waiters::iterator at);

  net::IoShard& shard_;
  Waiters waiters_;  // by the tid they wait for
};

}  // namespace zeolite::daemon
