#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "model/ids.h"

namespace zeolite::commit {

enum class LockMode : std::uint8_t {
  shared,     // with other shared ones at the same time
  exclusive,  // alone
};

// Locks on objects, granted in the order of arrival.
//
// A request names all its objects at once and joins every object's queue in one step. It holds an
// object when it is first in its queue, or when it and all before it are shared; it is granted
// when it holds all its objects. As all queues agree on who came first, requests cannot wait for
// each other in a circle, and nobody is overtaken.
//
// Thread: one at a time. Requests are owned by the caller and must outlive their stay.
class LockTable {
 public:
  class Request;

  LockTable() = default;
  LockTable(const LockTable&) = delete;
  LockTable& operator=(const LockTable&) = delete;

  // Joins all queues. True when everything is held at once; else release() of those before
  // will report it as granted. A request without objects is granted at once.
  [[nodiscard]] bool enqueue(Request& request);

  // Leaves all queues, whether granted or still waiting. Appends to `granted` the requests that
  // hold all their objects because of that, in a fixed order.
  void release(Request& request, std::vector<Request*>& granted);

  // Objects that anybody holds or waits for.
  [[nodiscard]] std::size_t objects() const { return queues_.size(); }

  // Walks all queues and CHECKs them; returns the number of claims in them.
  std::size_t check_invariants() const;

 private:
  // One request's place in one object's queue. Lives in its Request.
  struct Claim {
    Oid oid;
    LockMode mode;
    bool held = false;
    Request* request = nullptr;
    Claim* previous = nullptr;
    Claim* next = nullptr;
  };
  struct Queue {
    Claim* first = nullptr;
    Claim* last = nullptr;
  };

  static bool may_hold(const Claim& claim);
  void leave(Claim& claim, std::vector<Request*>& granted);

  std::unordered_map<Oid, Queue> queues_;
};

// What one transaction wants to lock. Fill with add(), then enqueue once.
class LockTable::Request {
 public:
  Request() = default;
  Request(const Request&) = delete;  // the queues point into it
  Request& operator=(const Request&) = delete;
  ~Request();

  void reserve(std::size_t objects) { claims_.reserve(objects); }
  // Each oid at most once; not after enqueue.
  void add(Oid oid, LockMode mode);

  [[nodiscard]] bool queued() const { return queued_; }
  [[nodiscard]] bool granted() const { return queued_ && blocked_ == 0; }
  [[nodiscard]] std::size_t size() const { return claims_.size(); }
  // An object that it waits for. Only when queued and not granted.
  [[nodiscard]] Oid waits_for() const;

  // For the caller, to find what the request belongs to.
  std::uint64_t tag = 0;

 private:
  friend class LockTable;
  std::vector<Claim> claims_;
  std::size_t blocked_ = 0;  // claims not held
  bool queued_ = false;
};

}  // namespace zeolite::commit
