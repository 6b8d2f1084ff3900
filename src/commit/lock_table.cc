#include "commit/lock_table.h"

#include "base/check.h"

namespace zeolite::commit {

LockTable::Request::~Request() { CHECK(!queued_, "a lock request ended without being released"); }

void LockTable::Request::add(Oid oid, LockMode mode) {
  CHECK(!queued_, "objects are named before the request is queued");
  claims_.push_back({.oid = oid, .mode = mode});
}

Oid LockTable::Request::waits_for() const {
  for (const Claim& claim : claims_) {
    if (!claim.held) return claim.oid;
  }
  CHECK(false, "the request holds all its objects");
  return {};
}

bool LockTable::may_hold(const Claim& claim) {
  if (claim.previous == nullptr) return true;
  return claim.mode == LockMode::shared && claim.previous->mode == LockMode::shared &&
         claim.previous->held;
}

bool LockTable::enqueue(Request& request) {
  CHECK(!request.queued_, "a request is queued once");
  request.queued_ = true;
  request.blocked_ = 0;
  for (Claim& claim : request.claims_) {
    Queue& queue = queues_[claim.oid];
    CHECK(queue.last == nullptr || queue.last->request != &request, "an oid is named twice");
    claim.request = &request;
    claim.previous = queue.last;
    claim.next = nullptr;
    (queue.last != nullptr ? queue.last->next : queue.first) = &claim;
    queue.last = &claim;
    claim.held = may_hold(claim);
    if (!claim.held) ++request.blocked_;
  }
  return request.blocked_ == 0;
}

void LockTable::release(Request& request, std::vector<Request*>& granted) {
  CHECK(request.queued_, "only a queued request can be released");
  for (Claim& claim : request.claims_) leave(claim, granted);
  request.queued_ = false;
  request.blocked_ = 0;
}

void LockTable::leave(Claim& claim, std::vector<Request*>& granted) {
  const auto found = queues_.find(claim.oid);
  CHECK(found != queues_.end(), "a queued claim has a queue");
  Queue& queue = found->second;
  (claim.previous != nullptr ? claim.previous->next : queue.first) = claim.next;
  (claim.next != nullptr ? claim.next->previous : queue.last) = claim.previous;
  claim.held = false;
  if (queue.first == nullptr) {
    queues_.erase(found);
    return;
  }
  for (Claim* next = claim.next; next != nullptr && !next->held && may_hold(*next);
       next = next->next) {
    next->held = true;
    if (--next->request->blocked_ == 0) granted.push_back(next->request);
  }
}

std::size_t LockTable::check_invariants() const {
  std::size_t claims = 0;
  // tidy: allow unordered-iteration: every queue is checked, in whatever order
  for (const auto& [oid, queue] : queues_) {
    CHECK(queue.first != nullptr, "an empty queue is dropped");
    const Claim* previous = nullptr;
    for (const Claim* claim = queue.first; claim != nullptr; claim = claim->next) {
      CHECK(claim->oid == oid && claim->previous == previous, "the queue is linked both ways");
      CHECK(claim->held == may_hold(*claim), "what can be held is held");
      std::size_t blocked = 0;
      for (const Claim& other : claim->request->claims_) blocked += other.held ? 0U : 1U;
      CHECK(claim->request->queued_ && claim->request->blocked_ == blocked,
            "a request counts what it waits for");
      previous = claim;
      ++claims;
    }
    CHECK(queue.last == previous, "the queue ends at its last claim");
  }
  return claims;
}

}  // namespace zeolite::commit
