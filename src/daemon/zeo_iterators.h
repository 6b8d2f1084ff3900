#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "history/transaction_iteration.h"
#include "model/ids.h"
#include "net/shared_budget.h"
#include "zeo/requests.h"

namespace zeolite::daemon {

class ShardHub;
class ZeoConnection;

// The iterators that one ZEO client has open: over transactions, and over the records of one. They
// live until their end, until the client forgets them, or with the connection. What they hold of
// the log and of records is counted. Where it is much, or there is no room for it, those over
// transactions let go of all but the entry at which they stand, and read it again; without room
// even for that, or for records, a call fails and can be tried again.
// Thread: its connection's shard. Owner: the connection.
class ZeoIterators {
 public:
  // Iterators that a client may have open; each keeps a page of the log, or a transaction's data.
  static constexpr std::size_t kMax = 64;
  // Bytes of the log that they keep together, beside the entry at which each stands.
  static constexpr std::uint64_t kLogBytesMax = std::uint64_t{16} << 20;

  // `budget`: for what they hold; outlives this. Null: it is not counted.
  explicit ZeoIterators(net::SharedBudget* budget) : charge_(budget) {}

  using Connection = std::shared_ptr<ZeoConnection>;
  void start(ShardHub& hub, const Connection& connection, const zeo::Value& id,
             const zeo::requests::IteratorStart& request);
  void next(ShardHub& hub, const Connection& connection, const zeo::Value& id,
            const zeo::requests::IteratorNext& request);
  void start_records(ShardHub& hub, const Connection& connection, const zeo::Value& id,
                     const zeo::requests::IteratorRecordStart& request);
  void next_record(const Connection& connection, const zeo::Value& id,
                   const zeo::requests::IteratorRecordNext& request);
  void forget(std::int64_t iterator);

 private:
  struct Transactions {
    std::shared_ptr<history::TransactionIteration> iteration;
    Tid last;                        // the transaction it gave last
    std::uint64_t record_bytes = 0;  // of its records, as far as the log tells
    std::uint64_t held = 0;          // by its part of the log
    bool busy = false;               // a pool thread is using it
  };
  struct Records {
    std::vector<history::IteratedRecord> records;
    std::size_t next = 0;
    std::uint64_t held = 0;
  };
  // Null, and the call is answered, when it cannot be used.
  Transactions* usable(const Connection& connection, const zeo::Value& id, std::int64_t iterator);
  [[nodiscard]] bool full() const {
    return transactions_.size() + records_.size() + starting_ >= kMax;
  }
  // The iterator has read on. False: there is no room even for the entry at which it stands.
  [[nodiscard]] bool hold_log(Transactions& transactions);
  bool hold_log_now(Transactions& transactions);
  // `part` of what is held is `now` bytes from now on. False: it grew, and there is no room.
  [[nodiscard]] bool hold(std::uint64_t& part, std::uint64_t now);
  void started_records(const Connection& connection, const zeo::Value& id,
                       Result<std::vector<history::IteratedRecord>> records);

  net::BudgetCharge charge_;
  std::uint64_t held_ = 0;
  std::uint64_t log_held_ = 0;  // of it, by transactions_
  std::size_t starting_ = 0;    // iterators over records whose records are being read
  std::int64_t next_id_ = 0;
  std::unordered_map<std::int64_t, Transactions> transactions_;
  std::unordered_map<std::int64_t, Records> records_;
};

}  // namespace zeolite::daemon
