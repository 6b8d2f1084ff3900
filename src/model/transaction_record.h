#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "model/ids.h"

namespace zeolite {

// What one object became in one transaction. Numbers are stored: fixed for ever.
enum class RevisionKind : std::uint8_t {
  data = 1,          // a record, as the client sent it
  back_pointer = 2,  // the same record as this object's revision at `back` (undo)
  deletion = 3,      // the object is gone (deleted, or its creation undone)
};

// What a log record is for. Only `transaction` records are seen by clients; the others keep the
// server's own state in the one replicated order. Numbers are stored: fixed for ever.
enum class RecordKind : std::uint8_t {
  transaction = 1,
  epoch = 2,      // first record of a reign
  oids = 3,       // oid_mark moved: oids below it may have been handed out
  tombstone = 4,  // (session, number) will never commit
  pack = 5,       // what is not needed as of pack_horizon may be removed from here on
  removal = 6,    // these revisions go, for a pack record before this one
};

// Names one revision.
struct RevisionKey {
  Oid oid;
  Tid tid;
  friend auto operator<=>(const RevisionKey&, const RevisionKey&) = default;
};

// Whether the keys are in the order of a removal record, each once: oids ascending, each object's
// newest first, as in a walk over all revisions.
[[nodiscard]] inline bool in_removal_order(std::span<const RevisionKey> keys) {
  const auto not_before = [](const RevisionKey& a, const RevisionKey& b) {
    return a.oid != b.oid ? a.oid > b.oid : a.tid <= b.tid;
  };
  return std::ranges::adjacent_find(keys, not_before) == keys.end();
}

// The blob of a revision: a file beside the records (docs/storage-format.md).
struct BlobInfo {
  std::uint64_t size = 0;  // bytes
  ChainHash hash{};        // of its content: BLAKE2b-512, cut to 16 bytes
  friend bool operator==(const BlobInfo&, const BlobInfo&) = default;
};

// FileStorage's status of a transaction; kept for export.
inline constexpr char kStatusNormal = ' ';
inline constexpr char kStatusPacked = 'p';

// One object's part in a transaction.
struct ObjectWrite {
  Oid oid;
  Tid previous;  // its revision before this one; kNoTid when it did not exist (new or deleted)
  RevisionKind kind = RevisionKind::data;
  Bytes data;  // kind data: the record (may be empty only in imports); else empty
  Tid back;    // kind back_pointer: a revision of the same oid with kind data; else kNoTid
  // The revision has a blob as well. Not with kind deletion; a back_pointer names the blob of the
  // revision it points to (its own file, with the same content).
  std::optional<BlobInfo> blob{};
  std::string staged_blob{};  // not stored: where the blob's file waits to get its name
  // kind back_pointer or deletion: the older revision of the object that an undo named when it made
  // this one, if that is not `back`: it repeats `back` itself, or is a deletion. Else kNoTid. Only
  // history and export tell it; it may have been packed away.
  Tid via{};
  friend bool operator==(const ObjectWrite&, const ObjectWrite&) = default;
};

// User, description, extension: as the application gave them. Bytes, normally UTF-8; the extension
// is a pickled dict for Python clients, opaque to us. Each at most 65,535 bytes long.
struct TransactionMetadata {
  std::string user;
  std::string description;
  std::string extension;
  friend bool operator==(const TransactionMetadata&, const TransactionMetadata&) = default;
};

// One entry of the log with the objects it carries. A value: built once, then read only.
struct TransactionRecord {
  RecordKind kind = RecordKind::transaction;
  Epoch epoch;
  Tid tid;
  CommitId commit_id;  // empty() when the record answers no client
  char status = kStatusNormal;
  TransactionMetadata metadata;
  Oid oid_mark;                     // kind oids only
  Tid pack_horizon{};               // kind pack only: history up to here may go; below tid
  bool collect_garbage = false;     // kind pack only: objects that nothing refers to may go, too
  std::vector<ObjectWrite> writes;  // each oid at most once
  // Kind removal only: the newest pack record, for which it is made; whether nothing is left to do
  // for that; and what goes, in_removal_order(), all of it at or below the pack's horizon. What is
  // gone already may be named.
  Tid pack_record{};
  bool pack_complete = false;
  std::vector<RevisionKey> removed{};
  friend bool operator==(const TransactionRecord&, const TransactionRecord&) = default;
};

// What the log keeps of an object's part in a transaction: everything but the data.
struct ObjectSummary {
  Oid oid;
  Tid previous;
  RevisionKind kind = RevisionKind::data;
  Tid back;
  std::uint32_t size = 0;  // bytes of data; 0 unless kind is data
  std::optional<BlobInfo> blob{};
  Tid via{};  // as in ObjectWrite
  friend bool operator==(const ObjectSummary&, const ObjectSummary&) = default;
};

// A log entry as it is stored: the record without its data, tied to its place by the chain.
struct LogEntry {
  RecordKind kind = RecordKind::transaction;
  Position position;  // its epoch and tid, and the chain including this entry
  Tid previous_tid;   // the entry before it in the log; kNoTid for the first
  CommitId commit_id;
  char status = kStatusNormal;
  TransactionMetadata metadata;
  Oid oid_mark;
  Tid pack_horizon{};
  bool collect_garbage = false;
  Tid pack_record{};
  bool pack_complete = false;
  std::vector<RevisionKey> removed{};
  std::vector<ObjectSummary> objects;
  ChainHash body_hash{};  // over the objects' data; see storage/log_chain.h
  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

}  // namespace zeolite
