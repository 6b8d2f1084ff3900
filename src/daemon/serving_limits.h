#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace zeolite::daemon {

// For how long what this server says is true of its cluster: to be looked at whenever readers are
// answered, for the thread that decides it may have been stopped together with the whole process.
// Thread: any; set by the replication's.
class ServingLimits {
 public:
  // `serves_until`: as the primary, until when nobody else serves; nothing: without an end.
  // `shown_as_of`: Node::shown_as_of(), of a `standby`; the primary shows the present.
  void set(bool standby, std::optional<Instant> serves_until, std::optional<Instant> shown_as_of) {
    const Duration shown =
        shown_as_of ? shown_as_of->since_start : (standby ? Duration::min() : Duration::max());
    shown_as_of_.store(shown, std::memory_order_relaxed);
    serves_until_.store(serves_until ? serves_until->since_start : Duration::max(),
                        std::memory_order_relaxed);
  }

  // There is an end to what the primary may say.
  [[nodiscard]] bool bounded() const {
    return serves_until_.load(std::memory_order_relaxed) != Duration::max();
  }
  [[nodiscard]] bool may_serve(Instant now) const {
    return now.since_start < serves_until_.load(std::memory_order_relaxed);
  }
  // Whether what is shown is at most so old.
  [[nodiscard]] bool is_fresh(Duration bound, Instant now) const {
    const Duration shown = shown_as_of_.load(std::memory_order_relaxed);
    return shown == Duration::max() ||
           (shown != Duration::min() && now.since_start - shown <= bound);
  }
  // How old it is at most, in milliseconds; 0: it is the present, or nothing is known yet.
  [[nodiscard]] std::uint64_t age_ms(Instant now) const {
    const Duration shown = shown_as_of_.load(std::memory_order_relaxed);
    if (shown == Duration::max() || shown == Duration::min()) return 0;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(now.since_start - shown).count();
    return static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0));
  }

 private:
  std::atomic<Duration> serves_until_ = Duration::max();
  std::atomic<Duration> shown_as_of_ = Duration::max();
};

}  // namespace zeolite::daemon
