#pragma once

#include <optional>

#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "storage/object_store.h"

// What ZEO clients are told is the last transaction. A client that has seen something newer refuses
// the server, for ever; one that has not asks what it missed, and drops its cache when its own last
// transaction is not in the log. So after a takeover, which may have lost what a client has seen,
// the record that begins the reign counts: it takes its tid from the clock.
namespace zeolite::storage {

// Whether this entry counts. An own record of the server comes right after the last one, unless it
// has the clock's tid.
[[nodiscard]] inline bool is_told(const LogEntry& entry) {
  return entry.kind == RecordKind::transaction ||
         (entry.kind == RecordKind::epoch && entry.position.tid != entry.previous_tid.next());
}

// Whether there is such an entry with this tid: what clients of this log may have as their last
// transaction. Errors: those of reading the log.
[[nodiscard]] Result<bool> was_told(const ObjectStore& store, Tid tid);

// The newest entry at or below `end` that counts; nothing when there is none. Reads the log
// backwards from `end`. Errors: those of reading the log.
[[nodiscard]] Result<std::optional<LogEntry>> last_told(const ObjectStore& store, Tid end);

// The tid of that entry in the whole log; kNoTid when there is none. Where the log cannot be read,
// the last transaction.
[[nodiscard]] Tid last_told_tid(const ObjectStore& store);

}  // namespace zeolite::storage
