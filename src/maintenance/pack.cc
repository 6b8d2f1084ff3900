#include "maintenance/pack.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "maintenance/pack_marker.h"
#include "maintenance/pack_sweep.h"
#include "storage/crash_point.h"

namespace zeolite::maintenance {
namespace {

class Pack {
 public:
  struct Task {
    Tid horizon;
    bool collect_garbage = false;
  };

  // `log` null: counts only.
  Pack(RemovalLog* log, const storage::ObjectStore& store, const Task& task,
       const PackOptions& options, const PackCallbacks& callbacks)
      : store_(store),
        task_(task),
        options_(options),
        callbacks_(callbacks),
        batch_(std::max<std::size_t>(options.batch, 1)),
        sweep_(log, store, task.horizon, report_) {
    report_.horizon = task.horizon;
    report_.garbage_wanted = task.collect_garbage;
    progress_.phases = 1U + (task.collect_garbage ? 2U : 0U) + (counts_only() ? 1U : 0U);
    if (task.collect_garbage) marker_.emplace(store, task.horizon, report_);
  }

  Result<PackReport> run() {
    if (marker_) {
      RETURN_IF_ERROR(scan_log());
      RETURN_IF_ERROR(scan_marked());
    }
    if (counts_only()) RETURN_IF_ERROR(find_blobs());
    RETURN_IF_ERROR(sweep());
    report_.garbage_collected = marker_ && marker_->certain();
    return std::move(report_);
  }

 private:
  Result<> scan_log() {
    begin("read what was written since");
    progress_.total = store_.last_position().tid.value() - task_.horizon.value();
    while (true) {
      ASSIGN_OR_RETURN(const bool more, marker_->scan_log(batch_));
      RETURN_IF_ERROR(turn(marker_->scanned_to().value() - task_.horizon.value()));
      if (!more) return {};
    }
  }

  Result<> scan_marked() {
    begin("follow references");
    while (true) {
      ASSIGN_OR_RETURN(const bool more, marker_->scan_marked(batch_));
      storage::crash_point("pack.after_marking");
      progress_.total = marker_->marked_count();
      RETURN_IF_ERROR(turn(marker_->scanned_count()));
      if (!more) return {};
    }
  }

  Result<> find_blobs() {
    begin("look for blobs");
    progress_.total = task_.horizon.value();
    while (true) {
      ASSIGN_OR_RETURN(const bool more, sweep_.find_blobs(batch_));
      RETURN_IF_ERROR(turn(sweep_.blobs_found_to().value()));
      if (!more) return {};
    }
  }

  Result<> sweep() {
    begin(counts_only() ? "count" : "remove");
    progress_.total = store_.oid_mark().value();
    while (true) {
      RETURN_IF_ERROR(catch_up());
      const bool collect = marker_ && marker_->certain();
      ASSIGN_OR_RETURN(const bool more, sweep_.step(batch_, [this, collect](Oid oid) {
        return !collect || marker_->marked(oid);
      }));
      RETURN_IF_ERROR(turn(more ? sweep_.next().value() : progress_.total));
      if (!more) return {};
    }
  }

  // Protects what was committed since the last look, and all that it refers to.
  Result<> catch_up() {
    if (!marker_) return {};
    for (bool more = true; more;) {
      ASSIGN_OR_RETURN(const bool more_log, marker_->scan_log(batch_));
      ASSIGN_OR_RETURN(const bool more_marked, marker_->scan_marked(batch_));
      more = more_log || more_marked;
      if (more) RETURN_IF_ERROR(pause());
    }
    return {};
  }

  void begin(std::string_view name) {
    ++progress_.phase;
    progress_.name = name;
    progress_.done = 0;
    progress_.total = 0;
  }

  // Between two batches.
  Result<> turn(std::uint64_t done) {
    progress_.done = done;
    progress_.total = std::max(progress_.total, done);
    if (callbacks_.progress) callbacks_.progress(progress_);
    return pause();
  }

  Result<> pause() {
    if (callbacks_.pause) callbacks_.pause();
    if (options_.cancelled == nullptr || !options_.cancelled->load()) return {};
    return make_error(ErrorCode::aborted, "the pack was cancelled");
  }

  [[nodiscard]] bool counts_only() const { return sweep_.counts_only(); }

  const storage::ObjectStore& store_;
  const Task task_;
  const PackOptions& options_;
  const PackCallbacks& callbacks_;
  const std::size_t batch_;
  PackReport report_;
  PackProgress progress_;
  PackSweep sweep_;
  std::optional<PackMarker> marker_;
};

}  // namespace

Result<PackReport> run_pack(const storage::ObjectStore& store, RemovalLog& log,
                            const PackOptions& options, const PackCallbacks& callbacks) {
  const storage::PackState state = store.pack_state();
  if (state.swept) return PackReport{};
  const Pack::Task task{state.horizon, state.collect_garbage};
  ASSIGN_OR_RETURN(PackReport report, Pack(&log, store, task, options, callbacks).run());
  RETURN_IF_ERROR(log.complete());
  return report;
}

Result<PackReport> dry_run_pack(const storage::ObjectStore& store, Tid horizon,
                                bool collect_garbage, const PackOptions& options,
                                const PackCallbacks& callbacks) {
  horizon = std::min(horizon, store.last_position().tid);
  if (horizon <= store.pack_horizon()) return PackReport{};
  const Pack::Task task{horizon, collect_garbage};
  return Pack(nullptr, store, task, options, callbacks).run();
}

}  // namespace zeolite::maintenance
