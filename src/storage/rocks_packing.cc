// The part of RocksObjectStore that packing is made of: what is left of a transaction, and the walk
// over all revisions.

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "storage/key_encoding.h"
#include "storage/record_codec.h"
#include "storage/rocks_iterators.h"
#include "storage/rocks_look_up.h"
#include "storage/rocks_object_store.h"

namespace zeolite::storage {

namespace {

// The entry's revisions, in its order.
std::vector<WantedRevision> revisions_of(const LogEntry& entry) {
  std::vector<WantedRevision> wanted;
  wanted.reserve(entry.objects.size());
  for (const ObjectSummary& object : entry.objects) {
    wanted.push_back({{object.oid, entry.position.tid}, object.size});
  }
  return wanted;
}

// Reads the object that `revisions` is at, to the end of its revisions, into `found`.
Result<> read_object(rocksdb::Iterator& revisions, Oid oid, std::vector<StoredRevision>& found) {
  for (; revisions.Valid(); revisions.Next()) {
    const std::optional<RevisionKey> key = parse_revision_key(to_view(revisions.key()));
    if (!key) return damaged_key(revisions);
    if (key->oid != oid) return {};
    StoredRevision revision;
    revision.key = *key;
    ASSIGN_OR_RETURN(revision.kind,
                     decode_revision_kind(oid, key->tid, to_view(revisions.value())));
    if (revision.kind == RevisionKind::back_pointer) {
      ASSIGN_OR_RETURN(const RevisionView view,
                       decode_revision(oid, key->tid, to_view(revisions.value())));
      revision.back = view.back;
    }
    found.push_back(revision);
  }
  return {};
}

}  // namespace

Result<std::vector<bool>> RocksObjectStore::present(const LogEntry& entry) const {
  // Nothing was removed above the horizon.
  const bool whole = entry.position.tid > pack_horizon();
  std::vector<bool> there(entry.objects.size(), whole);
  if (whole) return there;
  const auto note = [&](std::size_t i, const rocksdb::Status& status, ByteView) -> Result<> {
    if (!status.ok() && !status.IsNotFound())
      return rocks_error(reading(entry.objects[i].oid), status);
    there[i] = status.ok();
    return {};
  };
  RETURN_IF_ERROR(look_up(*records_, revisions_of(entry), false, note));
  return there;
}

Result<TransactionRecord> RocksObjectStore::read_surviving(const LogEntry& entry) const {
  const Tid tid = entry.position.tid;
  TransactionRecord record = record_without_data(entry);
  std::vector<ObjectWrite> left;
  left.reserve(record.writes.size());
  const auto keep = [&](std::size_t i, const rocksdb::Status& status, ByteView value) -> Result<> {
    ObjectWrite& write = record.writes[i];
    if (status.IsNotFound()) return {};
    if (!status.ok()) return rocks_error(reading(write.oid), status);
    Loaded loaded;
    RETURN_IF_ERROR(decode_found(write.oid, tid, value, ReadTier::disk, loaded));
    if (write.kind == RevisionKind::data) write.data = std::move(loaded.data);
    left.push_back(std::move(write));
    return {};
  };
  RETURN_IF_ERROR(look_up(*records_, revisions_of(entry), false, keep));
  record.writes = std::move(left);
  return record;
}

Result<std::vector<StoredRevision>> RocksObjectStore::revisions_from(Oid from,
                                                                     std::size_t count_max) const {
  const IteratorPtr revisions = walking_iterator(*records_);
  std::vector<StoredRevision> found;
  revisions->Seek(to_slice(revision_key(from, Tid(~std::uint64_t{0})).view()));
  while (revisions->Valid() && found.size() < std::max(count_max, std::size_t{1})) {
    const std::optional<RevisionKey> key = parse_revision_key(to_view(revisions->key()));
    if (!key) return damaged_key(*revisions);
    const std::size_t whole = found.size();
    RETURN_IF_ERROR(read_object(*revisions, key->oid, found));
    if (whole > 0 && found.size() > count_max) {
      found.resize(whole);
      break;
    }
  }
  if (!revisions->status().ok()) return rocks_error("walk the revisions", revisions->status());
  return found;
}

PackState RocksObjectStore::pack_state() const {
  const std::lock_guard lock(tail_mutex_);
  return tail_.pack_state();
}

}  // namespace zeolite::storage
