#pragma once

#include "history/transaction_iteration.h"
#include "maintenance/transaction_source.h"
#include "storage/object_store.h"

namespace zeolite::maintenance {

// The transactions of a store, up to its last entry when this was made. Their data is checked
// against the hashes they were stored with; what a pack removed is left out, and nothing else can
// be missing. Thread: one at a time.
class StoreTransactions final : public TransactionSource {
 public:
  // `store` outlives this.
  explicit StoreTransactions(const storage::ObjectStore& store)
      : store_(store),
        until_(store.last_position().tid),
        horizon_(store.pack_horizon()),
        iteration_(store) {}

  [[nodiscard]] Result<std::optional<TransactionRecord>> next() override;
  [[nodiscard]] Result<Bytes> load(Oid oid, Tid tid) override;
  [[nodiscard]] Tid until() const override { return until_; }
  [[nodiscard]] std::uint64_t packed_records() const override { return packed_records_; }

 private:
  const storage::ObjectStore& store_;
  const Tid until_;
  const Tid horizon_;
  history::TransactionIteration iteration_;
  std::uint64_t packed_records_ = 0;
};

}  // namespace zeolite::maintenance
