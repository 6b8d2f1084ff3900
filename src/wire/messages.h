#pragma once

#include <concepts>
#include <type_traits>
#include <utility>
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

using MessageVariant =
    std::variant<Hello, Welcome, ErrorReply, Ping, Pong, Invalidate, Load, LoadSerial, Loaded,
                 LoadMany, LoadedMany, Walk, Walked, Stage, Vote, Voted, Finish, Abort, Commit,
                 Committed, Conflicted, Done, OutcomeQuery, OutcomeKnown, NewOids, Oids, ReadLog,
                 LogReply, StatusQuery, StatusReport, Verify, VerifyReport, Pack, PackReport,
                 LoadBlob, BlobPart, ReplicaHello, ReplicaWelcome, ReplicaAppend, ReplicaAck,
                 ReplicaHeartbeat, ReplicaBlob, StaleEpoch, Handover, CheckpointRequest,
                 CheckpointBegin, CheckpointChunk, CheckpointAck, Promote, Switchover, Demote,
                 RoleChanged, Topology, Await>;

template <typename M, typename Variant>
struct IsAlternative;
template <typename M, typename... Ms>
struct IsAlternative<M, std::variant<Ms...>> : std::bool_constant<(std::same_as<M, Ms> || ...)> {};

// Any of the messages, for std::visit, std::get_if and the like. A class of its own, because what
// copies, moves and destroys 54 alternatives takes seconds to compile; so it is compiled once.
class Message : public MessageVariant {
 public:
  template <typename M>
    requires IsAlternative<std::remove_cvref_t<M>, MessageVariant>::value
  Message(M&& message)  // NOLINT(google-explicit-constructor): as the variant's
      : MessageVariant(std::in_place_type<std::remove_cvref_t<M>>, std::forward<M>(message)) {}
  Message();
  Message(const Message& other);
  Message(Message&& other) noexcept;
  Message& operator=(const Message& other);
  Message& operator=(Message&& other) noexcept;
  ~Message();
};

}  // namespace zeolite::wire
