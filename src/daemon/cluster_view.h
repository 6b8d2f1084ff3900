#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/milliseconds.h"
#include "model/ids.h"
#include "replication/node.h"
#include "wire/messages.h"

namespace zeolite::daemon {

// What this server is to its cluster, as connections are told: a snapshot.
struct ClusterView {
  wire::NodeRole role = wire::NodeRole::starting;
  bool shows = false;  // readers may be served: the first visible tid is known
  Epoch epoch;
  Epoch promised;
  std::string leader;      // address of the primary; empty: not known
  std::string advice;      // what people are to do so that somebody leads; empty: nothing
  std::string durability;  // "local", "standby", "standby, strict"
  std::vector<wire::StatusReport::Standby> standbys;
  std::vector<std::string> addresses;  // of the standbys, for clients
  replication::Node::Counters counters;
};

// Fills in what status tells of the cluster.
inline void fill_cluster(const ClusterView& view, wire::StatusReport& report) {
  report.role = view.role;
  report.epoch = view.epoch;
  report.promised = view.promised;
  report.leader = view.leader;
  report.durability = view.durability;
  report.standbys = view.standbys;
  report.sync_changes = view.counters.sync_changes;
  report.delayed_groups = view.counters.delayed_groups;
  report.longest_delay_ms = whole_milliseconds(view.counters.longest_delay);
  report.blocked = view.counters.blocked;
  if (view.role != wire::NodeRole::primary) {
    const std::string more = report.accepts_writes ? "" : "; " + report.refuses_why;
    report.accepts_writes = false;
    report.refuses_why = "it is not the primary" + more;
    if (!view.advice.empty()) report.refuses_why += "; " + view.advice;
  }
}

// Where the newest view is. Thread: any.
class ClusterBoard {
 public:
  [[nodiscard]] std::shared_ptr<const ClusterView> view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }
  void set(ClusterView view) {
    auto made = std::make_shared<const ClusterView>(std::move(view));
    const std::lock_guard lock(mutex_);
    view_ = std::move(made);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const ClusterView> view_ = std::make_shared<const ClusterView>();
};

}  // namespace zeolite::daemon
