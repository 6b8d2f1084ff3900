#include "maintenance/pack_marker.h"

#include <utility>
#include <vector>

namespace zeolite::maintenance {
namespace {

constexpr Oid kRoot{0};

bool is_damage(const Error& error) {
  return error.code == ErrorCode::corruption || error.code == ErrorCode::not_found;
}

}  // namespace

PackMarker::PackMarker(const storage::ObjectStore& store, Tid horizon, PackReport& report)
    : store_(store), horizon_(horizon), report_(report), scanned_to_(horizon) {
  mark(kRoot);
}

Result<bool> PackMarker::scan_log(std::size_t entries) {
  ASSIGN_OR_RETURN(const std::vector<LogEntry> page,
                   store_.read_log(scanned_to_, kMaxTid, {.entries = entries}));
  for (const LogEntry& entry : page) {
    for (const ObjectSummary& object : entry.objects) {
      mark(object.oid);
      if (object.kind == RevisionKind::data) {
        RETURN_IF_ERROR(scan_revision(object.oid, entry.position.tid));
      } else if (object.kind == RevisionKind::back_pointer && object.back <= horizon_) {
        RETURN_IF_ERROR(scan_revision(object.oid, object.back));
      }
    }
    scanned_to_ = entry.position.tid;
  }
  return !page.empty();
}

Result<bool> PackMarker::scan_marked(std::size_t count) {
  std::vector<Oid> oids = pending_.take(cursor_, count);
  if (oids.empty()) {
    cursor_ = Oid{0};
    return !pending_.empty();
  }
  cursor_ = oids.back().next();
  for (const Oid oid : oids) {
    RETURN_IF_ERROR(scan_at_horizon(oid));
    ++scanned_count_;
  }
  return true;
}

void PackMarker::mark(Oid oid) {
  if (!marked_.add(oid)) return;
  pending_.add(oid);
  ++marked_count_;
}

Result<> PackMarker::scan_at_horizon(Oid oid) {
  const Result<storage::Loaded> loaded =
      store_.load_before(oid, kMaxTid, horizon_, storage::ReadTier::disk);
  if (!loaded) {
    if (!is_damage(loaded.error())) return std::unexpected(loaded.error());
    note_unreadable(oid, kNoTid, loaded.error().detail);
    return {};
  }
  if (loaded->status != storage::LoadStatus::found) return note_missing(oid);
  scan_record(oid, loaded->tid, loaded->data.view());
  return {};
}

Result<> PackMarker::scan_revision(Oid oid, Tid tid) {
  const Result<storage::Loaded> loaded = store_.load_serial(oid, tid, kMaxTid);
  if (!loaded) {
    if (!is_damage(loaded.error())) return std::unexpected(loaded.error());
    note_unreadable(oid, tid, loaded.error().detail);
    return {};
  }
  if (loaded->status != storage::LoadStatus::found) {
    note_unreadable(oid, tid, "it is not stored");
    return {};
  }
  scan_record(oid, tid, loaded->data.view());
  return {};
}

void PackMarker::scan_record(Oid oid, Tid tid, ByteView record) {
  references_.strong.clear();
  const Result<> found = pickle::find_references(record, references_);
  if (!found) note_unreadable(oid, tid, found.error().detail);
  for (const Oid to : references_.strong) mark(to);
}

// A marked object that does not exist at the horizon: it may have come later.
Result<> PackMarker::note_missing(Oid oid) {
  if (oid == kRoot) {
    report_.root_missing = true;
    return {};
  }
  ASSIGN_OR_RETURN(const std::vector<storage::ObjectStore::ObjectRevision> newest,
                   store_.history(oid, kMaxTid, 1));
  if (!newest.empty() && newest[0].tid > horizon_) return {};
  if (++report_.dangling_count <= PackReport::kReportedMax) report_.dangling.push_back(oid);
  return {};
}

void PackMarker::note_unreadable(Oid oid, Tid tid, std::string reason) {
  if (++report_.unreadable_count > PackReport::kReportedMax) return;
  report_.unreadable.push_back({oid, tid, std::move(reason)});
}

}  // namespace zeolite::maintenance
