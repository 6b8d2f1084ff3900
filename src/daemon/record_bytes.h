#pragma once

#include <cstdint>
#include <span>

#include "model/transaction_record.h"

namespace zeolite::daemon {

// Of one transaction that standbys are streamed: they take it as one message, and a frame has room
// for no more, with what is around small objects.
inline constexpr std::uint64_t kStreamedBytesMax = 512ULL << 20;

// The bytes of the objects' data in these records, without anything around them.
[[nodiscard]] inline std::uint64_t data_bytes(const TransactionRecord& record) {
  std::uint64_t bytes = 0;
  for (const ObjectWrite& write : record.writes) bytes += write.data.size();
  return bytes;
}
[[nodiscard]] inline std::uint64_t data_bytes(std::span<const TransactionRecord> records) {
  std::uint64_t bytes = 0;
  for (const TransactionRecord& record : records) bytes += data_bytes(record);
  return bytes;
}

}  // namespace zeolite::daemon
