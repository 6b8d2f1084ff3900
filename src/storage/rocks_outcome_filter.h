#pragma once

#include <rocksdb/compaction_filter.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace zeolite::storage {

// The tid at or below which outcomes may be forgotten. Set only once it is durable.
using SharedHorizon = std::shared_ptr<std::atomic<std::uint64_t>>;

// Drops outcomes at or below the horizon while RocksDB compacts their family anyway, so that
// forgetting them costs commits nothing. Readers do not rely on it: the store hides outcomes at or
// below its horizon whether they are still there or not.
// Thread: RocksDB's own.
class OutcomeFilterFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit OutcomeFilterFactory(SharedHorizon horizon) : horizon_(std::move(horizon)) {}

  const char* Name() const override { return "ZeoliteOutcomeFilter"; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context& context) override;

 private:
  const SharedHorizon horizon_;
};

}  // namespace zeolite::storage
