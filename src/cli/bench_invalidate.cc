#include "cli/bench_invalidate.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace zeolite::cli {

namespace {

constexpr Duration kPauseAfterError = std::chrono::milliseconds(50);

}  // namespace

void ToldTracker::told(std::size_t subscriber, Tid tid, BenchClock::time_point now) {
  const Tid before = std::exchange(told_[subscriber], tid);
  if (before >= wanted_ || tid < wanted_) return;
  ++have_;
  check(now);
}

void ToldTracker::committed(Tid tid, BenchClock::time_point now, std::function<void()> all_told) {
  wanted_ = tid;
  committed_at_ = now;
  all_told_ = std::move(all_told);
  have_ = static_cast<std::size_t>(
      std::ranges::count_if(told_, [tid](Tid told) { return told >= tid; }));
  check(now);
}

void ToldTracker::check(BenchClock::time_point now) {
  if (have_ < told_.size()) return;
  wanted_ = kMaxTid;
  run_.report.told_latency.add(now - committed_at_);
  std::exchange(all_told_, nullptr)();
}

BenchSubscriber::BenchSubscriber(BenchRun& run, net::IoShard& shard, ClientLink::Options link,
                                 Events events, ToldTracker& tracker, std::size_t number)
    : BenchClient(run, shard, std::move(link), std::move(events)),
      tracker_(tracker),
      number_(number) {}

void BenchSubscriber::on_connected(const wire::Welcome& welcome) {
  tracker_.told(number_, welcome.visible.tid, BenchClock::now());
  prepared();
}

void BenchSubscriber::on_invalidate(const wire::Invalidate& invalidate) {
  if (invalidate.last) tracker_.told(number_, invalidate.tid, BenchClock::now());
}

BenchWriter::BenchWriter(BenchRun& run, net::IoShard& shard, ClientLink::Options link,
                         Events events, ToldTracker& tracker)
    : BenchClient(run, shard, std::move(link), std::move(events)), tracker_(tracker) {
  commit_.metadata.description = "zeolite bench";
  commit_.writes.resize(1);
}

void BenchWriter::on_connected(const wire::Welcome& welcome) {
  commit_.begun = welcome.visible.tid;
  if (has_oid_) {
    prepared();
  } else {
    request(wire::NewOids{1});
  }
}

void BenchWriter::next() {
  ++commit_.number;
  commit_.writes[0].data = run().payload();
  committing_ = true;
  request(commit_);
}

void BenchWriter::on_reply(wire::Message message, BenchClock::time_point now) {
  committing_ = false;
  if (const auto* done = std::get_if<wire::Committed>(&message)) {
    run().count_commit(sent(), now);
    commit_.writes[0].base = done->tid;
    tracker_.committed(done->tid, now, [this] { proceed(); });
  } else if (const auto* oids = std::get_if<wire::Oids>(&message)) {
    commit_.writes[0].oid = oids->first;
    has_oid_ = true;
    prepared();
  } else if (const auto* conflicted = std::get_if<wire::Conflicted>(&message)) {
    ++run().report.conflicts;
    for (const wire::WireConflict& conflict : conflicted->conflicts) {
      commit_.writes[0].base = conflict.current;
    }
    proceed();
  } else if (const auto* failed = std::get_if<wire::ErrorReply>(&message)) {
    if (!has_oid_) {
      give_up(failed->error);
      return;
    }
    run().count_error(failed->error);
    proceed_after(kPauseAfterError);
  } else {
    reconnect(Error{ErrorCode::protocol_error, "unexpected reply"});
  }
}

void BenchWriter::on_lost() {
  // Not asked for: if it was committed, the next attempt conflicts and says so.
  if (std::exchange(committing_, false)) ++run().report.unknown;
  tracker_.forget();
}

}  // namespace zeolite::cli
