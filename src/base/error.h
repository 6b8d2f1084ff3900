#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace zeolite {

// Why an operation failed, as a closed list. The wire carries the number, so numbers are fixed for
// ever; a new reason is appended.
enum class ErrorCode : std::uint16_t {
  not_found = 1,          // the object, revision or storage named does not exist; do not retry
  conflict = 2,           // another transaction changed what this one read or wrote; retry it whole
  read_only = 3,          // the connection or storage does not take writes
  not_primary = 4,        // this node is not the primary; connect to another address
  stale_epoch = 5,        // the sender belongs to a reign that has ended
  timeout = 6,            // a bounded wait ended; the operation did not happen; may be retried
  unavailable = 7,        // cannot be served now (disconnected, overloaded); may be retried
  corruption = 8,         // stored or received bytes are damaged
  io_error = 9,           // the operating system refused a read or a write
  protocol_error = 10,    // the peer broke the protocol; the connection is closed
  invalid_argument = 11,  // the caller asked for something that cannot be; do not retry
  shutting_down = 12,     // the process is ending; retry elsewhere or later
  out_of_space = 13,      // the disk reserve is reached: writes are refused until space returns
  outcome_unknown = 14,   // a commit was sent and its answer lost; ask for its outcome
  expired = 15,           // the outcome asked for was pruned; it may have committed or not
  aborted = 16,           // the transaction was ended (by request, timeout or tombstone)
  busy = 17,              // held by another process: a data directory, a cache file
  too_new = 18,           // written by a newer version of this program
};

// The code's name as in the list above, for messages and logs.
[[nodiscard]] std::string_view to_string(ErrorCode code);

// An operating error. `detail` is one sentence for people: what happened, to what, what to do.
// A bug is not an Error: see base/check.h.
struct Error {
  ErrorCode code;
  std::string detail;

  // "code: detail"
  [[nodiscard]] std::string to_string() const;
  // The same error with `prefix` and ": " put before its detail; adds context on the way up.
  [[nodiscard]] Error prefixed(std::string_view prefix) &&;
};

template <typename T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> make_error(ErrorCode code, std::string detail) {
  return std::unexpected(Error{code, std::move(detail)});
}

}  // namespace zeolite

#define ZEOLITE_CONCAT_INNER(a, b) a##b
#define ZEOLITE_CONCAT(a, b) ZEOLITE_CONCAT_INNER(a, b)

// Returns the error of `expr` (a Result<...>) from the enclosing function, if it has one.
#define RETURN_IF_ERROR(expr)                                    \
  do {                                                           \
    if (auto zeolite_result = (expr); !zeolite_result)           \
      return std::unexpected(std::move(zeolite_result).error()); \
  } while (false)

// ASSIGN_OR_RETURN(auto x, f()): x becomes the value of f(), or its error is returned.
#define ASSIGN_OR_RETURN(declaration, expr) \
  ASSIGN_OR_RETURN_INNER(ZEOLITE_CONCAT(zeolite_result_, __LINE__), declaration, expr)
#define ASSIGN_OR_RETURN_INNER(name, declaration, expr)       \
  auto name = (expr);                                         \
  if (!name) return std::unexpected(std::move(name).error()); \
  declaration = std::move(name).value()
