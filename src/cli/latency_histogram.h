#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace zeolite::cli {

// Counts durations in buckets that grow with the value, so that any quantile is right to within
// 1.6 % from a nanosecond to centuries, in constant memory and without allocation.
//
// Values below 64 ns have a bucket each; above, each power of two is cut into 64.
class LatencyHistogram {
 public:
  // Negative durations count as 0.
  void add(Duration value) {
    ++buckets_[bucket_of(value.count() < 0 ? 0 : static_cast<std::uint64_t>(value.count()))];
    ++count_;
  }

  void merge(const LatencyHistogram& other) {
    for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
  }

  [[nodiscard]] std::uint64_t count() const { return count_; }

  // The smallest value that at least `fraction` (0 to 1) of all values do not exceed, rounded up
  // to the end of its bucket; 0 when there are none.
  [[nodiscard]] Duration quantile(double fraction) const;

 private:
  static constexpr unsigned kSubBits = 6;
  static constexpr std::uint64_t kSub = 1U << kSubBits;
  static constexpr std::size_t kBuckets = (64 - kSubBits) * kSub;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < kSub) return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - kSubBits - 1;
    return (shift + 1) * kSub + ((value >> shift) - kSub);
  }
  static std::uint64_t upper_end(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
};

}  // namespace zeolite::cli
