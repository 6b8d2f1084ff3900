#include "cli/latency_histogram.h"

#include <algorithm>
#include <cmath>

namespace zeolite::cli {

std::uint64_t LatencyHistogram::upper_end(std::size_t bucket) {
  if (bucket < kSub) return bucket;
  const auto shift = static_cast<unsigned>(bucket / kSub) - 1;
  const std::uint64_t first = (kSub + bucket % kSub) << shift;
  return first + ((std::uint64_t{1} << shift) - 1);
}

Duration LatencyHistogram::quantile(double fraction) const {
  if (count_ == 0) return Duration{0};
  const auto wanted = std::clamp<std::uint64_t>(
      static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count_))), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return Duration(static_cast<std::int64_t>(upper_end(i)));
  }
  return Duration{0};
}

}  // namespace zeolite::cli
