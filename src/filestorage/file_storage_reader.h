#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "filestorage/byte_source.h"
#include "filestorage/data_fs_format.h"
#include "model/transaction_record.h"

namespace zeolite::filestorage {

// What lies behind the last complete transaction of a file: a commit that a crash or a full disk
// cut off. ZODB discards it when it opens the file; nobody was told that it had committed.
struct TruncatedTail {
  std::uint64_t offset = 0;  // where the unfinished transaction begins
  std::uint64_t bytes = 0;   // from there to the end of the file
  Tid tid;                   // its tid; kNoTid when not even that is there
  std::string reason;        // how it was recognised, a clause for people
};

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
  [[nodiscard]] std::uint64_t size() const { return source_->size(); }

  // After next() returned nothing: what it left. Nothing when the file ends cleanly.
  [[nodiscard]] const std::optional<TruncatedTail>& tail() const { return tail_; }
  [[nodiscard]] const ReadCounts& counts() const { return counts_; }
  // "FS21" or "FS30".
  [[nodiscard]] std::string_view magic() const { return magic_; }

  // A transaction is held in memory as a whole, here and in the store.
  static constexpr std::uint64_t kTransactionBytesMax = std::uint64_t{2} << 30;

 private:
  // Bytes of the file that were skipped: [begin, end).
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
  };
  // The end of a chain of back-pointers.
  struct BackTarget {
    bool gone = false;         // the chain ends in 0
    std::uint64_t offset = 0;  // of the record that holds the data
    RecordHeader header;
  };

  explicit FileStorageReader(std::unique_ptr<ByteSource> source, std::string_view magic);

  [[nodiscard]] Result<ByteView> window_at(std::uint64_t offset, std::size_t count);
  [[nodiscard]] Result<std::optional<TransactionHeader>> next_header();
  [[nodiscard]] Result<> check_header(const TransactionHeader& header);
  [[nodiscard]] Result<> check_closing_length(const TransactionHeader& header);
  [[nodiscard]] Result<bool> is_tail(const TransactionHeader& header);
  [[nodiscard]] Result<bool> records_run_to_the_end(const TransactionHeader& header);
  [[nodiscard]] Result<bool> only_zeros_from(std::uint64_t offset);
  void end_with_tail(Tid tid, std::string reason);

  [[nodiscard]] Result<Bytes> read_body(const TransactionHeader& header);
  [[nodiscard]] Result<TransactionRecord> parse(const TransactionHeader& header, const Bytes& body);
  [[nodiscard]] Result<> check_record(const TransactionHeader& transaction,
                                      const RecordHeader& record, std::uint64_t offset,
                                      std::uint64_t end) const;
  [[nodiscard]] Result<> follow_back_pointer(Tid tid, std::uint64_t offset, std::uint64_t back,
                                             ObjectWrite& write);
  [[nodiscard]] Result<BackTarget> resolve(Tid tid, Oid oid, std::uint64_t offset,
                                           std::uint64_t back);
  [[nodiscard]] Result<> check_back_target(Tid tid, std::uint64_t field, const BackTarget& target);
  [[nodiscard]] bool was_returned(std::uint64_t offset) const;
  [[nodiscard]] std::unexpected<Error> damage(std::uint64_t offset, Tid tid,
                                              const std::string& what) const;

  std::unique_ptr<ByteSource> source_;
  std::string_view magic_;
  std::uint64_t position_ = kMagicBytes;
  Tid last_tid_;
  bool ended_ = false;
  std::optional<Error> damage_found_;
  std::optional<TruncatedTail> tail_;
  ReadCounts counts_;

  std::string window_;  // bytes of the file from window_offset_ on
  std::uint64_t window_offset_ = 0;
  std::vector<Range> undone_;                     // skipped transactions, ascending
  std::unordered_set<std::uint64_t> superseded_;  // offsets of repeated records
};

}  // namespace zeolite::filestorage
