#include "client/error_mapping.h"

#include <string>
#include <utility>

namespace zeolite::client_core {

std::exception_ptr to_exception(const Answer& failed) {
  const std::string& what = failed.error->detail;
  switch (failed.error->code) {
    case ErrorCode::outcome_unknown:
    case ErrorCode::expired:
      return std::make_exception_ptr(
          client::OutcomeUnknownError(what, external(failed.commit_id, failed.begun)));
    case ErrorCode::timeout:
      return std::make_exception_ptr(client::TimeoutError(what));
    case ErrorCode::read_only:
      return std::make_exception_ptr(client::ReadOnlyError(what));
    case ErrorCode::out_of_space:
      return std::make_exception_ptr(client::OutOfSpaceError(what));
    case ErrorCode::unavailable:
    case ErrorCode::not_primary:
    case ErrorCode::stale_epoch:
    case ErrorCode::aborted:
    case ErrorCode::busy:
      return std::make_exception_ptr(client::DisconnectedError(what));
    case ErrorCode::shutting_down:
      // Of the server: elsewhere or later it may work. Our own end: it will not.
      if (failed.answered) return std::make_exception_ptr(client::DisconnectedError(what));
      return std::make_exception_ptr(client::UsageError(what));
    case ErrorCode::invalid_argument:
    case ErrorCode::not_found:
      return std::make_exception_ptr(client::InvalidArgumentError(what));
    case ErrorCode::conflict:
    case ErrorCode::corruption:
    case ErrorCode::io_error:
    case ErrorCode::protocol_error:
    case ErrorCode::too_new:
      break;
  }
  return std::make_exception_ptr(client::ServerError(failed.error->to_string()));
}

void throw_error(const Answer& failed) { std::rethrow_exception(to_exception(failed)); }

std::exception_ptr to_exception(const wire::Conflicted& conflicted) {
  std::vector<client::Conflict> conflicts;
  conflicts.reserve(conflicted.conflicts.size());
  for (const wire::WireConflict& conflict : conflicted.conflicts) {
    conflicts.push_back({external(conflict.oid), external(conflict.current),
                         external(conflict.base), conflict.read});
  }
  std::string what = "objects were changed by other transactions";
  if (!conflicts.empty()) {
    const wire::WireConflict& first = conflicted.conflicts.front();
    what = "object " + to_hex(first.oid) + " was changed by transaction " + to_hex(first.current) +
           (first.read ? "; it was read at " : "; this one is based on ") + to_hex(first.base);
    if (conflicts.size() > 1) {
      what += " (and " + std::to_string(conflicts.size() - 1) + " more objects)";
    }
  }
  return std::make_exception_ptr(client::ConflictError(what, std::move(conflicts)));
}

std::exception_ptr not_found(Oid oid, Tid snapshot) {
  return std::make_exception_ptr(client::NotFoundError(
      "there is no object " + to_hex(oid) + " at transaction " + to_hex(snapshot), external(oid)));
}

client::CommitId external(const CommitId& id, Tid begun) {
  return {id.session, id.number, external(begun)};
}

client::LogPage external(const wire::LogReply& reply) {
  client::LogPage page;
  page.next_after = external(reply.next_after);
  page.end = reply.end;
  for (const wire::LogReply::Item& item : reply.items) {
    client::LogEntry& entry = page.entries.emplace_back();
    entry.tid = external(item.tid);
    entry.user = item.metadata.user;
    entry.description = item.metadata.description;
    entry.extension = item.metadata.extension;
    for (const ObjectSummary& object : item.objects) {
      using Kind = client::LogEntry::Object::Kind;
      const Kind kind = object.kind == RevisionKind::data           ? Kind::data
                        : object.kind == RevisionKind::back_pointer ? Kind::back_pointer
                                                                    : Kind::deletion;
      entry.objects.push_back({external(object.oid), external(object.previous), kind, object.size});
    }
  }
  return page;
}

client::ServerStatus external(const wire::StatusReport& report) {
  client::ServerStatus status;
  status.role = static_cast<client::ServerStatus::Role>(report.role);
  status.node = report.node;
  status.storage = report.storage;
  status.version = report.version;
  status.epoch = report.epoch.value();
  status.last_tid = external(report.last_tid);
  status.visible_tid = external(report.visible_tid);
  status.clients = report.clients;
  status.voted = report.voted;
  status.waiting = report.waiting;
  status.commits = report.commits;
  status.conflicts = report.conflicts;
  status.aborts = report.aborts;
  status.loads = report.loads;
  status.uptime = std::chrono::milliseconds(report.uptime_ms);
  status.accepts_writes = report.accepts_writes;
  status.refuses_why = report.refuses_why;
  for (const wire::StatusReport::Standby& standby : report.standbys) {
    status.standbys.push_back({standby.node, external(standby.acknowledged),
                               standby.lag_transactions, standby.state, standby.in_sync,
                               std::chrono::milliseconds(standby.lag_ms), standby.address});
  }
  status.leader = report.leader;
  status.durability = report.durability;
  status.promised = report.promised.value();
  return status;
}

}  // namespace zeolite::client_core
