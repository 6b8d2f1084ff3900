#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/checker.h"
#include "sim/client.h"
#include "sim/event_queue.h"
#include "sim/model_dcs.h"
#include "sim/mutation.h"
#include "sim/network.h"
#include "sim/random.h"
#include "sim/server.h"
#include "sim/trace.h"

namespace zeolite::sim {

// Which faults a run has; drawn from its seed, so that each run is hard in a way of its own.
struct Faults {
  bool crashes = false, silent_deaths = false, pauses = false;
  bool partitions = false, client_partitions = false, resets = false, slow_network = false;
  bool slow_disks = false, full_disks = false;
  bool lies = false, outages = false, service_restarts = false;
  bool drift = false, wall_jumps = false;
  bool commands = false;     // switchover, demotion, promotion
  bool late_copies = false;  // of requests
  bool checkpoints = false;  // logs are kept so short that copies are needed
  bool packs = false;

  static Faults drawn(Random random);
  [[nodiscard]] std::string text() const;
};

// What is drawn beside faults.
struct Shape {
  std::size_t servers = 3;  // that elect
  bool chained = false;     // and one more, which follows one of them and is never to lead
  replication::SyncSet::Options sync;
  // There is no coordination service: who leads is decided by operators, who make mistakes.
  bool commanded = false;
  // They do not force it, there are two nodes, and commits are strict: then nothing is lost.
  [[nodiscard]] bool loses_nothing() const {
    return !commanded || (servers == 2 && sync.strict && !chained);
  }

  static Shape drawn(Random random);
  [[nodiscard]] std::string text() const;
};

// One run: some servers, clients and a coordination service, in virtual time. First faults happen
// for a while; then everything heals, and the cluster has to be of one mind and of use again.
class Simulation {
 public:
  struct Options {
    std::uint64_t seed = 1;
    Duration faulty_time = std::chrono::seconds(20);
    Duration healing_time = std::chrono::seconds(60);  // at most
    bool shown = false;                                // prints what happens
    Mutation mutation = Mutation::none;
    // Leaders come and go, and the coordination service lies: for rules that nothing else tries.
    bool hectic = false;
  };
  struct Report {
    std::optional<std::string> violation;
    std::string faults;
    std::uint64_t hash = 0;
    std::uint64_t events = 0;
    std::size_t commits = 0;
    std::uint64_t epochs = 0;
    Duration time{};  // that was simulated
  };

  explicit Simulation(const Options& options);
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  Report run();

 private:
  void add_servers();
  void add_clients();
  // The next event until `end`, and what must hold after each; false: there is none, or it does
  // not.
  bool step(Instant end);
  void check_who_may_lead();
  void check_sync_set(const Server& server, const replication::SyncKey& sync);
  void command(Server& server);
  // By command: who has promised the latest epoch leads, the others follow.
  void repair();
  [[nodiscard]] bool may_lead(const Server& server) const;
  void next_fault();
  void fault();
  void crash();
  void reset_some();
  void partition();
  void trouble_disk(Server& server);
  void trouble_service();
  void heal();
  // Whether all is well, after clients have stopped.
  [[nodiscard]] bool converged() const;
  [[nodiscard]] std::uint64_t committed() const;
  void demand_liveness();
  Server& any_server() { return *servers_[random_.index(servers_.size())]; }

  Options options_;
  Random random_;
  Faults faults_;
  Shape shape_;
  EventQueue queue_;
  Trace trace_;
  Network network_;
  ModelDcs service_;
  Checker checker_;
  World world_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<std::unique_ptr<Client>> clients_;
  bool faulty_ = true;
  // What the last check was about.
  struct Seen {
    replication::Revision revision = 0;
    Tid told;
    std::uint64_t losses = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  Seen checked_;
};

}  // namespace zeolite::sim
