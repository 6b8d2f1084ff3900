#include "daemon/pack_service.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <thread>
#include <utility>

#include "blobs/recovery.h"
#include "maintenance/pack.h"
#include "storage/crash_point.h"

namespace zeolite::daemon {

namespace {

using maintenance::PackReport;

// While commits come in, a batch and each removal in it is followed by a rest of its own length, at
// most this long.
constexpr Duration kRestMax = std::chrono::milliseconds(50);
// Behind everything else that wants the processor.
constexpr int kNice = 10;

Error stopping() {
  return {ErrorCode::shutting_down,
          "the server is stopping; the pack goes on "
          "when it is started again"};
}

std::string describe(const PackReport& report) {
  std::string text = std::to_string(report.removed_revisions) + " of " +
                     std::to_string(report.revisions) + " revisions went, " +
                     std::to_string(report.removed_objects) + " objects with all of theirs, " +
                     std::to_string(report.removed_blobs) + " blobs";
  if (report.garbage_wanted && !report.garbage_collected) {
    text += "; garbage was not collected, because " +
            std::string(report.root_missing ? "there is no root object"
                                            : "records could not be read for references");
  }
  if (report.dangling_count > 0) {
    text += "; " + std::to_string(report.dangling_count) + " objects are referred to and missing";
  }
  return text;
}

// What a pack does between two batches: nothing, or when there were commits since the last time, it
// leaves them the machine for as long as the batch took.
class Rest {
 public:
  Rest(const Clock& clock, const StorageEngine& engine)
      : clock_(clock),
        engine_(engine),
        commits_(engine.counters().commits),
        batch_began_(clock.now().instant) {}

  void operator()() {
    const std::uint64_t commits = engine_.counters().commits;
    if (std::exchange(commits_, commits) != commits) {
      std::this_thread::sleep_for(std::min(clock_.now().instant - batch_began_, kRestMax));
    }
    batch_began_ = clock_.now().instant;
  }

 private:
  const Clock& clock_;
  const StorageEngine& engine_;
  std::uint64_t commits_;
  Instant batch_began_;
};

// The engine's log, for one pack record.
class EngineRemovalLog final : public maintenance::RemovalLog {
 public:
  // `rest` is called after each removal.
  EngineRemovalLog(StorageEngine& engine, Tid pack_record, std::function<void()> rest)
      : engine_(engine), pack_record_(pack_record), rest_(std::move(rest)) {}

  Result<std::uint64_t> remove(std::span<const RevisionKey> keys) override {
    storage::crash_point("pack.before_removal");
    RETURN_IF_ERROR(engine_.append_removal(pack_record_, {keys.begin(), keys.end()}, false));
    storage::crash_point("pack.after_removal");
    const std::uint64_t blobs = engine_.remove_blobs(keys);
    rest_();
    return blobs;
  }
  Result<> complete() override {
    storage::crash_point("pack.before_complete");
    return engine_.append_removal(pack_record_, {}, true);
  }

 private:
  StorageEngine& engine_;
  const Tid pack_record_;
  const std::function<void()> rest_;
};

}  // namespace

PackService::PackService(const Clock& clock, LogSink log) : clock_(clock), log_(std::move(log)) {
  // Threads have a priority of their own on Linux.
  boost::asio::post(thread_, [] { (void)::setpriority(PRIO_PROCESS, 0, kNice); });
}

PackService::~PackService() { stop(); }

void PackService::stop() {
  stopped_.store(true);
  thread_.join();
}

void PackService::pack(StorageEngine& engine, const Request& request, Done done) {
  if (waiting_.fetch_add(1) >= kWaitingMax) {
    waiting_.fetch_sub(1);
    done(make_error(ErrorCode::unavailable, "too many packs wait; try again later"));
    return;
  }
  boost::asio::post(thread_, [this, &engine, request, done = std::move(done)] {
    Result<PackReport> report =
        stopped_.load() ? std::unexpected(stopping()) : run(engine, request);
    waiting_.fetch_sub(1);
    done(std::move(report));
  });
}

void PackService::resume(StorageEngine& engine) {
  if (!resumed_.insert(&engine).second || engine.store().pack_state().swept) return;
  log_(LogLevel::info, "storage " + engine.name() + ": a pack that is in the log goes on");
  boost::asio::post(thread_, [this, &engine] {
    if (stopped_.load() || !sweep(engine) || engine.blobs() == nullptr) return;
    // The files of what the interrupted run removed last may still be there.
    const Result<std::uint64_t> removed =
        blobs::remove_orphans(*engine.blobs(), engine.store(), &stopped_);
    if (!removed && removed.error().code != ErrorCode::aborted) {
      log_(LogLevel::warning, "storage " + engine.name() + ": " + removed.error().detail);
    }
  });
}

Result<PackReport> PackService::run(StorageEngine& engine, const Request& request) {
  if (request.dry_run) {
    maintenance::PackOptions options;
    options.cancelled = &stopped_;
    maintenance::PackCallbacks callbacks;
    callbacks.pause = Rest(clock_, engine);
    return maintenance::dry_run_pack(engine.store(), std::min(request.horizon, engine.visible()),
                                     request.collect_garbage, options, callbacks);
  }
  RETURN_IF_ERROR(engine.append_pack(request.horizon, request.collect_garbage));
  storage::crash_point("pack.after_record");
  return sweep(engine);
}

Result<PackReport> PackService::sweep(StorageEngine& engine) {
  const storage::PackState state = engine.store().pack_state();
  if (state.swept) return PackReport{};
  const std::string storage = "storage " + engine.name();
  maintenance::PackOptions options;
  options.cancelled = &stopped_;
  maintenance::PackCallbacks callbacks;
  Rest rest(clock_, engine);
  callbacks.pause = [&rest] { rest(); };
  EngineRemovalLog removals(engine, state.record, callbacks.pause);
  Result<PackReport> report = maintenance::run_pack(engine.store(), removals, options, callbacks);
  if (!report) {
    const ErrorCode code = report.error().code;
    // Or the reign ends; when the storage has failed, that was told.
    const bool ends = code == ErrorCode::shutting_down || code == ErrorCode::outcome_unknown;
    if (stopped_.load() || ends) return std::unexpected(stopping());
    log_(LogLevel::error, storage + ": the pack failed: " + report.error().detail);
    return report;
  }
  engine.objects_removed(report->removed_objects);
  log_(LogLevel::info, storage + ": packed, " + describe(*report));
  return report;
}

}  // namespace zeolite::daemon
