#pragma once

#include "zeo/message.h"

// The messages of message.h as pickles, as stock servers and clients write them. Each function does
// what its namesake there says; encoders leave the length out.
namespace zeolite::zeo::pickle_message {

// Any value that is one pickle; what it must be as a message, message.cc knows.
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
// The end, with more objects.
void end_invalidations(std::span<const Oid> more, std::string& out);

}  // namespace zeolite::zeo::pickle_message
