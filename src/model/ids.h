#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/strong_id.h"

namespace zeolite {

// Object id. Eight bytes big-endian on disk and on every wire. 0 is the root object.
using Oid = StrongId<struct OidTag>;

// Transaction id: a ZODB timestamp (model/tid_time.h), strictly increasing in the log. 0 means "no
// transaction": the previous tid of an object that did not exist.
using Tid = StrongId<struct TidTag>;
inline constexpr Tid kNoTid{0};
// The greatest tid ZODB allows; `load_before(oid, kMaxTid)` means "current".
inline constexpr Tid kMaxTid{0x7FFFFFFFFFFFFFFFULL};

// One primary's reign. 0 means "none yet".
using Epoch = StrongId<struct EpochTag>;

// 128 random bits that name a client session, a cluster or a node.
using Id128 = std::array<std::uint8_t, 16>;
using SessionId = Id128;
// 128 bits of a hash over the log up to a record; see storage/log_chain.h.
using ChainHash = std::array<std::uint8_t, 16>;

// A place in the log. Two logs are the same up to a position iff both hold it with equal chain.
struct Position {
  Epoch epoch;
  Tid tid;
  ChainHash chain{};
  friend bool operator==(const Position&, const Position&) = default;
};

// Names one commit attempt of a client for ever: a repeated request with the same CommitId has the
// same outcome. number is chosen by the client, strictly increasing within its session. An all-zero
// session means "no exactly-once wanted" (imports, log records of the server's own).
struct CommitId {
  SessionId session{};
  std::uint64_t number = 0;
  friend auto operator<=>(const CommitId&, const CommitId&) = default;
  [[nodiscard]] bool empty() const { return session == SessionId{}; }
};

// 16 lower-case hexadecimal digits.
[[nodiscard]] std::string to_hex(Oid oid);
[[nodiscard]] std::string to_hex(Tid tid);
[[nodiscard]] std::string to_hex(const Id128& id);  // 32 digits

// Accepts exactly 1 to 16 hexadecimal digits, optionally after "0x"; else nothing.
[[nodiscard]] std::optional<std::uint64_t> parse_hex_u64(std::string_view text);

inline void put_oid(std::string& out, Oid oid) { put_u64(out, oid.value()); }
inline void put_tid(std::string& out, Tid tid) { put_u64(out, tid.value()); }
inline void put_id128(std::string& out, const Id128& id) {
  out.append(reinterpret_cast<const char*>(id.data()), id.size());
}
[[nodiscard]] inline ByteView view_of(const Id128& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}
// `bytes` must be 16 long.
[[nodiscard]] Id128 id128_from(ByteView bytes);

}  // namespace zeolite

template <>
struct std::hash<zeolite::CommitId> {
  std::size_t operator()(const zeolite::CommitId& id) const noexcept;
};
