#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "wire/frame.h"
#include "wire/messages.h"

namespace zeolite::wire {

// Appends `message` to `out` as one frame. Bodies of at least `compress_from` bytes are compressed
// when that makes them smaller. `out` holds whole frames only, or nothing. Defined for every
// alternative of Message. The caller keeps lists, metadata and the whole within what decode() and
// the peer's body_max allow: encode does not refuse what the peer will.
template <typename M>
void encode(const M& message, std::uint32_t request_id, std::string& out,
            std::size_t compress_from = 4096);

// The same for a message of any type.
void encode(const Message& message, std::uint32_t request_id, std::string& out,
            std::size_t compress_from = 4096);

// A ReplicaAppend made of `records` as they stand, with request id 0: the data is copied once, into
// `out`. The records follow `previous` as decode() demands.
void encode_append(Epoch epoch, const Position& previous,
                   std::span<const TransactionRecord> records, std::string& out,
                   std::size_t compress_from);

// The message in `frame`. Bytes fields share the frame's memory.
// Errors (protocol_error): unknown type, not a Cap'n Proto message of that type, lists longer than
// the message has room for, an id that is not 16 bytes, metadata longer than 65,535 bytes, an enum
// out of range, counts outside the range that messages.h gives; of a ReplicaAppend also tids that
// do not increase from `previous` on, epochs that decrease or exceed the sender's, and records that
// ObjectStore::append would not take for what is in them; of a CheckpointBegin names that lead out
// of the directory.
[[nodiscard]] Result<Message> decode(const Frame& frame);

// decode() for a frame whose type is M's; decode() chooses.
template <typename M>
[[nodiscard]] Result<Message> decode_as(const Frame& frame);

}  // namespace zeolite::wire
