#include "storage/object_store.h"

#include <algorithm>

#include "base/check.h"

namespace zeolite::storage {

namespace {

// What an object takes in a record that was read, besides its data.
constexpr std::size_t kObjectOverhead = 64;

}  // namespace

Result<Position> ObjectStore::append_hashed(std::span<const TransactionRecord> group,
                                            std::span<const ChainHash> body_hashes) {
  CHECK(group.size() == body_hashes.size(), "each record has its body hash");
  return append(group);
}

std::vector<Result<TransactionRecord>> ObjectStore::read_records(
    std::span<const LogEntry> entries) const {
  std::vector<Result<TransactionRecord>> records;
  records.reserve(entries.size());
  for (const LogEntry& entry : entries) records.push_back(read_record(entry));
  return records;
}

std::size_t entries_within(std::span<const LogEntry> entries, std::size_t bytes) {
  std::size_t taken = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (const ObjectSummary& object : entries[i].objects) taken += object.size + kObjectOverhead;
    if (taken > bytes) return std::max<std::size_t>(i, 1);
  }
  return entries.size();
}

}  // namespace zeolite::storage
