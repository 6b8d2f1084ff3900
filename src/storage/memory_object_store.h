#pragma once

#include <map>
#include <optional>
#include <shared_mutex>
#include <span>
#include <utility>
#include <vector>

#include "storage/log_tail.h"
#include "storage/object_store.h"

namespace zeolite::storage {

// Keeps everything in memory and nothing after the process ends: for unit tests and simulation.
// Deterministic. Same contract as every ObjectStore; "durable" means "in the map".
class MemoryObjectStore final : public ObjectStore {
 public:
  struct Options {
    Id128 cluster_id{};
    Duration outcome_retention = std::chrono::hours(24);  // of log time
  };
  MemoryObjectStore() : MemoryObjectStore(Options{}) {}
  explicit MemoryObjectStore(const Options& options);

  // From now on append and check_room answer out_of_space, or (false) work again.
  void set_out_of_space(bool out_of_space);
  // The next append, and every one after it, fails with io_error; nothing of it is kept.
  void break_appends();

  [[nodiscard]] Id128 cluster_id() const override { return options_.cluster_id; }
  [[nodiscard]] Position last_position() const override;
  [[nodiscard]] Tid last_transaction() const override;
  [[nodiscard]] Oid oid_mark() const override;
  [[nodiscard]] Tid outcome_horizon() const override;
  [[nodiscard]] PackState pack_state() const override;
  [[nodiscard]] Result<Position> append(std::span<const TransactionRecord> group) override;
  [[nodiscard]] Result<> reserve_oids(Oid mark) override;
  [[nodiscard]] Result<> rollback(const Position& to) override;
  [[nodiscard]] Result<> check_room(std::uint64_t bytes) const override;
  [[nodiscard]] Result<Loaded> load_before(Oid oid, Tid before, Tid line,
                                           ReadTier tier) const override;
  [[nodiscard]] Result<Loaded> load_serial(Oid oid, Tid tid, Tid line) const override;
  [[nodiscard]] Result<std::vector<Tid>> current_tids(std::span<const Oid> oids,
                                                      Tid line) const override;
  [[nodiscard]] Result<std::vector<ObjectRevision>> history(Oid oid, Tid line,
                                                            std::size_t count) const override;
  [[nodiscard]] Result<std::vector<CurrentObject>> next_objects(Oid from, Tid line,
                                                                std::size_t count) const override;
  [[nodiscard]] Result<std::vector<LogEntry>> read_log(Tid after, Tid until,
                                                       LogLimit limit) const override;
  [[nodiscard]] Result<std::vector<LogEntry>> read_log_back(Tid before,
                                                            LogLimit limit) const override;
  [[nodiscard]] Result<std::optional<LogEntry>> log_entry(Tid tid) const override;
  [[nodiscard]] Result<TransactionRecord> read_record(const LogEntry& entry) const override;
  [[nodiscard]] Result<std::vector<bool>> present(const LogEntry& entry) const override;
  [[nodiscard]] Result<TransactionRecord> read_surviving(const LogEntry& entry) const override;
  [[nodiscard]] Result<std::vector<StoredRevision>> revisions_from(
      Oid from, std::size_t count_max) const override;
  [[nodiscard]] StoreSize size() const override;
  [[nodiscard]] Result<std::optional<Outcome>> find_outcome(const CommitId& id) const override;

 private:
  struct Revision {
    RevisionKind kind;
    Bytes data;
    Tid back;
  };
  struct StoredEntry {
    LogEntry entry;
    std::size_t encoded_size;
  };
  // Revisions of one object, oldest first.
  using Revisions = std::map<Tid, Revision>;

  Result<> apply(const TransactionRecord& record);
  void undo(const StoredEntry& stored);
  void remove(std::span<const RevisionKey> keys);
  [[nodiscard]] Result<> check_writable() const;
  [[nodiscard]] const Revision* find_revision(Oid oid, Tid tid) const;
  [[nodiscard]] const Revision* newest_at(Oid oid, Tid line, Tid& tid) const;
  [[nodiscard]] Result<> fill(Oid oid, Tid tid, const Revision& revision, Loaded& loaded) const;

  const Options options_;
  mutable std::shared_mutex mutex_;  // guards all below
  LogTail tail_;
  std::map<Tid, StoredEntry> log_;
  std::map<Oid, Revisions> objects_;
  std::map<CommitId, Outcome> outcomes_;
  bool out_of_space_ = false;
  bool broken_ = false;
};

}  // namespace zeolite::storage
