#include "invalidation/line_history.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::invalidation {

void LineHistory::add(Tid tid, std::span<const Oid> oids) {
  if (pins_.empty() || oids.empty()) {
    advance(tid);
  } else {
    add(std::make_shared<InvalidationBatch>(tid, std::vector<Oid>(oids.begin(), oids.end())));
  }
}

void LineHistory::add(BatchPtr batch) {
  advance(batch->tid());
  if (!pins_.empty() && !batch->oids().empty()) batches_.push_back(std::move(batch));
}

void LineHistory::advance(Tid tid) {
  CHECK(tid > line_, "what becomes visible is added in tid order");
  line_ = tid;
}

bool LineHistory::is_known_after(Tid line) const {
  return line >= line_ || (!pins_.empty() && line >= pins_.begin()->first);
}

void LineHistory::pin(Tid line) {
  CHECK(is_known_after(line), "what came after this line may be forgotten");
  ++pins_[line];
}

void LineHistory::unpin(Tid line) {
  const auto pin = pins_.find(line);
  CHECK(pin != pins_.end(), "the line is pinned");
  if (--pin->second > 0) return;
  pins_.erase(pin);
  drop_unpinned();
}

std::optional<Tid> LineHistory::end_after(Oid oid, Tid after, Tid until) const {
  CHECK(is_known_after(after), "what came after this line may be forgotten");
  auto batch = std::ranges::upper_bound(batches_, after, {}, &InvalidationBatch::tid);
  for (; batch != batches_.end() && (*batch)->tid() <= until; ++batch) {
    if ((*batch)->names(oid)) return (*batch)->tid();
  }
  return std::nullopt;
}

std::size_t LineHistory::collect_after(Tid after, std::vector<Oid>& oids) const {
  CHECK(is_known_after(after), "what came after this line may be forgotten");
  const auto first = std::ranges::upper_bound(batches_, after, {}, &InvalidationBatch::tid);
  for (auto batch = first; batch != batches_.end(); ++batch) {
    const auto& named = (*batch)->oids();
    oids.insert(oids.end(), named.begin(), named.end());
  }
  return static_cast<std::size_t>(batches_.end() - first);
}

void LineHistory::drop_unpinned() {
  if (pins_.empty()) {
    batches_.clear();
    return;
  }
  const Tid lowest = pins_.begin()->first;
  while (!batches_.empty() && batches_.front()->tid() <= lowest) batches_.pop_front();
}

}  // namespace zeolite::invalidation
