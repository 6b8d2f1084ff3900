#include "daemon/zeo_iterators.h"

#include <utility>

#include "base/check.h"
#include "daemon/shard_hub.h"
#include "daemon/zeo_connection.h"
#include "daemon/zeo_values.h"

namespace zeolite::daemon {

using pickle::None;
using zeo::Value;

namespace {

// Entries of the log that an iterator looks at in one turn.
constexpr std::size_t kTurnEntries = 256;

// A transaction as pool threads hand it over: its entry lives in the iteration.
struct Found {
  bool end = false;
  Tid tid;
  char status = ' ';
  TransactionMetadata metadata;
  std::uint64_t record_bytes = 0;
};

// Nothing: there is more to look at.
Result<std::optional<Found>> read_next(history::TransactionIteration& iteration) {
  ASSIGN_OR_RETURN(const bool there, iteration.advance(kTurnEntries));
  if (!there) return std::nullopt;
  const LogEntry* const entry = iteration.current();
  if (entry == nullptr) {
    Found nothing;
    nothing.end = true;
    return nothing;
  }
  Found found{false, entry->position.tid, entry->status, entry->metadata, 0};
  for (const ObjectSummary& object : entry->objects) found.record_bytes += object.size;
  return found;
}

std::uint64_t bytes_of(const std::vector<history::IteratedRecord>& records) {
  std::uint64_t bytes = records.capacity() * sizeof(history::IteratedRecord);
  for (const history::IteratedRecord& record : records) {
    if (record.data) bytes += record.data->size();
  }
  return bytes;
}

zeo::Exception no_room() {
  return zeo::storage_error("the server holds too much for iterators; try again later");
}

}  // namespace

void ZeoIterators::start(ShardHub& hub, const Connection& connection, const Value& id,
                         const zeo::requests::IteratorStart& request) {
  if (full()) {
    connection->fail(id, zeo::storage_error("too many iterators are open"));
    return;
  }
  const history::TransactionIteration::Range range{request.start.value_or(kNoTid),
                                                   request.stop.value_or(kMaxTid)};
  const std::int64_t iterator = next_id_++;
  transactions_[iterator].iteration =
      std::make_shared<history::TransactionIteration>(hub.engine().store(), hub.line(), range);
  connection->reply(id, Value(iterator));
}

ZeoIterators::Transactions* ZeoIterators::usable(const Connection& connection, const Value& id,
                                                 std::int64_t iterator) {
  const auto found = transactions_.find(iterator);
  if (found == transactions_.end()) {
    connection->fail(id, zeo::key_error(Value(iterator)));
    return nullptr;
  }
  if (found->second.busy) {
    connection->fail(id, zeo::value_error("the iterator is in use by another call"));
    return nullptr;
  }
  return &found->second;
}

void ZeoIterators::next(ShardHub& hub, const Connection& connection, const Value& id,
                        const zeo::requests::IteratorNext& request) {
  Transactions* const transactions = usable(connection, id, request.iterator);
  if (transactions == nullptr) return;
  transactions->busy = true;
  hub.read_in_turns(
      connection, ShardHub::Pin::no,
      [iteration = transactions->iteration](const storage::ObjectStore&,
                                            Tid) -> std::optional<Result<Found>> {
        Result<std::optional<Found>> found = read_next(*iteration);
        if (!found) return std::unexpected(std::move(found).error());
        return *std::move(found);
      },
      [this, connection, id, iterator = request.iterator](Result<Found> found, Tid) {
        const auto place = transactions_.find(iterator);  // it may be forgotten meanwhile
        if (place != transactions_.end()) place->second.busy = false;
        if (!found) {
          connection->fail(id, zeo::exception_of(found.error()));
        } else if (found->end) {
          forget(iterator);
          connection->reply(id, Value(None{}));
        } else if (place != transactions_.end() && !hold_log(place->second)) {
          forget(iterator);  // what it has passed over cannot be given again
          connection->fail(id, no_room());
        } else {
          if (place != transactions_.end()) {
            place->second.last = found->tid;
            place->second.record_bytes = found->record_bytes;
          }
          connection->reply(
              id, Value::tuple(zeo::value_of(found->tid), Value::text({&found->status, 1}),
                               Value::bytes(found->metadata.user),
                               Value::bytes(found->metadata.description),
                               extension_value(found->metadata.extension)));
        }
      });
}

void ZeoIterators::start_records(ShardHub& hub, const Connection& connection, const Value& id,
                                 const zeo::requests::IteratorRecordStart& request) {
  Transactions* const transactions = usable(connection, id, request.iterator);
  if (transactions == nullptr) return;
  if (transactions->last != request.tid || full()) {
    connection->fail(id, zeo::value_error(full() ? "too many iterators are open"
                                                 : "the transaction is not the one that the "
                                                   "iterator gave last"));
    return;
  }
  // Room is made before they are read, as far as it is known how much they are.
  std::uint64_t reserved = 0;
  if (!hold(reserved, transactions->record_bytes)) {
    (void)hold(reserved, 0);
    connection->fail(id, no_room());
    return;
  }
  transactions->busy = true;
  ++starting_;
  using ReadRecords = Result<std::vector<history::IteratedRecord>>;
  hub.read_in_turns(
      connection, ShardHub::Pin::no,
      [iteration = transactions->iteration](const storage::ObjectStore&, Tid) {
        return std::optional<ReadRecords>(iteration->read_records());
      },
      [this, connection, id, iterator = request.iterator, reserved](ReadRecords records,
                                                                    Tid) mutable {
        const auto place = transactions_.find(iterator);
        if (place != transactions_.end()) place->second.busy = false;
        (void)hold(reserved, 0);
        --starting_;
        started_records(connection, id, std::move(records));
      });
}

void ZeoIterators::started_records(const Connection& connection, const Value& id,
                                   Result<std::vector<history::IteratedRecord>> records) {
  if (!records) {
    connection->fail(id, zeo::exception_of(records.error()));
    return;
  }
  const std::int64_t started = next_id_++;
  Records& place = records_[started];
  place.records = *std::move(records);
  if (!hold(place.held, bytes_of(place.records))) {
    forget(started);
    connection->fail(id, no_room());
    return;
  }
  connection->reply(id, Value(started));
}

void ZeoIterators::next_record(const Connection& connection, const Value& id,
                               const zeo::requests::IteratorRecordNext& request) {
  const auto found = records_.find(request.iterator);
  if (found == records_.end()) {
    connection->fail(id, zeo::key_error(Value(request.iterator)));
    return;
  }
  Records& records = found->second;
  if (records.next == records.records.size()) {
    forget(request.iterator);
    connection->reply(id, Value(None{}));
    return;
  }
  history::IteratedRecord& record = records.records[records.next++];
  if (record.data) (void)hold(records.held, records.held - record.data->size());
  connection->reply(
      id,
      Value::tuple(zeo::value_of(record.oid), zeo::value_of(record.tid),
                   record.data ? Value(*std::exchange(record.data, std::nullopt)) : Value(None{}),
                   record.data_tid ? zeo::value_of(*record.data_tid) : Value(None{})));
}

void ZeoIterators::forget(std::int64_t iterator) {
  if (const auto found = transactions_.find(iterator); found != transactions_.end()) {
    log_held_ -= found->second.held;
    (void)hold(found->second.held, 0);
    transactions_.erase(found);
  }
  if (const auto found = records_.find(iterator); found != records_.end()) {
    (void)hold(found->second.held, 0);
    records_.erase(found);
  }
}

bool ZeoIterators::hold_log_now(Transactions& transactions) {
  log_held_ -= transactions.held;
  const bool room = hold(transactions.held, transactions.iteration->held_bytes());
  log_held_ += transactions.held;
  return room;
}

bool ZeoIterators::hold_log(Transactions& transactions) {
  const bool room = hold_log_now(transactions);
  if (room && log_held_ <= kLogBytesMax) return true;
  for (auto& [iterator, other] : transactions_) {
    if (other.busy || &other == &transactions) continue;
    other.iteration->trim();
    (void)hold_log_now(other);
  }
  if (room) return true;
  transactions.iteration->trim();
  // As if it had held nothing: so it is judged by what it needs.
  log_held_ -= transactions.held;
  (void)hold(transactions.held, 0);
  return hold_log_now(transactions);
}

bool ZeoIterators::hold(std::uint64_t& part, std::uint64_t now) {
  CHECK(held_ >= part, "a part is not more than the whole");
  held_ = held_ - part + now;
  part = now;
  return charge_.settle(held_);
}

}  // namespace zeolite::daemon
