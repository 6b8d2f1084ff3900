#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <unordered_map>

#include "commit/staged_transaction.h"

namespace zeolite::daemon {

// Reads that may take long, done in turns: by one thread of the pool at a time, so that another is
// there for loads, and by turns of the connections that asked. Of one connection one read goes on
// at a time, in the order in which they came; so little is held for a client that asks for much.
//
// Thread: any. Owner: the server; what waits is dropped when it ends, after the pool has.
class LongReads {
 public:
  enum class Turn : std::uint8_t {
    more,    // it goes on when its connection's turn comes again
    paused,  // the same, but not before resume()
    done
  };
  // Does a part that takes some milliseconds at most, or what cannot be divided.
  using Read = std::function<Turn()>;

  // `pool` outlives the calls.
  explicit LongReads(boost::asio::thread_pool& pool) : pool_(pool) {}

  void add(commit::OwnerId owner, Read read);
  // The read of `owner` that is paused, or is about to be, goes on. Once for each time.
  void resume(commit::OwnerId owner);

 private:
  struct Line {
    std::deque<Read> reads;
    bool paused = false;
    bool resumed = false;  // before it was paused
  };

  void take_turn();
  // With the mutex.
  void line_up(commit::OwnerId owner);
  void end_turn(commit::OwnerId owner, Turn turn);

  boost::asio::thread_pool& pool_;
  std::mutex mutex_;
  std::unordered_map<commit::OwnerId, Line> lines_;  // those with reads
  std::deque<commit::OwnerId> turns_;                // whose are next
  bool under_way_ = false;                           // a turn, or the pool was asked for one
};

}  // namespace zeolite::daemon
