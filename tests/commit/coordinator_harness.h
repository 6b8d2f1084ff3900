#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "commit/commit_coordinator.h"

namespace zeolite::commit {

inline constexpr std::int64_t kStartUs = 912'694'929'000'000;  // 1998-12-03 14:22:09

// A coordinator with a store and a clock that the test moves. Log records are in the store as soon
// as they are appended; acknowledge() makes them visible. Effects pile up until taken.
class CoordinatorHarness {
 public:
  using Reply = CommitEffects::Reply;

  explicit CoordinatorHarness(CommitOptions options = {}, Tid last = Tid(1000))
      : start_tid_(last),
        now_{.instant = {}, .wall = {kStartUs}},
        coordinator_(options, {.epoch = Epoch(7), .last_tid = last, .oid_mark = Oid(100)}, now_) {
    coordinator_.begin_epoch(now_, effects_);
    collect();
    acknowledge();
    published.clear();
    appended.clear();
  }

  // One that begins later, with oids below `lent`.
  CoordinatorHarness(const CommitOptions& options, Tid last, Oid lent)
      : start_tid_(last),
        now_{.instant = {}, .wall = {kStartUs}},
        coordinator_(options, {.epoch = Epoch(7), .last_tid = last}, now_) {
    coordinator_.begin_later(lent);
  }

  // An object that was there before the start.
  void add_object(Oid oid) { revisions_[oid] = {{start_tid_, false}}; }

  static StagedWrite write(Oid oid, Tid base, std::string_view data = "state") {
    return {.oid = oid, .base = base, .data = Bytes::copy_of(data)};
  }
  static StagedWrite remove(Oid oid, Tid base) {
    return {.oid = oid, .base = base, .kind = RevisionKind::deletion};
  }
  static CommitId commit_id(std::uint64_t number) {
    CommitId id;
    id.session[0] = 1;
    id.number = number;
    return id;
  }

  // What the store says at the line `as_of`.
  [[nodiscard]] Prefetched prefetch(const StagedTransaction& staged, Tid as_of) const {
    Prefetched result;
    result.as_of = as_of;
    for (const StagedWrite& w : staged.writes) result.writes.push_back(stored(w.oid, as_of));
    for (const ReadCheck& r : staged.reads) {
      result.read_tids.push_back(stored(r.oid, as_of).current);
    }
    if (const auto found = outcomes_.find(staged.commit_id);
        found != outcomes_.end() && found->second.tid <= as_of && found->second.tid > horizon) {
      result.outcome = found->second;
    }
    result.outcome_horizon = horizon;
    return result;
  }

  Ticket submit(OwnerId owner, StagedTransaction staged, bool one_request,
                std::optional<Tid> as_of = std::nullopt) {
    const Ticket ticket = next_ticket++;
    Prefetched prefetched = prefetch(staged, as_of.value_or(visible()));
    coordinator_.submit(ticket, owner, std::move(staged), std::move(prefetched), one_request, now_,
                        effects_);
    collect();
    return ticket;
  }
  Ticket submit(OwnerId owner, std::vector<StagedWrite> writes, bool one_request = true) {
    StagedTransaction staged;
    staged.writes = std::move(writes);
    return submit(owner, std::move(staged), one_request);
  }
  // Answers a refetch with what the store says at `as_of`.
  void refetched(Ticket ticket, const StagedTransaction& staged, Tid as_of) {
    coordinator_.refetched(ticket, prefetch(staged, as_of), now_, effects_);
    collect();
  }
  Ticket finish(Ticket voted) {
    const Ticket ticket = next_ticket++;
    coordinator_.finish(voted, ticket, now_, effects_);
    collect();
    return ticket;
  }
  void abort(Ticket ticket) {
    coordinator_.abort(ticket, now_, effects_);
    collect();
  }
  void owner_lost(OwnerId owner) {
    coordinator_.owner_lost(owner, now_, effects_);
    collect();
  }
  Ticket query(OwnerId owner, const CommitId& id, Tid begun = {},
               std::optional<Tid> as_of = std::nullopt) {
    StagedTransaction staged;
    staged.commit_id = id;
    const Ticket ticket = next_ticket++;
    coordinator_.query_outcome(ticket, owner, id, begun,
                               prefetch(staged, as_of.value_or(visible())), now_, effects_);
    collect();
    return ticket;
  }
  Ticket allocate(OwnerId owner, std::uint32_t count) {
    const Ticket ticket = next_ticket++;
    coordinator_.allocate_oids(ticket, owner, count, now_, effects_);
    collect();
    return ticket;
  }
  Ticket append_pack(OwnerId owner, Tid up_to, bool collect_garbage = false) {
    const Ticket ticket = next_ticket++;
    coordinator_.append_pack(ticket, owner, up_to, collect_garbage, now_, effects_);
    collect();
    return ticket;
  }
  std::optional<Tid> append_removal(Tid pack_record, std::vector<RevisionKey> keys, bool complete) {
    const std::optional<Tid> tid =
        coordinator_.append_removal(pack_record, std::move(keys), complete, now_, effects_);
    collect();
    return tid;
  }
  void begin_epoch() {
    coordinator_.begin_epoch(now_, effects_);
    collect();
  }
  // Makes the log visible up to `tid`, or all of it.
  void acknowledge(Tid tid = kMaxTid) {
    coordinator_.acknowledged(tid, now_, effects_);
    collect();
  }
  void advance(Duration duration) {
    now_.instant = now_.instant + duration;
    now_.wall.unix_us += std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    coordinator_.tick(now_, effects_);
    collect();
  }

  // The reply to `ticket`, which must have had exactly one; a default one (failed, without a
  // detail) when there is none.
  [[nodiscard]] Reply reply(Ticket ticket) const {
    const auto found = replies.find(ticket);
    return found == replies.end() ? Reply{} : found->second;
  }
  [[nodiscard]] bool answered(Ticket ticket) const { return replies.contains(ticket); }
  [[nodiscard]] bool is(Ticket ticket, Reply::Kind kind) const {
    return answered(ticket) && reply(ticket).kind == kind;
  }
  [[nodiscard]] bool failed_with(Ticket ticket, ErrorCode code) const {
    return is(ticket, Reply::Kind::failed) && reply(ticket).error.code == code;
  }
  [[nodiscard]] Tid visible() const { return coordinator_.visible_tid(); }
  [[nodiscard]] Tid current(Oid oid) const { return stored(oid, visible()).current; }
  CommitCoordinator& coordinator() { return coordinator_; }
  [[nodiscard]] const Now& now() const { return now_; }

  // All effects so far.
  std::vector<TransactionRecord> appended;
  std::vector<CommitEffects::Publish> published;
  std::vector<Ticket> refetches;
  std::vector<OwnerId> closed;
  std::map<Ticket, Reply> replies;
  bool answered_twice = false;
  Ticket next_ticket = 1;
  Tid horizon;

 private:
  [[nodiscard]] ObjectState stored(Oid oid, Tid line) const {
    const auto found = revisions_.find(oid);
    ObjectState state;
    if (found == revisions_.end()) return state;
    for (const auto& [at, deleted] : found->second) {
      if (at > line) continue;
      state = deleted ? ObjectState{.current = kNoTid, .deleted = at} : ObjectState{.current = at};
    }
    return state;
  }

  void collect() {
    for (TransactionRecord& record : effects_.append) {
      for (const ObjectWrite& w : record.writes) {
        revisions_[w.oid].push_back({record.tid, w.kind == RevisionKind::deletion});
      }
      for (const RevisionKey& key : record.removed) {
        std::erase_if(revisions_[key.oid], [&](const Revision& r) { return r.tid == key.tid; });
      }
      if (!record.commit_id.empty()) {
        outcomes_[record.commit_id] = {.aborted = record.kind == RecordKind::tombstone,
                                       .tid = record.tid};
      }
      appended.push_back(std::move(record));
    }
    std::ranges::move(effects_.publish, std::back_inserter(published));
    std::ranges::move(effects_.refetch, std::back_inserter(refetches));
    std::ranges::move(effects_.close, std::back_inserter(closed));
    for (Reply& reply : effects_.reply) {
      const Ticket ticket = reply.ticket;
      // A vote is followed by nothing under the same ticket: finish names another.
      if (!replies.emplace(ticket, std::move(reply)).second) answered_twice = true;
    }
    effects_.clear();
    coordinator_.check_invariants();
  }

  struct Revision {
    Tid tid;
    bool deleted;
  };
  Tid start_tid_;
  Now now_;
  CommitEffects effects_;
  CommitCoordinator coordinator_;
  std::map<Oid, std::vector<Revision>> revisions_;
  std::map<CommitId, Prefetched::KnownOutcome> outcomes_;
};

}  // namespace zeolite::commit
