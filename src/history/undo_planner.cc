#include "history/undo_planner.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/check.h"

namespace zeolite::history {
namespace {

using storage::ObjectStore;

// What an object is at some time: the revision that has its data, or nothing.
struct State {
  Tid data;  // kNoTid: it is gone
  std::uint32_t size = 0;

  [[nodiscard]] bool gone() const { return data.is_zero(); }
};

}  // namespace

class UndoPlanner::Planning {
 public:
  Planning(const ObjectStore& store, Tid line, std::vector<Tid> transactions)
      : store_(store), line_(line), transactions_(std::move(transactions)) {}

  Result<std::optional<UndoPlan>> advance(std::size_t steps) {
    for (; next_ < transactions_.size(); ++next_) {
      ASSIGN_OR_RETURN(const bool looked_at, undo_next(steps));
      if (!looked_at) return std::nullopt;
      if (plan_.failures.empty()) continue;
      plan_.writes.clear();
      return std::move(plan_);
    }
    ASSIGN_OR_RETURN(const bool filled_in, fill_in_blobs(steps));
    if (!filled_in) return std::nullopt;
    return std::move(plan_);
  }

 private:
  // Undoes the next transaction, in at most `steps`, which it takes from them. False: not all of
  // it.
  Result<bool> undo_next(std::size_t& steps) {
    const Tid tid = transactions_[next_];
    if (!entry_) {
      if (steps == 0) return false;
      --steps;
      ASSIGN_OR_RETURN(entry_, find(tid));
      plan_.oldest = plan_.oldest.is_zero() ? tid : std::min(plan_.oldest, tid);
      object_ = 0;
    }
    for (; object_ < entry_->objects.size(); ++object_) {
      if (steps == 0) return false;
      --steps;
      RETURN_IF_ERROR(undo(tid, entry_->objects[object_]));
    }
    entry_.reset();
    return true;
  }

  Result<LogEntry> find(Tid tid) const {
    std::optional<LogEntry> entry;
    if (tid <= line_) {
      ASSIGN_OR_RETURN(entry, store_.log_entry(tid));
    }
    if (!entry || entry->kind != RecordKind::transaction) {
      return make_error(ErrorCode::not_found,
                        "Invalid transaction id: there is no transaction " + to_hex(tid));
    }
    if (tid <= store_.pack_horizon()) {
      return make_error(
          ErrorCode::not_found,
          "Invalid transaction id: the history of transaction " + to_hex(tid) + " was packed away");
    }
    if (entry->status != kStatusNormal) {
      return make_error(ErrorCode::invalid_argument, "non-undoable transaction " + to_hex(tid) +
                                                         ": its status is '" + entry->status + "'");
    }
    return std::move(*entry);
  }

  Result<> undo(Tid tid, const ObjectSummary& object) {
    ASSIGN_OR_RETURN(const State undone, state_of(object.oid, tid, object));
    const auto planned = planned_.find(object.oid);
    State current;
    Tid base;
    if (planned != planned_.end()) {
      current = planned->second.state;
      base = plan_.writes[planned->second.at].base;
    } else {
      ASSIGN_OR_RETURN(const auto newest, store_.history(object.oid, line_, 1));
      if (newest.empty()) return fail(object.oid, "its revisions are not stored");
      ASSIGN_OR_RETURN(current, state_of(object.oid, newest[0].tid, newest[0].summary));
      base = newest[0].tid;
      if (newest[0].tid == tid) return go_back(tid, object, base);
    }
    if (undone.gone() && current.gone()) {
      Tid named;
      if (planned != planned_.end()) {
        named = plan_.writes[planned->second.at].via;
      } else {
        ASSIGN_OR_RETURN(named, named_by(object.oid, base));
      }
      if (named == tid) return go_back(tid, object, base);
    }
    if (undone.gone() || current.gone()) return fail(object.oid, "_loadBack() failed");
    ASSIGN_OR_RETURN(const bool same, same_data(object.oid, undone, current));
    if (same) return go_back(tid, object, base);
    return fail(object.oid, object.previous.is_zero()
                                ? "Can't undo an add transaction followed by conflicting "
                                  "transactions."
                                : "Some data were modified by a later transaction");
  }

  // The revision that `tid` made may be taken back: to the one before it.
  Result<> go_back(Tid tid, const ObjectSummary& object, Tid base) {
    const Tid wanted = object.previous;
    ASSIGN_OR_RETURN(const auto found, store_.history(object.oid, tid.previous(), 1));
    const Tid before = found.empty() ? kNoTid : found[0].tid;
    if (!wanted.is_zero() && before != wanted) {
      return fail(object.oid, "its revision of transaction " + to_hex(wanted) + " was packed away");
    }
    State state;
    if (!before.is_zero()) {
      ASSIGN_OR_RETURN(state, state_of(object.oid, before, found[0].summary));
    }
    const auto [planned, is_new] = planned_.try_emplace(object.oid);
    if (is_new) {
      planned->second.at = plan_.writes.size();
      plan_.writes.emplace_back();
    }
    planned->second.state = state;
    UndoWrite& write = plan_.writes[planned->second.at];
    write.oid = object.oid;
    write.base = base;
    write.kind = state.gone() ? RevisionKind::deletion : RevisionKind::back_pointer;
    write.back = state.data;
    write.via = before == state.data ? kNoTid : before;
    return {};
  }

  Result<> fail(Oid oid, std::string reason) {
    plan_.failures.push_back({oid, std::move(reason)});
    return {};
  }

  // The revision that an undo named when it made the deletion at `tid`; kNoTid: no undo made it.
  Result<Tid> named_by(Oid oid, Tid tid) {
    const auto [made, is_new] = named_.try_emplace(tid);
    if (is_new) {
      ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store_.log_entry(tid));
      for (const ObjectSummary& object : entry ? entry->objects : std::vector<ObjectSummary>()) {
        if (!object.via.is_zero()) made->second.emplace(object.oid, object.via);
      }
    }
    const auto named = made->second.find(oid);
    return named == made->second.end() ? kNoTid : named->second;
  }

  Result<State> state_of(Oid oid, Tid tid, const ObjectSummary& summary) const {
    switch (summary.kind) {
      case RevisionKind::data:
        return State{tid, summary.size};
      case RevisionKind::deletion:
        return State{};
      case RevisionKind::back_pointer:
        break;
    }
    ASSIGN_OR_RETURN(const auto target, store_.history(oid, summary.back, 1));
    if (target.empty() || target[0].tid != summary.back ||
        target[0].summary.kind != RevisionKind::data) {
      return make_error(ErrorCode::corruption, "object " + to_hex(oid) + " as of transaction " +
                                                   to_hex(tid) + " points back to transaction " +
                                                   to_hex(summary.back) +
                                                   ", which has no data of it");
    }
    return State{summary.back, target[0].summary.size};
  }

  Result<bool> same_data(Oid oid, const State& a, const State& b) const {
    if (a.data == b.data) return true;
    if (a.size != b.size) return false;
    ASSIGN_OR_RETURN(const storage::Loaded one, store_.load_serial(oid, a.data, line_));
    ASSIGN_OR_RETURN(const storage::Loaded other, store_.load_serial(oid, b.data, line_));
    return one.data == other.data;
  }

  using Writes = std::unordered_map<Oid, UndoWrite*>;
  static void fill_in_blobs(const LogEntry& entry, const Writes& writes) {
    for (const ObjectSummary& object : entry.objects) {
      if (const auto found = writes.find(object.oid); found != writes.end()) {
        found->second->blob = object.blob;
      }
    }
  }
  // What is gone back to was often made together: each transaction is looked at once. As undo_next.
  Result<bool> fill_in_blobs(std::size_t& steps) {
    if (!gone_back_to_) {
      gone_back_to_.emplace();
      for (UndoWrite& write : plan_.writes) {
        if (write.kind != RevisionKind::back_pointer) continue;
        (*gone_back_to_)[write.back].emplace(write.oid, &write);
      }
    }
    while (!gone_back_to_->empty()) {
      if (steps == 0) return false;
      const auto& [back, writes] = *gone_back_to_->begin();
      ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store_.log_entry(back));
      --steps;
      if (entry) fill_in_blobs(*entry, writes);
      gone_back_to_->erase(gone_back_to_->begin());
    }
    return true;
  }

  struct Planned {
    std::size_t at = 0;  // in plan_.writes
    State state;
  };

  const ObjectStore& store_;
  const Tid line_;
  const std::vector<Tid> transactions_;
  std::size_t next_ = 0;           // of transactions_
  std::optional<LogEntry> entry_;  // of that
  std::size_t object_ = 0;         // the next one of entry_
  UndoPlan plan_;
  std::map<Oid, Planned> planned_;
  std::map<Tid, std::unordered_map<Oid, Tid>> named_;  // by transaction; see named_by
  // Transactions that writes of the plan go back to, still to be looked at for their blobs.
  std::optional<std::map<Tid, Writes>> gone_back_to_;
};

UndoPlanner::UndoPlanner(const ObjectStore& store, Tid line, std::vector<Tid> transactions)
    : planning_(std::make_unique<Planning>(store, line, std::move(transactions))) {}
UndoPlanner::~UndoPlanner() = default;
UndoPlanner::UndoPlanner(UndoPlanner&& other) noexcept = default;
UndoPlanner& UndoPlanner::operator=(UndoPlanner&& other) noexcept = default;

Result<std::optional<UndoPlan>> UndoPlanner::advance(std::size_t steps) {
  return planning_->advance(steps);
}

Result<UndoPlan> plan_undo(const ObjectStore& store, Tid line, std::span<const Tid> transactions) {
  UndoPlanner planner(store, line, {transactions.begin(), transactions.end()});
  ASSIGN_OR_RETURN(std::optional<UndoPlan> plan, planner.advance(SIZE_MAX));
  CHECK(plan.has_value(), "a log with as many objects as there are numbers");
  return *std::move(plan);
}

}  // namespace zeolite::history
