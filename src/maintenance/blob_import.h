#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "blobs/blob_directory.h"
#include "blobs/zodb_blob_files.h"
#include "model/transaction_record.h"
#include "storage/object_store.h"

namespace zeolite::maintenance {

// Finds the files of an import's blobs and brings them into the blob directory with their
// transactions. Thread: the import's.
class BlobImport {
 public:
  // Both outlive this. `into` null: a dry run, which only looks.
  BlobImport(const blobs::ZodbBlobFiles& files, blobs::BlobDirectory* into)
      : files_(files), into_(into) {}

  // Whether the blobs of the transaction have files; notes those that have not. A dry run counts
  // those that have. Error: io_error.
  [[nodiscard]] Result<> look(const TransactionRecord& record);
  // Whether the store's `entry` has the blobs that the directory has for `record`, which it holds.
  // Errors: conflict, io_error.
  [[nodiscard]] Result<> compare(const TransactionRecord& record, const LogEntry& entry) const;

  // Stages the blobs of transactions that are about to be appended, durably, and says so in the
  // records. A back-pointer to a blob's record has that blob. Errors: of the directory, the store.
  [[nodiscard]] Result<> stage(std::span<TransactionRecord> records,
                               const storage::ObjectStore& store);
  // They were appended to `store`. Errors: of the directory, the store.
  [[nodiscard]] Result<> install(std::span<const TransactionRecord> records,
                                 storage::ObjectStore& store);

  // In a dry run: what an import would bring, as stage() does.
  [[nodiscard]] std::uint64_t found() const { return found_; }
  [[nodiscard]] std::uint64_t found_bytes() const { return found_bytes_; }
  [[nodiscard]] std::uint64_t missing() const { return missing_; }
  // The first of those that have no file, for people; empty when none is missing.
  [[nodiscard]] std::string describe_missing() const;

 private:
  Result<> count(const std::filesystem::path& file);
  Result<> count_restored(Oid oid, Tid tid, Tid back);
  Result<> stage_write(Tid tid, ObjectWrite& write, std::span<const TransactionRecord> group,
                       const storage::ObjectStore& store);

  const blobs::ZodbBlobFiles& files_;
  blobs::BlobDirectory* const into_;
  std::vector<blobs::StagedBlob> staged_;  // of the group that is being staged
  bool staged_any_ = false;                // since the last install
  std::uint64_t found_ = 0;
  std::uint64_t found_bytes_ = 0;
  std::uint64_t missing_ = 0;
  std::vector<std::string> first_missing_;
};

}  // namespace zeolite::maintenance
