#include "daemon/zeo_reads.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "daemon/answer_bytes.h"
#include "daemon/read_service.h"
#include "daemon/zeo_blob_sender.h"
#include "daemon/zeo_status.h"
#include "daemon/zeo_values.h"
#include "history/undo_log.h"
#include "storage/last_told.h"
#include "storage/log_search.h"
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

// What a client missed is read so much at a time.
constexpr storage::LogLimit kPage{.entries = 4'096, .bytes = std::size_t{1} << 20};
// A client that missed more objects than this drops its cache: that is cheaper, and always right.
constexpr std::size_t kInvalidationsMax = 2'000'000;
// Revisions of one object, at most, that history tells.
constexpr std::int64_t kHistoryMax = 10'000;
// What history and undoLog tell takes at most so many bytes, about; the rest is left out.
constexpr std::size_t kListBytesMax = std::size_t{8} << 20;
// What is read of the log in one turn.
constexpr storage::LogLimit kTurn{.entries = 256, .bytes = std::size_t{256} << 10};

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

// A read that nothing which happens meanwhile makes wrong, in turns. `read(store, line)` does a
// part, and gives the answer when it has it: a Value, or the exception it is.
using Answer = std::expected<Value, zeo::Exception>;
using Part = Result<std::optional<Answer>>;
template <typename Read>
void answer_in_turns(ShardHub& hub, const Connection& connection, const Value& id, Read read) {
  hub.read_in_turns(
      connection, ShardHub::Pin::no,
      [read = std::move(read), id, encoding = connection->encoding()](
          const ObjectStore& store, Tid line) mutable -> std::optional<EncodedAnswer> {
        const Part part = read(store, line);
        if (part && !*part) return std::nullopt;
        EncodedAnswer answer;
        if (!part) {
          zeo::encode_exception(encoding, id, zeo::exception_of(part.error()), answer.message);
        } else if (!**part) {
          zeo::encode_exception(encoding, id, (*part)->error(), answer.message);
        } else {
          zeo::encode_result(encoding, id, ***part, answer.message);
        }
        return answer;
      },
      [connection](const EncodedAnswer& answer, Tid) { connection->send_encoded(answer.message); });
}

// history(oid, size), some revisions at a time.
class HistoryRead {
 public:
  explicit HistoryRead(const requests::History& request)
      : oid_(request.oid),
        count_(static_cast<std::size_t>(std::clamp<std::int64_t>(request.size, 0, kHistoryMax))) {}

  Part operator()(const ObjectStore& store, Tid line) {
    if (!revisions_) {
      ASSIGN_OR_RETURN(revisions_, store.history(oid_, line, std::max<std::size_t>(count_, 1)));
      if (revisions_->empty()) return Answer(std::unexpected(zeo::pos_key_error(oid_)));
      revisions_->resize(std::min(revisions_->size(), count_));
    }
    for (std::size_t read = 0; read < kTurn.bytes && next_ < revisions_->size(); ++next_) {
      ASSIGN_OR_RETURN(const std::optional<LogEntry> entry,
                       store.log_entry((*revisions_)[next_].tid));
      if (!entry) continue;
      read += log_item_bytes(*entry);
      add((*revisions_)[next_], *entry);
    }
    if (next_ < revisions_->size() && bytes_ < kListBytesMax) return std::nullopt;
    return Answer(Value(std::move(list_)));
  }

 private:
  void add(const ObjectStore::ObjectRevision& revision, const LogEntry& entry) {
    Dict dict;
    set_extension(entry.metadata, dict);
    set_item(dict, Value::text("tid"), zeo::value_of(revision.tid));
    set_transaction(revision.tid, entry.metadata, revision.summary.size, dict);
    list_.items.emplace_back(std::move(dict));
    bytes_ += kItemOverhead + entry.metadata.user.size() + entry.metadata.description.size() +
              entry.metadata.extension.size();
  }

  Oid oid_;
  std::size_t count_;
  std::optional<std::vector<ObjectStore::ObjectRevision>> revisions_;
  std::size_t next_ = 0;  // of revisions_
  List list_;
  std::size_t bytes_ = 0;  // of what list_ tells
};

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::History& request) {
  answer_in_turns(hub, connection, id, HistoryRead(request));
}

Part read_next_record(const ObjectStore& store, Tid line, Oid& from) {
  ASSIGN_OR_RETURN(const auto objects, store.next_objects(from, line, 2));
  if (objects.empty()) {
    return Answer(std::unexpected(zeo::value_error("there is no such record")));
  }
  const storage::CurrentObject& object = objects.front();
  ASSIGN_OR_RETURN(const Loaded loaded, store.load_serial(object.oid, object.tid, line));
  if (loaded.status != LoadStatus::found) {
    // A pack has removed it in between.
    if (objects.size() == 1) {
      return Answer(std::unexpected(zeo::value_error("there is no such record any more")));
    }
    from = objects.back().oid;
    return std::nullopt;
  }
  const bool more = objects.size() > 1;
  return Answer(Value::tuple(zeo::value_of(object.oid), zeo::value_of(object.tid),
                             Value(loaded.data),
                             more ? zeo::value_of(objects.back().oid) : Value(None{})));
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::RecordIterNext& request) {
  answer_in_turns(hub, connection, id,
                  [from = request.next](const ObjectStore& store, Tid line) mutable {
                    return read_next_record(store, line, from);
                  });
}

Dict undo_dict(const history::UndoLogEntry& entry) {
  Dict dict;
  set_item(dict, Value::text("id"), Value::bytes(zeo::undo_id(entry.tid)));
  set_transaction(entry.tid, entry.metadata, entry.size, dict);
  set_extension(entry.metadata, dict);
  return dict;
}

history::UndoLogRange undo_range(const requests::UndoLog& request) {
  history::UndoLogRange range{request.first, request.last, {}, kListBytesMax};
  if (!request.specification.items.empty()) {
    range.filter = [wanted = request.specification](const history::UndoLogEntry& entry) {
      return has_all(undo_dict(entry), wanted);
    };
  }
  return range;
}

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::UndoLog& request) {
  const auto log =
      std::make_shared<history::UndoLog>(hub.engine().store(), hub.line(), undo_range(request));
  answer_in_turns(hub, connection, id, [log](const ObjectStore&, Tid) -> Part {
    ASSIGN_OR_RETURN(const bool done, log->read_page(kTurn));
    if (!done) return std::nullopt;
    List result;
    for (const history::UndoLogEntry& entry : log->take_entries()) {
      result.items.emplace_back(undo_dict(entry));
    }
    return Answer(Value(std::move(result)));
  });
}

// What a client missed.
struct Missed {
  bool known = false;  // it is few enough, and the client's tid is of our history, or as good
  std::size_t transactions = 0;
  std::size_t objects = 0;  // repeated ones, too
  std::optional<zeo::InvalidationsAnswer> answer;
};
std::size_t answer_bytes(const Result<Missed>& missed) {
  return missed && missed->answer ? missed->answer->bytes() : 0;
}

void bound(Missed& missed, std::size_t transactions_max) {
  if (missed.transactions > transactions_max || missed.objects > kInvalidationsMax) {
    missed.known = false;
  }
}

// In order, each once.
void make_unique(std::vector<Oid>& oids) {
  std::ranges::sort(oids);
  const auto repeated = std::ranges::unique(oids);
  oids.erase(repeated.begin(), repeated.end());
}

// It, some of the log at a time. Its answer is written here as well: it may be long.
class MissedRead {
 public:
  MissedRead(zeo::Encoding encoding, Value id, Tid after, std::size_t transactions_max)
      : encoding_(encoding),
        id_(std::move(id)),
        after_(after),
        transactions_max_(transactions_max) {}

  // Nothing: there is more to read.
  std::optional<Result<Missed>> operator()(const ObjectStore& store, Tid line) {
    const Result<bool> done = read(store, line);
    if (!done) return std::unexpected(done.error());
    if (!*done) return std::nullopt;
    if (missed_.known) {
      make_unique(oids_);
      missed_.answer.emplace(encoding_, id_, std::exchange(oids_, {}));
    }
    return std::move(missed_);
  }

 private:
  Result<bool> read(const ObjectStore& store, Tid line) {
    if (!std::exchange(begun_, true)) {
      ASSIGN_OR_RETURN(missed_.known, storage::was_told(store, after_));
      if (!missed_.known) {
        ASSIGN_OR_RETURN(missed_.known, storage::adds_nothing(store, after_, line));
      }
    }
    if (after_ > line) missed_.known = false;
    if (!missed_.known || after_ == line) return true;
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries, store.read_log(after_, line, kPage));
    if (entries.empty()) return true;
    for (const LogEntry& entry : entries) {
      if (entry.kind == RecordKind::transaction) ++missed_.transactions;
      for (const ObjectSummary& object : entry.objects) oids_.push_back(object.oid);
    }
    missed_.objects = oids_.size();
    after_ = entries.back().position.tid;
    bound(missed_, transactions_max_);
    return false;
  }

  zeo::Encoding encoding_;
  Value id_;
  Tid after_;
  std::size_t transactions_max_;
  bool begun_ = false;
  std::vector<Oid> oids_;
  Missed missed_;
};

void answer(ShardHub& hub, const Connection& connection, const Value& id,
            const requests::GetInvalidations& request) {
  const std::size_t limit = hub.environment().invalidations_max;
  hub.read_in_turns(
      connection, ShardHub::Pin::line, MissedRead(connection->encoding(), id, request.tid, limit),
      [&hub, connection, id, limit](Result<Missed> missed, Tid line) {
        if (!missed) {
          connection->fail(id, zeo::exception_of(missed.error()));
          return;
        }
        // The answer reaches up to what the client was told meanwhile.
        std::vector<Oid> since;
        missed->transactions += hub.published_since(line, since);
        missed->objects += since.size();
        bound(*missed, limit);
        if (!missed->known) {
          connection->reply(id, Value(None{}));
          return;
        }
        make_unique(since);
        connection->send_encoded(std::move(*missed->answer).finish(hub.last_told(), since));
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
