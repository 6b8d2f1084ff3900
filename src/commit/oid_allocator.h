#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "commit/staged_transaction.h"
#include "model/ids.h"

namespace zeolite::commit {

// Hands out oids that were never used and never will be by anybody else, also after a crash: only
// oids below a mark that the log holds durably are given away. Requests are served in order of
// arrival; those that do not fit below the mark wait until it has been moved.
//
// Thread: one at a time. Owned by the coordinator.
class OidAllocator {
 public:
  struct Request {
    Ticket ticket = 0;
    OwnerId owner = 0;
    std::uint32_t count = 0;
  };
  struct Answer {
    Request request{};
    std::optional<Oid> first{};  // nothing: there are no oids left
  };

  // Oids from `mark` on are free; the log holds that mark. `reserve` is how far a mark is moved.
  OidAllocator(Oid mark, std::uint32_t reserve);

  // Asks for oids; the answer comes from take_answers, at once or later.
  void request(const Request& request);
  // Forgets the waiting requests of one connection.
  void cancel_owner(OwnerId owner);

  // The log has not begun, and is not to begin for this: oids below `reserved`, which is durable
  // elsewhere, may be handed out.
  void lend(Oid reserved);
  // The log begins: what is left of those is given up. Whether any was handed out, so that the log
  // has to hold a mark above them.
  [[nodiscard]] bool end_lending();

  // Whether an object may be made under `oid`: it was handed out or written before, or is not so
  // high that all below it would be used up by that.
  [[nodiscard]] bool may_be_written(Oid oid) const { return oid < std::max(next_, kChosenLimit); }
  // A client wrote `oid` of its own choice: oids up to it are never handed out any more.
  void note_written(Oid oid);

  // Appends the answers that can be given now.
  void take_answers(std::vector<Answer>& answers);

  // The mark that the log should hold next, when the reserve runs low or somebody waits. Nothing
  // while a mark is on its way. The caller appends it and calls mark_durable.
  [[nodiscard]] std::optional<Oid> take_mark_to_append();
  void mark_durable(Oid mark);

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  void check_invariants() const;

 private:
  // Oids that clients choose are below it.
  static constexpr Oid kChosenLimit{1ULL << 56};

  [[nodiscard]] std::uint64_t left() const;

  Oid next_;     // the first that is free
  Oid durable_;  // all below may be handed out
  std::uint32_t reserve_;
  bool mark_pending_ = false;
  bool lending_ = false;
  bool lent_ = false;  // at least one
  std::deque<Request> waiting_;
};

}  // namespace zeolite::commit
