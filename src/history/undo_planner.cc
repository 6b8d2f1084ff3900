#include "history/undo_planner.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace zeolite::history {
namespace {

using storage::ObjectStore;

// What an object is at some time: the revision that has its data, or nothing.
struct State {
  Tid data;  // kNoTid: it is gone
  std::uint32_t size = 0;

  [[nodiscard]] bool gone() const { return data.is_zero(); }
};

class Planner {
 public:
  Planner(const ObjectStore& store, Tid line) : store_(store), line_(line) {}

  Result<UndoPlan> run(std::span<const Tid> transactions) {
    for (const Tid tid : transactions) {
      ASSIGN_OR_RETURN(const LogEntry entry, find(tid));
      plan_.oldest = plan_.oldest.is_zero() ? tid : std::min(plan_.oldest, tid);
      for (const ObjectSummary& object : entry.objects) RETURN_IF_ERROR(undo(tid, object));
      if (plan_.failures.empty()) continue;
      plan_.writes.clear();
      return std::move(plan_);
    }
    RETURN_IF_ERROR(fill_in_blobs());
    return std::move(plan_);
  }

 private:
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

  // What is gone back to was often made together: each transaction is looked at once.
  Result<> fill_in_blobs() {
    std::map<Tid, std::unordered_map<Oid, UndoWrite*>> by_transaction;
    for (UndoWrite& write : plan_.writes) {
      if (write.kind != RevisionKind::back_pointer) continue;
      by_transaction[write.back].emplace(write.oid, &write);
    }
    for (const auto& [back, writes] : by_transaction) {
      ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store_.log_entry(back));
      if (!entry) continue;
      for (const ObjectSummary& object : entry->objects) {
        if (const auto found = writes.find(object.oid); found != writes.end()) {
          found->second->blob = object.blob;
        }
      }
    }
    return {};
  }

  struct Planned {
    std::size_t at = 0;  // in plan_.writes
    State state;
  };

  const ObjectStore& store_;
  const Tid line_;
  UndoPlan plan_;
  std::map<Oid, Planned> planned_;
  std::map<Tid, std::unordered_map<Oid, Tid>> named_;  // by transaction; see named_by
};

}  // namespace

Result<UndoPlan> plan_undo(const ObjectStore& store, Tid line, std::span<const Tid> transactions) {
  return Planner(store, line).run(transactions);
}

}  // namespace zeolite::history
