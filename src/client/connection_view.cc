#include "client/connection_view.h"

#include <utility>

namespace zeolite::client_core {

ConnectionView::Point ConnectionView::point() const {
  const std::lock_guard lock(mutex_);
  return {established_ ? place_.position.tid : kNoTid, place_.history};
}

ConnectionView::Place ConnectionView::place() const {
  const std::lock_guard lock(mutex_);
  return place_;
}

template <typename Predicate>
bool ConnectionView::wait(Deadline deadline, Predicate predicate) const {
  std::unique_lock lock(mutex_);
  ++waiters_;
  changed_.wait_until(lock, deadline, [&] { return shut_down_ || predicate(); });
  --waiters_;
  return !shut_down_ && predicate();
}

bool ConnectionView::wait_for(Tid tid, Deadline deadline) const {
  return wait(deadline, [&] { return established_ && place_.position.tid >= tid; });
}

bool ConnectionView::wait_established(Deadline deadline) const {
  return wait(deadline, [&] { return established_; });
}

bool ConnectionView::wait_connected(Deadline deadline) const {
  return wait(deadline, [&] { return connected_; });
}

bool ConnectionView::connected() const {
  const std::lock_guard lock(mutex_);
  return connected_;
}

std::string ConnectionView::last_failure() const {
  const std::lock_guard lock(mutex_);
  return last_failure_;
}

void ConnectionView::set_initial(const Position& position, const Id128& cluster_id) {
  const std::lock_guard lock(mutex_);
  place_.position = position;
  place_.cluster_id = cluster_id;
}

void ConnectionView::begin_history() {
  const std::lock_guard lock(mutex_);
  history_.store(++place_.history, std::memory_order_release);
}

void ConnectionView::set_connected(const Position& position, const Id128& cluster_id) {
  const std::lock_guard lock(mutex_);
  place_.position = position;
  place_.cluster_id = cluster_id;
  established_ = true;
  connected_ = true;
  changed_.notify_all();
}

void ConnectionView::advance(const Position& position) {
  const std::lock_guard lock(mutex_);
  place_.position = position;
  if (waiters_ > 0) changed_.notify_all();
}

void ConnectionView::set_disconnected(std::string why) {
  const std::lock_guard lock(mutex_);
  connected_ = false;
  last_failure_ = std::move(why);
}

void ConnectionView::shut_down() {
  const std::lock_guard lock(mutex_);
  connected_ = false;
  shut_down_ = true;
  changed_.notify_all();
}

}  // namespace zeolite::client_core
