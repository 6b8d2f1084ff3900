#include "storage/rocks_object_store.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/check.h"
#include "storage/append_size.h"
#include "storage/crash_point.h"
#include "storage/key_encoding.h"
#include "storage/log_chain.h"
#include "storage/rocks_database.h"

namespace zeolite::storage {

namespace {

// In the write-ahead log now and in tables later.
constexpr std::uint64_t kTimesWritten = 2;

// Marks are not written with every group: most can be told from the log's last entry.
bool marks_needed(const LogTail& before, const LogTail& after, RecordKind last_kind) {
  return last_kind != RecordKind::transaction ||
         before.marks().oid_mark != after.marks().oid_mark ||
         before.marks().pack_record != after.marks().pack_record ||
         before.marks().pack_swept != after.marks().pack_swept ||
         before.marks().next_horizon != after.marks().next_horizon;
}

std::string missing_data_advice(const std::filesystem::path& directory) {
  return "; do not serve from " + directory.string() +
         ": restore it from a backup, or make it anew as a standby of a node that has the data";
}

}  // namespace

RocksObjectStore::RocksObjectStore(const RocksStoreOptions& options, DataDirectory directory)
    : options_(options),
      directory_(std::move(directory)),
      space_([path = directory_.path()] { return read_disk_usage(path); }, options.reserve_bytes,
             clock_),
      tail_(options.outcome_retention) {}

RocksObjectStore::~RocksObjectStore() = default;

Result<std::unique_ptr<RocksObjectStore>> RocksObjectStore::open(const RocksStoreOptions& options) {
  ASSIGN_OR_RETURN(DataDirectory directory,
                   DataDirectory::open({options.directory, options.create_if_missing,
                                        options.read_only, options.cluster_id, options.lock}));
  std::unique_ptr<RocksObjectStore> store(new RocksObjectStore(options, std::move(directory)));
  ASSIGN_OR_RETURN(store->mark_, HighWaterMark::open(store->directory_.high_water_mark_path(),
                                                     options.read_only));
  crash_point("open.before_records");
  RETURN_IF_ERROR(store->open_records());
  crash_point("open.after_records");
  RETURN_IF_ERROR(store->recover_tail());
  RETURN_IF_ERROR(store->check_high_water_mark());
  RETURN_IF_ERROR(store->check_chain());
  const Position last = store->tail_.last();
  if (!options.read_only && last != store->mark_->position()) {
    // What was in flight when the process died counts from now on: it will be served.
    RETURN_IF_ERROR(store->mark_->write(last));
    RETURN_IF_ERROR(store->mark_->sync());
  }
  store->records_->set_outcome_horizon(store->tail_.marks().outcome_horizon);
  return store;
}

Result<> RocksObjectStore::open_records() {
  const bool nothing_yet = mark_->position().tid == kNoTid;
  const std::filesystem::path path = directory_.records_path();
  std::error_code error;
  if (!nothing_yet && !std::filesystem::exists(path / "CURRENT", error)) {
    return make_error(ErrorCode::corruption,
                      "acknowledged transactions are missing: there are no "
                      "records in " +
                          path.string() + missing_data_advice(directory_.path()));
  }
  const auto has_room = [this](std::uint64_t bytes) { return space_.check(bytes).has_value(); };
  ASSIGN_OR_RETURN(records_, RocksDatabase::open(options_, path, nothing_yet, has_room));
  return {};
}

Result<> RocksObjectStore::recover_tail() {
  const std::unique_ptr<rocksdb::Iterator> log(
      records_->db().NewIterator(rocksdb::ReadOptions(), records_->log()));
  log->SeekToLast();
  if (!log->Valid() && !log->status().ok()) {
    return rocks_error("read the end of the log", log->status());
  }
  Marks marks;
  std::string stored;
  const rocksdb::Status status =
      records_->db().Get(rocksdb::ReadOptions(), records_->meta(), to_slice(kMarksKey), &stored);
  if (status.ok()) {
    ASSIGN_OR_RETURN(marks, decode_marks(stored));
  } else if (!status.IsNotFound()) {
    return rocks_error("read the marks", status);
  }
  if (!log->Valid()) {
    tail_ = LogTail(options_.outcome_retention, Position{}, marks);
    return {};
  }
  const std::optional<Tid> tid = parse_log_key(to_view(log->key()));
  if (!tid) return make_error(ErrorCode::corruption, "the log has a key that is not a tid");
  ASSIGN_OR_RETURN(const LogEntry last, decode_log_entry(*tid, to_view(log->value())));
  if (last.kind == RecordKind::transaction) marks.last_transaction = *tid;
  tail_ = LogTail(options_.outcome_retention, last.position, marks);
  return {};
}

Result<> RocksObjectStore::check_high_water_mark() const {
  const Position acknowledged = mark_->position();
  if (acknowledged.tid == kNoTid) return {};
  ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, log_entry(acknowledged.tid));
  if (entry && entry->position == acknowledged) return {};
  return make_error(
      ErrorCode::corruption,
      "acknowledged transactions are missing: transaction " + to_hex(acknowledged.tid) +
          " was acknowledged, but the log " +
          (entry ? "has another one in its place" : "ends at " + to_hex(tail_.last().tid)) +
          missing_data_advice(directory_.path()));
}

// A write-ahead log with a hole recovers without complaint; the chain does not.
Result<> RocksObjectStore::check_chain() const {
  const std::unique_ptr<rocksdb::Iterator> log(
      records_->db().NewIterator(rocksdb::ReadOptions(), records_->log()));
  std::string later;
  std::size_t checked = 0;
  std::size_t bytes = 0;
  for (log->SeekToLast();
       checked < options_.chain_check_entries && bytes < options_.chain_check_bytes;
       log->Prev(), ++checked, bytes += later.size()) {
    if (!log->Valid() && later.empty()) break;
    ByteView covered;
    ChainHash chain{};
    const bool first = !log->Valid();
    if (!first && !split_chain(to_view(log->value()), covered, chain)) {
      return make_error(ErrorCode::corruption, "an entry of the log is cut short" +
                                                   missing_data_advice(directory_.path()));
    }
    if (!later.empty()) {
      ByteView later_covered;
      ChainHash later_chain{};
      if (!split_chain(later, later_covered, later_chain) ||
          next_chain(chain, later_covered) != later_chain) {
        return make_error(
            ErrorCode::corruption,
            "the log is broken after " +
                (first ? std::string("its beginning")
                       : "transaction " + to_hex(*parse_log_key(to_view(log->key())))) +
                ": entries are missing or changed" + missing_data_advice(directory_.path()));
      }
    }
    if (first) break;
    later = log->value().ToString();
  }
  if (!log->status().ok()) return rocks_error("read the end of the log", log->status());
  return {};
}

Result<> RocksObjectStore::put_revision(rocksdb::WriteBatch& batch, Tid tid,
                                        const ObjectWrite& write) const {
  const auto key = revision_key(write.oid, tid);
  std::string back;
  if (write.kind == RevisionKind::back_pointer) put_tid(back, write.back);
  const ByteView payload = write.kind == RevisionKind::data ? write.data.view() : back;
  const auto head = encode_revision_head(write.oid, tid, write.kind, payload);
  const rocksdb::Slice key_part = to_slice(key.view());
  const std::array<rocksdb::Slice, 2> value_parts = {rocksdb::Slice(head.data(), head.size()),
                                                     to_slice(payload)};
  const rocksdb::Status status =
      batch.Put(records_->revisions(), rocksdb::SliceParts(&key_part, 1),
                rocksdb::SliceParts(value_parts.data(), value_parts.size()));
  if (!status.ok()) return rocks_error("build the batch of a group", status);
  return {};
}

// The memtable finds the place of a key next to the one before in one step (rocks_options.cc).
Result<> RocksObjectStore::put_sorted_revisions(rocksdb::WriteBatch& batch,
                                                std::span<const TransactionRecord> group) const {
  struct Revision {
    Tid tid;
    const ObjectWrite* write;
  };
  std::vector<Revision> revisions;
  for (const TransactionRecord& record : group) {
    for (const ObjectWrite& write : record.writes) revisions.push_back({record.tid, &write});
  }
  std::ranges::sort(revisions, [](const Revision& a, const Revision& b) {
    return std::pair(a.write->oid, b.tid) < std::pair(b.write->oid, a.tid);  // newest first
  });
  for (const auto& [tid, write] : revisions) RETURN_IF_ERROR(put_revision(batch, tid, *write));
  return {};
}

Result<> RocksObjectStore::put_record(rocksdb::WriteBatch& batch, const TransactionRecord& record,
                                      const std::string& entry) const {
  rocksdb::Status status = batch.Put(records_->log(), to_slice(log_key(record.tid).view()), entry);
  for (const RevisionKey& gone : record.removed) {
    const auto key = revision_key(gone.oid, gone.tid);
    if (status.ok()) status = batch.Delete(records_->revisions(), to_slice(key.view()));
  }
  const bool committed = record.kind == RecordKind::transaction;
  if (!record.commit_id.empty() && (committed || record.kind == RecordKind::tombstone)) {
    const Outcome outcome{committed ? Outcome::Kind::committed : Outcome::Kind::aborted,
                          record.tid};
    if (status.ok()) {
      status = batch.Put(records_->outcomes(), to_slice(outcome_key(record.commit_id).view()),
                         encode_outcome(outcome));
    }
  }
  if (!status.ok()) return rocks_error("build the batch of a group", status);
  return {};
}

Result<> RocksObjectStore::put_group(rocksdb::WriteBatch& batch,
                                     std::span<const TransactionRecord> group,
                                     std::span<const ChainHash> body_hashes, LogTail& tail) const {
  for (std::size_t i = 0; i < group.size(); ++i) {
    const ChainHash hash = body_hashes.empty() ? body_hash(group[i].writes) : body_hashes[i];
    RETURN_IF_ERROR(put_record(batch, group[i], tail.extend(group[i], hash)));
    if (options_.bulk_load) continue;
    for (const ObjectWrite& write : group[i].writes) {
      RETURN_IF_ERROR(put_revision(batch, group[i].tid, write));
    }
  }
  if (options_.bulk_load) RETURN_IF_ERROR(put_sorted_revisions(batch, group));
  if (!marks_needed(tail_, tail, group.back().kind)) return {};
  const rocksdb::Status status =
      batch.Put(records_->meta(), to_slice(kMarksKey), encode_marks(tail.marks()));
  if (!status.ok()) return rocks_error("build the batch of a group", status);
  return {};
}

Result<Position> RocksObjectStore::append(std::span<const TransactionRecord> group) {
  return append_group(group, {});
}

Result<Position> RocksObjectStore::append_hashed(std::span<const TransactionRecord> group,
                                                 std::span<const ChainHash> body_hashes) {
  CHECK(group.size() == body_hashes.size(), "each record has its body hash");
  return append_group(group, body_hashes);
}

Result<Position> RocksObjectStore::append_group(std::span<const TransactionRecord> group,
                                                std::span<const ChainHash> body_hashes) {
  if (options_.read_only) return make_error(ErrorCode::read_only, "opened for reading only");
  if (group.empty()) return last_position();
  const std::uint64_t size = append_size(group);
  // The record that begins a reign is small and may use the reserve: a server must be able to start
  // on a full disk, to be read.
  const bool begins_epoch = group.size() == 1 && group.front().kind == RecordKind::epoch;
  if (!begins_epoch || broken_) {
    if (Result<> writable = check_writable(kTimesWritten * size); !writable) {
      // Any other error promises that nothing is appended from now on.
      if (writable.error().code != ErrorCode::out_of_space) broken_ = true;
      return std::unexpected(std::move(writable).error());
    }
  }

  LogTail tail = tail_;
  rocksdb::WriteBatch batch(size, 0, kProtectionBytesPerKey, 0);
  if (Result<> put = put_group(batch, group, body_hashes, tail); !put) {
    broken_ = true;
    return std::unexpected(std::move(put).error());
  }
  {
    // What the group removes may be missing as soon as it is written.
    const std::lock_guard lock(tail_mutex_);
    tail_.raise_pack_horizon(tail.marks().pack_horizon);
  }
  crash_point("append.before_write");
  rocksdb::WriteOptions how;
  how.sync = !options_.bulk_load;
  how.disableWAL = options_.bulk_load;
  const rocksdb::Status status = records_->db().Write(how, &batch);
  if (!status.ok()) {
    broken_ = true;
    // Never out_of_space, which would promise that nothing was written.
    return make_error(ErrorCode::io_error, "it is not known whether the transactions up to " +
                                               to_hex(group.back().tid) +
                                               " are on the disk: " + status.ToString());
  }
  crash_point("append.after_write");
  if (Result<> marked = options_.bulk_load ? Result<>() : mark_->write(tail.last()); !marked) {
    broken_ = true;
    return std::unexpected(std::move(marked).error());
  }
  crash_point("append.after_mark");
  space_.spent(size);
  publish(tail);
  crash_point("append.before_return");
  return tail.last();
}

// Small, so it may use the reserve, as the record that begins a reign.
Result<> RocksObjectStore::reserve_oids(Oid mark) {
  if (options_.read_only) return make_error(ErrorCode::read_only, "opened for reading only");
  CHECK(last_position() == Position{}, "a log that has entries says which oids are handed out");
  if (broken_) return check_writable(0);
  Marks marks = tail_.marks();
  marks.oid_mark = std::max(marks.oid_mark, mark);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const rocksdb::Status status =
      records_->db().Put(synced, records_->meta(), to_slice(kMarksKey), encode_marks(marks));
  if (!status.ok()) {
    broken_ = true;
    return rocks_error("reserve object ids", status);
  }
  publish(LogTail(options_.outcome_retention, Position{}, marks));
  return {};
}

void RocksObjectStore::publish(const LogTail& tail) {
  const bool horizon_moved = tail.marks().outcome_horizon != tail_.marks().outcome_horizon;
  {
    const std::lock_guard lock(tail_mutex_);
    tail_ = tail;
  }
  // Only now may outcomes be dropped: whoever misses one must see that it may have been.
  if (horizon_moved) records_->set_outcome_horizon(tail.marks().outcome_horizon);
}

Result<> RocksObjectStore::check_writable(std::uint64_t bytes) const {
  static constexpr std::string_view kAdvice = "; end this process and start it again";
  if (broken_) {
    return make_error(ErrorCode::io_error, "an earlier append failed" + std::string(kAdvice));
  }
  RETURN_IF_ERROR(space_.check(bytes + records_->unflushed_bytes()));
  switch (records_->health()) {
    case RocksDatabase::Health::good:
      return {};
    case RocksDatabase::Health::damaged:
      return make_error(ErrorCode::corruption,
                        "RocksDB found a damaged file while tidying up in " +
                            directory_.path().string() +
                            "; stop the server, run 'zeolite verify' and restore from a backup");
    case RocksDatabase::Health::broken:
      return make_error(ErrorCode::io_error,
                        "RocksDB met an error in the background" + std::string(kAdvice));
    case RocksDatabase::Health::starved:
      break;
  }
  const std::lock_guard lock(resume_mutex_);
  if (Result<> resumed = records_->resume(); !resumed) {
    return make_error(ErrorCode::out_of_space, std::move(resumed).error().detail);
  }
  return {};
}

Result<> RocksObjectStore::check_room(std::uint64_t bytes) const {
  if (options_.read_only) return {};
  return check_writable(kTimesWritten * bytes);
}

void RocksObjectStore::set_reserve_bytes(std::uint64_t bytes) { space_.set_reserve(bytes); }

Result<> RocksObjectStore::flush() {
  const rocksdb::Status status = records_->db().Flush(
      rocksdb::FlushOptions(),
      {records_->meta(), records_->log(), records_->revisions(), records_->outcomes()});
  if (!status.ok()) return rocks_error("flush", status);
  return {};
}

Result<> RocksObjectStore::sync() {
  if (!options_.bulk_load || options_.read_only) return {};
  Result<> done = broken_ ? check_writable(0) : flush();
  // From now on it is missed if it is not there.
  if (done) done = mark_->write(last_position());
  if (done) done = mark_->sync();
  if (!done) broken_ = true;
  return done;
}

Result<> RocksObjectStore::compact() {
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  for (rocksdb::ColumnFamilyHandle* const family :
       {records_->meta(), records_->log(), records_->revisions(), records_->outcomes()}) {
    const rocksdb::Status status = records_->db().CompactRange(options, family, nullptr, nullptr);
    if (!status.ok()) return rocks_error("compact", status);
  }
  return {};
}

Id128 RocksObjectStore::cluster_id() const { return directory_.cluster_id(); }

Position RocksObjectStore::last_position() const {
  const std::lock_guard lock(tail_mutex_);
  return tail_.last();
}

Tid RocksObjectStore::last_transaction() const {
  const std::lock_guard lock(tail_mutex_);
  return tail_.marks().last_transaction;
}

Oid RocksObjectStore::oid_mark() const {
  const std::lock_guard lock(tail_mutex_);
  return tail_.marks().oid_mark;
}

Tid RocksObjectStore::outcome_horizon() const {
  const std::lock_guard lock(tail_mutex_);
  return tail_.marks().outcome_horizon;
}

}  // namespace zeolite::storage
