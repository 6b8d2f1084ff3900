#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "storage/memory_object_store.h"

namespace zeolite::maintenance {

// A store whose answers a test can falsify, as damage on a disk would.
class TamperedStore final : public storage::ObjectStore {
 public:
  std::function<void(LogEntry&)> on_entry = [](LogEntry&) {};
  std::function<Result<>(TransactionRecord&)> on_record = [](TransactionRecord&) -> Result<> {
    return {};
  };
  // Gets what was asked for and what was found.
  std::function<void(Oid, Tid, std::vector<ObjectRevision>&)> on_history =
      [](Oid, Tid, std::vector<ObjectRevision>&) {};
  // Gets what the walk over all revisions found.
  std::function<void(std::vector<storage::StoredRevision>&)> on_revisions =
      [](std::vector<storage::StoredRevision>&) {};
  // Whether the walk over all revisions may go on from there.
  std::function<Result<>(Oid from)> before_revisions = [](Oid) -> Result<> { return {}; };
  std::optional<Oid> mark;

  Id128 cluster_id() const override { return inner_.cluster_id(); }
  Position last_position() const override { return inner_.last_position(); }
  Tid last_transaction() const override { return inner_.last_transaction(); }
  Oid oid_mark() const override { return mark.value_or(inner_.oid_mark()); }
  Tid outcome_horizon() const override { return inner_.outcome_horizon(); }
  storage::PackState pack_state() const override { return inner_.pack_state(); }
  Result<Position> append(std::span<const TransactionRecord> group) override {
    return inner_.append(group);
  }
  Result<> reserve_oids(Oid below) override { return inner_.reserve_oids(below); }
  Result<> rollback(const Position& to) override { return inner_.rollback(to); }
  Result<> check_room(std::uint64_t bytes) const override { return inner_.check_room(bytes); }
  Result<storage::Loaded> load_before(Oid oid, Tid before, Tid line,
                                      storage::ReadTier tier) const override {
    return inner_.load_before(oid, before, line, tier);
  }
  Result<storage::Loaded> load_serial(Oid oid, Tid tid, Tid line) const override {
    return inner_.load_serial(oid, tid, line);
  }
  Result<std::vector<Tid>> current_tids(std::span<const Oid> oids, Tid line) const override {
    return inner_.current_tids(oids, line);
  }
  Result<std::vector<ObjectRevision>> history(Oid oid, Tid line, std::size_t count) const override {
    auto found = inner_.history(oid, line, count);
    if (found) on_history(oid, line, *found);
    return found;
  }
  Result<std::vector<storage::CurrentObject>> next_objects(Oid from, Tid line,
                                                           std::size_t count) const override {
    return inner_.next_objects(from, line, count);
  }
  Result<std::vector<LogEntry>> read_log(Tid after, Tid until,
                                         storage::LogLimit limit) const override {
    auto entries = inner_.read_log(after, until, limit);
    if (entries) {
      for (LogEntry& entry : *entries) on_entry(entry);
    }
    return entries;
  }
  Result<std::vector<LogEntry>> read_log_back(Tid before, storage::LogLimit limit) const override {
    return inner_.read_log_back(before, limit);
  }
  Result<std::optional<LogEntry>> log_entry(Tid tid) const override {
    return inner_.log_entry(tid);
  }
  Result<TransactionRecord> read_record(const LogEntry& entry) const override {
    auto record = inner_.read_record(entry);
    if (!record) return record;
    if (auto result = on_record(*record); !result) return std::unexpected(result.error());
    return record;
  }
  Result<std::vector<bool>> present(const LogEntry& entry) const override {
    return inner_.present(entry);
  }
  Result<TransactionRecord> read_surviving(const LogEntry& entry) const override {
    auto record = inner_.read_surviving(entry);
    if (!record) return record;
    if (auto result = on_record(*record); !result) return std::unexpected(result.error());
    return record;
  }
  Result<std::vector<storage::StoredRevision>> revisions_from(
      Oid from, std::size_t count_max) const override {
    RETURN_IF_ERROR(before_revisions(from));
    auto found = inner_.revisions_from(from, count_max);
    if (found) on_revisions(*found);
    return found;
  }
  storage::StoreSize size() const override { return inner_.size(); }
  Result<std::optional<storage::Outcome>> find_outcome(const CommitId& id) const override {
    return inner_.find_outcome(id);
  }

 private:
  storage::MemoryObjectStore inner_;
};

}  // namespace zeolite::maintenance
