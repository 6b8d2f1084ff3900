#pragma once

#include <memory>
#include <vector>

#include "model/ids.h"

namespace zeolite::invalidation {

// What one visible log record changed: the objects whose revision before `tid` is no longer
// current. Includes objects that the transaction created. Made once, then shared by all shards and
// connections; never changed.
class InvalidationBatch {
 public:
  // `oids` in any order; empty for the server's own records.
  InvalidationBatch(Tid tid, std::vector<Oid> oids);

  [[nodiscard]] Tid tid() const { return tid_; }
  [[nodiscard]] const std::vector<Oid>& oids() const { return oids_; }  // ascending
  [[nodiscard]] bool names(Oid oid) const;

  // Memory that one queued reference to this batch is charged with.
  [[nodiscard]] std::size_t bytes() const;

 private:
  Tid tid_;
  std::vector<Oid> oids_;
};

using BatchPtr = std::shared_ptr<const InvalidationBatch>;

}  // namespace zeolite::invalidation
