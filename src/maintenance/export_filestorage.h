#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "base/error.h"
#include "blobs/blob_directory.h"
#include "blobs/blob_export.h"
#include "filestorage/data_fs_format.h"
#include "maintenance/transaction_source.h"
#include "model/ids.h"

namespace zeolite::maintenance {

struct ExportProgress {
  std::uint64_t bytes = 0;  // of the file
  Tid first;                // of the database
  Tid tid;                  // reached
  Tid until;                // to reach
};

struct ExportOptions {
  // Replace a file that is there. Its index file, which ZODB would take for the new one's, goes
  // with it.
  bool overwrite = false;
  // Where the blobs' files go; null: their records are exported without.
  blobs::BlobExport* blob_export = nullptr;
  // Where they come from, one of these: a directory, or what reads them from elsewhere.
  const blobs::BlobDirectory* blob_directory = nullptr;
  blobs::BlobExport::Reader blob_reader = {};
  // filestorage::kMagicPython3 or kMagicPython2.
  std::string_view magic = filestorage::kMagicPython3;
  // Looked at between transactions; when it turns true the export ends with error aborted.
  const std::atomic<bool>* cancelled = nullptr;
  // Called on the exporting thread, about once per MiB written and once at the end. May be empty.
  std::function<void(const ExportProgress&)> progress = {};
};

struct ExportReport {
  std::uint64_t transactions = 0;
  std::uint64_t records = 0;  // data, back-pointers and deletions
  std::uint64_t data_bytes = 0;
  std::uint64_t back_pointers = 0;
  std::uint64_t blobs = 0;  // exported with their files
  std::uint64_t blob_bytes = 0;
  std::uint64_t blobs_left_out = 0;  // there was no place for their files
  std::uint64_t file_bytes = 0;
  std::uint64_t packed_records = 0;  // of these transactions, left out: a pack removed them
  Tid last_tid;                      // of the file's last transaction; kNoTid: it has none
};

// Writes all transactions of `source` into a FileStorage file that ZODB opens: each with its tid,
// status, user, description and extension, each record byte for byte, undo as back-pointers.
//
// The file is written under the name `path` with ".part" behind it, synced, and renamed: `path` is
// a whole database or not there. What was written before an error or a cancellation is removed; a
// killed export leaves the ".part", which the next one overwrites.
// Errors: conflict: `path` or `path`.index is there and overwriting was not asked for; busy: ZODB
// has `path` open, or another export writes it; aborted: cancelled; invalid_argument: something
// that a FileStorage file cannot hold (FileStorageWriter); out_of_space, io_error; as `source` and
// BlobExport::add. Blobs that were written stay, whatever the error.
[[nodiscard]] Result<ExportReport> export_filestorage(TransactionSource& source,
                                                      const std::filesystem::path& path,
                                                      const ExportOptions& options);

}  // namespace zeolite::maintenance
