#pragma once

#include <chrono>
#include <optional>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "replication/dcs.h"

namespace zeolite::replication {

inline constexpr Duration kLease = std::chrono::seconds(3);

// Answers requests as a coordination service would that only one node changes, except for what it
// is told not to answer.
class PlayedService {
 protected:
  std::optional<Result<dcs::Answer>> carry_out(const dcs::Request& request) {
    if (std::holds_alternative<dcs::Read>(request)) return dcs::Viewed{view};
    if (std::holds_alternative<dcs::GrantLease>(request)) return dcs::Leased{7, kLease};
    if (std::holds_alternative<dcs::KeepAlive>(request)) return dcs::Leased{7, kLease};
    if (std::holds_alternative<dcs::Confirm>(request)) return dcs::Guarded{still_leads, 0};
    if (const auto* acquire = std::get_if<dcs::Acquire>(&request)) {
      if (!may_acquire) return std::nullopt;
      view.epoch = acquire->epoch;
      view.epoch_revision = ++revision_;
      return dcs::Guarded{true, revision_};
    }
    if (const auto* put = std::get_if<dcs::PutSync>(&request)) {
      if (!may_publish) return std::nullopt;
      published.push_back(put->sync);
      view.sync = put->sync;
      view.sync->revision = ++revision_;
      return dcs::Guarded{true, revision_};
    }
    return dcs::Guarded{true, 0};
  }

  DcsView view;
  bool service_reachable = true;
  bool still_leads = true;
  bool may_acquire = true;
  bool may_publish = true;
  std::vector<SyncKey> published;
  Revision revision_ = 40;
};

}  // namespace zeolite::replication
