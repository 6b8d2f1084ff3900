#pragma once

#include <span>

#include "model/transaction_record.h"

namespace zeolite::daemon {

// Told of what the engine appends, by the thread that writes. For replication.
class LogObserver {
 public:
  virtual ~LogObserver() = default;
  // The group is about to be appended after `previous`. After out_of_space it is tried again, and
  // told of again, perhaps in smaller groups.
  virtual void on_writing(const Position& previous, std::span<const TransactionRecord> group) = 0;
  // The log is durable up to here.
  virtual void on_durable(const Position& last) = 0;
};

}  // namespace zeolite::daemon
