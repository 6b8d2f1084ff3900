#include "maintenance/store_transactions.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <span>
#include <utility>

#include "history/transaction_iteration.h"

namespace zeolite::maintenance {

namespace {

// Data that is read together: enough that neighbours on the disk are often in it.
constexpr std::size_t kBatchBytes = 2 << 20;
constexpr std::size_t kAheadBytes = 8 << 20;
// Reading takes several times as long as writing what was read.
constexpr std::size_t kThreads = 2;

std::size_t bytes_of(const Result<TransactionRecord>& record) {
  std::size_t bytes = sizeof(TransactionRecord);
  if (!record) return bytes;
  for (const ObjectWrite& write : record->writes) bytes += sizeof write + write.data.size();
  return bytes;
}

}  // namespace

StoreTransactions::StoreTransactions(const storage::ObjectStore& store)
    : store_(store),
      until_(store.last_position().tid),
      horizon_(store.pack_horizon()),
      ahead_(kThreads, kAheadBytes, [this] { return plan(); }) {}

Result<std::optional<TransactionRecord>> StoreTransactions::next() {
  while (given_ == batch_.transactions.size()) {
    ASSIGN_OR_RETURN(std::optional<Batch> batch, ahead_.next());
    if (!batch) return std::nullopt;
    batch_ = *std::move(batch);
    given_ = 0;
  }
  Batch::Transaction& transaction = batch_.transactions[given_++];
  packed_records_ += transaction.packed_records;
  return std::move(transaction.record);
}

Result<std::optional<ReadAhead<StoreTransactions::Batch>::Work>> StoreTransactions::plan() {
  while (planned_ == entries_.size()) {
    if (after_ >= until_) return std::nullopt;
    const Tid end = after_ < horizon_ ? std::min(horizon_, until_) : until_;
    ASSIGN_OR_RETURN(entries_, store_.read_log(after_, end, {}));
    after_ = entries_.empty() ? end : entries_.back().position.tid;
    std::erase_if(entries_, [](const LogEntry& e) { return e.kind != RecordKind::transaction; });
    planned_ = 0;
  }
  const std::span<LogEntry> rest = std::span(entries_).subspan(planned_);
  const std::span<LogEntry> taken = rest.first(storage::entries_within(rest, kBatchBytes));
  planned_ += taken.size();
  const Tid first = taken.front().position.tid;
  const Tid last = taken.back().position.tid;
  if (last <= horizon_) return [this, first, last] { return read_packed(store_, first, last); };
  const auto entries = std::make_shared<const std::vector<LogEntry>>(
      std::move_iterator(taken.begin()), std::move_iterator(taken.end()));
  return [this, entries] { return read(store_, *entries); };
}

// Nothing may be missing here, so the hash over all of a transaction can be checked as well.
StoreTransactions::Batch StoreTransactions::read(const storage::ObjectStore& store,
                                                 const std::vector<LogEntry>& entries) {
  Batch batch;
  batch.transactions.reserve(entries.size());
  for (Result<TransactionRecord>& record : store.read_records(entries)) {
    batch.bytes += bytes_of(record);
    batch.transactions.push_back({std::move(record)});
  }
  return batch;
}

StoreTransactions::Batch StoreTransactions::read_packed(const storage::ObjectStore& store,
                                                        Tid first, Tid last) {
  Batch batch;
  history::TransactionIteration packed(store, last, {first, last});
  while (true) {
    Result<const LogEntry*> entry = packed.next();
    if (!entry) {
      batch.transactions.push_back({std::unexpected(std::move(entry).error())});
      return batch;
    }
    if (*entry == nullptr) return batch;
    Result<TransactionRecord> record = packed.read_current();
    const std::uint64_t gone = record ? (*entry)->objects.size() - record->writes.size() : 0;
    batch.bytes += bytes_of(record);
    batch.transactions.push_back({std::move(record), gone});
  }
}

Result<Bytes> StoreTransactions::load(Oid oid, Tid tid) {
  ASSIGN_OR_RETURN(storage::Loaded loaded, store_.load_serial(oid, tid, until_));
  if (loaded.status == storage::LoadStatus::found) return std::move(loaded.data);
  return make_error(ErrorCode::not_found, "object " + to_hex(oid) + " as of transaction " +
                                              to_hex(tid) + " is not stored");
}

}  // namespace zeolite::maintenance
