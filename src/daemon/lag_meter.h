#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <span>

#include "model/ids.h"
#include "model/transaction_record.h"

namespace zeolite::daemon {

// How much of the log was written since a standby's position, as far as this process wrote it.
// Memory: a few thousand samples, which lie the further apart the more was written.
// Thread: any.
class LagMeter {
 public:
  void wrote(std::span<const TransactionRecord> group);

  struct Lag {
    std::uint64_t transactions = 0;
    std::uint64_t bytes = 0;  // of records
    friend bool operator==(const Lag&, const Lag&) = default;
  };
  // What was written after `tid`; of what was written before this process began nothing is known.
  // Not less than it is, and exact for positions among the newest thousands of groups.
  [[nodiscard]] Lag after(Tid tid) const;

  static constexpr std::size_t kSamplesMax = 4096;

 private:
  struct Sample {
    Tid tid;
    Lag total;  // up to here
  };

  mutable std::mutex mutex_;
  std::deque<Sample> samples_;
  Lag total_;
};

}  // namespace zeolite::daemon
