#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/transaction_record.h"

namespace zeolite::storage {

// How much of a store an append takes, about: asked for before it is made, it is room enough
// (ObjectStore::check_room).

// Of one record; `writes`: each has `data`.
template <typename Writes>
[[nodiscard]] std::uint64_t append_size(const TransactionMetadata& metadata, const Writes& writes,
                                        std::size_t removed = 0) {
  constexpr std::uint64_t kRecordOverhead = 320;
  constexpr std::uint64_t kWriteOverhead = 96;
  constexpr std::uint64_t kRemovalSize = 64;  // of a revision that goes
  std::uint64_t size = kRecordOverhead + metadata.user.size() + metadata.description.size() +
                       metadata.extension.size() + removed * kRemovalSize;
  for (const auto& write : writes) size += kWriteOverhead + write.data.size();
  return size;
}

[[nodiscard]] inline std::uint64_t append_size(std::span<const TransactionRecord> group) {
  std::uint64_t size = 0;
  for (const TransactionRecord& record : group) {
    size += append_size(record.metadata, record.writes, record.removed.size());
  }
  return size;
}

}  // namespace zeolite::storage
