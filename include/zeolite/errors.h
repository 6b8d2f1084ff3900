#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "zeolite/types.h"

// Every failure of the library is thrown as one of these; what() is one sentence for people.
namespace zeolite::client {
inline namespace v1 {

// The base of them all.
class Error : public std::runtime_error {
 public:
  Error(const std::string& what, bool retryable)
      : std::runtime_error(what), retryable_(retryable) {}

  // True: nothing was committed, and the same transaction run again from its start may succeed.
  // run_transaction() does that.
  [[nodiscard]] bool retryable() const noexcept { return retryable_; }

 private:
  bool retryable_;
};

// Another transaction changed what this one wrote or read with read_current(). Nothing was
// committed.
class ConflictError : public Error {
 public:
  ConflictError(const std::string& what, std::vector<Conflict> conflicts)
      : Error(what, true), conflicts_(std::move(conflicts)) {}
  // Not empty.
  [[nodiscard]] const std::vector<Conflict>& conflicts() const noexcept { return conflicts_; }

 private:
  std::vector<Conflict> conflicts_;
};

// The object does not exist at the transaction's snapshot (never did, not yet, or was removed).
class NotFoundError : public Error {
 public:
  NotFoundError(const std::string& what, Oid oid) : Error(what, false), oid_(oid) {}
  [[nodiscard]] Oid oid() const noexcept { return oid_; }

 private:
  Oid oid_;
};

// The server or storage takes no writes.
class ReadOnlyError : public Error {
 public:
  explicit ReadOnlyError(const std::string& what) : Error(what, false) {}
};

// The server's disk is full: writes are refused until there is space again. Nothing was committed.
class OutOfSpaceError : public Error {
 public:
  explicit OutOfSpaceError(const std::string& what) : Error(what, true) {}
};

// There is no connection to the primary, or it was lost. Nothing was committed.
class DisconnectedError : public Error {
 public:
  explicit DisconnectedError(const std::string& what) : Error(what, true) {}
};

// The call did not end within its time. Nothing was committed.
class TimeoutError : public Error {
 public:
  explicit TimeoutError(const std::string& what) : Error(what, true) {}
};

// A commit was sent, and what became of it could not be found out in time. It may be in the
// database. Ask Client::outcome(commit_id()) later; retrying blindly could commit twice.
class OutcomeUnknownError : public Error {
 public:
  OutcomeUnknownError(const std::string& what, const CommitId& commit_id)
      : Error(what, false), commit_id_(commit_id) {}
  [[nodiscard]] const CommitId& commit_id() const noexcept { return commit_id_; }

 private:
  CommitId commit_id_;
};

// A record or transaction is larger than the server accepts, or an argument cannot be.
class InvalidArgumentError : public Error {
 public:
  explicit InvalidArgumentError(const std::string& what) : Error(what, false) {}
};

// The library was used wrongly: a transaction after its end, a blocking call on the client's own
// thread, a call after close().
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& what) : Error(what, false) {}
};

// The server failed (damage, input or output error) or does not speak our protocol.
class ServerError : public Error {
 public:
  explicit ServerError(const std::string& what) : Error(what, false) {}
};

}  // namespace v1
}  // namespace zeolite::client
