#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "history/undo_planner.h"
#include "model/transaction_record.h"
#include "storage/memory_object_store.h"
#include "support/zodb_record.h"

namespace zeolite::maintenance {

// Makes transactions at random on a graph of objects, with weak references, undos and deletions,
// and remembers all of it unpacked: what a pack must keep is judged by that, by brute force.
class PackOracle {
 public:
  explicit PackOracle(std::uint64_t seed) : random_(seed) {
    TransactionRecord first = begin();
    first.writes.push_back(write_data(Oid(0), {}, {}));
    done(first);
  }

  // The next transaction: refers only to what is reachable now, and to new objects; sometimes an
  // undo of what `packed_to` leaves, sometimes, if it may, a deletion of what nothing refers to.
  TransactionRecord next(Tid packed_to, bool may_delete) {
    TransactionRecord record = begin();
    if (random_() % 5 == 0 && undo(record, packed_to)) return done(record);
    const std::vector<Oid> live = reachable(last());
    if (may_delete && random_() % 8 == 0) erase_garbage(record, live);
    std::set<Oid> changed;
    for (std::uint64_t i = 0; i <= random_() % 3; ++i) changed.insert(any_of(live));
    for (const Oid oid : changed) {
      std::vector<Oid> strong;
      for (std::uint64_t i = random_() % 4; i > 0; --i) strong.push_back(any_of(live));
      if (random_() % 2 == 0) {
        const Oid fresh(next_oid_++);
        record.writes.push_back(write_data(fresh, {any_of(live)}, {}));
        strong.push_back(fresh);
      }
      std::erase_if(record.writes, [oid](const ObjectWrite& other) { return other.oid == oid; });
      record.writes.push_back(write_data(oid, strong, {any_of(live)}));
    }
    return done(record);
  }

  // A tid for one of the server's own records.
  Tid next_tid() { return Tid(last().value() + kStep); }
  void append(const TransactionRecord& record) {
    (void)unpacked_.append({&record, 1});
    if (record.kind == RecordKind::transaction) records_.push_back(record);
  }

  [[nodiscard]] Tid last() const { return unpacked_.last_position().tid; }
  [[nodiscard]] const storage::MemoryObjectStore& unpacked() const { return unpacked_; }
  [[nodiscard]] const std::vector<TransactionRecord>& records() const { return records_; }

  // The objects that lead from the root as of `line`, each once, ascending.
  [[nodiscard]] std::vector<Oid> reachable(Tid line) const {
    std::set<Oid> found;
    std::vector<Oid> todo{Oid(0)};
    while (!todo.empty()) {
      const Oid oid = todo.back();
      todo.pop_back();
      const auto loaded =
          unpacked_.load_before(oid, kMaxTid, line, storage::ReadTier::disk).value();
      if (loaded.status != storage::LoadStatus::found || !found.insert(oid).second) continue;
      for (const Oid to : references_.at({oid, data_tid(oid, loaded.tid)})) todo.push_back(to);
    }
    return {found.begin(), found.end()};
  }

  // All revisions that must be there after a pack to `horizon`.
  [[nodiscard]] std::set<RevisionKey> kept(Tid horizon, bool collect_garbage) const {
    const std::set<Oid> objects = kept_objects(horizon);
    std::set<RevisionKey> kept;
    for (const auto& [oid, revisions] : objects_) {
      std::optional<std::pair<Tid, Revision>> current;
      for (const auto& [tid, revision] : revisions) {
        if (tid <= horizon) current = {tid, revision};
        if (tid > horizon) keep(kept, oid, tid, revision);
      }
      if (!current || (collect_garbage && !objects.contains(oid))) continue;
      if (current->second.kind != RevisionKind::deletion) {
        keep(kept, oid, current->first, current->second);
        continue;
      }
      const auto oldest = kept.lower_bound({oid, kNoTid});
      if (oldest != kept.end() && oldest->oid == oid && oldest->tid < current->first) {
        kept.insert({oid, current->first});
      }
    }
    return kept;
  }

 private:
  // Room for the removals of a pack between two records.
  static constexpr std::uint64_t kStep = 10'000;

  struct Revision {
    RevisionKind kind;
    Tid back;
  };

  static void keep(std::set<RevisionKey>& kept, Oid oid, Tid tid, const Revision& revision) {
    kept.insert({oid, tid});
    if (revision.kind == RevisionKind::back_pointer) kept.insert({oid, revision.back});
  }

  [[nodiscard]] std::set<Oid> kept_objects(Tid horizon) const {
    std::set<Oid> found;
    std::vector<Oid> todo{Oid(0)};
    for (const auto& [oid, revisions] : objects_) {
      for (auto later = revisions.upper_bound(horizon); later != revisions.end(); ++later) {
        todo.push_back(oid);
        if (later->second.kind == RevisionKind::deletion) continue;
        for (const Oid to : references_.at({oid, data_tid(oid, later->first)})) todo.push_back(to);
      }
    }
    while (!todo.empty()) {
      const Oid oid = todo.back();
      todo.pop_back();
      const auto revisions = objects_.find(oid);
      if (revisions == objects_.end() || !found.insert(oid).second) continue;
      auto current = revisions->second.upper_bound(horizon);
      if (current == revisions->second.begin()) continue;
      --current;
      if (current->second.kind == RevisionKind::deletion) continue;
      for (const Oid to : references_.at({oid, data_tid(oid, current->first)})) todo.push_back(to);
    }
    return found;
  }

  [[nodiscard]] Tid data_tid(Oid oid, Tid tid) const {
    const Revision& revision = objects_.at(oid).at(tid);
    return revision.kind == RevisionKind::back_pointer ? revision.back : tid;
  }

  Oid any_of(const std::vector<Oid>& oids) { return oids[random_() % oids.size()]; }

  TransactionRecord begin() {
    TransactionRecord record;
    record.epoch = Epoch(1);
    record.tid = next_tid();
    return record;
  }

  ObjectWrite write_data(Oid oid, std::vector<Oid> strong, const std::vector<Oid>& weak) {
    const std::string text = std::to_string(random_() % 1000);
    ObjectWrite write{oid, kNoTid, RevisionKind::data, Bytes(zodb_record(text, strong, weak)),
                      kNoTid};
    references_[{oid, next_tid()}] = std::move(strong);
    return write;
  }

  bool undo(TransactionRecord& record, Tid packed_to) {
    const Tid undone =
        records_[records_.size() - 1 - random_() % std::min<std::size_t>(records_.size(), 6)].tid;
    if (undone <= packed_to || undone == records_.front().tid) return false;
    const auto plan = history::plan_undo(unpacked_, last(), {&undone, 1}).value();
    for (const history::UndoWrite& write : plan.writes) {
      record.writes.push_back({write.oid, write.base, write.kind, Bytes(), write.back});
    }
    return !plan.writes.empty();
  }

  void erase_garbage(TransactionRecord& record, const std::vector<Oid>& live) {
    const auto objects = unpacked_.next_objects(Oid(0), last(), 100'000).value();
    for (const auto& object : objects) {
      if (std::ranges::binary_search(live, object.oid) || random_() % 4 != 0) continue;
      record.writes.push_back({object.oid, kNoTid, RevisionKind::deletion, Bytes(), kNoTid});
    }
  }

  TransactionRecord done(TransactionRecord record) {
    std::vector<Oid> oids;
    for (const ObjectWrite& write : record.writes) oids.push_back(write.oid);
    const std::vector<Tid> tids = unpacked_.current_tids(oids, kMaxTid).value();
    for (std::size_t i = 0; i < oids.size(); ++i) {
      ObjectWrite& write = record.writes[i];
      write.previous = tids[i];
      objects_[write.oid][record.tid] = {write.kind, write.back};
    }
    append(record);
    return record;
  }

  std::mt19937_64 random_;
  storage::MemoryObjectStore unpacked_;
  std::vector<TransactionRecord> records_;
  std::map<Oid, std::map<Tid, Revision>> objects_;
  std::map<std::pair<Oid, Tid>, std::vector<Oid>> references_;  // of revisions of kind data
  std::uint64_t next_oid_ = 1;
};

}  // namespace zeolite::maintenance
