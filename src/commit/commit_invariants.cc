// CommitCoordinator::check_invariants: what must be true between any two calls.

#include "base/check.h"
#include "commit/commit_coordinator.h"

namespace zeolite::commit {

void CommitCoordinator::check_invariants() const {
  Counts counts;
  std::size_t claims = 0;
  std::size_t deadlines = 0;
  std::size_t named = 0;
  for (const auto& [ticket, transaction] : transactions_) {
    const State state = transaction.state;
    CHECK(transaction.ticket == ticket && transaction.locks.tag == ticket, "found by its ticket");
    CHECK(transaction.locks.queued(), "every transaction stands in the queues");
    CHECK(transaction.locks.granted() == (state != State::waiting), "only who waits holds not all");
    CHECK(transaction.deadline.has_value() == (state != State::sequenced),
          "everything that others wait for ends in bounded time");
    if (transaction.deadline) {
      CHECK(deadlines_.contains({*transaction.deadline, ticket}), "the deadline is watched");
      ++deadlines;
    }
    if (const CommitId& id = transaction.staged.commit_id; !id.empty()) {
      const auto attempt = attempts_.find(id);
      CHECK(attempt != attempts_.end() && attempt->second.transaction == &transaction,
            "a commit id in flight is known");
      CHECK((attempt->second.record != nullptr) == (state == State::sequenced),
            "a sequenced attempt knows its record");
      ++named;
    }
    claims += transaction.locks.size();
    counts.voted += state == State::voted ? 1U : 0U;
    counts.in_flight += state == State::sequenced ? 1U : 0U;
    counts.waiting += state == State::waiting || state == State::refetching ? 1U : 0U;
  }
  CHECK(counts.voted == counts_.voted && counts.waiting == counts_.waiting &&
            counts.in_flight == counts_.in_flight,
        "the counts are right");
  CHECK(deadlines == deadlines_.size(), "no deadline outlives its transaction");
  CHECK(granted_.empty(), "who holds its locks was judged");
  CHECK(locks_.check_invariants() == claims, "no claim outlives its transaction");

  Tid previous = visible_;
  std::size_t sequenced = 0;
  for (const Sequenced& record : in_flight_) {
    CHECK(record.tid > previous, "tids strictly increase, all invisible ones above the visible");
    previous = record.tid;
    if (record.transaction != nullptr) {
      CHECK(record.transaction->state == State::sequenced, "a record's transaction is sequenced");
      ++sequenced;
    } else if (record.kind == RecordKind::tombstone) {
      const auto attempt = attempts_.find(record.commit_id);
      CHECK(attempt != attempts_.end() && attempt->second.record == &record,
            "a tombstone on its way is known");
      ++named;
    } else if (record.kind == RecordKind::pack) {
      CHECK(record.tid <= pack_.record, "the newest pack is known");
      CHECK(!pack_.swept, "what is not in the log yet was not swept");
    }
    CHECK(record.waiters.empty() || !record.commit_id.empty() || record.kind == RecordKind::pack,
          "who waits for a record will be answered");
  }
  CHECK(!begins_later_ || begin_.is_zero(), "a reign begins once");
  CHECK(tids_.last() >= previous, "no tid was made by anybody else");
  CHECK(pack_.horizon < pack_.record || pack_.record.is_zero(), "a pack looks back");
  CHECK(pack_.record <= tids_.last(), "a pack has its place in the log");
  CHECK(pack_.complete || !pack_.swept, "what is visible was sequenced");
  CHECK(pack_.end <= tids_.last(), "a pack's end is in the log");
  CHECK(sequenced == counts.in_flight, "every sequenced transaction has a record");
  CHECK(named == attempts_.size(), "no attempt outlives its transaction or tombstone");
  recent_writes_.check_invariants();
  recent_outcomes_.check_invariants();
  oids_.check_invariants();
}

}  // namespace zeolite::commit
