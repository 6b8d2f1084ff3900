#include "bench/load_generator/latency_log.h"

#include <algorithm>

namespace zeolite::bench {

void LatencyLog::add(SteadyTime sent, SteadyTime answered) {
  samples_ns_.push_back(
      static_cast<std::uint64_t>((answered - sent) / std::chrono::nanoseconds(1)));
  if (samples_ns_.size() > 1) longest_gap_ = std::max(longest_gap_, answered - last_answer_);
  last_answer_ = answered;
}

double LatencyLog::percentile_us(double fraction) {
  if (samples_ns_.empty()) return 0;
  const auto rank =
      static_cast<std::size_t>(fraction * static_cast<double>(samples_ns_.size() - 1));
  const auto nth = samples_ns_.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(samples_ns_.begin(), nth, samples_ns_.end());
  return static_cast<double>(*nth) / 1e3;
}

double LatencyLog::longest_gap_ms() const {
  return std::chrono::duration<double, std::milli>(longest_gap_).count();
}

}  // namespace zeolite::bench
