#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <unordered_map>

#include "base/check.h"
#include "model/ids.h"

namespace zeolite::commit {

// The newest value of each key among everything recorded after a floor: lets an answer read from
// the store a while ago be brought up to date. Bounded: the oldest entries are dropped and the
// floor rises to them; an answer older than the floor cannot be judged any more.
//
// Thread: one at a time.
template <typename Key, typename Value>
class RecentMap {
 public:
  struct Entry {
    Tid tid;  // when it was recorded
    Value value;
  };

  // Nothing is known of what happened at or before `floor`. Remembers `entries_max` recordings.
  RecentMap(Tid floor, std::size_t entries_max) : floor_(floor), entries_max_(entries_max) {}

  // `tid` must not be lower than any recorded before.
  void record(Tid tid, const Key& key, Value value) {
    CHECK(tid >= floor_ && (order_.empty() || tid >= order_.back().tid), "recorded in tid order");
    newest_[key] = {tid, value};
    order_.push_back({tid, key});
    while (order_.size() > entries_max_) {
      floor_ = std::max(floor_, order_.front().tid);
      drop_oldest();
    }
  }

  // All is dropped: what happened up to `floor` is not known any more.
  void forget(Tid floor) {
    CHECK(floor >= floor_ && (order_.empty() || floor >= order_.back().tid), "the floor rises");
    newest_.clear();
    order_.clear();
    floor_ = floor;
  }

  // The newest recording of `key`, unless it was dropped.
  [[nodiscard]] std::optional<Entry> find(const Key& key) const {
    const auto found = newest_.find(key);
    if (found == newest_.end()) return std::nullopt;
    return found->second;
  }

  // Whether everything that happened after `as_of` is known.
  [[nodiscard]] bool covers(Tid as_of) const { return as_of >= floor_; }
  [[nodiscard]] Tid floor() const { return floor_; }
  [[nodiscard]] std::size_t size() const { return newest_.size(); }

  void check_invariants() const {
    CHECK(order_.size() <= entries_max_, "the history is bounded");
    CHECK(newest_.size() <= order_.size(), "every key has a recording");
    Tid previous = floor_;
    for (const Recording& recording : order_) {
      CHECK(recording.tid >= previous, "recordings are in tid order, from the floor on");
      const auto found = newest_.find(recording.key);
      CHECK(found == newest_.end() || found->second.tid >= recording.tid, "the newest is kept");
      previous = recording.tid;
    }
  }

 private:
  struct Recording {
    Tid tid;
    Key key;
  };

  void drop_oldest() {
    const Recording& oldest = order_.front();
    const auto found = newest_.find(oldest.key);
    if (found != newest_.end() && found->second.tid == oldest.tid) newest_.erase(found);
    order_.pop_front();
  }

  Tid floor_;
  std::size_t entries_max_;
  std::unordered_map<Key, Entry> newest_;
  std::deque<Recording> order_;
};

}  // namespace zeolite::commit
