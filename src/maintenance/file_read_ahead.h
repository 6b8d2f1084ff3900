#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.h"
#include "filestorage/file_storage_reader.h"
#include "maintenance/read_ahead.h"
#include "model/transaction_record.h"

namespace zeolite::maintenance {

// A transaction of a file, with what an import wants to know of it: found out while its bytes are
// in the processor's cache, and beside the thread that appends.
struct FileTransaction {
  TransactionRecord record;      // as FileStorageReader::next gives it
  ChainHash body_hash{};         // storage/log_chain.h
  std::size_t bytes = 0;         // it takes in a group of the store, about
  std::uint64_t data_bytes = 0;  // of its records
  std::size_t blob_records = 0;  // records that are those of blobs
  bool has_back_pointers = false;
};

// What is handed over at once: about 1 MiB of the file, or one transaction if that is larger.
struct FileBatch {
  std::vector<FileTransaction> transactions;
  std::size_t bytes = 0;
  std::uint64_t position = 0;           // of the reader after them
  std::uint64_t transactions_read = 0;  // by then
};

// Reads a FileStorage file on threads of its own, a few MiB ahead of who takes its transactions.
// Thread: one at a time.
class FileReadAhead {
 public:
  // `reader` outlives this. Nobody else uses it from now on, until next() has told the end or an
  // error, or this is gone.
  explicit FileReadAhead(filestorage::FileStorageReader& reader);

  // The next transactions of the file, at least one; nothing at the end, and from then on. Errors:
  // as FileStorageReader::next, after all transactions that were read before it.
  [[nodiscard]] Result<std::optional<FileBatch>> next() { return ahead_.next(); }

 private:
  [[nodiscard]] Result<std::optional<ReadAhead<FileBatch>::Work>> read_batch();

  filestorage::FileStorageReader& reader_;
  std::optional<Error> error_;  // what comes after the batch read last; for read_batch()
  ReadAhead<FileBatch> ahead_;  // last: its threads use the others
};

}  // namespace zeolite::maintenance
