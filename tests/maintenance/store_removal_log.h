#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "maintenance/removal_log.h"
#include "storage/object_store.h"

namespace zeolite::maintenance {

// Appends the removals for the store's newest pack record to the store itself, each after the last
// entry.
class StoreRemovalLog final : public RemovalLog {
 public:
  explicit StoreRemovalLog(storage::ObjectStore& store) : store_(store) {}

  Result<std::uint64_t> remove(std::span<const RevisionKey> keys) override {
    TransactionRecord record;
    record.removed.assign(keys.begin(), keys.end());
    RETURN_IF_ERROR(append(std::move(record)));
    ++removals;
    return 0;
  }
  Result<> complete() override {
    TransactionRecord record;
    record.pack_complete = true;
    return append(std::move(record));
  }

  std::size_t removals = 0;

 private:
  Result<> append(TransactionRecord record) {
    const Position last = store_.last_position();
    record.kind = RecordKind::removal;
    record.epoch = last.epoch;
    record.tid = last.tid.next();
    record.pack_record = store_.pack_state().record;
    RETURN_IF_ERROR(store_.append({&record, 1}));
    return {};
  }

  storage::ObjectStore& store_;
};

}  // namespace zeolite::maintenance
