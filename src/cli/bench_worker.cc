#include "cli/bench_worker.h"

#include <utility>
#include <variant>

namespace zeolite::cli {

namespace {

constexpr Duration kPauseAfterError = std::chrono::milliseconds(50);
constexpr Duration kPauseBeforeAsking = std::chrono::milliseconds(20);
// One in this many operations of mixed work changes an object.
constexpr std::uint64_t kMixedChangeEvery = 5;

// The server cannot do it, but another one, or this one later, may.
bool is_elsewhere(ErrorCode code) {
  return code == ErrorCode::not_primary || code == ErrorCode::stale_epoch ||
         code == ErrorCode::shutting_down || code == ErrorCode::unavailable ||
         code == ErrorCode::outcome_unknown;
}

}  // namespace

BenchWorker::BenchWorker(BenchRun& run, net::IoShard& shard, ClientLink::Options link,
                         Events events, const std::vector<Oid>& shared, std::uint32_t own_objects)
    : BenchClient(run, shard, link, std::move(events)),
      shared_(shared),
      session_(link.hello.session),
      own_count_(own_objects) {
  commit_.metadata.description = "zeolite bench";
  commit_.writes.resize(1);
}

void BenchWorker::on_connected(const wire::Welcome& welcome) {
  line_ = welcome.visible.tid;
  if (run().options().kind != BenchKind::commit || !own_.empty()) {
    prepared();
    return;
  }
  doing_ = Doing::preparing;
  request(wire::NewOids{own_count_});
}

void BenchWorker::next() {
  if (open_) {
    doing_ = Doing::asking;
    request(wire::OutcomeQuery{{session_, commit_.number}, commit_.begun});
    return;
  }
  switch (run().options().kind) {
    case BenchKind::ping:
      doing_ = Doing::pinging;
      request(wire::Ping{run().payload()});
      return;
    case BenchKind::load:
      load_any(Doing::loading);
      return;
    case BenchKind::mixed:
      load_any(run().random()() % kMixedChangeEvery == 0 ? Doing::loading_to_change
                                                         : Doing::loading);
      return;
    case BenchKind::commit:
    case BenchKind::invalidate:
      commit(own_[turn_].oid, own_[turn_].base);
      return;
  }
}

void BenchWorker::load_any(Doing why) {
  doing_ = why;
  load_.oid = shared_[run().random()() % shared_.size()];
  request(load_);
}

void BenchWorker::commit(Oid oid, Tid base) {
  doing_ = Doing::committing;
  ++commit_.number;
  commit_.begun = line_;
  commit_.writes[0].oid = oid;
  commit_.writes[0].base = base;
  commit_.writes[0].data = run().payload();
  open_ = true;
  request(commit_);
  commit_sent_ = sent();
}

void BenchWorker::on_reply(wire::Message message, BenchClock::time_point now) {
  if (const auto* done = std::get_if<wire::Committed>(&message)) {
    committed(done->tid, now);
  } else if (const auto* loaded = std::get_if<wire::Loaded>(&message)) {
    on_loaded(*loaded, now);
  } else if (std::holds_alternative<wire::Pong>(message)) {
    run().count_ping(sent(), now);
    proceed();
  } else if (const auto* conflicted = std::get_if<wire::Conflicted>(&message)) {
    on_conflicted(*conflicted);
  } else if (const auto* outcome = std::get_if<wire::OutcomeKnown>(&message)) {
    on_outcome(*outcome, now);
  } else if (const auto* oids = std::get_if<wire::Oids>(&message)) {
    on_oids(*oids);
  } else if (const auto* failed = std::get_if<wire::ErrorReply>(&message)) {
    on_error(failed->error);
  } else {
    reconnect(Error{ErrorCode::protocol_error, "unexpected reply"});
  }
}

void BenchWorker::on_oids(const wire::Oids& oids) {
  for (std::uint32_t i = 0; i < oids.count; ++i) {
    own_.push_back({Oid(oids.first.value() + i), kNoTid});
  }
  if (own_.empty()) {
    give_up(Error{ErrorCode::protocol_error, "the server gave no object ids"});
  } else {
    prepared();
  }
}

void BenchWorker::on_loaded(const wire::Loaded& loaded, BenchClock::time_point now) {
  if (loaded.status != wire::LoadedStatus::found) {
    run().count_error({ErrorCode::not_found, "object " + to_hex(load_.oid) + " is gone"});
    proceed();
    return;
  }
  run().count_load(sent(), now);
  if (doing_ == Doing::loading_to_change) {
    commit(load_.oid, loaded.tid);
  } else {
    proceed();
  }
}

void BenchWorker::committed(Tid tid, BenchClock::time_point now) {
  open_ = false;
  line_ = tid;
  if (!own_.empty()) {
    own_[turn_].base = tid;
    turn_ = (turn_ + 1) % own_.size();
  }
  run().count_commit(commit_sent_, now);
  proceed();
}

void BenchWorker::on_conflicted(const wire::Conflicted& conflicted) {
  open_ = false;
  ++run().report.conflicts;
  if (!own_.empty() && !conflicted.conflicts.empty()) {
    own_[turn_].base = conflicted.conflicts.front().current;
  }
  proceed();
}

void BenchWorker::on_outcome(const wire::OutcomeKnown& outcome, BenchClock::time_point now) {
  if (outcome.committed) {
    ++run().report.resolved;
    committed(outcome.tid, now);
  } else {
    open_ = false;
    proceed();
  }
}

void BenchWorker::on_error(const Error& error) {
  if (doing_ == Doing::preparing) {
    give_up(error);
    return;
  }
  if (doing_ == Doing::asking && error.code == ErrorCode::unavailable) {
    proceed_after(kPauseBeforeAsking);
    return;
  }
  if (is_elsewhere(error.code)) {
    reconnect(error);
    return;
  }
  run().count_error(error);
  if (doing_ == Doing::asking) ++run().report.unknown;
  open_ = false;
  proceed_after(kPauseAfterError);
}

}  // namespace zeolite::cli
