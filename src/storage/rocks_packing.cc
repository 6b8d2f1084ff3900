// The part of RocksObjectStore that packing is made of: what is left of a transaction, and the walk
// over all revisions.

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "storage/key_encoding.h"
#include "storage/record_codec.h"
#include "storage/rocks_iterators.h"
#include "storage/rocks_object_store.h"

namespace zeolite::storage {

namespace {

// Revisions that are looked up together; bounds what is held in memory at a time.
constexpr std::size_t kLookupBatch = 64;

// Looks up the revisions of `oids` at `tid` and calls found(index, value) for each that is there.
template <typename Found>
Result<> look_up(const RocksDatabase& records, std::span<const ObjectSummary> objects, Tid tid,
                 const Found& found) {
  std::vector<FixedKey<16>> keys(kLookupBatch);
  std::vector<rocksdb::Slice> slices(kLookupBatch);
  for (std::size_t begin = 0; begin < objects.size(); begin += kLookupBatch) {
    const std::size_t count = std::min(kLookupBatch, objects.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      keys[i] = revision_key(objects[begin + i].oid, tid);
      slices[i] = to_slice(keys[i].view());
    }
    std::vector<rocksdb::PinnableSlice> values(count);
    std::vector<rocksdb::Status> statuses(count);
    records.db().MultiGet(rocksdb::ReadOptions(), records.revisions(), count, slices.data(),
                          values.data(), statuses.data());
    for (std::size_t i = 0; i < count; ++i) {
      if (statuses[i].IsNotFound()) continue;
      if (!statuses[i].ok()) return rocks_error(reading(objects[begin + i].oid), statuses[i]);
      RETURN_IF_ERROR(found(begin + i, to_view(values[i])));
    }
  }
  return {};
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
  const auto note = [&there](std::size_t i, ByteView /*value*/) -> Result<> {
    there[i] = true;
    return {};
  };
  RETURN_IF_ERROR(look_up(*records_, entry.objects, entry.position.tid, note));
  return there;
}

Result<TransactionRecord> RocksObjectStore::read_surviving(const LogEntry& entry) const {
  const Tid tid = entry.position.tid;
  TransactionRecord record = record_without_data(entry);
  std::vector<ObjectWrite> left;
  left.reserve(record.writes.size());
  const auto keep = [&](std::size_t i, ByteView value) -> Result<> {
    ObjectWrite& write = record.writes[i];
    Loaded loaded;
    RETURN_IF_ERROR(decode_found(write.oid, tid, value, ReadTier::disk, loaded));
    if (write.kind == RevisionKind::data) write.data = std::move(loaded.data);
    left.push_back(std::move(write));
    return {};
  };
  RETURN_IF_ERROR(look_up(*records_, entry.objects, tid, keep));
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
