#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace zeolite::bench {

using SteadyTime = std::chrono::steady_clock::time_point;

// Remembers when replies came and how long each took. Every sample is kept: percentiles are exact.
class LatencyLog {
 public:
  void add(SteadyTime sent, SteadyTime answered);

  [[nodiscard]] std::uint64_t count() const { return samples_ns_.size(); }
  // `fraction` in [0, 1]; 0 when there is no sample.
  [[nodiscard]] double percentile_us(double fraction);
  // The longest time between two successive replies, of whatever connection.
  [[nodiscard]] double longest_gap_ms() const;

 private:
  std::vector<std::uint64_t> samples_ns_;
  SteadyTime last_answer_{};
  std::chrono::nanoseconds longest_gap_{};
};

}  // namespace zeolite::bench
