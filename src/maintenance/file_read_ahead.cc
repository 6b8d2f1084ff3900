#include "maintenance/file_read_ahead.h"

#include <memory>
#include <utility>

#include "blobs/blob_record.h"
#include "storage/log_chain.h"

namespace zeolite::maintenance {
namespace {

constexpr std::size_t kBatchBytes = 1 << 20;
constexpr std::size_t kAheadBytes = 8 << 20;
// One is busy half of the time that appending takes.
constexpr std::size_t kThreads = 1;
// What a write costs a group beside its data: key, head and its place in the log entry.
constexpr std::size_t kWriteOverheadBytes = 64;

std::size_t bytes_of(const TransactionRecord& record) {
  std::size_t bytes = record.metadata.user.size() + record.metadata.description.size() +
                      record.metadata.extension.size() + kWriteOverheadBytes;
  for (const ObjectWrite& write : record.writes) bytes += write.data.size() + kWriteOverheadBytes;
  return bytes;
}

void look_at(FileTransaction& transaction) {
  for (const ObjectWrite& write : transaction.record.writes) {
    transaction.data_bytes += write.data.size();
    if (blobs::is_blob_record(write.data.view())) ++transaction.blob_records;
    if (write.kind == RevisionKind::back_pointer) transaction.has_back_pointers = true;
  }
  transaction.body_hash = storage::body_hash(transaction.record.writes);
}

}  // namespace

FileReadAhead::FileReadAhead(filestorage::FileStorageReader& reader)
    : reader_(reader), ahead_(kThreads, kAheadBytes, [this] { return read_batch(); }) {}

Result<std::optional<ReadAhead<FileBatch>::Work>> FileReadAhead::read_batch() {
  if (error_) return std::unexpected(*error_);
  FileBatch batch;
  while (batch.bytes < kBatchBytes) {
    Result<std::optional<TransactionRecord>> record = reader_.next();
    if (!record) {
      error_ = std::move(record).error();
      break;
    }
    if (!*record) break;
    const std::size_t bytes = bytes_of(**record);
    batch.transactions.push_back({.record = std::move(**record), .bytes = bytes});
    batch.bytes += bytes;
  }
  batch.position = reader_.position();
  batch.transactions_read = reader_.counts().transactions;
  if (batch.transactions.empty()) {
    if (error_) return std::unexpected(*error_);
    return std::nullopt;
  }
  // A std::function is copied now and then; this one holds a batch.
  const auto shared = std::make_shared<FileBatch>(std::move(batch));
  return [shared] {
    for (FileTransaction& transaction : shared->transactions) look_at(transaction);
    return std::move(*shared);
  };
}

}  // namespace zeolite::maintenance
