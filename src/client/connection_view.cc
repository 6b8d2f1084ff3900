#include "client/connection_view.h"

#include <utility>

namespace zeolite::client_core {

ConnectionView::Point ConnectionView::point() const {
  const std::lock_guard lock(mutex_);
  return established_ ? Point{place_.position.tid, place_.history} : Point{};
}

ConnectionView::Place ConnectionView::place() const {
  const std::lock_guard lock(mutex_);
  return place_;
}

template <typename Predicate>
bool ConnectionView::wait(std::unique_lock<std::mutex>& lock, Deadline deadline,
                          Predicate predicate) const {
  ++waiters_;
  changed_.wait_until(lock, deadline, [&] { return shut_down_ || predicate(); });
  --waiters_;
  return !shut_down_ && predicate();
}

bool ConnectionView::wait_for(Tid tid, Deadline deadline) const {
  std::unique_lock lock(mutex_);
  return wait(lock, deadline, [&] { return established_ && place_.position.tid >= tid; });
}

std::optional<ConnectionView::Point> ConnectionView::wait_point(Deadline deadline) const {
  std::unique_lock lock(mutex_);
  if (!wait(lock, deadline, [&] { return established_; })) return std::nullopt;
  return Point{place_.position.tid, place_.history};
}

bool ConnectionView::wait_connected(Deadline deadline) const {
  std::unique_lock lock(mutex_);
  return wait(lock, deadline, [&] { return connected_; });
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
  established_ = false;
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
