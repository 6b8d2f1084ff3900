#include "storage/memory_object_store.h"

#include <algorithm>
#include <mutex>

#include "base/check.h"
#include "storage/log_chain.h"
#include "storage/log_rollback.h"

namespace zeolite::storage {

MemoryObjectStore::MemoryObjectStore(const Options& options)
    : options_(options), tail_(options.outcome_retention) {}

void MemoryObjectStore::set_out_of_space(bool out_of_space) {
  const std::unique_lock lock(mutex_);
  out_of_space_ = out_of_space;
}

void MemoryObjectStore::break_appends() {
  const std::unique_lock lock(mutex_);
  broken_ = true;
}

Position MemoryObjectStore::last_position() const {
  const std::shared_lock lock(mutex_);
  return tail_.last();
}

Tid MemoryObjectStore::last_transaction() const {
  const std::shared_lock lock(mutex_);
  return tail_.marks().last_transaction;
}

Oid MemoryObjectStore::oid_mark() const {
  const std::shared_lock lock(mutex_);
  return tail_.marks().oid_mark;
}

Tid MemoryObjectStore::outcome_horizon() const {
  const std::shared_lock lock(mutex_);
  return tail_.marks().outcome_horizon;
}

PackState MemoryObjectStore::pack_state() const {
  const std::shared_lock lock(mutex_);
  return tail_.pack_state();
}

Result<> MemoryObjectStore::check_writable() const {
  if (out_of_space_) return make_error(ErrorCode::out_of_space, "the memory store is told full");
  if (broken_) return make_error(ErrorCode::io_error, "the memory store is told broken");
  return {};
}

Result<Position> MemoryObjectStore::append(std::span<const TransactionRecord> group) {
  const std::unique_lock lock(mutex_);
  RETURN_IF_ERROR(check_writable());
  for (const TransactionRecord& record : group) RETURN_IF_ERROR(apply(record));
  return tail_.last();
}

Result<> MemoryObjectStore::reserve_oids(Oid mark) {
  const std::unique_lock lock(mutex_);
  RETURN_IF_ERROR(check_writable());
  CHECK(log_.empty(), "a log that has entries says which oids are handed out");
  Marks marks = tail_.marks();
  marks.oid_mark = std::max(marks.oid_mark, mark);
  tail_ = LogTail(options_.outcome_retention, Position{}, marks);
  return {};
}

Result<> MemoryObjectStore::rollback(const Position& to) {
  Marks marks;
  {
    const std::shared_lock lock(mutex_);
    RETURN_IF_ERROR(check_writable());
    marks = tail_.marks();
  }
  RETURN_IF_ERROR(check_undoable(*this, to));
  ASSIGN_OR_RETURN(marks, marks_at(*this, to, marks));
  const std::unique_lock lock(mutex_);
  while (!log_.empty() && log_.rbegin()->first > to.tid) {
    undo(log_.rbegin()->second);
    log_.erase(std::prev(log_.end()));
  }
  tail_ = LogTail(options_.outcome_retention, to, marks);
  return {};
}

void MemoryObjectStore::undo(const StoredEntry& stored) {
  const LogEntry& entry = stored.entry;
  for (const ObjectSummary& summary : entry.objects) {
    const auto object = objects_.find(summary.oid);
    CHECK(object != objects_.end(), "what is undone has its revisions");
    object->second.erase(entry.position.tid);
    if (object->second.empty()) objects_.erase(object);
  }
  outcomes_.erase(entry.commit_id);
}

Result<> MemoryObjectStore::check_room(std::uint64_t /*bytes*/) const {
  const std::shared_lock lock(mutex_);
  if (out_of_space_) return make_error(ErrorCode::out_of_space, "the memory store is told full");
  return {};
}

Result<> MemoryObjectStore::apply(const TransactionRecord& record) {
  const std::string value = tail_.extend(record);
  ASSIGN_OR_RETURN(LogEntry entry, decode_log_entry(record.tid, value));
  log_.emplace(record.tid, StoredEntry{std::move(entry), value.size()});
  for (const ObjectWrite& write : record.writes) {
    objects_[write.oid].emplace(record.tid, Revision{write.kind, write.data, write.back});
  }
  remove(record.removed);
  if (record.commit_id.empty()) return {};
  if (record.kind == RecordKind::transaction) {
    outcomes_[record.commit_id] = Outcome{Outcome::Kind::committed, record.tid};
  } else if (record.kind == RecordKind::tombstone) {
    outcomes_[record.commit_id] = Outcome{Outcome::Kind::aborted, record.tid};
  }
  return {};
}

void MemoryObjectStore::remove(std::span<const RevisionKey> keys) {
  for (const RevisionKey& key : keys) {
    const auto object = objects_.find(key.oid);
    if (object == objects_.end()) continue;
    object->second.erase(key.tid);
    if (object->second.empty()) objects_.erase(object);
  }
}

const MemoryObjectStore::Revision* MemoryObjectStore::newest_at(Oid oid, Tid line, Tid& tid) const {
  const auto object = objects_.find(oid);
  if (object == objects_.end()) return nullptr;
  auto next = object->second.upper_bound(line);
  if (next == object->second.begin()) return nullptr;
  --next;
  tid = next->first;
  return &next->second;
}

const MemoryObjectStore::Revision* MemoryObjectStore::find_revision(Oid oid, Tid tid) const {
  Tid found;
  const Revision* const revision = newest_at(oid, tid, found);
  return revision != nullptr && found == tid ? revision : nullptr;
}

Result<> MemoryObjectStore::fill(Oid oid, Tid tid, const Revision& revision, Loaded& loaded) const {
  loaded.tid = tid;
  loaded.status = LoadStatus::found;
  switch (revision.kind) {
    case RevisionKind::data:
      loaded.data = revision.data;
      return {};
    case RevisionKind::deletion:
      loaded.status = LoadStatus::deleted;
      return {};
    case RevisionKind::back_pointer:
      break;
  }
  const Revision* const target = find_revision(oid, revision.back);
  if (target == nullptr || target->kind != RevisionKind::data) {
    return make_error(ErrorCode::corruption, "object " + to_hex(oid) + " as of transaction " +
                                                 to_hex(tid) + " points back to transaction " +
                                                 to_hex(revision.back) +
                                                 ", which has no data of it");
  }
  loaded.data = target->data;
  return {};
}

Result<Loaded> MemoryObjectStore::load_before(Oid oid, Tid before, Tid line,
                                              ReadTier /*tier*/) const {
  const std::shared_lock lock(mutex_);
  Loaded loaded;
  Tid newest;
  if (newest_at(oid, line, newest) == nullptr) return loaded;
  Tid tid;
  const Revision* const revision =
      before.is_zero() ? nullptr : newest_at(oid, std::min(before.previous(), line), tid);
  if (revision == nullptr) {
    loaded.status = LoadStatus::not_yet;
    return loaded;
  }
  RETURN_IF_ERROR(fill(oid, tid, *revision, loaded));
  const Revisions& revisions = objects_.at(oid);
  const auto next = revisions.upper_bound(tid);
  if (next != revisions.end() && next->first <= line) loaded.end = next->first;
  return loaded;
}

Result<Loaded> MemoryObjectStore::load_serial(Oid oid, Tid tid, Tid line) const {
  const std::shared_lock lock(mutex_);
  Loaded loaded;
  if (tid > line) return loaded;
  const Revision* const revision = find_revision(oid, tid);
  if (revision == nullptr) return loaded;
  RETURN_IF_ERROR(fill(oid, tid, *revision, loaded));
  return loaded;
}

Result<std::vector<Tid>> MemoryObjectStore::current_tids(std::span<const Oid> oids,
                                                         Tid line) const {
  const std::shared_lock lock(mutex_);
  std::vector<Tid> tids;
  tids.reserve(oids.size());
  for (const Oid oid : oids) {
    Tid tid;
    const Revision* const revision = newest_at(oid, line, tid);
    const bool current = revision != nullptr && revision->kind != RevisionKind::deletion;
    tids.push_back(current ? tid : kNoTid);
  }
  return tids;
}

Result<std::vector<ObjectStore::ObjectRevision>> MemoryObjectStore::history(
    Oid oid, Tid line, std::size_t count) const {
  const std::shared_lock lock(mutex_);
  std::vector<ObjectRevision> found;
  const auto object = objects_.find(oid);
  if (object == objects_.end()) return found;
  auto next = object->second.upper_bound(line);
  while (next != object->second.begin() && found.size() < count) {
    --next;
    const Revision& revision = next->second;
    ObjectSummary summary{oid, kNoTid, revision.kind, revision.back,
                          static_cast<std::uint32_t>(revision.data.size())};
    found.push_back(ObjectRevision{next->first, summary});
  }
  return found;
}

Result<std::vector<CurrentObject>> MemoryObjectStore::next_objects(Oid from, Tid line,
                                                                   std::size_t count) const {
  const std::shared_lock lock(mutex_);
  std::vector<CurrentObject> found;
  for (auto object = objects_.lower_bound(from); object != objects_.end(); ++object) {
    if (found.size() >= count) break;
    Tid tid;
    const Revision* const revision = newest_at(object->first, line, tid);
    if (revision != nullptr && revision->kind != RevisionKind::deletion) {
      found.push_back({object->first, tid});
    }
  }
  return found;
}

Result<std::vector<LogEntry>> MemoryObjectStore::read_log(Tid after, Tid until,
                                                          LogLimit limit) const {
  const std::shared_lock lock(mutex_);
  std::vector<LogEntry> entries;
  std::size_t bytes = 0;
  for (auto next = log_.upper_bound(after); next != log_.end() && next->first <= until; ++next) {
    bytes += next->second.encoded_size;
    if (!entries.empty() && (entries.size() >= limit.entries || bytes > limit.bytes)) break;
    entries.push_back(next->second.entry);
  }
  return entries;
}

Result<std::vector<LogEntry>> MemoryObjectStore::read_log_back(Tid before, LogLimit limit) const {
  const std::shared_lock lock(mutex_);
  std::vector<LogEntry> entries;
  std::size_t bytes = 0;
  for (auto next = log_.lower_bound(before); next != log_.begin();) {
    --next;
    bytes += next->second.encoded_size;
    if (!entries.empty() && (entries.size() >= limit.entries || bytes > limit.bytes)) break;
    entries.push_back(next->second.entry);
  }
  return entries;
}

Result<std::optional<LogEntry>> MemoryObjectStore::log_entry(Tid tid) const {
  const std::shared_lock lock(mutex_);
  const auto found = log_.find(tid);
  if (found == log_.end()) return std::nullopt;
  return found->second.entry;
}

Result<TransactionRecord> MemoryObjectStore::read_record(const LogEntry& entry) const {
  const std::shared_lock lock(mutex_);
  TransactionRecord record = record_without_data(entry);
  for (ObjectWrite& write : record.writes) {
    if (write.kind != RevisionKind::data) continue;
    const Revision* const revision = find_revision(write.oid, entry.position.tid);
    if (revision == nullptr) {
      return make_error(ErrorCode::not_found, "object " + to_hex(write.oid) +
                                                  " as of transaction " +
                                                  to_hex(entry.position.tid) + " is not stored");
    }
    write.data = revision->data;
  }
  RETURN_IF_ERROR(check_body(entry, record.writes));
  return record;
}

Result<std::vector<bool>> MemoryObjectStore::present(const LogEntry& entry) const {
  const std::shared_lock lock(mutex_);
  std::vector<bool> found;
  found.reserve(entry.objects.size());
  for (const ObjectSummary& object : entry.objects) {
    found.push_back(find_revision(object.oid, entry.position.tid) != nullptr);
  }
  return found;
}

Result<TransactionRecord> MemoryObjectStore::read_surviving(const LogEntry& entry) const {
  const std::shared_lock lock(mutex_);
  TransactionRecord record = record_without_data(entry);
  std::vector<ObjectWrite> left;
  left.reserve(record.writes.size());
  for (ObjectWrite& write : record.writes) {
    const Revision* const revision = find_revision(write.oid, entry.position.tid);
    if (revision == nullptr) continue;
    Loaded checked;
    RETURN_IF_ERROR(fill(write.oid, entry.position.tid, *revision, checked));
    write.data = revision->data;
    left.push_back(std::move(write));
  }
  record.writes = std::move(left);
  return record;
}

Result<std::vector<StoredRevision>> MemoryObjectStore::revisions_from(Oid from,
                                                                      std::size_t count_max) const {
  const std::shared_lock lock(mutex_);
  std::vector<StoredRevision> found;
  for (auto object = objects_.lower_bound(from); object != objects_.end(); ++object) {
    const auto& [oid, revisions] = *object;
    if (!found.empty() && found.size() + revisions.size() > count_max) break;
    for (auto next = revisions.rbegin(); next != revisions.rend(); ++next) {
      found.push_back({{oid, next->first}, next->second.kind, next->second.back});
    }
  }
  return found;
}

StoreSize MemoryObjectStore::size() const {
  const std::shared_lock lock(mutex_);
  StoreSize size;
  for (const auto& [oid, revisions] : objects_) {
    size.revisions += revisions.size();
    for (const auto& [tid, revision] : revisions) size.bytes += revision.data.size();
  }
  return size;
}

Result<std::optional<Outcome>> MemoryObjectStore::find_outcome(const CommitId& id) const {
  const std::shared_lock lock(mutex_);
  const auto found = outcomes_.find(id);
  if (found == outcomes_.end()) return std::nullopt;
  if (found->second.tid <= tail_.marks().outcome_horizon) return std::nullopt;
  return found->second;
}

}  // namespace zeolite::storage
