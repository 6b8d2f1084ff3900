#include "maintenance/blob_import.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "blobs/blob_names.h"
#include "blobs/blob_record.h"
#include "storage/file_descriptor.h"

namespace zeolite::maintenance {

namespace {

constexpr std::size_t kDescribedMax = 20;

bool is_blob(const ObjectWrite& write) {
  return write.kind == RevisionKind::data && blobs::is_blob_record(write.data.view());
}

std::string name_of(Oid oid, Tid tid) {
  return "the blob of oid " + to_hex(oid) + " in transaction " + to_hex(tid);
}

// Whether the revision of `oid` at `tid` has a blob.
Result<bool> has_blob(Oid oid, Tid tid, std::span<const TransactionRecord> group,
                      const storage::ObjectStore& store) {
  if (!group.empty() && tid >= group.front().tid) {
    const auto record = std::ranges::lower_bound(group, tid, {}, &TransactionRecord::tid);
    if (record == group.end() || record->tid != tid) return false;
    const auto write = std::ranges::find(record->writes, oid, &ObjectWrite::oid);
    return write != record->writes.end() && write->blob.has_value();
  }
  ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store.log_entry(tid));
  if (!entry) return false;
  const auto object = std::ranges::find(entry->objects, oid, &ObjectSummary::oid);
  return object != entry->objects.end() && object->blob.has_value();
}

}  // namespace

Result<> BlobImport::look(const TransactionRecord& record) {
  for (const ObjectWrite& write : record.writes) {
    if (into_ == nullptr && write.kind == RevisionKind::back_pointer) {
      RETURN_IF_ERROR(count_restored(write.oid, record.tid, write.back));
    }
    if (!is_blob(write)) continue;
    ASSIGN_OR_RETURN(const auto file, files_.find(write.oid, record.tid));
    if (file) {
      if (into_ == nullptr) RETURN_IF_ERROR(count(*file));
      continue;
    }
    ++missing_;
    if (first_missing_.size() < kDescribedMax) {
      first_missing_.push_back(blobs::object_directory(files_.layout(), write.oid) + "/" +
                               blobs::blob_file_name(record.tid));
    }
  }
  return {};
}

Result<> BlobImport::count(const std::filesystem::path& file) {
  std::error_code failure;
  const std::uintmax_t bytes = std::filesystem::file_size(file, failure);
  if (failure) return storage::system_error("look at", file, failure.value());
  ++found_;
  found_bytes_ += bytes;
  return {};
}

// There is no store to ask what was restored; only blobs have files.
Result<> BlobImport::count_restored(Oid oid, Tid tid, Tid back) {
  ASSIGN_OR_RETURN(const auto restored, files_.find(oid, back));
  if (!restored) return {};
  ASSIGN_OR_RETURN(const auto own, files_.find(oid, tid));
  return count(own ? *own : *restored);
}

Result<> BlobImport::compare(const TransactionRecord& record, const LogEntry& entry) const {
  for (const ObjectWrite& write : record.writes) {
    if (!is_blob(write)) continue;
    ASSIGN_OR_RETURN(const auto file, files_.find(write.oid, record.tid));
    if (!file) continue;
    const auto object = std::ranges::find(entry.objects, write.oid, &ObjectSummary::oid);
    if (object == entry.objects.end() || !object->blob) {
      return make_error(ErrorCode::conflict,
                        name_of(write.oid, record.tid) +
                            " is not in the store, which was imported without it: import all into "
                            "a new one");
    }
    std::error_code failure;
    if (std::filesystem::file_size(*file, failure) != object->blob->size || failure) {
      return make_error(ErrorCode::conflict, name_of(write.oid, record.tid) +
                                                 " has another size in the store than in " +
                                                 file->string());
    }
  }
  return {};
}

Result<> BlobImport::stage(std::span<TransactionRecord> records,
                           const storage::ObjectStore& store) {
  // What an error leaves here goes, files and all.
  staged_.clear();
  for (TransactionRecord& record : records) {
    for (ObjectWrite& write : record.writes) {
      RETURN_IF_ERROR(stage_write(record.tid, write, records, store));
    }
  }
  staged_any_ = !staged_.empty();
  if (staged_any_) RETURN_IF_ERROR(into_->sync_staged());
  // Not to be removed when the append fails: the transactions may be in the log nonetheless.
  for (blobs::StagedBlob& blob : staged_) (void)blob.release();
  staged_.clear();
  return {};
}

Result<> BlobImport::stage_write(Tid tid, ObjectWrite& write,
                                 std::span<const TransactionRecord> group,
                                 const storage::ObjectStore& store) {
  std::optional<std::filesystem::path> file;
  if (is_blob(write)) {
    ASSIGN_OR_RETURN(file, files_.find(write.oid, tid));
  } else if (write.kind == RevisionKind::back_pointer) {
    ASSIGN_OR_RETURN(const bool blob, has_blob(write.oid, write.back, group, store));
    if (!blob) return {};
    ASSIGN_OR_RETURN(file, files_.find(write.oid, tid));
    if (!file) {
      ASSIGN_OR_RETURN(file, files_.find(write.oid, write.back));
    }
  }
  if (!file) return {};
  ASSIGN_OR_RETURN(blobs::StagedBlob staged, into_->take_in(write.oid, *file, blobs::Sync::later));
  write.blob = staged.info();
  write.staged_blob = staged.name();
  staged_.push_back(std::move(staged));
  return {};
}

Result<> BlobImport::install(std::span<const TransactionRecord> records,
                             storage::ObjectStore& store) {
  if (!staged_any_) return {};
  // A file with a name of its own belongs to a record for good; one that is staged need not.
  RETURN_IF_ERROR(store.sync());
  for (const TransactionRecord& record : records) {
    for (const ObjectWrite& write : record.writes) {
      if (write.staged_blob.empty()) continue;
      RETURN_IF_ERROR(into_->install(write.staged_blob, write.oid, record.tid));
    }
  }
  staged_any_ = false;
  return into_->settle();
}

std::string BlobImport::describe_missing() const {
  if (missing_ == 0) return {};
  std::string text = std::to_string(missing_) + (missing_ == 1 ? " blob has" : " blobs have") +
                     " no file in " + files_.path().string() + ":";
  for (const std::string& name : first_missing_) text += " " + name;
  if (missing_ > first_missing_.size()) {
    text += " and " + std::to_string(missing_ - first_missing_.size()) + " more";
  }
  return text;
}

}  // namespace zeolite::maintenance
