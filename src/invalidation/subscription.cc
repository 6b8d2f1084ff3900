#include "invalidation/subscription.h"

#include "base/check.h"

namespace zeolite::invalidation {

Subscription::Subscription(Tid line, std::size_t queue_bytes_max)
    : line_(line), offered_(line), queue_bytes_max_(queue_bytes_max) {}

Subscription::Offer Subscription::offer(const BatchPtr& batch, bool own,
                                        std::vector<BatchPtr>& out) {
  CHECK(batch->tid() > offered_, "batches are offered in tid order");
  if (overflown_) return Offer::overflow;
  offered_ = batch->tid();
  if (state_ == State::live) {
    tell(batch, own, out);
    return Offer::taken;
  }
  if (queued_bytes_ + batch->bytes() > queue_bytes_max_) {
    overflown_ = true;
    queue_.clear();
    queued_bytes_ = 0;
    return Offer::overflow;
  }
  queued_bytes_ += batch->bytes();
  queue_.push_back({batch, own});
  return Offer::taken;
}

void Subscription::caught_up(Tid line, std::vector<BatchPtr>& out) {
  CHECK(state_ == State::catching_up, "a subscription catches up once");
  CHECK(line >= line_, "nothing before the line that was joined at was kept");
  if (overflown_) return;
  state_ = State::live;
  line_ = line;
  for (const Waiting& waiting : queue_) {
    tell(waiting.batch, waiting.own, out);
  }
  queue_.clear();
  queued_bytes_ = 0;
}

void Subscription::tell(const BatchPtr& batch, bool own, std::vector<BatchPtr>& out) {
  // What the log already told the client while catching up is not sent again.
  if (batch->tid() <= line_) return;
  line_ = batch->tid();
  if (!own && !batch->oids().empty()) out.push_back(batch);
}

}  // namespace zeolite::invalidation
