// What the decision costs: one-request commits of one object each, submitted in groups and
// acknowledged together, without a disk or a network.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "commit/commit_coordinator.h"

namespace zeolite::commit {
namespace {

constexpr std::uint64_t kObjects = 10'000;
constexpr Tid kStart{0x03F0000000000000ULL};

class Committers {
 public:
  Committers() : coordinator_({}, {Epoch(1), kStart, Oid(kObjects)}, now()), tids_(kObjects) {
    coordinator_.begin_epoch(now(), effects_);
    acknowledge();
  }

  void commit_group(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) submit();
    acknowledge();
  }

 private:
  // 2026; a microsecond later each time it is read.
  Now now() {
    ++elapsed_us_;
    return {{std::chrono::microseconds(elapsed_us_)}, {1'770'000'000'000'000 + elapsed_us_}};
  }

  void submit() {
    ++ticket_;
    const std::uint64_t object = ticket_ % kObjects;
    StagedTransaction transaction;
    transaction.commit_id.session[0] = 1;
    transaction.commit_id.number = ticket_;
    transaction.begun = visible_;
    transaction.writes.push_back({Oid(object), tids_[object], RevisionKind::data, data_, kNoTid});
    Prefetched prefetched;
    prefetched.as_of = visible_;
    prefetched.writes.push_back({.current = tids_[object]});
    coordinator_.submit(ticket_, 1 + ticket_ % 64, std::move(transaction), std::move(prefetched),
                        true, now(), effects_);
  }

  // What was appended is durable; what follows is taken note of.
  void acknowledge() {
    CHECK(!effects_.append.empty(), "nothing was sequenced");
    const Tid last = effects_.append.back().tid;
    coordinator_.acknowledged(last, now(), effects_);
    for (const auto& published : effects_.publish) {
      for (const Oid oid : published.oids) tids_[oid.value()] = published.tid;
      visible_ = published.tid;
    }
    for (const auto& reply : effects_.reply)
      CHECK(reply.kind == CommitEffects::Reply::Kind::committed, "a commit failed");
    CHECK(visible_ == last, "something was not published");
    effects_.clear();
  }

  std::int64_t elapsed_us_ = 0;
  CommitCoordinator coordinator_;
  CommitEffects effects_;
  std::vector<Tid> tids_;  // current, of each object
  Tid visible_ = kStart;
  Ticket ticket_ = 0;
  const Bytes data_{std::string(300, 'r')};
};

void commit(benchmark::State& state) {
  Committers committers;
  for (auto _ : state) committers.commit_group(state.range(0));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(commit)->Arg(1)->Arg(16)->Arg(64);

}  // namespace
}  // namespace zeolite::commit
