#include "storage/rocks_outcome_filter.h"

#include "storage/record_codec.h"

namespace zeolite::storage {

namespace {

class OutcomeFilter final : public rocksdb::CompactionFilter {
 public:
  explicit OutcomeFilter(Tid horizon) : horizon_(horizon) {}

  const char* Name() const override { return "ZeoliteOutcomeFilter"; }
  bool Filter(int /*level*/, const rocksdb::Slice& /*key*/, const rocksdb::Slice& value,
              std::string* /*new_value*/, bool* /*value_changed*/) const override {
    // What does not decode is kept: whoever reads it should hear of the damage.
    const Result<Outcome> outcome = decode_outcome(ByteView(value.data(), value.size()));
    return outcome && outcome->tid <= horizon_;
  }

 private:
  const Tid horizon_;
};

}  // namespace

std::unique_ptr<rocksdb::CompactionFilter> OutcomeFilterFactory::CreateCompactionFilter(
    const rocksdb::CompactionFilter::Context& /*context*/) {
  return std::make_unique<OutcomeFilter>(Tid(horizon_->load()));
}

}  // namespace zeolite::storage
