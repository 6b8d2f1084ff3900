#include "daemon/zeo_reads.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "daemon/read_service.h"
#include "daemon/zeo_blob_sender.h"
#include "daemon/zeo_status.h"
#include "daemon/zeo_values.h"
#include "history/undo_log.h"
#include "zeo/undo_id.h"

namespace zeolite::daemon {

using pickle::Dict;
using pickle::List;
using pickle::None;
using storage::Loaded;
using storage::LoadStatus;
using storage::ObjectStore;
using zeo::Value;
namespace requests = zeo::requests;

namespace {

using Connection = std::shared_ptr<ZeoConnection>;

// Log entries read at a time.
constexpr std::size_t kPage = 4'096;
// A client that missed more objects than this drops its cache: that is cheaper, and always right.
constexpr std::size_t kInvalidationsMax = 2'000'000;
// Revisions of one object, at most, that history tells.
constexpr std::int64_t kHistoryMax = 10'000;

void send_loaded(ZeoConnection& connection, const Value& id, Oid oid, const Loaded& loaded) {
  if (loaded.status == LoadStatus::found) {
    std::string message;
    zeo::encode_loaded(connection.encoding(), id, loaded.data.view(), loaded.tid,
                       loaded.end.value_or(kNoTid), message);
    connection.send_encoded(message);
  } else if (loaded.status == LoadStatus::not_yet) {
    connection.reply(id, Value(None{}));
  } else {
    connection.fail(id, zeo::pos_key_error(oid));
  }
}

// The record that exists at `tid` exactly.
void send_serial(ZeoConnection& connection, const Value& id, const requests::LoadSerial& request,
                 const Loaded& loaded) {
  if (loaded.status == LoadStatus::found && loaded.tid == request.tid) {
    connection.reply(id, Value(loaded.data));
  } else {
    connection.fail(id, zeo::pos_key_error(request.oid));
  }
}

void send_tid(ZeoConnection& connection, const Value& id, Oid oid, const Loaded& loaded) {
  if (loaded.status == LoadStatus::found) {
    connection.reply(id, zeo::value_of(loaded.tid));
  } else {
    connection.fail(id, zeo::pos_key_error(oid));
  }
}

// Loads the newest revision below `before` from memory or from the disk, and has it sent by
// `send(connection, loaded)`.
template <typename Send>
void load(ShardHub& hub, const Connection& connection, const Value& id, Oid oid, Tid before,
          Send send) {
  Result<Loaded> loaded = hub.load_from_memory(oid, before);
  if (loaded) {
    send(*connection, *loaded);
    return;
  }
  if (loaded.error().code != ErrorCode::unavailable) {
    connection->fail(id, zeo::exception_of(loaded.error()));
    return;
  }
  hub.read_on_pool(
      connection, ShardHub::Pin::line,
      [oid, before](const ObjectStore& store, Tid line) {
        return store.load_before(oid, before, line, storage::ReadTier::disk);
      },
      [&hub, connection, id, oid, before, send](Result<Loaded> read, Tid line) {
        if (!read) {
          connection->fail(id, zeo::exception_of(read.error()));
        } else if (hub.created_since(oid, line, read->status)) {
          load(hub, connection, id, oid, before, send);
        } else {
          hub.correct_end(oid, line, *read);
          hub.remember(oid, *read, line);
          send(*connection, *read);
        }
      });
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::LoadBefore& request) {
  load(hub, connection, id, request.oid, request.before,
       [id, oid = request.oid](ZeoConnection& to, const Loaded& loaded) {
         send_loaded(to, id, oid, loaded);
       });
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::LoadSerial& request) {
  load(hub, connection, id, request.oid, request.tid.next(),
       [id, request](ZeoConnection& to, const Loaded& loaded) {
         send_serial(to, id, request, loaded);
       });
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::GetTid& request) {
  load(hub, connection, id, request.oid, kMaxTid,
       [id, oid = request.oid](ZeoConnection& to, const Loaded& loaded) {
         send_tid(to, id, oid, loaded);
       });
}

// A read that nothing which happens meanwhile makes wrong. `work(store, line)` gives a Value, or
// the exception it is.
using Answer = std::expected<Value, zeo::Exception>;
using Found = Result<Answer>;
template <typename Work>
void answer_from_pool(ShardHub& hub, const Connection& connection, const Value& id, Work work) {
  hub.read_on_pool(connection, ShardHub::Pin::no, std::move(work),
                   [connection, id](const Found& found, Tid) {
                     if (!found) {
                       connection->fail(id, zeo::exception_of(found.error()));
                     } else if (!*found) {
                       connection->fail(id, found->error());
                     } else {
                       connection->reply(id, **found);
                     }
                   });
}

Found read_history(const ObjectStore& store, Tid line, const requests::History& request) {
  const auto count =
      static_cast<std::size_t>(std::clamp<std::int64_t>(request.size, 0, kHistoryMax));
  ASSIGN_OR_RETURN(const auto revisions,
                   store.history(request.oid, line, std::max<std::size_t>(count, 1)));
  if (revisions.empty()) return Answer(std::unexpected(zeo::pos_key_error(request.oid)));
  List result;
  for (const ObjectStore::ObjectRevision& revision : revisions) {
    if (result.items.size() == count) break;
    ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store.log_entry(revision.tid));
    if (!entry) continue;
    Dict dict;
    set_extension(entry->metadata, dict);
    set_item(dict, Value::text("tid"), zeo::value_of(revision.tid));
    set_transaction(revision.tid, entry->metadata, revision.summary.size, dict);
    result.items.emplace_back(std::move(dict));
  }
  return Value(std::move(result));
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::History& request) {
  answer_from_pool(hub, connection, id, [request](const ObjectStore& store, Tid line) {
    return read_history(store, line, request);
  });
}

Found read_next_record(const ObjectStore& store, Tid line, Oid from) {
  ASSIGN_OR_RETURN(const auto objects, store.next_objects(from, line, 2));
  if (objects.empty()) {
    return Answer(std::unexpected(zeo::value_error("there is no such record")));
  }
  const storage::CurrentObject& object = objects.front();
  ASSIGN_OR_RETURN(const Loaded loaded, store.load_serial(object.oid, object.tid, line));
  const bool more = objects.size() > 1;
  return Value::tuple(zeo::value_of(object.oid), zeo::value_of(object.tid), Value(loaded.data),
                      more ? zeo::value_of(objects.back().oid) : Value(None{}));
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::RecordIterNext& request) {
  answer_from_pool(hub, connection, id, [request](const ObjectStore& store, Tid line) {
    return read_next_record(store, line, request.next);
  });
}

Found read_undo_log(const ObjectStore& store, Tid line, const requests::UndoLog& request) {
  const auto as_dict = [](const history::UndoLogEntry& entry) {
    Dict dict;
    set_item(dict, Value::text("id"), Value::bytes(zeo::undo_id(entry.tid)));
    set_transaction(entry.tid, entry.metadata, entry.size, dict);
    set_extension(entry.metadata, dict);
    return dict;
  };
  history::UndoLogRange range{request.first, request.last, {}};
  if (!request.specification.items.empty()) {
    range.filter = [&](const history::UndoLogEntry& entry) {
      return has_all(as_dict(entry), request.specification);
    };
  }
  ASSIGN_OR_RETURN(const std::vector<history::UndoLogEntry> entries,
                   history::read_undo_log(store, line, std::move(range)));
  List result;
  for (const history::UndoLogEntry& entry : entries) result.items.emplace_back(as_dict(entry));
  return Value(std::move(result));
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::UndoLog& request) {
  answer_from_pool(hub, connection, id, [request](const ObjectStore& store, Tid line) {
    return read_undo_log(store, line, request);
  });
}

// What a client missed.
struct Missed {
  bool known = false;  // it is few enough, and the client's tid is of our history
  std::size_t transactions = 0;
  std::vector<Oid> oids;
};

void bound(Missed& missed, std::size_t transactions_max) {
  if (missed.transactions > transactions_max || missed.oids.size() > kInvalidationsMax) {
    missed.known = false;
  }
}

Result<> read_missed(const ObjectStore& store, Tid after, Tid until, std::size_t transactions_max,
                     Missed& missed) {
  while (missed.known && after < until) {
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries,
                     store.read_log(after, until, {.entries = kPage}));
    if (entries.empty()) break;
    for (const LogEntry& entry : entries) {
      if (entry.kind == RecordKind::transaction) ++missed.transactions;
      for (const ObjectSummary& object : entry.objects) missed.oids.push_back(object.oid);
    }
    after = entries.back().position.tid;
    bound(missed, transactions_max);
  }
  return {};
}

Result<Missed> find_missed(const ObjectStore& store, Tid after, Tid line,
                           std::size_t transactions_max) {
  Missed missed;
  ASSIGN_OR_RETURN(missed.known, is_in_history(store, Position{Epoch{}, after}));
  if (after > line) missed.known = false;
  RETURN_IF_ERROR(read_missed(store, after, line, transactions_max, missed));
  return missed;
}

Value missed_value(Missed missed, Tid up_to) {
  if (!missed.known) return Value(None{});
  std::ranges::sort(missed.oids);
  const auto repeated = std::ranges::unique(missed.oids);
  missed.oids.erase(repeated.begin(), repeated.end());
  List oids;
  oids.items.reserve(missed.oids.size());
  for (const Oid oid : missed.oids) oids.items.push_back(zeo::value_of(oid));
  return Value::tuple(zeo::value_of(up_to), Value(std::move(oids)));
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::GetInvalidations& request) {
  const std::size_t limit = hub.environment().invalidations_max;
  hub.read_on_pool(
      connection, ShardHub::Pin::line,
      [request, limit](const ObjectStore& store, Tid line) {
        return find_missed(store, request.tid, line, limit);
      },
      [&hub, connection, id, limit](Result<Missed> missed, Tid line) {
        if (!missed) {
          connection->fail(id, zeo::exception_of(missed.error()));
          return;
        }
        // The answer reaches up to what the client was told meanwhile.
        missed->transactions += hub.published_since(line, missed->oids);
        bound(*missed, limit);
        connection->reply(id, missed_value(*std::move(missed), hub.last_told()));
      });
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::GetInfo& /*request*/) {
  connection->reply(id, Value(storage_info(hub.engine())));
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::LastTransaction& /*request*/) {
  connection->reply(id, zeo::value_of(hub.last_told()));
}

void answer(ShardHub& /*hub*/, const Connection& connection, const Value& id,
            const requests::Ping& /*request*/) {
  connection->reply(id, Value(None{}));
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::ServerStatus& /*request*/) {
  connection->reply(id, Value(server_status(hub.environment().zeo_status(hub.engine()))));
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::IteratorStart& request) {
  connection->iterators().start(hub, connection, id, request);
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::IteratorNext& request) {
  connection->iterators().next(hub, connection, id, request);
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::IteratorRecordStart& request) {
  connection->iterators().start_records(hub, connection, id, request);
}

void answer(ShardHub& /*hub*/, const Connection& connection, const Value& id,
            const requests::IteratorRecordNext& request) {
  connection->iterators().next_record(connection, id, request);
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::SendBlob& request) {
  ZeoBlobSender::send(hub, connection, id, request);
}

// Packing takes long: a client that does not want to wait is answered at once.
void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::Pack& request) {
  const bool wait = request.wait;
  if (std::isnan(request.time)) {
    connection->fail(id, zeo::value_error("pack: the time is not a number"));
    return;
  }
  hub.environment().pack(
      hub,
      {.horizon = tid_of_seconds(request.time), .collect_garbage = hub.environment().zeo_pack_gc},
      [connection, id, wait](const Result<maintenance::PackReport>& done) {
        if (!wait) return;
        if (done) {
          connection->reply(id, Value(None{}));
        } else {
          connection->fail(id, zeo::storage_error(done.error().detail));
        }
      });
  if (!wait) connection->reply(id, Value(None{}));
}

}  // namespace

void answer_read(ShardHub& hub, const Connection& connection, zeo::Read read) {
  std::visit([&](const auto& request) { answer(hub, connection, read.id, request); }, read.what);
}

}  // namespace zeolite::daemon
