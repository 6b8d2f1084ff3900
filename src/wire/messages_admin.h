#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/ids.h"
#include "model/transaction_record.h"
#include "wire/message_type.h"

// The log, and what administration asks; see wire/messages.h.
namespace zeolite::wire {

// Transactions with after < tid <= until, in order, at most `count` (1..10,000) and as fit a frame.
struct ReadLog {
  static constexpr MessageType kType = MessageType::read_log;
  Tid after;
  Tid until = kMaxTid;
  std::uint32_t count = 1000;
  friend bool operator==(const ReadLog&, const ReadLog&) = default;
};
struct LogReply {
  static constexpr MessageType kType = MessageType::log;
  struct Item {
    Tid tid;
    TransactionMetadata metadata;
    char status = ' ';
    std::vector<ObjectSummary> objects;
    friend bool operator==(const Item&, const Item&) = default;
  };
  std::vector<Item> items;
  Tid next_after;    // continue from here
  bool end = false;  // nothing more up to the line
  friend bool operator==(const LogReply&, const LogReply&) = default;
};

struct StatusQuery {
  static constexpr MessageType kType = MessageType::status;
  friend bool operator==(const StatusQuery&, const StatusQuery&) = default;
};
struct StatusReport {
  static constexpr MessageType kType = MessageType::status_report;
  struct Standby {
    std::string node;
    Tid acknowledged;
    std::uint64_t lag_transactions = 0;
    std::string state{};          // what it is doing, in a word: streaming, catching up, ...
    bool in_sync = false;         // it has all that was acknowledged, and may be promoted
    std::uint64_t lag_ms = 0;     // since it last had everything; 0: it has
    std::string address{};        // its native port as others reach it; empty: not known
    std::uint64_t lag_bytes = 0;  // of records; like lag_transactions, as far as this process knows
    friend bool operator==(const Standby&, const Standby&) = default;
  };
  NodeRole role = NodeRole::starting;
  std::string node;
  std::string storage;
  std::string version;
  Epoch epoch;
  Tid last_tid;
  Tid visible_tid;
  std::uint64_t clients = 0;
  std::uint64_t voted = 0, waiting = 0;
  std::uint64_t commits = 0, conflicts = 0, aborts = 0, loads = 0;  // since the process started
  std::uint64_t uptime_ms = 0;
  bool accepts_writes = true;
  std::string refuses_why;  // when it does not
  std::vector<Standby> standbys;
  std::string leader{};      // address of the primary, when it is known
  std::string durability{};  // what a commit waits for: local, standby or strict
  Epoch promised{};          // lower ones are refused
  // As primary, since the reign began: how often a standby entered or left the set that may be
  // promoted; groups of commits that waited for a standby until it was let go, and the longest
  // wait.
  std::uint64_t sync_changes = 0;
  std::uint64_t delayed_groups = 0;
  std::uint64_t longest_delay_ms = 0;
  bool blocked = false;  // commits wait for a standby, and none is there (strict)
  // As standby: what it shows is at most so old; 0: it is the primary.
  std::uint64_t shown_age_ms = 0;
  friend bool operator==(const StatusReport&, const StatusReport&) = default;
};

// Runs the same check as `zeolite verify --data` on the live database, as of the line. Slow.
struct Verify {
  static constexpr MessageType kType = MessageType::verify;
  friend bool operator==(const Verify&, const Verify&) = default;
};
struct VerifyReport {
  static constexpr MessageType kType = MessageType::verify_report;
  std::uint64_t transactions = 0;
  std::uint64_t revisions = 0;
  std::uint64_t blobs = 0;
  std::string digest;                 // hexadecimal
  std::vector<std::string> problems;  // empty: clean
  // Of current records. No damage: applications make dangling references, too.
  struct Reference {
    Oid from;
    Oid to;
    friend bool operator==(const Reference&, const Reference&) = default;
  };
  std::uint64_t dangling_count = 0;  // references to objects that do not exist
  std::vector<Reference> dangling;   // the first of them
  std::uint64_t unscanned = 0;       // records that are no ZODB records
  friend bool operator==(const VerifyReport&, const VerifyReport&) = default;
};

// Removes history up to `horizon` but for what is needed as of it, and objects that nothing refers
// to. Answered with a PackReport when it is done, which may take hours. Only on the primary.
struct Pack {
  static constexpr MessageType kType = MessageType::pack;
  Tid horizon;
  bool collect_garbage = true;
  bool dry_run = false;  // only tell what would go
  friend bool operator==(const Pack&, const Pack&) = default;
};
struct PackReport {
  static constexpr MessageType kType = MessageType::pack_report;
  Tid horizon;  // zero: there was nothing to do
  bool garbage_wanted = false;
  bool garbage_collected = false;
  bool root_missing = false;
  std::uint64_t objects = 0;  // looked at
  std::uint64_t revisions = 0;
  std::uint64_t removed_objects = 0;  // with all their revisions
  std::uint64_t removed_revisions = 0;
  std::uint64_t removed_bytes = 0;  // of records
  std::uint64_t removed_blobs = 0;
  std::uint64_t dangling_count = 0;  // objects that are referred to and missing
  std::vector<Oid> dangling;         // the first of them
  std::uint64_t unreadable_count = 0;
  std::vector<std::string> unreadable;  // the first records whose references could not be read
  friend bool operator==(const PackReport&, const PackReport&) = default;
};

}  // namespace zeolite::wire
