#include "storage/log_search.h"

#include <vector>

#include "storage/last_told.h"

namespace zeolite::storage {

namespace {

constexpr LogLimit kOneEntry{.entries = 1, .bytes = 1};

}  // namespace

Result<Position> last_position_in(const ObjectStore& store, Epoch max) {
  const Position last = store.last_position();
  if (last.epoch <= max) return last;
  // The answer's tid is below `end`; at or below `begin` everything has an epoch that is allowed.
  Position found;
  Tid begin;
  Tid end = last.tid;
  while (begin.next() < end) {
    const Tid middle(begin.value() + (end.value() - begin.value()) / 2);
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries,
                     store.read_log_back(middle.next(), kOneEntry));
    if (entries.empty()) {
      begin = middle;
    } else if (entries[0].position.epoch <= max) {
      found = entries[0].position;
      begin = middle;
    } else {
      end = entries[0].position.tid;
    }
  }
  return found;
}

Result<std::optional<Position>> find_position(const ObjectStore& store, Tid tid) {
  ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store.log_entry(tid));
  if (!entry) return std::nullopt;
  return entry->position;
}

Result<bool> adds_nothing(const ObjectStore& store, Tid tid, Tid line) {
  if (tid <= Tid(1)) return false;
  const Tid before = tid.previous();
  ASSIGN_OR_RETURN(const std::vector<LogEntry> entries,
                   store.read_log(before.previous(), line, {.entries = 2}));
  return entries.size() == 2 && entries[0].position.tid == before && is_told(entries[0]) &&
         entries[1].position.tid > tid && entries[0].position.epoch == entries[1].position.epoch;
}

Result<HistoryMatch> compare_history(const ObjectStore& store, const Position& candidate) {
  if (candidate == Position{}) return HistoryMatch{};
  ASSIGN_OR_RETURN(const std::optional<Position> own, find_position(store, candidate.tid));
  if (own == candidate) return HistoryMatch{};
  ASSIGN_OR_RETURN(Position last, last_position_in(store, candidate.epoch));
  if (last.epoch == candidate.epoch && last.tid >= candidate.tid) {
    // The other has something in this epoch that we have not: only what came before can be common.
    last = Position{};
    if (!candidate.epoch.is_zero()) {
      ASSIGN_OR_RETURN(last, last_position_in(store, candidate.epoch.previous()));
    }
  } else if (last.epoch == candidate.epoch) {
    return HistoryMatch{.kind = HistoryMatch::Kind::ancestor, .ancestor = last};
  }
  if (last == Position{}) return HistoryMatch{.kind = HistoryMatch::Kind::ancestor};
  return HistoryMatch{.kind = HistoryMatch::Kind::probe, .probe = last.epoch};
}

bool copy_is_quicker(const ObjectStore& store, const Position& position) {
  return position == Position{} && store.size().bytes >= kCopyFromBytes;
}

bool complete_after(const ObjectStore& store, const Position& position) {
  return position.tid >= store.pack_horizon();
}

}  // namespace zeolite::storage
