#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "model/ids.h"
#include "wire/message_type.h"

// Handshake, and what may come at any time; see wire/messages.h.
namespace zeolite::wire {

// First frame of a client. The server answers welcome or error.
struct Hello {
  static constexpr MessageType kType = MessageType::hello;
  std::uint32_t version_min = kProtocolVersion;
  std::uint32_t version_max = kProtocolVersion;
  std::uint64_t features = 0;  // bits the client understands; unknown bits are ignored
  std::string storage = "main";
  std::string label;    // for logs and status; at most 200 bytes are kept
  SessionId session{};  // random, the client's for its whole life
  // Where the client's cache stands; tid 0: no cache. The chain is compared when it is not zero.
  Position cache;
  bool wants_invalidations = true;  // false: no invalidate frames (command line tools)
  bool accepts_standby = false;     // it reads from a standby as well
  // How far behind the primary a standby that it reads from may be; 0: any.
  std::uint32_t max_staleness_ms = 0;
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Welcome {
  static constexpr MessageType kType = MessageType::welcome;
  std::uint32_t version = kProtocolVersion;
  std::uint64_t features = 0;  // those both sides understand
  Id128 cluster_id{};
  std::string node;
  NodeRole role = NodeRole::starting;
  Epoch epoch;
  // The connection's snapshot line: loads are answered as of this tid until the first invalidate.
  Position visible;
  // True: the invalidate frames sent before this one bring the cache from Hello.cache to visible.
  // False: the cache's position is not in our history; drop it.
  bool cache_valid = false;
  std::uint32_t body_max = 0;               // largest body the server accepts
  std::uint64_t transaction_bytes_max = 0;  // largest transaction, all its stages together
  friend bool operator==(const Welcome&, const Welcome&) = default;
};

// ---- any time ----------------------------------------------------------------------------------

// Answer to any request that failed; with request_id 0, the reason why the connection is closed.
struct ErrorReply {
  static constexpr MessageType kType = MessageType::error;
  Error error{ErrorCode::protocol_error, {}};
  std::string leader{};  // not_primary: address of the primary, when it is known
  friend bool operator==(const ErrorReply& a, const ErrorReply& b) {
    return a.error.code == b.error.code && a.error.detail == b.error.detail && a.leader == b.leader;
  }
};

// The pong carries the payload back and comes after all invalidations up to `visible`.
struct Ping {
  static constexpr MessageType kType = MessageType::ping;
  Bytes payload;
  friend bool operator==(const Ping&, const Ping&) = default;
};
struct Pong {
  static constexpr MessageType kType = MessageType::pong;
  Bytes payload;
  Tid visible;
  friend bool operator==(const Pong&, const Pong&) = default;
};

// Sent by the server in strictly increasing tid order: these objects have a newer revision, and
// the connection's line is now `tid`. The committer gets its reply instead. oids may be empty.
// A transaction with very many oids, and the catch-up after Hello, come as several frames with the
// same tid; the line moves at the one with `last`.
struct Invalidate {
  static constexpr MessageType kType = MessageType::invalidate;
  Tid tid;
  std::vector<Oid> oids;
  bool last = true;
  friend bool operator==(const Invalidate&, const Invalidate&) = default;
};

}  // namespace zeolite::wire
