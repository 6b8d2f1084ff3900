#include "daemon/zeo_iterators.h"

#include <utility>

#include "daemon/shard_hub.h"
#include "daemon/zeo_connection.h"
#include "daemon/zeo_values.h"

namespace zeolite::daemon {

using pickle::None;
using zeo::Value;

namespace {

// A transaction as pool threads hand it over: its entry lives in the iteration.
struct Found {
  bool end = false;
  Tid tid;
  char status = ' ';
  TransactionMetadata metadata;
};

Result<Found> read_next(history::TransactionIteration& iteration) {
  ASSIGN_OR_RETURN(const LogEntry* const entry, iteration.next());
  if (entry == nullptr) {
    Found nothing;
    nothing.end = true;
    return nothing;
  }
  return Found{false, entry->position.tid, entry->status, entry->metadata};
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
  hub.read_on_pool(
      connection, ShardHub::Pin::no,
      [iteration = transactions->iteration](const storage::ObjectStore&, Tid) {
        return read_next(*iteration);
      },
      [this, connection, id, iterator = request.iterator](Result<Found> found, Tid) {
        const auto place = transactions_.find(iterator);  // it may be forgotten meanwhile
        if (place != transactions_.end()) place->second.busy = false;
        if (!found) {
          connection->fail(id, zeo::exception_of(found.error()));
        } else if (found->end) {
          forget(iterator);
          connection->reply(id, Value(None{}));
        } else {
          if (place != transactions_.end()) place->second.last = found->tid;
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
  transactions->busy = true;
  hub.read_on_pool(
      connection, ShardHub::Pin::no,
      [iteration = transactions->iteration](const storage::ObjectStore&, Tid) {
        return iteration->read_records();
      },
      [this, connection, id, iterator = request.iterator](
          Result<std::vector<history::IteratedRecord>> records, Tid) {
        const auto place = transactions_.find(iterator);
        if (place != transactions_.end()) place->second.busy = false;
        if (!records) {
          connection->fail(id, zeo::exception_of(records.error()));
          return;
        }
        const std::int64_t started = next_id_++;
        records_[started].records = *std::move(records);
        connection->reply(id, Value(started));
      });
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
    records_.erase(found);
    connection->reply(id, Value(None{}));
    return;
  }
  history::IteratedRecord& record = records.records[records.next++];
  connection->reply(
      id,
      Value::tuple(zeo::value_of(record.oid), zeo::value_of(record.tid),
                   record.data ? Value(*std::exchange(record.data, std::nullopt)) : Value(None{}),
                   record.data_tid ? zeo::value_of(*record.data_tid) : Value(None{})));
}

void ZeoIterators::forget(std::int64_t iterator) {
  transactions_.erase(iterator);
  records_.erase(iterator);
}

}  // namespace zeolite::daemon
