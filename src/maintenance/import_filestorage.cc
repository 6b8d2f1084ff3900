#include "maintenance/import_filestorage.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "maintenance/blob_import.h"
#include "maintenance/file_read_ahead.h"
#include "maintenance/newest_revisions.h"
#include "maintenance/transaction_cursor.h"
#include "model/transaction_record.h"

namespace zeolite::maintenance {
namespace {

using filestorage::FileStorageReader;
using storage::ObjectStore;

constexpr std::uint64_t kProgressBytes = std::uint64_t{1} << 20;

std::string count_of(std::uint64_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

// How the transaction differs from what the log has under its tid; empty when it does not.
std::string_view difference(const FileTransaction& transaction, const LogEntry& entry) {
  const TransactionRecord& record = transaction.record;
  if (record.status != entry.status) return "its status";
  if (record.metadata.user != entry.metadata.user) return "its user";
  if (record.metadata.description != entry.metadata.description) return "its description";
  if (record.metadata.extension != entry.metadata.extension) return "its extension";
  const bool same_objects = std::ranges::equal(
      record.writes, entry.objects, [](const ObjectWrite& write, const ObjectSummary& object) {
        return write.oid == object.oid && write.kind == object.kind && write.back == object.back &&
               write.via == object.via && write.data.size() == object.size;
      });
  if (!same_objects) return "its objects";
  if (transaction.body_hash != entry.body_hash) return "the data of its objects";
  return {};
}

// What a report counts of transactions, less the blobs that came with files.
struct Totals {
  std::uint64_t transactions = 0;
  std::uint64_t records = 0;
  std::uint64_t data_bytes = 0;
  std::uint64_t blob_records = 0;

  void add(const FileTransaction& transaction) {
    ++transactions;
    records += transaction.record.writes.size();
    data_bytes += transaction.data_bytes;
    blob_records += transaction.blob_records;
  }
};

// Transactions on their way into the store: completed with what the store knows, appended at once.
class Group {
 public:
  // `blobs` may be null.
  Group(ObjectStore& store, BlobImport* blobs)
      : store_(store),
        blobs_(blobs),
        epoch_(std::max(Epoch{1}, store.last_position().epoch)),
        newest_(store.oid_mark()) {}

  void add(FileTransaction transaction) {
    totals_.add(transaction);
    bytes_ += transaction.bytes;
    has_back_pointers_ = has_back_pointers_ || transaction.has_back_pointers;
    body_hashes_.push_back(transaction.body_hash);
    transaction.record.epoch = epoch_;
    records_.push_back(std::move(transaction.record));
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] const Totals& totals() const { return totals_; }
  [[nodiscard]] std::span<const TransactionRecord> records() const { return records_; }

  void clear() {
    records_.clear();
    body_hashes_.clear();
    bytes_ = 0;
    totals_ = {};
    has_back_pointers_ = false;
  }

  [[nodiscard]] Result<> append() {
    if (records_.empty()) return {};
    if (has_back_pointers_) RETURN_IF_ERROR(check_back_pointers());
    RETURN_IF_ERROR(fill_in_previous());
    if (blobs_ != nullptr) RETURN_IF_ERROR(blobs_->stage(records_, store_));
    RETURN_IF_ERROR(store_.append_hashed(records_, body_hashes_));
    return blobs_ != nullptr ? blobs_->install(records_, store_) : Result<>();
  }

 private:
  // The reader makes sure that a back-pointer leads to what looks like a record of the object, but
  // only the store can tell that it is one.
  Result<> check_back_pointers() {
    std::vector<std::pair<Oid, Tid>> data;
    for (const TransactionRecord& record : records_) {
      for (const ObjectWrite& write : record.writes) {
        if (write.kind == RevisionKind::data) data.emplace_back(write.oid, record.tid);
      }
    }
    std::ranges::sort(data);
    for (const TransactionRecord& record : records_) {
      for (const ObjectWrite& write : record.writes) {
        if (write.kind != RevisionKind::back_pointer) continue;
        if (std::ranges::binary_search(data, std::pair(write.oid, write.back))) continue;
        ASSIGN_OR_RETURN(const auto found, store_.history(write.oid, write.back, 1));
        if (!found.empty() && found[0].tid == write.back &&
            found[0].summary.kind == RevisionKind::data) {
          continue;
        }
        return make_error(ErrorCode::corruption,
                          "in transaction " + to_hex(record.tid) + ", the back-pointer of oid " +
                              to_hex(write.oid) + " leads to transaction " + to_hex(write.back) +
                              ", which has no data of it");
      }
    }
    return {};
  }

  Result<> fill_in_previous() {
    RETURN_IF_ERROR(ask_for_unknown());
    for (TransactionRecord& record : records_) {
      for (ObjectWrite& write : record.writes) {
        write.previous = newest_.find(write.oid).value();
        newest_.set(write.oid, write.kind == RevisionKind::deletion ? kNoTid : record.tid);
      }
    }
    return {};
  }

  // Makes newest_ know all objects of the group.
  Result<> ask_for_unknown() {
    newest_.trim();
    std::vector<Oid> oids;
    for (const TransactionRecord& record : records_) {
      for (const ObjectWrite& write : record.writes) {
        // Told, so that it stays known when a greater oid is written before it.
        if (const std::optional<Tid> tid = newest_.find(write.oid)) {
          newest_.set(write.oid, *tid);
        } else {
          oids.push_back(write.oid);
        }
      }
    }
    ASSIGN_OR_RETURN(const std::vector<Tid> tids,
                     store_.current_tids(oids, store_.last_position().tid));
    for (std::size_t i = 0; i < oids.size(); ++i) newest_.set(oids[i], tids[i]);
    return {};
  }

  ObjectStore& store_;
  BlobImport* const blobs_;
  const Epoch epoch_;
  NewestRevisions newest_;
  std::vector<TransactionRecord> records_;
  std::vector<ChainHash> body_hashes_;  // of records_
  std::size_t bytes_ = 0;
  Totals totals_;
  bool has_back_pointers_ = false;
};

class Importer {
 public:
  Importer(FileStorageReader& reader, ObjectStore* store, const ImportOptions& options)
      : reader_(reader), size_(reader.size()), store_(store), options_(options) {
    CHECK(store != nullptr || options.dry_run, "an import needs a store");
    CHECK(options.blob_files == nullptr || options.blob_directory != nullptr || options.dry_run,
          "blobs are imported into a directory");
    if (options.blob_files != nullptr) {
      blobs_.emplace(*options.blob_files, options.dry_run ? nullptr : options.blob_directory);
    }
    if (store == nullptr) return;
    in_store_.emplace(*store);
    if (!options.dry_run) group_.emplace(*store, blobs_ ? &*blobs_ : nullptr);
  }

  Result<ImportReport> run() {
    if (store_ != nullptr && !options_.incremental && !store_->last_transaction().is_zero()) {
      return make_error(ErrorCode::conflict,
                        "the store is not empty: import into a new one, or incrementally to go on "
                        "with an earlier import");
    }
    if (auto read = read_all(); !read) return std::unexpected(stop(std::move(read).error()));
    finish_report();
    return std::move(report_);
  }

 private:
  Result<> read_all() {
    FileReadAhead file(reader_);
    while (true) {
      ASSIGN_OR_RETURN(std::optional<FileBatch> batch, file.next());
      if (!batch) break;
      for (FileTransaction& transaction : batch->transactions) {
        if (options_.cancelled != nullptr && options_.cancelled->load()) {
          return make_error(ErrorCode::aborted, "cancelled");
        }
        report_.last_tid = transaction.record.tid;
        RETURN_IF_ERROR(take(std::move(transaction)));
      }
      read_ = {batch->position, size_, batch->transactions_read};
      if (read_.bytes_done - told_at_ >= kProgressBytes) tell_progress();
    }
    read_ = {reader_.position(), size_, reader_.counts().transactions};
    RETURN_IF_ERROR(nothing_left_in_store());
    if (lacks_blobs()) return make_error(ErrorCode::not_found, blobs_->describe_missing());
    RETURN_IF_ERROR(append_group());
    if (group_) RETURN_IF_ERROR(store_->sync());
    tell_progress();
    return {};
  }

  Result<> take(FileTransaction transaction) {
    ASSIGN_OR_RETURN(const bool known, is_in_store(transaction));
    if (known) {
      ++report_.compared_transactions;
      return {};
    }
    if (blobs_) RETURN_IF_ERROR(blobs_->look(transaction.record));
    // The rest is only read on for the list of what is missing.
    if (lacks_blobs()) return {};
    if (!group_) {
      Totals one;
      one.add(transaction);
      count(one);
      return {};
    }
    group_->add(std::move(transaction));
    if (group_->bytes() >= options_.group_bytes) return append_group();
    return {};
  }

  // Whether the store has this transaction already. Error conflict when it cannot follow on what
  // the store has.
  Result<bool> is_in_store(const FileTransaction& transaction) {
    if (!in_store_) return false;
    const TransactionRecord& record = transaction.record;
    ASSIGN_OR_RETURN(const LogEntry* const entry, in_store_->next());
    if (entry == nullptr) {
      RETURN_IF_ERROR(check_not_packed());
      if (record.tid > store_->last_position().tid) return false;
      return make_error(ErrorCode::conflict,
                        "transaction " + to_hex(record.tid) +
                            " of the file is not in the store, and is older than the store's last "
                            "entry, " +
                            to_hex(store_->last_position().tid) +
                            ": the store was served in between; import into a new one");
    }
    if (entry->position.tid < record.tid) return only_in_store(entry->position.tid);
    if (entry->position.tid > record.tid) {
      return make_error(ErrorCode::conflict,
                        "transaction " + to_hex(record.tid) +
                            " of the file is missing in the store, which goes on after it: the "
                            "store was not imported from this file");
    }
    const std::string_view what = difference(transaction, *entry);
    if (what.empty()) {
      if (blobs_) RETURN_IF_ERROR(blobs_->compare(record, *entry));
      return true;
    }
    return make_error(ErrorCode::conflict, "transaction " + to_hex(record.tid) +
                                               " is not the same in the file and in the store (" +
                                               std::string(what) +
                                               "): the store was not imported from this file, or "
                                               "the file was packed since");
  }

  // What the file goes on with may refer to what the pack removed, or go back to it.
  Result<> check_not_packed() const {
    if (store_->pack_horizon().is_zero()) return {};
    return make_error(
        ErrorCode::conflict,
        "the store was packed, up to " + to_hex(store_->pack_horizon()) +
            ", and the rest of the file may need what is gone: import into a new one");
  }

  Result<> nothing_left_in_store() {
    if (!in_store_) return {};
    ASSIGN_OR_RETURN(const LogEntry* const entry, in_store_->next());
    if (entry != nullptr) return only_in_store(entry->position.tid);
    return {};
  }

  static std::unexpected<Error> only_in_store(Tid tid) {
    return make_error(ErrorCode::conflict,
                      "the store has transaction " + to_hex(tid) +
                          ", which the file does not have: the store was written to since, was not "
                          "imported from this file, or the file was packed or cut since");
  }

  [[nodiscard]] bool lacks_blobs() const {
    return blobs_ && blobs_->missing() > 0 && !options_.allow_missing_blobs;
  }

  Result<> append_group() {
    if (!group_) return {};
    auto appended = group_->append();
    if (appended) {
      count(group_->totals());
      if (blobs_) count_blobs(group_->records());
    }
    group_->clear();
    return appended;
  }

  void count(const Totals& totals) {
    report_.transactions += totals.transactions;
    report_.records += totals.records;
    report_.data_bytes += totals.data_bytes;
    blobs_left_out_ += totals.blob_records;
  }

  void count_blobs(std::span<const TransactionRecord> records) {
    for (const TransactionRecord& record : records) {
      for (const ObjectWrite& write : record.writes) {
        if (!write.blob) continue;
        ++report_.blobs;
        report_.blob_bytes += write.blob->size;
        if (write.kind == RevisionKind::data) --blobs_left_out_;
      }
    }
  }

  // What was read before the error is worth keeping; says in the error how far the store is.
  Error stop(Error error) {
    if (!group_ || error.code == ErrorCode::conflict) return error;
    if (auto appended = append_group(); !appended) error = std::move(appended).error();
    if (auto synced = store_->sync(); !synced) {
      error.detail += "; what was imported last may not be on the disk (" + synced.error().detail +
                      "): an incremental import goes on after what is";
      return error;
    }
    error.detail += "; " + count_of(report_.transactions, "transaction");
    error.detail += report_.transactions == 1 ? " was imported" : " were imported";
    const Tid last = store_->last_transaction();
    if (!last.is_zero()) {
      error.detail += ", the store now ends with " + to_hex(last) +
                      ": an incremental import goes on from there";
    }
    return error;
  }

  void tell_progress() {
    told_at_ = read_.bytes_done;
    if (options_.progress) options_.progress(read_);
  }

  void finish_report() {
    const filestorage::ReadCounts& counts = reader_.counts();
    report_.undone_transactions = counts.undone_transactions;
    report_.repeated_records = counts.repeated_records;
    report_.tail = reader_.tail();
    if (report_.tail) {
      report_.warnings.push_back("the last " + count_of(report_.tail->bytes, "byte") +
                                 " of the file, from byte " + std::to_string(report_.tail->offset) +
                                 " on, are an unfinished transaction and were left out, as ZODB " +
                                 "does: " + report_.tail->reason);
    }
    if (blobs_ && !group_) {
      report_.blobs = blobs_->found();
      report_.blob_bytes = blobs_->found_bytes();
    }
    if (blobs_ && blobs_->missing() > 0) {
      report_.warnings.push_back(blobs_->describe_missing());
    } else if (!blobs_ && blobs_left_out_ > 0) {
      report_.warnings.push_back(count_of(blobs_left_out_, "blob record") +
                                 " without their files: no blob directory was given");
    }
    if (counts.undone_transactions > 0) {
      report_.warnings.push_back(count_of(counts.undone_transactions, "transaction") +
                                 " marked as undone (status 'u') left out, as ZODB does");
    }
    if (counts.repeated_records > 0) {
      report_.warnings.push_back(count_of(counts.repeated_records, "record") +
                                 " replaced by a later one of the same object in the same "
                                 "transaction, as ZODB does; the first in transaction " +
                                 to_hex(counts.first_repeated_in));
    }
  }

  FileStorageReader& reader_;  // while read_all() runs, the read-ahead's
  const std::uint64_t size_;
  ObjectStore* store_;
  const ImportOptions& options_;
  std::optional<BlobImport> blobs_;            // nothing: no files were given
  std::uint64_t blobs_left_out_ = 0;           // their records were read
  std::optional<TransactionCursor> in_store_;  // what is yet to be compared
  std::optional<Group> group_;                 // nothing in a dry run
  ImportReport report_;
  ImportProgress read_;
  std::uint64_t told_at_ = 0;
};

}  // namespace

Result<> check_importable(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(FileStorageReader reader, FileStorageReader::open(path));
  auto first = reader.next();
  if (!first) return std::unexpected(std::move(first).error().prefixed(path.string()));
  return {};
}

Result<ImportReport> import_filestorage(const std::filesystem::path& path, ObjectStore* store,
                                        const ImportOptions& options) {
  ASSIGN_OR_RETURN(FileStorageReader reader, FileStorageReader::open(path));
  auto report = import_filestorage(reader, store, options);
  if (!report) return std::unexpected(std::move(report).error().prefixed(path.string()));
  return report;
}

Result<ImportReport> import_filestorage(FileStorageReader& reader, ObjectStore* store,
                                        const ImportOptions& options) {
  return Importer(reader, store, options).run();
}

}  // namespace zeolite::maintenance
