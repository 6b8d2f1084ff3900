#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"

namespace zeolite::maintenance {

// The transactions of a database in tid order, wherever it is, with what a pack left of them.
// Thread: one at a time.
class TransactionSource {
 public:
  virtual ~TransactionSource() = default;

  // The next transaction with its data; nothing at the end. Errors: corruption, io_error; over a
  // network unavailable and timeout as well.
  [[nodiscard]] virtual Result<std::optional<TransactionRecord>> next() = 0;

  // The data that the revision of `oid` at `tid` has, through its back-pointer if it is one.
  // Errors: as next(), and not_found.
  [[nodiscard]] virtual Result<Bytes> load(Oid oid, Tid tid) = 0;

  // Where the reading ends, decided when it began: the last entry at that moment. kNoTid: nowhere.
  [[nodiscard]] virtual Tid until() const = 0;

  // How many records of the transactions given so far are not there any more, by a pack.
  [[nodiscard]] virtual std::uint64_t packed_records() const = 0;
};

}  // namespace zeolite::maintenance
