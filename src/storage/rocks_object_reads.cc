// The reading half of RocksObjectStore.

#include <algorithm>

#include "storage/key_encoding.h"
#include "storage/log_chain.h"
#include "storage/record_codec.h"
#include "storage/rocks_iterators.h"
#include "storage/rocks_look_up.h"
#include "storage/rocks_object_store.h"

namespace zeolite::storage {

namespace {

// Moves to the newest revision of `oid` at or below `line`. Its tid; nothing when there is none.
Result<std::optional<Tid>> seek_revision(rocksdb::Iterator& revisions, Oid oid, Tid line) {
  revisions.Seek(to_slice(revision_key(oid, line).view()));
  if (!revisions.Valid()) {
    if (!revisions.status().ok()) return rocks_error(reading(oid), revisions.status());
    return std::nullopt;
  }
  const std::optional<RevisionKey> key = parse_revision_key(to_view(revisions.key()));
  if (!key || key->oid != oid) return std::nullopt;
  return key->tid;
}

// The revision after the one `revisions` is at (newer, of the same object), if at or below `line`.
Result<std::optional<Tid>> next_revision(rocksdb::Iterator& revisions, Oid oid, Tid line) {
  revisions.Prev();
  if (!revisions.Valid()) {
    if (!revisions.status().ok()) return rocks_error(reading(oid), revisions.status());
    return std::nullopt;
  }
  const std::optional<RevisionKey> key = parse_revision_key(to_view(revisions.key()));
  if (!key || key->oid != oid || key->tid > line) return std::nullopt;
  return key->tid;
}

// A write whose data is to be looked up: of which entry, and which of its objects.
struct WantedWrite {
  RevisionKey key;
  std::size_t bytes = 0;
  std::size_t entry = 0;
  std::size_t place = 0;
};

// Those of the entries, in the order of a walk over all revisions.
std::vector<WantedWrite> data_writes(std::span<const LogEntry> entries) {
  std::vector<WantedWrite> wanted;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::vector<ObjectSummary>& objects = entries[i].objects;
    for (std::size_t place = 0; place < objects.size(); ++place) {
      if (objects[place].kind != RevisionKind::data) continue;
      wanted.push_back(
          {{objects[place].oid, entries[i].position.tid}, objects[place].size, i, place});
    }
  }
  std::ranges::sort(wanted, [](const WantedWrite& a, const WantedWrite& b) {
    return a.key.oid != b.key.oid ? a.key.oid < b.key.oid : a.key.tid > b.key.tid;
  });
  return wanted;
}

}  // namespace

Result<> RocksObjectStore::decode_found(Oid oid, Tid tid, ByteView value, ReadTier tier,
                                        Loaded& loaded) const {
  ASSIGN_OR_RETURN(const RevisionView revision, decode_revision(oid, tid, value));
  loaded.tid = tid;
  loaded.status = LoadStatus::found;
  switch (revision.kind) {
    case RevisionKind::data:
      loaded.data = Bytes::copy_of(revision.data);
      return {};
    case RevisionKind::deletion:
      loaded.status = LoadStatus::deleted;
      return {};
    case RevisionKind::back_pointer:
      break;
  }
  rocksdb::PinnableSlice target;
  const rocksdb::Status status =
      records_->db().Get(read_options(tier), records_->revisions(),
                         to_slice(revision_key(oid, revision.back).view()), &target);
  if (!status.ok() && !status.IsNotFound()) return rocks_error(reading(oid), status);
  if (status.ok()) {
    ASSIGN_OR_RETURN(const RevisionView original,
                     decode_revision(oid, revision.back, to_view(target)));
    if (original.kind == RevisionKind::data) {
      loaded.data = Bytes::copy_of(original.data);
      return {};
    }
  } else {
    // A pack may have removed both, in one batch, since the pointer was read.
    rocksdb::PinnableSlice again;
    const rocksdb::Status pointer = records_->db().Get(
        read_options(tier), records_->revisions(), to_slice(revision_key(oid, tid).view()), &again);
    if (pointer.IsNotFound()) {
      loaded = {};
      return {};
    }
    if (!pointer.ok()) return rocks_error(reading(oid), pointer);
  }
  return make_error(ErrorCode::corruption, "object " + to_hex(oid) + " as of transaction " +
                                               to_hex(tid) + " points back to transaction " +
                                               to_hex(revision.back) + ", which has no data of it");
}

Result<Loaded> RocksObjectStore::load_before(Oid oid, Tid before, Tid line, ReadTier tier) const {
  Loaded loaded;
  const bool current = before > line;
  const IteratorPtr revisions =
      current ? object_iterator(*records_, tier) : ordered_iterator(*records_, tier);
  std::optional<Tid> tid;
  if (!before.is_zero()) {
    ASSIGN_OR_RETURN(tid, seek_revision(*revisions, oid, current ? line : before.previous()));
  }
  if (!tid) {
    if (current) return loaded;
    ASSIGN_OR_RETURN(const std::optional<Tid> newest, seek_revision(*revisions, oid, line));
    if (newest) loaded.status = LoadStatus::not_yet;
    return loaded;
  }
  RETURN_IF_ERROR(decode_found(oid, *tid, to_view(revisions->value()), tier, loaded));
  if (current) return loaded;
  ASSIGN_OR_RETURN(loaded.end, next_revision(*revisions, oid, line));
  return loaded;
}

Result<Loaded> RocksObjectStore::load_serial(Oid oid, Tid tid, Tid line) const {
  Loaded loaded;
  if (tid > line) return loaded;
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      records_->db().Get(read_options(ReadTier::disk), records_->revisions(),
                         to_slice(revision_key(oid, tid).view()), &value);
  if (status.IsNotFound()) return loaded;
  if (!status.ok()) return rocks_error(reading(oid), status);
  RETURN_IF_ERROR(decode_found(oid, tid, to_view(value), ReadTier::disk, loaded));
  return loaded;
}

Result<std::vector<Tid>> RocksObjectStore::current_tids(std::span<const Oid> oids, Tid line) const {
  std::vector<Tid> tids;
  if (oids.empty()) return tids;
  tids.reserve(oids.size());
  const IteratorPtr revisions = object_iterator(*records_, ReadTier::disk);
  for (const Oid oid : oids) {
    ASSIGN_OR_RETURN(const std::optional<Tid> tid, seek_revision(*revisions, oid, line));
    tids.push_back(kNoTid);
    if (!tid) continue;
    ASSIGN_OR_RETURN(const RevisionKind kind,
                     decode_revision_kind(oid, *tid, to_view(revisions->value())));
    if (kind != RevisionKind::deletion) tids.back() = *tid;
  }
  return tids;
}

Result<std::vector<ObjectStore::ObjectRevision>> RocksObjectStore::history(
    Oid oid, Tid line, std::size_t count) const {
  std::vector<ObjectRevision> found;
  if (count == 0) return found;
  const IteratorPtr revisions = object_iterator(*records_, ReadTier::disk);
  ASSIGN_OR_RETURN(std::optional<Tid> tid, seek_revision(*revisions, oid, line));
  while (tid) {
    ASSIGN_OR_RETURN(const RevisionView revision,
                     decode_revision(oid, *tid, to_view(revisions->value())));
    const auto size = static_cast<std::uint32_t>(revision.data.size());
    found.push_back(
        ObjectRevision{*tid, ObjectSummary{oid, kNoTid, revision.kind, revision.back, size}});
    if (found.size() == count) break;
    revisions->Next();
    tid.reset();
    if (!revisions->Valid()) break;
    const std::optional<RevisionKey> key = parse_revision_key(to_view(revisions->key()));
    if (key && key->oid == oid) tid = key->tid;
  }
  if (!revisions->status().ok()) return rocks_error(reading(oid), revisions->status());
  return found;
}

// Mostly steps: a seek costs as much as some dozen of them.
Result<std::vector<CurrentObject>> RocksObjectStore::next_objects(Oid from, Tid line,
                                                                  std::size_t count) const {
  static constexpr std::size_t kStepsMax = 16;
  std::vector<CurrentObject> found;
  const IteratorPtr revisions = walking_iterator(*records_);
  std::optional<Oid> judged;  // nothing more is wanted of this object
  std::size_t steps = 0;
  revisions->Seek(to_slice(revision_key(from, line).view()));
  while (revisions->Valid() && found.size() < count) {
    const std::optional<RevisionKey> key = parse_revision_key(to_view(revisions->key()));
    if (!key) return damaged_key(*revisions);
    if (key->oid == judged || key->tid > line) {
      if (++steps < kStepsMax) {
        revisions->Next();
        continue;
      }
      const Oid next = key->oid == judged ? key->oid.next() : key->oid;
      if (next.is_zero()) break;
      revisions->Seek(to_slice(revision_key(next, line).view()));
      steps = 0;
      continue;
    }
    ASSIGN_OR_RETURN(const RevisionKind kind,
                     decode_revision_kind(key->oid, key->tid, to_view(revisions->value())));
    if (kind != RevisionKind::deletion) found.push_back({key->oid, key->tid});
    judged = key->oid;
    steps = 0;
    revisions->Next();
  }
  if (!revisions->status().ok()) return rocks_error("walk the objects", revisions->status());
  return found;
}

Result<std::vector<LogEntry>> RocksObjectStore::read_log(Tid after, Tid until,
                                                         LogLimit limit) const {
  std::vector<LogEntry> entries;
  if (after >= until) return entries;
  const IteratorPtr log(records_->db().NewIterator(rocksdb::ReadOptions(), records_->log()));
  std::size_t bytes = 0;
  for (log->Seek(to_slice(log_key(after.next()).view())); log->Valid(); log->Next()) {
    const std::optional<Tid> tid = parse_log_key(to_view(log->key()));
    if (!tid) return make_error(ErrorCode::corruption, "the log has a key that is not a tid");
    if (*tid > until) break;
    bytes += log->value().size();
    if (!entries.empty() && (entries.size() >= limit.entries || bytes > limit.bytes)) break;
    ASSIGN_OR_RETURN(LogEntry entry, decode_log_entry(*tid, to_view(log->value())));
    entries.push_back(std::move(entry));
  }
  if (!log->status().ok()) return rocks_error("read the log", log->status());
  return entries;
}

Result<std::vector<LogEntry>> RocksObjectStore::read_log_back(Tid before, LogLimit limit) const {
  std::vector<LogEntry> entries;
  if (before.is_zero()) return entries;
  const IteratorPtr log(records_->db().NewIterator(rocksdb::ReadOptions(), records_->log()));
  std::size_t bytes = 0;
  log->SeekForPrev(to_slice(log_key(before.previous()).view()));
  for (; log->Valid(); log->Prev()) {
    const std::optional<Tid> tid = parse_log_key(to_view(log->key()));
    if (!tid) return make_error(ErrorCode::corruption, "the log has a key that is not a tid");
    bytes += log->value().size();
    if (!entries.empty() && (entries.size() >= limit.entries || bytes > limit.bytes)) break;
    ASSIGN_OR_RETURN(LogEntry entry, decode_log_entry(*tid, to_view(log->value())));
    entries.push_back(std::move(entry));
  }
  if (!log->status().ok()) return rocks_error("read the log", log->status());
  return entries;
}

Result<std::optional<LogEntry>> RocksObjectStore::log_entry(Tid tid) const {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = records_->db().Get(rocksdb::ReadOptions(), records_->log(),
                                                    to_slice(log_key(tid).view()), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return rocks_error("read the log", status);
  ASSIGN_OR_RETURN(LogEntry entry, decode_log_entry(tid, to_view(value)));
  return entry;
}

Result<TransactionRecord> RocksObjectStore::read_record(const LogEntry& entry) const {
  TransactionRecord record = record_without_data(entry);
  for (ObjectWrite& write : record.writes) {
    if (write.kind != RevisionKind::data) continue;
    rocksdb::PinnableSlice value;
    const rocksdb::Status status =
        records_->db().Get(rocksdb::ReadOptions(), records_->revisions(),
                           to_slice(revision_key(write.oid, record.tid).view()), &value);
    if (status.IsNotFound()) {
      return make_error(ErrorCode::not_found, "object " + to_hex(write.oid) +
                                                  " as of transaction " + to_hex(record.tid) +
                                                  " is not stored");
    }
    if (!status.ok()) return rocks_error(reading(write.oid), status);
    ASSIGN_OR_RETURN(const RevisionView revision,
                     decode_revision(write.oid, record.tid, to_view(value)));
    write.data = Bytes::copy_of(revision.data);
  }
  RETURN_IF_ERROR(check_body(entry, record.writes));
  return record;
}

std::vector<Result<TransactionRecord>> RocksObjectStore::read_records(
    std::span<const LogEntry> entries) const {
  std::vector<TransactionRecord> records;
  records.reserve(entries.size());
  for (const LogEntry& entry : entries) records.push_back(record_without_data(entry));
  const std::vector<WantedWrite> wanted = data_writes(entries);
  std::vector<bool> failed(entries.size());
  const auto fill = [&](std::size_t i, const rocksdb::Status& status, ByteView value) -> Result<> {
    const WantedWrite& write = wanted[i];
    Result<RevisionView> revision = RevisionView{};
    if (status.ok()) revision = decode_revision(write.key.oid, write.key.tid, value);
    failed[write.entry] = failed[write.entry] || !status.ok() || !revision;
    if (revision) records[write.entry].writes[write.place].data = Bytes::copy_of(revision->data);
    return {};
  };
  (void)look_up(*records_, wanted, true, fill);
  std::vector<Result<TransactionRecord>> results;
  results.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (failed[i] || !check_body(entries[i], records[i].writes)) {
      results.push_back(read_record(entries[i]));  // says what is wrong
    } else {
      results.push_back(std::move(records[i]));
    }
  }
  return results;
}

StoreSize RocksObjectStore::size() const {
  std::uint64_t revisions = 0;
  std::uint64_t tables = 0;
  rocksdb::DB& db = records_->db();
  // A property that is not known stays 0.
  (void)db.GetIntProperty(records_->revisions(), rocksdb::DB::Properties::kEstimateNumKeys,
                          &revisions);
  (void)db.GetAggregatedIntProperty(rocksdb::DB::Properties::kLiveSstFilesSize, &tables);
  return {revisions, tables + records_->unflushed_bytes()};
}

Result<std::optional<Outcome>> RocksObjectStore::find_outcome(const CommitId& id) const {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = records_->db().Get(rocksdb::ReadOptions(), records_->outcomes(),
                                                    to_slice(outcome_key(id).view()), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return rocks_error("read the outcome of a commit", status);
  ASSIGN_OR_RETURN(const Outcome outcome, decode_outcome(to_view(value)));
  if (outcome.tid <= outcome_horizon()) return std::nullopt;
  return outcome;
}

}  // namespace zeolite::storage
