#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "wire/message_type.h"

// Between servers, on the native port; docs/replication.md tells the protocol. See wire/messages.h.
namespace zeolite::wire {

// First frame of a standby, in place of hello, and again whenever a new position is to be compared.
struct ReplicaHello {
  static constexpr MessageType kType = MessageType::replica_hello;
  std::uint32_t version_min = kProtocolVersion;
  std::uint32_t version_max = kProtocolVersion;
  Id128 cluster_id{};  // zero: its directory is empty
  Id128 node{};
  std::string name;     // of the node, for people
  std::string address;  // its own native port as others reach it; may be empty
  Epoch promised;
  Position position;        // to be compared; zero: an empty log
  Position last;            // the end of its log, durable
  std::string storage{};    // name of what it keeps; empty: an older version, which does not tell
  bool by_command = false;  // it takes part in no election: nobody promotes it but people
  friend bool operator==(const ReplicaHello&, const ReplicaHello&) = default;
};

// Answer to ReplicaHello.
struct ReplicaWelcome {
  static constexpr MessageType kType = MessageType::replica_welcome;
  enum class Decision : std::uint8_t {
    stream = 1,      // groups follow from `position`, which is the one asked about
    ancestor = 2,    // `position` is the newest common one
    probe = 3,       // ask again with the last position whose epoch is at most `position.epoch`
    checkpoint = 4,  // ask for a checkpoint
    reject = 5,      // `reason`; `leader` may help
  };
  std::uint32_t version = kProtocolVersion;
  Decision decision = Decision::reject;
  Epoch epoch;  // of the reign: to be promised
  Id128 cluster_id{};
  Id128 node{};
  std::string name;
  Position position;
  std::uint32_t heartbeat_ms = 0;
  std::string reason;
  std::string leader;  // address of the primary, when the sender is none
  friend bool operator==(const ReplicaWelcome&, const ReplicaWelcome&) = default;
};

// A group of log records, in order, to be appended as one. Not larger than a few MiB unless a
// single record is.
struct ReplicaAppend {
  static constexpr MessageType kType = MessageType::replica_append;
  Epoch epoch;        // of the sender's reign
  Position previous;  // what the group follows
  // epoch, tid and everything else are set; writes share the frame's memory. `staged_blob` is not
  // sent.
  std::vector<TransactionRecord> records;
  friend bool operator==(const ReplicaAppend&, const ReplicaAppend&) = default;
};

// From the standby: durable up to here. Also sent every heartbeat interval.
struct ReplicaAck {
  static constexpr MessageType kType = MessageType::replica_ack;
  Epoch epoch;       // promised
  Position flushed;  // the end of its log, durable
  Tid visible;
  bool disk_full = false;  // or nearly: it could take no commits
  std::uint64_t echo = 0;  // the sequence of the newest heartbeat it has obeyed
  // Counts up, by the standby's own clock: the heartbeat that names it was made after this was
  // sent.
  std::uint64_t question = 0;
  friend bool operator==(const ReplicaAck&, const ReplicaAck&) = default;
};

// From the primary: whenever `visible` moves, and every heartbeat interval, with a new `sequence`
// from 1 on. That the standby echoes it proves that it obeyed the epoch after it was sent.
struct ReplicaHeartbeat {
  static constexpr MessageType kType = MessageType::replica_heartbeat;
  Epoch epoch;
  Tid visible;           // what readers of a standby may see
  Tid last;              // the end of the sender's log, durable there
  bool in_sync = false;  // the receiver may be promoted: it is in S
  std::uint64_t sequence = 0;
  std::uint64_t answers = 0;  // the newest question heard of the receiver
  // How old `visible` was, if the sender is a standby itself: at most so long before the answer.
  std::uint32_t age_ms = 0;
  friend bool operator==(const ReplicaHeartbeat&, const ReplicaHeartbeat&) = default;
};

// A piece of the blob of (oid, tid), in order, before the group that has it. The last one completes
// `size`; an empty blob is one empty piece.
struct ReplicaBlob {
  static constexpr MessageType kType = MessageType::replica_blob;
  Oid oid;
  Tid tid;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  // of the whole
  Bytes data;
  friend bool operator==(const ReplicaBlob&, const ReplicaBlob&) = default;
};

// The receiver has promised a higher epoch than the sender's; the connection ends.
struct StaleEpoch {
  static constexpr MessageType kType = MessageType::stale_epoch;
  Epoch promised;
  std::string leader;  // address of whom it follows; may be empty
  friend bool operator==(const StaleEpoch&, const StaleEpoch&) = default;
};

// From the primary to the standby that shall take over: it has everything up to `last`, and nothing
// more is acknowledged in `epoch`.
struct Handover {
  static constexpr MessageType kType = MessageType::handover;
  Epoch epoch;
  Position last;
  friend bool operator==(const Handover&, const Handover&) = default;
};

// ---- checkpoint ---------------------------------------------------------------------------------

// Asks for a copy of the database, on a connection that said ReplicaHello. `id` not zero: goes on
// with that copy at this file and offset, if it is still there. The log in the copy must not end
// before `from`.
struct CheckpointRequest {
  static constexpr MessageType kType = MessageType::checkpoint_request;
  Id128 id{};
  std::uint32_t file = 0;
  std::uint64_t offset = 0;
  Position from;
  friend bool operator==(const CheckpointRequest&, const CheckpointRequest&) = default;
};
// What is in the copy; chunks follow from where it goes on: file 0, offset 0, unless `id` is the
// one that was asked for.
struct CheckpointBegin {
  static constexpr MessageType kType = MessageType::checkpoint_begin;
  struct File {
    std::string name;  // relative path with '/'
    std::uint64_t size = 0;
    friend bool operator==(const File&, const File&) = default;
  };
  Id128 id{};
  Id128 cluster_id{};
  Position position;  // the end of the log in the copy
  std::vector<File> files;
  friend bool operator==(const CheckpointBegin&, const CheckpointBegin&) = default;
};
// Pieces of the files, in order. `hash`, of the whole file, is in its last piece: BLAKE2b-512 cut
// to 16 bytes. An empty file is one empty piece.
struct CheckpointChunk {
  static constexpr MessageType kType = MessageType::checkpoint_chunk;
  std::uint32_t file = 0;  // index in CheckpointBegin.files
  std::uint64_t offset = 0;
  Bytes data;
  bool last = false;
  Id128 hash{};
  friend bool operator==(const CheckpointChunk&, const CheckpointChunk&) = default;
};
// From the receiver: it has written the file up to here, `bytes` more than it had acknowledged; the
// sender keeps a bounded amount beyond under way.
struct CheckpointAck {
  static constexpr MessageType kType = MessageType::checkpoint_ack;
  std::uint32_t file = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const CheckpointAck&, const CheckpointAck&) = default;
};

// ---- from the command line ----------------------------------------------------------------------

// The standby asked becomes the primary. Answer: role_changed or error (conflict: refused for
// safety, unless `force`).
struct Promote {
  static constexpr MessageType kType = MessageType::promote;
  bool force = false;
  friend bool operator==(const Promote&, const Promote&) = default;
};
// The primary asked hands over to the standby of that name; empty: to the one that is in sync and
// furthest. Answer: role_changed or error.
struct Switchover {
  static constexpr MessageType kType = MessageType::switchover;
  std::string target;
  std::uint32_t timeout_ms = 10'000;
  friend bool operator==(const Switchover&, const Switchover&) = default;
};
// The primary asked steps down without naming another. Answer: role_changed.
struct Demote {
  static constexpr MessageType kType = MessageType::demote;
  friend bool operator==(const Demote&, const Demote&) = default;
};
struct RoleChanged {
  static constexpr MessageType kType = MessageType::role_changed;
  NodeRole role = NodeRole::starting;  // of the node that was asked, now
  Epoch epoch;
  std::string primary;  // address, when known
  friend bool operator==(const RoleChanged&, const RoleChanged&) = default;
};

// ---- to clients ---------------------------------------------------------------------------------

// Where the cluster's nodes are, for clients that said they follow (kFeatureTopology): after the
// welcome, and when it changes.
struct Topology {
  static constexpr MessageType kType = MessageType::topology;
  Epoch epoch;
  std::string primary;                // native address; empty: none is known
  std::vector<std::string> standbys;  // native addresses
  friend bool operator==(const Topology&, const Topology&) = default;
};

// Answered with a pong once the connection's line is at least `at_least`; error timeout when it is
// not in time, stale_epoch when this node's history has ended below it in a later epoch.
struct Await {
  static constexpr MessageType kType = MessageType::await;
  Epoch epoch;  // of the reply that told of `at_least`; zero: any
  Tid at_least;
  std::uint32_t timeout_ms = 1000;
  friend bool operator==(const Await&, const Await&) = default;
};

}  // namespace zeolite::wire
