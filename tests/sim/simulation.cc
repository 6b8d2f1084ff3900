#include "sim/simulation.h"

#include <algorithm>
#include <array>
#include <utility>

namespace zeolite::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kStartUs = 912'694'929'000'000;  // 1998-12-03 14:22:09

struct Named {
  bool Faults::* flag;
  std::string_view name;
};
constexpr std::array kFaults = {
    Named{&Faults::crashes, "crashes"},
    Named{&Faults::silent_deaths, "silent_deaths"},
    Named{&Faults::pauses, "pauses"},
    Named{&Faults::partitions, "partitions"},
    Named{&Faults::resets, "resets"},
    Named{&Faults::slow_network, "slow_network"},
    Named{&Faults::slow_disks, "slow_disks"},
    Named{&Faults::full_disks, "full_disks"},
    Named{&Faults::lies, "lies"},
    Named{&Faults::outages, "outages"},
    Named{&Faults::service_restarts, "service_restarts"},
    Named{&Faults::wall_jumps, "wall_jumps"},
    Named{&Faults::switchovers, "switchovers"},
};

}  // namespace

Faults Faults::drawn(Random random) {
  Faults faults;
  for (const Named& fault : kFaults) faults.*fault.flag = random.once_in(3);
  return faults;
}

std::string Faults::text() const {
  std::string text;
  for (const Named& fault : kFaults) {
    if (this->*fault.flag) text += (text.empty() ? "" : " ") + std::string(fault.name);
  }
  return text;
}

Simulation::Simulation(const Options& options)
    : options_(options),
      random_(Random(options.seed).split("faults")),
      faults_(Faults::drawn(Random(options.seed).split("which faults"))),
      strict_(random_.once_in(3)),
      trace_(queue_, options.shown),
      network_(queue_, Random(options.seed).split("network"), microseconds(300)),
      service_(queue_, Random(options.seed).split("service"), milliseconds(2)),
      world_{.queue = queue_,
             .network = network_,
             .service = service_,
             .checker = checker_,
             .trace = trace_} {
  add_servers();
  add_clients();
}

void Simulation::add_servers() {
  for (std::size_t index = 0; index < kServers; ++index) {
    Server::Options options;
    options.node.elects = true;
    options.node.sync.strict = strict_;
    options.drift_ppm = static_cast<std::int64_t>(random_.below(200)) - 100;
    options.wall_us = kStartUs + static_cast<std::int64_t>(random_.below(100'000));
    options.usual_sync = random_.between(microseconds(300), milliseconds(5));
    servers_.push_back(std::make_unique<Server>(
        world_, index, Random(options_.seed).split("server", index), std::move(options)));
  }
}

void Simulation::add_clients() {
  std::vector<Host> hosts;
  for (const auto& server : servers_) hosts.push_back(server->host());
  for (std::size_t index = 0; index < 4; ++index) {
    Client::Options options;
    options.opens = index == 0;
    options.reads_only = index == 3;
    options.pause = random_.between(milliseconds(2), milliseconds(60));
    clients_.push_back(std::make_unique<Client>(
        world_, index, Random(options_.seed).split("client", index), options, hosts));
  }
}

Simulation::Report Simulation::run() {
  for (const auto& server : servers_) server->start();
  for (const auto& client : clients_) client->start();
  next_fault();
  run_while_clean(options_.faulty_time);
  faulty_ = false;
  if (!checker_.violation()) {
    heal();
    demand_liveness();
  }
  return {.violation = checker_.violation(),
          .faults = faults_.text() + (strict_ ? " (strict)" : ""),
          .hash = trace_.hash(),
          .events = queue_.events(),
          .commits = checker_.committed_count(),
          .epochs = service_.view().epoch.value()};
}

void Simulation::run_while_clean(Duration time) {
  const Instant end = queue_.now() + time;
  while (!checker_.violation() && queue_.run_one(end)) {
  }
}

// ---- faults -------------------------------------------------------------------------------------

void Simulation::next_fault() {
  queue_.after(random_.between(milliseconds(20), milliseconds(1500)), [this] {
    if (!faulty_) return;
    fault();
    next_fault();
  });
}

void Simulation::fault() {
  Server& server = any_server();
  switch (random_.below(8)) {
    case 0:
      if (faults_.crashes || faults_.silent_deaths) crash();
      return;
    case 1:
      if (faults_.pauses && server.alive()) {
        server.pause_for(random_.between(milliseconds(50), milliseconds(6000)));
      }
      return;
    case 2:
      if (faults_.partitions) partition();
      return;
    case 3: {
      const std::vector<ConnectionId> connections = network_.connections();
      if (faults_.resets && !connections.empty()) {
        network_.reset(connections[random_.index(connections.size())]);
      }
      return;
    }
    case 4:
      trouble_disk(server);
      return;
    case 5:
      trouble_service();
      return;
    case 6:
      if (faults_.wall_jumps) {
        server.jump_wall_clock(static_cast<std::int64_t>(random_.below(20'000'000)) - 10'000'000);
      }
      if (faults_.slow_network) {
        network_.set_usual_delay(random_.coin() ? microseconds(300) : milliseconds(20));
      }
      return;
    default:
      if (!faults_.switchovers || !server.serving()) return;
      if (random_.once_in(4)) {
        server.demote();
      } else {
        server.switch_over(random_.coin() ? "" : "n" + std::to_string(random_.index(kServers)));
      }
  }
}

void Simulation::crash() {
  Server& server = any_server();
  if (!server.alive()) return;
  server.crash(faults_.silent_deaths && (!faults_.crashes || random_.coin()));
  queue_.after(random_.between(milliseconds(10), milliseconds(8000)), [&server] {
    if (!server.alive()) server.start();
  });
}

void Simulation::partition() {
  const Host one = any_server().host();
  const Host other = any_server().host();
  const std::uint64_t kind = random_.below(3);
  if (kind == 0) {  // one server is alone
    for (const auto& server : servers_) {
      if (server->host() == one) continue;
      network_.block(one, server->host());
      network_.block(server->host(), one);
    }
    if (random_.coin()) service_.cut_off(one);
  } else if (one != other) {
    network_.block(one, other);
    if (kind == 1) network_.block(other, one);
  }
  queue_.after(random_.between(milliseconds(50), milliseconds(8000)), [this] {
    network_.heal();
    service_.heal();
    if (faults_.lies && faulty_) trouble_service();
  });
}

void Simulation::trouble_disk(Server& server) {
  if (faults_.slow_disks) {
    server.disk().set_usual_sync(random_.coin() ? milliseconds(1)
                                                : random_.between(milliseconds(5), seconds(1)));
  }
  if (faults_.full_disks) server.disk().set_full(random_.once_in(3));
}

void Simulation::trouble_service() {
  if (faults_.lies) {
    ModelDcs::Lies lies;
    if (random_.coin()) lies.stale_read = 1 + random_.below(10);
    if (random_.coin()) lies.dead_keepalive = 1 + random_.below(5);
    if (random_.coin()) lies.spurious_revoke = 5 + random_.below(50);
    if (random_.coin()) lies.lost_request = 3 + random_.below(20);
    if (random_.coin()) lies.lost_answer = 2 + random_.below(20);
    service_.set_lies(lies);
  }
  if (faults_.service_restarts) service_.restart();
  if (faults_.outages) {
    service_.set_outage(true);
    queue_.after(random_.between(milliseconds(100), milliseconds(6000)),
                 [this] { service_.set_outage(false); });
  }
}

// ---- afterwards ---------------------------------------------------------------------------------

void Simulation::heal() {
  trace_.note("everything heals");
  network_.heal();
  network_.set_usual_delay(microseconds(300));
  service_.heal();
  for (const auto& server : servers_) {
    server->disk().set_full(false);
    server->disk().set_usual_sync(milliseconds(1));
    if (!server->alive()) server->start();
  }
}

std::uint64_t Simulation::committed() const {
  std::uint64_t count = 0;
  for (const auto& client : clients_) count += client->committed();
  return count;
}

bool Simulation::converged() const {
  const Position last = servers_.front()->disk().last();
  return std::ranges::all_of(servers_,
                             [&](const auto& server) { return server->disk().last() == last; }) &&
         std::ranges::any_of(servers_, [](const auto& server) { return server->serving(); });
}

// A commit is acknowledged, then whatever is under way ends, then all have the same.
void Simulation::demand_liveness() {
  const Instant end = queue_.now() + options_.healing_time;
  const std::uint64_t before = committed();
  while (committed() < before + 3 && !checker_.violation() && queue_.run_one(end)) {
  }
  if (committed() < before + 3) checker_.fail("nothing is committed after everything healed");
  for (const auto& client : clients_) client->finish();
  const auto finished = [this] {
    return std::ranges::all_of(clients_, [](const auto& client) { return client->finished(); });
  };
  while (!finished() && !checker_.violation() && queue_.run_one(end)) {
  }
  if (!finished()) checker_.fail("a client does not learn how its commit ended");
  while (!converged() && !checker_.violation() && queue_.run_one(end)) {
  }
  if (!converged()) checker_.fail("the servers do not come to have the same log");
  if (!checker_.violation()) checker_.final_log(servers_.front()->disk());
}

}  // namespace zeolite::sim
