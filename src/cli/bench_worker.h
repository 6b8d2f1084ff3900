#pragma once

#include <cstdint>
#include <vector>

#include "cli/bench_client.h"
#include "model/ids.h"

namespace zeolite::cli {

// A client that commits, loads, does both, or pings: every kind of bench but `invalidate`.
//
// A commit whose answer is lost is asked for after reconnecting, so that each ends as
// acknowledged, as an error, or as unknown.
class BenchWorker final : public BenchClient {
 public:
  // `shared` are the objects that loads and mixed work pick from; it outlives the worker. Commits
  // are made to `own_objects` objects of its own.
  BenchWorker(BenchRun& run, net::IoShard& shard, ClientLink::Options link, Events events,
              const std::vector<Oid>& shared, std::uint32_t own_objects);

  [[nodiscard]] bool outcome_open() const override { return open_; }

 private:
  enum class Doing : std::uint8_t {
    preparing,
    pinging,
    loading,
    loading_to_change,
    committing,
    asking,  // what became of a commit
  };
  struct OwnObject {
    Oid oid;
    Tid base;
  };

  void on_connected(const wire::Welcome& welcome) override;
  void next() override;
  void on_reply(wire::Message message, BenchClock::time_point now) override;

  void on_oids(const wire::Oids& oids);
  void on_loaded(const wire::Loaded& loaded, BenchClock::time_point now);
  void on_conflicted(const wire::Conflicted& conflicted);
  void on_outcome(const wire::OutcomeKnown& outcome, BenchClock::time_point now);
  void on_error(const Error& error);

  void load_any(Doing why);
  void commit(Oid oid, Tid base);
  void committed(Tid tid, BenchClock::time_point now);

  const std::vector<Oid>& shared_;
  const SessionId session_;
  const std::uint32_t own_count_;
  std::vector<OwnObject> own_;
  std::size_t turn_ = 0;  // which of own_ is next
  Doing doing_ = Doing::preparing;
  Tid line_;         // newest tid this client was told
  wire::Load load_;  // reused, so that a request allocates nothing
  wire::Commit commit_;
  BenchClock::time_point commit_sent_{};
  bool open_ = false;  // commit_ was sent and its outcome is not known
};

}  // namespace zeolite::cli
