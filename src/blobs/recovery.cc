#include "blobs/recovery.h"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/file_descriptor.h"

namespace zeolite::blobs {

namespace {

constexpr std::size_t kRevisionsAtATime = 1000;
constexpr const char* kRemovedFile = "REMOVED";

// Calls `visit` with the tid of each revision of the staged blob's object whose blob it could be,
// newest first, until it returns true.
template <typename Visit>
Result<> for_each_match(const storage::ObjectStore& store, const StagedName& staged,
                        const Visit& visit) {
  Tid line = kMaxTid;
  while (true) {
    ASSIGN_OR_RETURN(const auto revisions, store.history(staged.oid, line, kRevisionsAtATime));
    for (const storage::ObjectStore::ObjectRevision& revision : revisions) {
      ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store.log_entry(revision.tid));
      if (!entry) continue;
      for (const ObjectSummary& object : entry->objects) {
        if (object.oid != staged.oid || object.blob != staged.info) continue;
        ASSIGN_OR_RETURN(const bool enough, visit(revision.tid));
        if (enough) return {};
      }
    }
    if (revisions.size() < kRevisionsAtATime) return {};
    line = revisions.back().tid.previous();
  }
}

// What the log says of a staged file.
struct Place {
  bool known = false;      // some revision of the object has this blob
  std::optional<Tid> tid;  // of one that has no file, or else of the one that has this very file
};

// A file can be that of one revision and be meant for another (undo links it), so a revision
// without a file comes first.
Result<Place> find_place(const BlobDirectory& blobs, const storage::ObjectStore& store,
                         const StagedName& staged) {
  const std::string name = format_staged_name(staged);
  Place place;
  RETURN_IF_ERROR(for_each_match(store, staged, [&](Tid tid) -> Result<bool> {
    place.known = true;
    ASSIGN_OR_RETURN(const std::optional<std::uint64_t> size, blobs.size_of(staged.oid, tid));
    ASSIGN_OR_RETURN(const bool same, blobs.is_installed(name, staged.oid, tid));
    const bool missing = size != staged.info.size;
    if (missing || (same && !place.tid)) place.tid = tid;
    return missing;
  }));
  return place;
}

// What REMOVED says when the files of this removal, and of all before it, are gone. The chain tells
// it from what another log has at the same tid.
std::string mark_of(const LogEntry& removal) {
  const ChainHash& chain = removal.position.chain;
  return to_hex(removal.position.tid) + " " + to_hex(chain) + "\n";
}

// The process may have ended between a removal and its files. Each is repeated at one start only:
// a pack removes millions of revisions.
Result<> repeat_removals(BlobDirectory& blobs, const storage::ObjectStore& store,
                         std::uint64_t& removed) {
  const std::filesystem::path path = blobs.private_path() / kRemovedFile;
  ASSIGN_OR_RETURN(const std::optional<std::string> done, storage::read_small_file(path));
  std::optional<std::string> newest;
  bool met = false;
  Tid before = kMaxTid.next();
  for (std::size_t read = 0; read < kRemovalsRepeated && !met;) {
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries, store.read_log_back(before, {}));
    if (entries.empty()) break;
    for (const LogEntry& entry : entries) {
      if (entry.removed.empty()) continue;
      const std::string mark = mark_of(entry);
      met = mark == done;
      if (met) break;
      RETURN_IF_ERROR(remove_packed(blobs, entry.removed, removed));
      if (!newest) newest = mark;
    }
    read += entries.size();
    before = entries.back().position.tid;
  }
  // If it cannot be written, on a full disk say, the next start repeats them once more.
  if (newest && blobs.sync_staged()) (void)storage::replace_file(path, *newest);
  return {};
}

}  // namespace

Result<RecoveryReport> recover(BlobDirectory& blobs, const storage::ObjectStore& store) {
  RecoveryReport report;
  ASSIGN_OR_RETURN(const std::vector<StagedName> all, blobs.staged());
  for (const StagedName& staged : all) {
    const std::string name = format_staged_name(staged);
    ASSIGN_OR_RETURN(const Place place, find_place(blobs, store, staged));
    // The name was given before the content was durable, if nobody was promised anything.
    ASSIGN_OR_RETURN(const bool sound, place.tid ? blobs.is_sound(staged) : Result<bool>(false));
    if (sound) {
      RETURN_IF_ERROR(blobs.install(name, staged.oid, *place.tid));
      ++report.installed;
    } else {
      if (place.known) RETURN_IF_ERROR(blobs.sync_object(staged.oid));
      RETURN_IF_ERROR(blobs.discard(name));
      ++report.removed;
    }
  }
  RETURN_IF_ERROR(blobs.settle());
  RETURN_IF_ERROR(repeat_removals(blobs, store, report.packed));
  return report;
}

Result<> remove_packed(BlobDirectory& blobs, std::span<const RevisionKey> keys,
                       std::uint64_t& removed) {
  Result<> all;
  for (const RevisionKey& key : keys) {
    Result<bool> one = blobs.remove(key.oid, key.tid);
    if (one) {
      removed += *one ? 1U : 0U;
    } else if (all) {
      all = std::unexpected(std::move(one).error());
    }
  }
  return all;
}

Result<bool> has_revision(const storage::ObjectStore& store, Oid oid, Tid tid) {
  ASSIGN_OR_RETURN(const auto revisions, store.history(oid, tid, 1));
  return !revisions.empty() && revisions[0].tid == tid &&
         revisions[0].summary.kind != RevisionKind::deletion;
}

Result<std::uint64_t> remove_orphans(BlobDirectory& blobs, const storage::ObjectStore& store,
                                     const std::atomic<bool>* cancelled) {
  std::uint64_t removed = 0;
  RETURN_IF_ERROR(blobs.walk([&](Oid oid, Tid tid) -> Result<> {
    if (cancelled != nullptr && *cancelled) return make_error(ErrorCode::aborted, "cancelled");
    ASSIGN_OR_RETURN(const bool wanted, has_revision(store, oid, tid));
    if (wanted) return {};
    ASSIGN_OR_RETURN(const bool gone, blobs.remove(oid, tid));
    removed += gone ? 1 : 0;
    return {};
  }));
  return removed;
}

}  // namespace zeolite::blobs
