#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "blobs/blob_directory.h"
#include "blobs/zodb_blob_files.h"
#include "filestorage/file_storage_reader.h"
#include "model/ids.h"
#include "storage/object_store.h"

namespace zeolite::maintenance {

struct ImportProgress {
  std::uint64_t bytes_done = 0;  // of the file
  std::uint64_t bytes_total = 0;
  std::uint64_t transactions = 0;  // read so far
};

struct ImportOptions {
  // Read and check the file (and compare, when incremental and a store is given); write nothing.
  bool dry_run = false;
  // Go on where the store ends, after making sure that all it holds is the same in the file.
  bool incremental = false;
  // Where the files of blobs are; null: blob records are imported without them.
  const blobs::ZodbBlobFiles* blob_files = nullptr;
  // Where they go: the store's, recovered. May be null in a dry run, and without files.
  blobs::BlobDirectory* blob_directory = nullptr;
  // A blob record whose file is missing is imported without it, with a warning.
  bool allow_missing_blobs = false;
  // Transactions are appended in groups of about this many bytes, each one batch.
  std::size_t group_bytes = std::size_t{16} << 20;
  // Looked at between transactions; when it turns true the import ends with error aborted.
  const std::atomic<bool>* cancelled = nullptr;
  // Called on the importing thread, about once per MiB read and once at the end. May be empty.
  std::function<void(const ImportProgress&)> progress = {};
};

struct ImportReport {
  std::uint64_t transactions = 0;  // imported; in a dry run: that would be
  std::uint64_t records = 0;       // in them: data, back-pointers and deletions
  std::uint64_t data_bytes = 0;
  std::uint64_t blobs = 0;  // imported with their files; in a dry run: that would be
  std::uint64_t blob_bytes = 0;
  std::uint64_t compared_transactions = 0;  // found in the store, equal
  std::uint64_t undone_transactions = 0;    // status 'u': not part of the database, left out
  std::uint64_t repeated_records = 0;       // replaced by a later one in the same transaction
  Tid last_tid;                             // of the file's last complete transaction
  std::optional<filestorage::TruncatedTail> tail;  // what was left at the file's end
  std::vector<std::string> warnings;  // sentences for people; a tail or a missing blob is one
};

// Whether an import of `path` can begin: it is a FileStorage file, and its first transaction is
// whole. Asked before a store is made for it. Errors: as FileStorageReader.
[[nodiscard]] Result<> check_importable(const std::filesystem::path& path);

// Copies a FileStorage file into `store`: every transaction with its tid, status, user,
// description and extension, every record byte for byte. Epoch 1 (or the store's, if later) without
// an epoch record: a reign begins when the store is served, at a tid of that day, and the file's
// tids are older. `store` may be null in a dry run. Nobody else may append meanwhile. A thread of
// its own reads some MiB ahead of what is appended (FileReadAhead); it is gone when this returns.
//
// What was imported is durable when this returns (ObjectStore::sync). Whatever the error, what was
// appended before is complete transactions in order, and a run with
// `incremental` goes on from there; the error's detail says up to which tid.
// Errors: not_found: blobs have no files, with a list; nothing is imported from the first of them
// on, and the file was read to its end. As FileStorageReader (corruption names the byte; also a
// back-pointer to what turns out to be no record); conflict: the store has transactions and
// incremental was not asked for, or they are not the file's first ones, or the file's next one is
// older than the store's last entry; aborted: cancelled; and what ObjectStore::append and the blob
// directory answer.
[[nodiscard]] Result<ImportReport> import_filestorage(const std::filesystem::path& path,
                                                      storage::ObjectStore* store,
                                                      const ImportOptions& options);

// The same from a reader that has not been read from.
[[nodiscard]] Result<ImportReport> import_filestorage(filestorage::FileStorageReader& reader,
                                                      storage::ObjectStore* store,
                                                      const ImportOptions& options);

}  // namespace zeolite::maintenance
