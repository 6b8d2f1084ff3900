#include "storage/last_told.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace zeolite::storage {

namespace {

constexpr std::size_t kPage = 16;  // it is nearly always among the last few

}  // namespace

Result<bool> was_told(const ObjectStore& store, Tid tid) {
  ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store.log_entry(tid));
  return entry && is_told(*entry);
}

Result<std::optional<LogEntry>> last_told(const ObjectStore& store, Tid end) {
  Tid before = end.next();
  while (true) {
    ASSIGN_OR_RETURN(std::vector<LogEntry> page, store.read_log_back(before, {.entries = kPage}));
    if (page.empty()) return std::nullopt;
    const auto found = std::ranges::find_if(page, is_told);
    if (found != page.end()) return std::move(*found);
    before = page.back().position.tid;
  }
}

Tid last_told_tid(const ObjectStore& store) {
  const auto entry = last_told(store, store.last_position().tid);
  if (!entry) return store.last_transaction();
  return *entry ? (*entry)->position.tid : kNoTid;
}

}  // namespace zeolite::storage
