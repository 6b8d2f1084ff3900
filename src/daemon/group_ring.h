#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "model/ids.h"
#include "model/transaction_record.h"

namespace zeolite::daemon {

// What standbys are sent of the log is compressed from this size on, if that helps.
inline constexpr std::size_t kCompressGroupsFrom = 16 * 1024;

// The newest groups of the log, encoded once for all standbys that are up to date. They are here
// from when they are about to be written, before they are durable (docs/replication.md, A commit).
// Bounded in bytes; whoever is further behind reads the log.
// Thread: push by the one that writes; the rest any. Owner: the ReplicationService.
class GroupRing {
 public:
  struct Group {
    Tid previous;
    Tid last;
    std::shared_ptr<const std::string> frame;  // a ReplicaAppend
  };

  explicit GroupRing(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // Whether anybody is fed: else groups are not encoded.
  void set_wanted(bool wanted);
  [[nodiscard]] bool wanted() const { return wanted_.load(std::memory_order_relaxed); }
  // True: there is something new for those that are fed.
  bool push(Epoch epoch, const Position& previous, std::span<const TransactionRecord> group);

  struct Found {
    std::vector<Group> groups;  // in order, the first one following `after`
    bool missed = false;        // there is more after `after`, but not here
  };
  // The end of the last group that is here; kNoTid: none is.
  [[nodiscard]] Tid last() const;
  // At least one group if there is one; as many as fit `bytes`.
  [[nodiscard]] Found after(Tid after, std::size_t bytes) const;

 private:
  void drop_all(Tid end);

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::atomic<bool> wanted_ = false;  // changed with mutex_
  std::deque<Group> groups_;
  std::size_t bytes_ = 0;
  Tid end_;  // the last tid that was pushed
};

}  // namespace zeolite::daemon
