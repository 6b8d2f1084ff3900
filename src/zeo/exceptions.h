#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "model/ids.h"
#include "zeo/message.h"

// The exceptions that ZEO clients know how to raise. Any other class name reaches the application
// as ServerException.
namespace zeolite::zeo {

// Eight bytes, as ids are written in messages.
[[nodiscard]] Value id_value(std::uint64_t id);
[[nodiscard]] inline Value value_of(Oid oid) { return id_value(oid.value()); }
[[nodiscard]] inline Value value_of(Tid tid) { return id_value(tid.value()); }
// None for nothing.
[[nodiscard]] Value value_or_none(Tid tid);

// No such object (at that time). `oid` as the client sent it.
[[nodiscard]] Exception pos_key_error(ByteView oid);
[[nodiscard]] Exception pos_key_error(Oid oid);

struct ConflictFacts {
  std::string message;
  // Nothing: no object is to blame. Clients drop the one that is from their caches.
  std::optional<Oid> oid{};
  // Committed and read revisions; both zero: not known.
  Tid committed{};
  Tid read{};
};
// The application's retry loop runs the transaction again.
[[nodiscard]] Exception conflict_error(const ConflictFacts& facts);
[[nodiscard]] Exception read_conflict_error(const ConflictFacts& facts);

[[nodiscard]] Exception read_only_error();
// A call that does not fit the state of the connection's transaction.
[[nodiscard]] Exception transaction_error(std::string message);
[[nodiscard]] Exception value_error(std::string message);
[[nodiscard]] Exception type_error(std::string message);
[[nodiscard]] Exception key_error(Value key);
[[nodiscard]] Exception storage_error(std::string message);
// At least one failure.
[[nodiscard]] Exception multiple_undo_errors(std::span<const std::pair<Oid, std::string>> failures);

// The class and the first text of an exception, for the log.
[[nodiscard]] std::string describe(const Exception& exception);

// An operating error as the client should see it: what may succeed when the transaction is run
// again is a conflict, all else a storage error.
[[nodiscard]] Exception exception_of(const Error& error);

}  // namespace zeolite::zeo
