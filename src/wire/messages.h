#pragma once

#include <variant>

#include "wire/message_type.h"
#include "wire/messages_admin.h"
#include "wire/messages_commit.h"
#include "wire/messages_handshake.h"
#include "wire/messages_reads.h"
#include "wire/messages_replication.h"

// One struct per message of the native protocol; docs/wire-protocol.md tells when each is sent.
// Bytes fields of decoded messages share the memory of the frame they came in.
namespace zeolite::wire {

using Message =
    std::variant<Hello, Welcome, ErrorReply, Ping, Pong, Invalidate, Load, LoadSerial, Loaded,
                 LoadMany, LoadedMany, Walk, Walked, Stage, Vote, Voted, Finish, Abort, Commit,
                 Committed, Conflicted, Done, OutcomeQuery, OutcomeKnown, NewOids, Oids, ReadLog,
                 LogReply, StatusQuery, StatusReport, Verify, VerifyReport, Pack, PackReport,
                 LoadBlob, BlobPart, ReplicaHello, ReplicaWelcome, ReplicaAppend, ReplicaAck,
                 ReplicaHeartbeat, ReplicaBlob, StaleEpoch, Handover, CheckpointRequest,
                 CheckpointBegin, CheckpointChunk, CheckpointAck, Promote, Switchover, Demote,
                 RoleChanged, Topology, Await>;

}  // namespace zeolite::wire
