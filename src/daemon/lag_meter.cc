#include "daemon/lag_meter.h"

#include <algorithm>
#include <utility>

#include "daemon/record_bytes.h"

namespace zeolite::daemon {

void LagMeter::wrote(std::span<const TransactionRecord> group) {
  if (group.empty()) return;
  const auto transactions =
      std::ranges::count(group, RecordKind::transaction, &TransactionRecord::kind);
  const std::uint64_t bytes = data_bytes(group);
  const std::lock_guard lock(mutex_);
  total_.transactions += static_cast<std::uint64_t>(transactions);
  total_.bytes += bytes;
  samples_.push_back({group.back().tid, total_});
  if (samples_.size() <= kSamplesMax) return;
  // Of the older half every other one goes.
  std::deque<Sample> kept;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (i >= kSamplesMax / 2 || i % 2 == 0) kept.push_back(samples_[i]);
  }
  samples_ = std::move(kept);
}

LagMeter::Lag LagMeter::after(Tid tid) const {
  const std::lock_guard lock(mutex_);
  const auto above = std::ranges::upper_bound(samples_, tid, {}, &Sample::tid);
  if (above == samples_.begin()) return total_;
  const Lag& until = std::prev(above)->total;
  return {total_.transactions - until.transactions, total_.bytes - until.bytes};
}

}  // namespace zeolite::daemon
