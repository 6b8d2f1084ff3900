#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "filestorage/append_file.h"
#include "filestorage/data_fs_format.h"
#include "filestorage/last_positions.h"
#include "model/transaction_record.h"

namespace zeolite::filestorage {

// What a writer has written.
struct WriteCounts {
  std::uint64_t transactions = 0;
  std::uint64_t records = 0;     // of all kinds
  std::uint64_t data_bytes = 0;  // of data in them
  std::uint64_t back_pointers = 0;
};

// Writes a Data.fs file from transactions in tid order, as ZODB's FileStorage would have written
// it: each record points to its object's previous one, and a back-pointer to a record that the file
// holds. No index file is written; ZODB makes one when it opens the file.
//
// A back-pointer leads to the revision that an undo named, which may be a back-pointer itself, so
// that a file that was read comes out as it was; or else to the one with the data.
//
// Memory: 1 MiB and about 9 bytes for each object; chains of previous records are followed in the
// file itself. Thread: one at a time.
class FileStorageWriter {
 public:
  // The data of the revision of `oid` at `tid`, for a back-pointer whose target the file does not
  // hold because it was packed away: the data is written in its place.
  using LoadData = std::function<Result<Bytes>(Oid oid, Tid tid)>;

  // Makes `path` anew. `magic` is kMagicPython3, or kMagicPython2 for pickles that only Python 2
  // can read: ZODB opens only files of its own Python. Errors: as AppendFile::create.
  [[nodiscard]] static Result<FileStorageWriter> create(const std::filesystem::path& path,
                                                        std::string_view magic = kMagicPython3);

  // Appends a transaction. Precondition: its tid is above that of the one before, each oid at most
  // once, texts at most 65,535 bytes. `previous` of its writes is not looked at. Errors:
  // invalid_argument: a status other than ' ' and 'p', or a record of no bytes, neither of which
  // FileStorage has; out_of_space, io_error; what `load` answers. The file is of no use then.
  [[nodiscard]] Result<> write(const TransactionRecord& transaction, const LoadData& load);

  // Makes what was written durable. Errors: out_of_space, io_error.
  [[nodiscard]] Result<> finish() { return file_.finish(); }

  [[nodiscard]] std::uint64_t size() const { return file_.size(); }
  [[nodiscard]] const WriteCounts& counts() const { return counts_; }

 private:
  // What stands behind a record's header: data, or where there is none an offset, 0 for "gone".
  struct Content {
    Bytes data;
    std::uint64_t back = 0;
    [[nodiscard]] std::uint64_t size() const {
      return data.empty() ? kBackPointerBytes : data.size();
    }
  };

  explicit FileStorageWriter(AppendFile file) : file_(std::move(file)) {}

  [[nodiscard]] Result<Content> content_of(const ObjectWrite& write, Tid tid, const LoadData& load);
  [[nodiscard]] Result<std::uint64_t> find_target(const ObjectWrite& write) const;
  [[nodiscard]] Result<std::uint64_t> find_record(Oid oid, Tid tid) const;
  [[nodiscard]] Result<bool> leads_to(std::uint64_t offset, Tid tid) const;
  [[nodiscard]] Result<RecordHeader> read_record(std::uint64_t offset) const;
  [[nodiscard]] Result<> put_header(const TransactionRecord& transaction, std::uint64_t length);
  [[nodiscard]] Result<> put_record(Oid oid, Tid tid, std::uint64_t transaction_offset,
                                    const Content& content);

  AppendFile file_;
  LastPositions last_;
  std::vector<Content> contents_;  // of the transaction being written
  WriteCounts counts_;
};

}  // namespace zeolite::filestorage
