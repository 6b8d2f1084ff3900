#include "blobs/undone_blobs.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "blobs/blob_export.h"
#include "blobs/recovery.h"
#include "storage/file_descriptor.h"

namespace zeolite::blobs {

namespace {

namespace fs = std::filesystem;

// Stands in an archive until the files of what it keeps are removed.
constexpr const char* kMark = ".undoing";

bool is_lost(const Error& error) {
  return error.code == ErrorCode::not_found || error.code == ErrorCode::corruption;
}

// `into` is opened with the first blob.
Result<> keep_entry(const BlobDirectory& blobs, const LogEntry& entry, const fs::path& archive,
                    std::optional<BlobExport>& into, UndoneBlobs& report) {
  for (const ObjectSummary& object : entry.objects) {
    if (!object.blob) continue;
    if (!into) {
      ASSIGN_OR_RETURN(into, BlobExport::open(archive));
    }
    Result<> added = into->add(blobs, object.oid, entry.position.tid, *object.blob);
    if (!added && !is_lost(added.error())) return added;
    ++(added ? report.kept : report.missing);
  }
  return {};
}

Result<std::uint64_t> remove_kept(BlobDirectory& blobs, const storage::ObjectStore& store,
                                  const fs::path& archive) {
  ASSIGN_OR_RETURN(const std::unique_ptr<BlobDirectory> kept,
                   BlobDirectory::open({.path = archive, .read_only = true}));
  std::uint64_t removed = 0;
  RETURN_IF_ERROR(kept->walk([&](Oid oid, Tid tid) -> Result<> {
    ASSIGN_OR_RETURN(const bool wanted, has_revision(store, oid, tid));
    if (wanted) return {};
    ASSIGN_OR_RETURN(const bool gone, blobs.remove(oid, tid));
    removed += gone ? 1 : 0;
    return {};
  }));
  std::error_code error;
  fs::remove(archive / kMark, error);
  if (error) return file_error("remove", archive / kMark, error.value());
  return removed;
}

}  // namespace

Result<UndoneBlobs> keep_undone(const storage::ObjectStore& store, const BlobDirectory& blobs,
                                const Position& ancestor, const fs::path& archive) {
  UndoneBlobs report;
  std::optional<BlobExport> into;
  for (Tid read = ancestor.tid;;) {
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries, store.read_log(read, kMaxTid, {}));
    if (entries.empty()) break;
    read = entries.back().position.tid;
    for (const LogEntry& entry : entries) {
      RETURN_IF_ERROR(keep_entry(blobs, entry, archive, into, report));
    }
  }
  if (!into) return report;
  RETURN_IF_ERROR(into->finish());
  RETURN_IF_ERROR(storage::replace_file(archive / kMark, ""));
  return report;
}

Result<std::uint64_t> remove_undone(BlobDirectory& blobs, const storage::ObjectStore& store,
                                    const fs::path& folder) {
  std::uint64_t removed = 0;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (!fs::exists(entry->path() / kMark, ignored)) continue;
    ASSIGN_OR_RETURN(const std::uint64_t count, remove_kept(blobs, store, entry->path()));
    removed += count;
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return file_error("read", folder, error.value());
  }
  return removed;
}

}  // namespace zeolite::blobs
