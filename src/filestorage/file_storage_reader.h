#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "filestorage/back_pointers.h"
#include "filestorage/byte_source.h"
#include "filestorage/field_check.h"
#include "filestorage/tail_check.h"
#include "filestorage/windowed_source.h"
#include "model/transaction_record.h"

namespace zeolite::filestorage {

// What a reader has met so far.
struct ReadCounts {
  std::uint64_t transactions = 0;         // returned by next()
  std::uint64_t records = 0;              // in them, without repeated ones
  std::uint64_t data_bytes = 0;           // of data in them
  std::uint64_t undone_transactions = 0;  // status 'u', skipped
  std::uint64_t repeated_records = 0;     // an earlier record of an oid in the same transaction
  Tid first_repeated_in;                  // the first transaction that holds such a record
};

// Reads a Data.fs file from front to back, one transaction at a time, and checks every field that
// ZODB relies on.
//
// Decides: what is a complete transaction, what is a truncated tail (the end of the file is missing
// or was never finished: not an error) and what is damage (anything else that does not fit: error
// corruption, naming byte, transaction and field). An unfinished transaction whose records do not
// run on to the end of the file is damage: taking it for a tail would drop what follows.
//
// Back-pointers are resolved to the tid of the record that holds the data, so that a revision never
// depends on more than one other. Where that record is not one that next() has returned (it stands
// in a skipped transaction, or was repeated within its transaction) the data itself is given.
//
// Memory: a 1 MiB window and the current transaction, plus 16 bytes for each undone transaction and
// repeated record. Data are slices of one buffer per transaction, which lives as long as any of
// them. Thread: one at a time.
class FileStorageReader {
 public:
  // Errors: not_found, io_error, invalid_argument (not a FileStorage file).
  [[nodiscard]] static Result<FileStorageReader> open(const std::filesystem::path& path);
  [[nodiscard]] static Result<FileStorageReader> from_source(std::unique_ptr<ByteSource> source);

  // The next transaction: kind transaction, epoch zero, no commit id, each oid at most once (the
  // last record of it wins, in the place of the first), `previous` not filled in. Nothing at the
  // end, and from then on. Errors: corruption (for ever from then on), io_error (may be retried),
  // invalid_argument (a transaction larger than kTransactionBytesMax).
  [[nodiscard]] Result<std::optional<TransactionRecord>> next();

  // Bytes of the file that are done with, and all of them.
  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t size() const { return source_.size(); }

  // After next() returned nothing: what it left. Nothing when the file ends cleanly.
  [[nodiscard]] const std::optional<TruncatedTail>& tail() const { return tail_; }
  [[nodiscard]] const ReadCounts& counts() const { return counts_; }
  // "FS21" or "FS30".
  [[nodiscard]] std::string_view magic() const { return magic_; }

  // A transaction is held in memory as a whole, here and in the store.
  static constexpr std::uint64_t kTransactionBytesMax = std::uint64_t{2} << 30;

 private:
  FileStorageReader(std::unique_ptr<ByteSource> source, std::string_view magic);

  [[nodiscard]] Result<std::optional<TransactionRecord>> read_next();
  [[nodiscard]] Result<std::optional<PlacedTransaction>> next_header();
  [[nodiscard]] Result<Bytes> read_body(const TransactionHeader& header);
  [[nodiscard]] Result<TransactionRecord> parse(const PlacedTransaction& placed, const Bytes& body);

  WindowedSource source_;
  std::string_view magic_;
  std::uint64_t position_ = kMagicBytes;
  Tid last_tid_;
  bool ended_ = false;
  std::optional<Error> damage_found_;
  std::optional<TruncatedTail> tail_;
  ReadCounts counts_;
  BackPointers back_pointers_;
};

}  // namespace zeolite::filestorage
