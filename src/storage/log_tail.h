#pragma once

#include <string>

#include "base/time.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "storage/record_codec.h"

namespace zeolite::storage {

// The position of `record` in a log in which it comes right after `last`. Costs as much as hashing
// its data.
[[nodiscard]] Position position_after(const Position& last, const TransactionRecord& record);

// Advances `packs` over `record`, which comes next in a log of which it tells. Error: corruption,
// with what is wrong: a pack or removal that cannot be there.
[[nodiscard]] Result<> advance_packs(PackState& packs, const TransactionRecord& record);

// The end of a log: where the next entry goes and what the log says about marks. Shared by all
// stores, so that they agree byte for byte. A value; the writer keeps a copy and publishes it only
// once what it describes is durable.
class LogTail {
 public:
  // An empty log.
  explicit LogTail(Duration outcome_retention) : outcome_retention_(outcome_retention) {}
  // A log that ends at `last`.
  LogTail(Duration outcome_retention, const Position& last, const Marks& marks)
      : outcome_retention_(outcome_retention), last_(last), marks_(marks) {}

  // Adds `record` and returns its encoded log entry, chain included. CHECKs the preconditions of
  // ObjectStore::append.
  [[nodiscard]] std::string extend(const TransactionRecord& record);
  // The same where the hash of the record's body (storage/log_chain.h) is known.
  [[nodiscard]] std::string extend(const TransactionRecord& record, const ChainHash& body_hash);

  [[nodiscard]] const Position& last() const { return last_; }
  [[nodiscard]] const Marks& marks() const { return marks_; }
  // What the marks say of packing.
  [[nodiscard]] PackState pack_state() const;
  // Ahead of an entry that is being written: revisions up to here may be missing.
  void raise_pack_horizon(Tid horizon) { marks_.pack_horizon = horizon; }

 private:
  void advance_horizon();

  Duration outcome_retention_;
  Position last_;
  Marks marks_;
};

}  // namespace zeolite::storage
