#include "maintenance/store_transactions.h"

#include <utility>

namespace zeolite::maintenance {

Result<std::optional<TransactionRecord>> StoreTransactions::next() {
  ASSIGN_OR_RETURN(const LogEntry* const entry, iteration_.next());
  if (entry == nullptr) return std::nullopt;
  if (entry->position.tid > horizon_) {
    // Nothing may be missing here, so the hash over all of it can be checked as well.
    return store_.read_record(*entry);
  }
  ASSIGN_OR_RETURN(TransactionRecord record, iteration_.read_current());
  packed_records_ += entry->objects.size() - record.writes.size();
  return record;
}

Result<Bytes> StoreTransactions::load(Oid oid, Tid tid) {
  ASSIGN_OR_RETURN(storage::Loaded loaded, store_.load_serial(oid, tid, until_));
  if (loaded.status == storage::LoadStatus::found) return std::move(loaded.data);
  return make_error(ErrorCode::not_found, "object " + to_hex(oid) + " as of transaction " +
                                              to_hex(tid) + " is not stored");
}

}  // namespace zeolite::maintenance
