#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "base/time.h"
#include "storage/append_size.h"
#include "storage/memory_object_store.h"

namespace zeolite::daemon {

// A door that the test shuts: who comes to it waits, and the test can wait for that.
class Gate {
 public:
  void shut() {
    const std::lock_guard lock(mutex_);
    shut_ = true;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    shut_ = false;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !shut_; });
  }
  // Until `count` have come since the beginning.
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= count; });
  }
  // Until another comes than those that `before` counted.
  std::size_t arrived() {
    const std::lock_guard lock(mutex_);
    return arrived_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t arrived_ = 0;
  bool shut_ = false;
};

// Stays where the test puts it.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] Now now() const override {
    const std::lock_guard lock(mutex_);
    return {instant_, {912'694'929'000'000 + instant_.since_start.count() / 1000}};
  }
  void advance(Duration by) {
    const std::lock_guard lock(mutex_);
    instant_ = instant_ + by;
  }

 private:
  mutable std::mutex mutex_;
  Instant instant_{};
};

// What the test decides about a ControlledStore, and the content, which outlives an engine.
struct StoreControl {
  storage::MemoryObjectStore content;
  Gate append;     // before a group is appended
  Gate disk_read;  // after a load was read from the disk, before it is returned
  Gate log_read;   // before the log is read
  Gate log_back;   // before it is read backwards
  Gate revision;   // before a certain revision is read
  std::atomic<std::size_t> entries = 0;  // of the log, that were asked for one by one
  Gate walk;                             // before all revisions are walked over
  // Runs while a group is appended, if there is one; set before the store is used.
  std::function<void()> while_appending;

  // The next `times` appends fail with `code`.
  void fail_appends(ErrorCode code, std::size_t times) {
    const std::lock_guard lock(mutex);
    failure = code;
    failures = times;
  }
  // From now on there is no more room than this for any append.
  void set_room(std::uint64_t bytes) {
    const std::lock_guard lock(mutex);
    room = bytes;
  }
  // From now on check_room() knows of a failure.
  void fail_checks() {
    const std::lock_guard lock(mutex);
    checks_fail = true;
  }
  void set_cold(bool value) {
    const std::lock_guard lock(mutex);
    cold = value;
  }
  std::vector<std::size_t> group_sizes() {
    const std::lock_guard lock(mutex);
    return groups;
  }

  std::mutex mutex;
  std::size_t failures = 0;  // with mutex, as all below
  ErrorCode failure = ErrorCode::io_error;
  bool checks_fail = false;
  std::uint64_t room = UINT64_MAX;
  bool cold = false;                // nothing is in memory
  std::vector<std::size_t> groups;  // sizes of what was appended
};

// A memory store that waits and fails when the test says so.
class ControlledStore final : public storage::ObjectStore {
 public:
  explicit ControlledStore(std::shared_ptr<StoreControl> control) : control_(std::move(control)) {}

  [[nodiscard]] Id128 cluster_id() const override { return content().cluster_id(); }
  [[nodiscard]] Position last_position() const override { return content().last_position(); }
  [[nodiscard]] Tid last_transaction() const override { return content().last_transaction(); }
  [[nodiscard]] Oid oid_mark() const override { return content().oid_mark(); }
  [[nodiscard]] Tid outcome_horizon() const override { return content().outcome_horizon(); }
  [[nodiscard]] storage::PackState pack_state() const override { return content().pack_state(); }
  [[nodiscard]] Result<Position> append(std::span<const TransactionRecord> group) override {
    control_->append.pass();
    if (control_->while_appending) control_->while_appending();
    {
      const std::lock_guard lock(control_->mutex);
      if (control_->failures > 0) {
        --control_->failures;
        return make_error(control_->failure, "the test says so");
      }
      RETURN_IF_ERROR(find_room(storage::append_size(group)));
      control_->groups.push_back(group.size());
    }
    return control_->content.append(group);
  }
  [[nodiscard]] Result<> reserve_oids(Oid mark) override {
    return control_->content.reserve_oids(mark);
  }
  [[nodiscard]] Result<> rollback(const Position& to) override {
    return control_->content.rollback(to);
  }
  [[nodiscard]] Result<> check_room(std::uint64_t bytes) const override {
    const std::lock_guard lock(control_->mutex);
    if (control_->checks_fail) return make_error(ErrorCode::io_error, "the test says so");
    RETURN_IF_ERROR(find_room(bytes));
    return content().check_room(bytes);
  }
  [[nodiscard]] Result<storage::Loaded> load_before(Oid oid, Tid before, Tid line,
                                                    storage::ReadTier tier) const override {
    bool cold = false;
    {
      const std::lock_guard lock(control_->mutex);
      cold = control_->cold;
    }
    if (cold && tier == storage::ReadTier::memory) {
      return make_error(ErrorCode::unavailable, "not in memory");
    }
    auto loaded = content().load_before(oid, before, line, tier);
    if (tier == storage::ReadTier::disk) control_->disk_read.pass();
    return loaded;
  }
  [[nodiscard]] Result<storage::Loaded> load_serial(Oid oid, Tid tid, Tid line) const override {
    control_->revision.pass();
    return content().load_serial(oid, tid, line);
  }
  [[nodiscard]] Result<std::vector<Tid>> current_tids(std::span<const Oid> oids,
                                                      Tid line) const override {
    return content().current_tids(oids, line);
  }
  [[nodiscard]] Result<std::vector<ObjectRevision>> history(Oid oid, Tid line,
                                                            std::size_t count) const override {
    return content().history(oid, line, count);
  }
  [[nodiscard]] Result<std::vector<storage::CurrentObject>> next_objects(
      Oid from, Tid line, std::size_t count) const override {
    return content().next_objects(from, line, count);
  }
  [[nodiscard]] Result<std::vector<LogEntry>> read_log(Tid after, Tid until,
                                                       storage::LogLimit limit) const override {
    control_->log_read.pass();
    return content().read_log(after, until, limit);
  }
  [[nodiscard]] Result<std::vector<LogEntry>> read_log_back(
      Tid before, storage::LogLimit limit) const override {
    control_->log_back.pass();
    return content().read_log_back(before, limit);
  }
  [[nodiscard]] Result<std::optional<LogEntry>> log_entry(Tid tid) const override {
    ++control_->entries;
    return content().log_entry(tid);
  }
  [[nodiscard]] Result<TransactionRecord> read_record(const LogEntry& entry) const override {
    return content().read_record(entry);
  }
  [[nodiscard]] Result<std::vector<bool>> present(const LogEntry& entry) const override {
    return content().present(entry);
  }
  [[nodiscard]] Result<TransactionRecord> read_surviving(const LogEntry& entry) const override {
    return content().read_surviving(entry);
  }
  [[nodiscard]] Result<std::vector<storage::StoredRevision>> revisions_from(
      Oid from, std::size_t count_max) const override {
    control_->walk.pass();
    return content().revisions_from(from, count_max);
  }
  [[nodiscard]] storage::StoreSize size() const override { return content().size(); }
  [[nodiscard]] Result<std::optional<storage::Outcome>> find_outcome(
      const CommitId& id) const override {
    return content().find_outcome(id);
  }

 private:
  [[nodiscard]] const storage::MemoryObjectStore& content() const { return control_->content; }
  // With the control's mutex.
  [[nodiscard]] Result<> find_room(std::uint64_t bytes) const {
    if (bytes <= control_->room) return {};
    return make_error(ErrorCode::out_of_space, "the test says so");
  }

  std::shared_ptr<StoreControl> control_;
};

}  // namespace zeolite::daemon
