#include "server/record_cache.h"

#include <utility>

namespace zeolite::server {

namespace {

// What an entry costs beside its data: two nodes and a buffer's header.
constexpr std::size_t kEntryOverhead = 160;

}  // namespace

std::size_t RecordCache::cost(const Bytes& data) { return data.size() + kEntryOverhead; }

const RecordCache::Entry* RecordCache::find(Oid oid) {
  const auto found = by_oid_.find(oid);
  if (found == by_oid_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return &*found->second;
}

void RecordCache::insert(Oid oid, Tid tid, Bytes data) {
  erase(oid);
  const std::size_t added = cost(data);
  if (added > bytes_max_ / 8) return;
  order_.push_front({oid, tid, std::move(data)});
  by_oid_.emplace(oid, order_.begin());
  bytes_ += added;
  while (bytes_ > bytes_max_) remove(by_oid_.find(order_.back().oid));
}

void RecordCache::erase(Oid oid) {
  if (const auto found = by_oid_.find(oid); found != by_oid_.end()) remove(found);
}

void RecordCache::remove(std::unordered_map<Oid, Order::iterator>::iterator entry) {
  bytes_ -= cost(entry->second->data);
  order_.erase(entry->second);
  by_oid_.erase(entry);
}

}  // namespace zeolite::server
