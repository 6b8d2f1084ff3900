#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "maintenance/read_ahead.h"
#include "maintenance/transaction_source.h"
#include "storage/object_store.h"

namespace zeolite::maintenance {

// The transactions of a store, up to its last entry when this was made. Their data is checked
// against the hashes they were stored with; what a pack removed is left out, and nothing else can
// be missing.
//
// They are read in batches, ahead of who takes them. Memory: some 20 MiB, or a few transactions if
// those are larger. Thread: one at a time; the reading has threads of its own.
class StoreTransactions final : public TransactionSource {
 public:
  // `store` outlives this.
  explicit StoreTransactions(const storage::ObjectStore& store);

  [[nodiscard]] Result<std::optional<TransactionRecord>> next() override;
  [[nodiscard]] Result<Bytes> load(Oid oid, Tid tid) override;
  [[nodiscard]] Tid until() const override { return until_; }
  [[nodiscard]] std::uint64_t packed_records() const override { return packed_records_; }

 private:
  // Neighbours in the log, read.
  struct Batch {
    struct Transaction {
      Result<TransactionRecord> record;
      std::uint64_t packed_records = 0;
    };
    std::vector<Transaction> transactions;
    std::size_t bytes = 0;
  };

  [[nodiscard]] Result<std::optional<ReadAhead<Batch>::Work>> plan();
  [[nodiscard]] static Batch read(const storage::ObjectStore& store,
                                  const std::vector<LogEntry>& entries);
  [[nodiscard]] static Batch read_packed(const storage::ObjectStore& store, Tid first, Tid last);

  const storage::ObjectStore& store_;
  const Tid until_;
  const Tid horizon_;
  // What plan() goes through:
  Tid after_ = kNoTid;             // the log was read up to here
  std::vector<LogEntry> entries_;  // of it; the transactions on one side of the horizon
  std::size_t planned_ = 0;        // of entries_
  // What next() gives:
  Batch batch_;
  std::size_t given_ = 0;  // of batch_
  std::uint64_t packed_records_ = 0;
  ReadAhead<Batch> ahead_;  // last: its threads use the others
};

}  // namespace zeolite::maintenance
