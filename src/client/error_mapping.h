#pragma once

#include <exception>

#include "client/client_request.h"
#include "model/ids.h"
#include "zeolite/errors.h"
#include "zeolite/types.h"

// Between the library's own types and the public ones.
namespace zeolite::client_core {

// What an answer with an error is thrown as. The one table from ErrorCode to exceptions.
[[nodiscard]] std::exception_ptr to_exception(const Answer& failed);
[[noreturn]] void throw_error(const Answer& failed);

[[nodiscard]] std::exception_ptr to_exception(const wire::Conflicted& conflicted);
[[nodiscard]] std::exception_ptr not_found(Oid oid, Tid snapshot);

[[nodiscard]] inline Oid internal(client::Oid oid) { return Oid(oid.value); }
[[nodiscard]] inline Tid internal(client::Tid tid) { return Tid(tid.value); }
[[nodiscard]] inline client::Oid external(Oid oid) { return {oid.value()}; }
[[nodiscard]] inline client::Tid external(Tid tid) { return {tid.value()}; }
[[nodiscard]] client::CommitId external(const CommitId& id, Tid begun);

[[nodiscard]] client::LogPage external(const wire::LogReply& reply);
[[nodiscard]] client::ServerStatus external(const wire::StatusReport& report);

}  // namespace zeolite::client_core
