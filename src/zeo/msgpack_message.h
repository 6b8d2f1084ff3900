#pragma once

#include "zeo/message.h"

// The messages of message.h in msgpack, as stock servers and clients write them. Each function does
// what its namesake there says; encoders leave the length out.
//
// Read: arrays as tuples, maps as dicts, numbers, bools, nil, text, bytes; no extension types.
// Written: tuples, lists and sets as arrays. What msgpack, or a client, has no form for gets the
// nearest there is, for an answer that a client cannot read leaves it waiting for ever: an integer
// beyond 64 bits becomes its bytes (as in pickle::BigInteger), a path prefix the array of its
// elements, a lone surrogate U+FFFD. Dict keys that are neither text nor bytes are left out with
// their values: clients refuse them.
namespace zeolite::zeo::msgpack_message {

// Any value that is one message; what it must be as a message, message.cc knows.
[[nodiscard]] Result<Value> decode(const Bytes& body);

// A result, or an exception's (class name, state).
void encode_reply(const Value& id, bool is_error, const Value& value, std::string& out);
void encode_one_way(std::string_view method, std::span<const Value> arguments, std::string& out);
void encode_loaded(const Value& id, ByteView data, Tid tid, Tid end, std::string& out);
void encode_invalidation(Tid tid, std::span<const Oid> oids, std::string& out);
// For InvalidationsAnswer: all but the end, with room for the tid, whose place in `out` is
// returned.
[[nodiscard]] std::size_t begin_invalidations(const Value& id, std::span<const Oid> oids,
                                              std::string& out);
// The end, with more objects; `tid_at` is what begin_invalidations returned.
void end_invalidations(std::size_t tid_at, std::span<const Oid> more, std::string& out);

}  // namespace zeolite::zeo::msgpack_message
