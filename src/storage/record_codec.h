#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "storage/object_store.h"

namespace zeolite::storage {

// Values of the database as bytes. Layouts are in docs/storage-format.md and fixed for ever: the
// chain hashes them. Decoding trusts nothing; damaged bytes give ErrorCode::corruption.

// --- log ---

// The entry of `record` in a log whose last entry is at `previous_tid`, up to and including the
// body hash: all that the chain covers. Appending the 16 bytes of the chain completes the value.
// CHECKs the limits that TransactionRecord states.
[[nodiscard]] std::string encode_log_entry(const TransactionRecord& record, Tid previous_tid,
                                           const ChainHash& body_hash);

// `tid` is the key that `value` was stored under; a value of another tid is damage.
[[nodiscard]] Result<LogEntry> decode_log_entry(Tid tid, ByteView value);

// The same of an entry that was read: what its chain covers.
[[nodiscard]] std::string encode_log_entry(const LogEntry& entry);

// The record that `entry` was made of, less the data of its objects.
[[nodiscard]] TransactionRecord record_without_data(const LogEntry& entry);

// The chain at the end of an encoded entry, and what it covers. Nothing is decoded; false when the
// value is too short to have a chain.
[[nodiscard]] bool split_chain(ByteView value, ByteView& covered, ChainHash& chain);

// --- revisions ---

// A revision's value is this head followed by its payload: the data, the back tid, or nothing.
// Written separately so that the data is not copied to be stored.
inline constexpr std::size_t kRevisionHeadSize = 9;
[[nodiscard]] std::array<char, kRevisionHeadSize> encode_revision_head(Oid oid, Tid tid,
                                                                       RevisionKind kind,
                                                                       ByteView payload);

// A revision as found; `data` points into the value.
struct RevisionView {
  RevisionKind kind = RevisionKind::data;
  ByteView data;  // kind data
  Tid back;       // kind back_pointer
};

// Checks the payload against its hash. The hash covers the key as well, so a value that ended up
// under another key is damage.
[[nodiscard]] Result<RevisionView> decode_revision(Oid oid, Tid tid, ByteView value);

// The kind alone, without reading the payload: enough to know whether an object is current.
[[nodiscard]] Result<RevisionKind> decode_revision_kind(Oid oid, Tid tid, ByteView value);

// --- outcomes and marks ---

[[nodiscard]] std::string encode_outcome(const Outcome& outcome);
[[nodiscard]] Result<Outcome> decode_outcome(ByteView value);

// What the log's last entry does not tell without walking back.
struct Marks {
  Tid last_transaction;
  Oid oid_mark;
  Tid outcome_horizon;
  // Where it goes when that entry is as old as outcomes are kept; kNoTid in an empty log.
  Tid next_horizon{};
  // Of the newest pack record; see PackState.
  Tid pack_horizon{};
  Tid pack_record{};
  bool collect_garbage = false;
  bool pack_swept = false;  // nothing is left to do for that; false, too, when there is none
  friend bool operator==(const Marks&, const Marks&) = default;
};

[[nodiscard]] std::string encode_marks(const Marks& marks);
[[nodiscard]] Result<Marks> decode_marks(ByteView value);

}  // namespace zeolite::storage
