#include "daemon/long_reads.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "base/check.h"

namespace zeolite::daemon {

void LongReads::add(commit::OwnerId owner, Read read) {
  const std::lock_guard lock(mutex_);
  const auto [place, fresh] = lines_.try_emplace(owner);
  place->second.reads.push_back(std::move(read));
  if (fresh) line_up(owner);
}

void LongReads::resume(commit::OwnerId owner) {
  const std::lock_guard lock(mutex_);
  const auto found = lines_.find(owner);
  CHECK(found != lines_.end(), "what is paused is not done");
  if (std::exchange(found->second.paused, false)) {
    line_up(owner);
  } else {
    found->second.resumed = true;
  }
}

void LongReads::line_up(commit::OwnerId owner) {
  turns_.push_back(owner);
  if (std::exchange(under_way_, true)) return;
  boost::asio::post(pool_, [this] { take_turn(); });
}

void LongReads::take_turn() {
  std::unique_lock lock(mutex_);
  const commit::OwnerId owner = turns_.front();
  turns_.pop_front();
  Read& read = lines_.at(owner).reads.front();  // stays where it is
  lock.unlock();
  const Turn turn = read();
  lock.lock();
  end_turn(owner, turn);
  under_way_ = !turns_.empty();
  // Behind the loads that came meanwhile, where the pool has no other thread.
  if (under_way_) boost::asio::post(pool_, [this] { take_turn(); });
}

void LongReads::end_turn(commit::OwnerId owner, Turn turn) {
  Line& line = lines_.at(owner);
  if (turn == Turn::paused && !std::exchange(line.resumed, false)) {
    line.paused = true;
    return;
  }
  if (turn == Turn::done) {
    line.reads.pop_front();
    if (line.reads.empty()) {
      lines_.erase(owner);
      return;
    }
  }
  turns_.push_back(owner);
}

}  // namespace zeolite::daemon
