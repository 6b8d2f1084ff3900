#include "daemon/group_ring.h"

#include <algorithm>
#include <utility>

#include "wire/codec.h"

namespace zeolite::daemon {
namespace {

bool has_blobs(std::span<const TransactionRecord> group) {
  return std::ranges::any_of(group, [](const TransactionRecord& record) {
    return std::ranges::any_of(record.writes,
                               [](const ObjectWrite& write) { return write.blob.has_value(); });
  });
}

}  // namespace

void GroupRing::set_wanted(bool wanted) {
  const std::lock_guard lock(mutex_);
  wanted_ = wanted;
  if (!wanted) drop_all(end_);
}

void GroupRing::drop_all(Tid end) {
  groups_.clear();
  bytes_ = 0;
  end_ = end;
}

bool GroupRing::push(Epoch epoch, const Position& previous,
                     std::span<const TransactionRecord> group) {
  if (group.empty()) return false;
  const Tid last = group.back().tid;
  std::unique_lock lock(mutex_);
  if (last <= end_) return false;  // a second try of what was pushed already
  // Blobs go before their group, and from their final place: such a group is read from the log. So
  // is one of which a part was pushed already: its chain is not known yet.
  if (!wanted_ || group.front().tid <= end_ || has_blobs(group)) {
    drop_all(last);
    return wanted_;
  }
  lock.unlock();
  auto frame = std::make_shared<std::string>();
  wire::encode_append(epoch, previous, group, *frame, kCompressGroupsFrom);
  lock.lock();
  end_ = last;
  bytes_ += frame->size();
  groups_.push_back({previous.tid, last, std::move(frame)});
  while (bytes_ > bytes_max_ && groups_.size() > 1) {
    bytes_ -= groups_.front().frame->size();
    groups_.pop_front();
  }
  return true;
}

Tid GroupRing::last() const {
  const std::lock_guard lock(mutex_);
  return groups_.empty() ? kNoTid : groups_.back().last;
}

GroupRing::Found GroupRing::after(Tid after, std::size_t bytes) const {
  Found found;
  const std::lock_guard lock(mutex_);
  if (after >= end_) return found;
  auto group = std::ranges::lower_bound(groups_, after, {}, &Group::previous);
  if (group == groups_.end() || group->previous != after) {
    found.missed = true;
    return found;
  }
  std::size_t sum = 0;
  for (; group != groups_.end() && (sum == 0 || sum < bytes); ++group) {
    sum += group->frame->size();
    found.groups.push_back(*group);
  }
  return found;
}

}  // namespace zeolite::daemon
