#pragma once

#include <span>

#include "base/bytes.h"
#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"

namespace zeolite::storage {

// The hash that ties each log entry to all before it: BLAKE2b-512, cut to 16 bytes. Two logs that
// hold an entry with equal chain are equal up to it, so positions can be compared across nodes and
// a missing or damaged entry shows. Thread-safe.

// Over the data of `writes`, one after the other in their order; their sizes are in the entry.
[[nodiscard]] ChainHash body_hash(std::span<const ObjectWrite> writes);

// The chain of the entry whose encoding (storage/record_codec.h) without the chain is `covered`,
// after an entry with chain `previous` (all zero before the first).
[[nodiscard]] ChainHash next_chain(const ChainHash& previous, ByteView covered);

// Whether `writes` carry the data that `entry` was made of; if not, ErrorCode::corruption.
[[nodiscard]] Result<> check_body(const LogEntry& entry, std::span<const ObjectWrite> writes);

}  // namespace zeolite::storage
