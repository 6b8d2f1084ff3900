#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cli/bench_client.h"
#include "model/ids.h"

namespace zeolite::cli {

// Who of the subscribers was told of the writer's newest transaction, and how long it took.
// Thread and owner: as BenchClient.
class ToldTracker {
 public:
  ToldTracker(BenchRun& run, std::size_t subscribers) : run_(run), told_(subscribers) {}

  // A subscriber has been told of everything up to `tid`.
  void told(std::size_t subscriber, Tid tid, BenchClock::time_point now);
  // The writer's commit was acknowledged; `all_told` is called when all have been told of it.
  void committed(Tid tid, BenchClock::time_point now, std::function<void()> all_told);
  // The writer does not wait any more: `all_told` is not called.
  void forget() { wanted_ = kMaxTid; }

 private:
  void check(BenchClock::time_point now);

  BenchRun& run_;
  std::vector<Tid> told_;  // by subscriber
  Tid wanted_ = kMaxTid;   // the commit that is waited for; kMaxTid: none
  std::size_t have_ = 0;   // subscribers with told_ >= wanted_
  BenchClock::time_point committed_at_{};
  std::function<void()> all_told_;
};

// Listens to invalidations and sends nothing.
class BenchSubscriber final : public BenchClient {
 public:
  BenchSubscriber(BenchRun& run, net::IoShard& shard, ClientLink::Options link, Events events,
                  ToldTracker& tracker, std::size_t number);

 private:
  void on_connected(const wire::Welcome& welcome) override;
  void next() override {}
  void on_reply(wire::Message /*message*/, BenchClock::time_point /*now*/) override {}
  void on_invalidate(const wire::Invalidate& invalidate) override;

  ToldTracker& tracker_;
  const std::size_t number_;
};

// Changes one object again and again, each time after all subscribers were told of the last.
class BenchWriter final : public BenchClient {
 public:
  BenchWriter(BenchRun& run, net::IoShard& shard, ClientLink::Options link, Events events,
              ToldTracker& tracker);

 private:
  void on_connected(const wire::Welcome& welcome) override;
  void next() override;
  void on_reply(wire::Message message, BenchClock::time_point now) override;
  void on_lost() override;

  ToldTracker& tracker_;
  bool has_oid_ = false;
  bool committing_ = false;
  wire::Commit commit_;
};

}  // namespace zeolite::cli
