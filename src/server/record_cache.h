#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>

#include "base/bytes.h"
#include "model/ids.h"

namespace zeolite::server {

// The current records that one I/O shard was asked for lately. A load of an object that many
// clients use is answered from here, without a search in the store.
//
// Every entry is current as of the shard's line: the owner erases what a publication names before
// it moves the line, and inserts only what it read as current at the present line.
//
// Bounded in bytes; what was not asked for longest goes first. Thread: its shard's.
class RecordCache {
 public:
  // `bytes_max` 0: keeps nothing.
  explicit RecordCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  struct Entry {
    Oid oid;
    Tid tid;  // when this record was committed
    Bytes data;
  };

  // The current record of `oid`, or null. Valid until the next call.
  [[nodiscard]] const Entry* find(Oid oid);

  // Replaces what is there. A record larger than an eighth of the cache is not kept.
  void insert(Oid oid, Tid tid, Bytes data);
  void erase(Oid oid);

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return by_oid_.size(); }

 private:
  using Order = std::list<Entry>;
  static std::size_t cost(const Bytes& data);
  void remove(std::unordered_map<Oid, Order::iterator>::iterator entry);

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  Order order_;  // most recently used first
  std::unordered_map<Oid, Order::iterator> by_oid_;
};

}  // namespace zeolite::server
