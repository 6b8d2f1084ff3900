#include "invalidation/invalidation_batch.h"

#include <algorithm>
#include <utility>

namespace zeolite::invalidation {

InvalidationBatch::InvalidationBatch(Tid tid, std::vector<Oid> oids)
    : tid_(tid), oids_(std::move(oids)) {
  std::ranges::sort(oids_);
}

bool InvalidationBatch::names(Oid oid) const { return std::ranges::binary_search(oids_, oid); }

std::size_t InvalidationBatch::bytes() const {
  return sizeof(InvalidationBatch) + oids_.size() * sizeof(Oid);
}

}  // namespace zeolite::invalidation
