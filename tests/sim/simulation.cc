#include "sim/simulation.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sim/broken_check.h"

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
    Named{&Faults::client_partitions, "client_partitions"},
    Named{&Faults::resets, "resets"},
    Named{&Faults::slow_network, "slow_network"},
    Named{&Faults::slow_disks, "slow_disks"},
    Named{&Faults::full_disks, "full_disks"},
    Named{&Faults::lies, "lies"},
    Named{&Faults::outages, "outages"},
    Named{&Faults::service_restarts, "service_restarts"},
    Named{&Faults::drift, "drift"},
    Named{&Faults::wall_jumps, "wall_jumps"},
    Named{&Faults::commands, "commands"},
    Named{&Faults::late_copies, "late_copies"},
    Named{&Faults::checkpoints, "checkpoints"},
    Named{&Faults::packs, "packs"},
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

Shape Shape::drawn(Random random) {
  Shape shape;
  shape.servers = random.once_in(3) ? 2 + random.index(3) : 3;
  shape.sync.strict = random.once_in(3);
  if (!shape.sync.strict && random.once_in(8)) {
    shape.sync.durability = replication::Durability::local;
  }
  if (random.once_in(3)) shape.sync.stall_timeout = milliseconds(500);
  if (random.once_in(3)) shape.sync.lost_timeout = milliseconds(50);
  shape.chained = random.once_in(4);
  shape.commanded = random.once_in(4);
  if (shape.commanded && random.once_in(3)) {
    shape.servers = 2;
    shape.chained = false;
    shape.sync.strict = true;
    shape.sync.durability = replication::Durability::standby;
  }
  return shape;
}

std::string Shape::text() const {
  const bool local = sync.durability == replication::Durability::local;
  return std::to_string(servers) + (chained ? " servers and one that follows, " : " servers, ") +
         (local         ? "local"
          : sync.strict ? "strict"
                        : "relaxed") +
         (commanded ? ", by command" : "");
}

Simulation::Simulation(const Options& options)
    : options_(options),
      random_(Random(options.seed).split("faults")),
      faults_(Faults::drawn(Random(options.seed).split("which faults"))),
      shape_(Shape::drawn(Random(options.seed).split("shape"))),
      trace_(queue_, options.shown),
      network_(queue_, Random(options.seed).split("network"), microseconds(300)),
      service_(queue_, Random(options.seed).split("service"), milliseconds(2), options.mutation),
      world_{.queue = queue_,
             .network = network_,
             .service = service_,
             .checker = checker_,
             .trace = trace_,
             .mutation = options.mutation,
             .log_kept = faults_.checkpoints ? 1 + random_.index(30) : 0} {
  if (options.hectic) {
    faults_.commands = faults_.lies = faults_.resets = faults_.late_copies = true;
    shape_.commanded = shape_.chained = false;
  }
  if (shape_.commanded) faults_.commands = true;
  checker_.set_strict(shape_.sync.strict);
  if (!shape_.loses_nothing()) checker_.set_forks();
  if (!shape_.commanded && !faults_.lies && !faults_.drift) checker_.set_one_at_a_time();
  add_servers();
  add_clients();
}

void Simulation::add_servers() {
  const std::uint64_t drift_max = faults_.drift ? 30'000 : 100;
  for (std::size_t index = 0; index < shape_.servers + (shape_.chained ? 1 : 0); ++index) {
    Server::Options options;
    options.node.elects = index < shape_.servers && !shape_.commanded;
    options.node.leads = index == 0 && shape_.commanded;
    if (!options.node.elects && index > 0) {
      const auto& followed = index < shape_.servers ? servers_.front() : servers_.back();
      options.node.upstream = std::to_string(followed->host());
    }
    options.node.sync = shape_.sync;
    if (options_.mutation == Mutation::strict_acks_alone) options.node.sync.strict = false;
    options.drift_ppm = static_cast<std::int64_t>(random_.below(2 * drift_max + 1)) -
                        static_cast<std::int64_t>(drift_max);
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
    options.late_copies = faults_.late_copies;
    options.pause = random_.between(milliseconds(5), milliseconds(200));
    clients_.push_back(std::make_unique<Client>(
        world_, index, Random(options_.seed).split("client", index), options, hosts));
  }
}

Simulation::Report Simulation::run() {
  try {
    for (const auto& server : servers_) server->start();
    for (const auto& client : clients_) client->start();
    next_fault();
    const Instant end = queue_.now() + options_.faulty_time;
    while (step(end)) {
    }
    faulty_ = false;
    if (!checker_.violation()) {
      heal();
      demand_liveness();
    }
  } catch (const BrokenCheck& check) {
    checker_.fail(check.what());
  }
  return {.violation = checker_.violation(),
          .faults = shape_.text() + ": " + faults_.text(),
          .hash = trace_.hash(),
          .events = queue_.events(),
          .commits = checker_.committed_count(),
          .epochs = service_.view().epoch.value(),
          .time = queue_.now().since_start};
}

bool Simulation::step(Instant end) {
  if (checker_.violation() || !queue_.run_one(end)) return false;
  trace_.step();
  Seen now{.revision = service_.revision(), .told = checker_.newest_told()};
  for (const auto& server : servers_) now.losses += server->disk().losses();
  if (now != checked_) check_who_may_lead();
  checked_ = now;
  return !checker_.violation();
}

// By what the coordination service holds now, whatever anybody believes.
void Simulation::check_who_may_lead() {
  const replication::DcsView view = service_.view();
  if (!view.sync) return;
  const replication::SyncKey& sync = *view.sync;
  for (std::size_t index = 0; index < servers_.size(); ++index) {
    const Server& server = *servers_[index];
    const bool member =
        sync.automatic && std::ranges::find(sync.members, server.id()) != sync.members.end();
    if (member || sync.leader == server.id()) checker_.may_lead(index, server.disk());
    if (server.serving() && sync.leader == server.id()) check_sync_set(server, sync);
  }
}

// S is within Q (R4).
void Simulation::check_sync_set(const Server& server, const replication::SyncKey& sync) {
  if (server.node()->epoch() != sync.epoch) return;
  for (const replication::PeerStatus& peer : server.node()->peers()) {
    const bool published = std::ranges::find(sync.members, peer.node) != sync.members.end();
    if (published && !peer.waited_for) {
      checker_.fail("standby " + peer.name + " may be promoted and is not waited for");
    }
  }
}

// ---- faults -------------------------------------------------------------------------------------

void Simulation::next_fault() {
  const Duration longest = milliseconds(options_.hectic ? 300 : 1500);
  queue_.after(random_.between(milliseconds(20), longest), [this] {
    if (!faulty_) return;
    fault();
    next_fault();
  });
}

void Simulation::fault() {
  Server& server = any_server();
  if (faults_.packs && random_.once_in(4)) {
    for (const auto& each : servers_) each->pack();
    return;
  }
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
      if (faults_.partitions || faults_.client_partitions) partition();
      return;
    case 3: {
      if (faults_.resets) reset_some();
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
        const std::uint64_t most = random_.coin() ? 10'000'000 : 3'600'000'000;
        server.jump_wall_clock(static_cast<std::int64_t>(random_.below(2 * most)) -
                               static_cast<std::int64_t>(most));
      }
      if (faults_.slow_network) {
        network_.set_usual_delay(random_.coin() ? microseconds(300) : milliseconds(20));
      }
      return;
    default:
      if (faults_.commands) command(server);
  }
}

void Simulation::command(Server& server) {
  if (!server.serving()) {
    if (may_lead(server)) server.promote(!shape_.loses_nothing() && random_.coin());
  } else if (random_.once_in(4)) {
    server.demote();
  } else {
    // Not to the one that only follows, which would be chosen as any other.
    const bool chooses = !shape_.chained && random_.coin();
    server.switch_over(chooses ? "" : "n" + std::to_string(random_.index(shape_.servers)));
  }
}

// All but the one that only follows.
bool Simulation::may_lead(const Server& server) const {
  return !shape_.chained || &server != servers_.back().get();
}

void Simulation::repair() {
  Server* leader = nullptr;
  const auto rank = [](const Server& server) {
    return std::pair(server.disk().promise(), server.disk().last().tid);
  };
  for (const auto& server : servers_) {
    if (!may_lead(*server)) continue;
    if (leader == nullptr || rank(*server) > rank(*leader)) leader = server.get();
  }
  if (!leader->leads()) leader->promote(true);
  for (const auto& server : servers_) {
    if (server.get() == leader) continue;
    if (server->leads()) {
      server->demote();
    } else if (!server->follows(*leader)) {
      server->restart_as_standby_of(*leader);
    }
  }
  queue_.after(seconds(2), [this] { repair(); });
}

void Simulation::crash() {
  Server& server = any_server();
  if (!server.alive()) return;
  server.crash(faults_.silent_deaths && (!faults_.crashes || random_.coin()));
  queue_.after(random_.between(milliseconds(10), milliseconds(8000)), [&server] {
    if (!server.alive()) server.start();
  });
}

// One connection or, now and then, several at about the same time.
void Simulation::reset_some() {
  for (int more = 0; more < 4; ++more) {
    queue_.after(random_.between({}, milliseconds(300)), [this] {
      const std::vector<ConnectionId> connections = network_.connections();
      if (!connections.empty()) network_.reset(connections[random_.index(connections.size())]);
    });
    if (random_.coin()) return;
  }
}

void Simulation::partition() {
  const Host one = any_server().host();
  const bool for_client = faults_.client_partitions && (!faults_.partitions || random_.coin());
  const Host other =
      for_client ? clients_[random_.index(clients_.size())]->host() : any_server().host();
  const std::uint64_t kind = random_.below(3);
  if (kind == 0 && !for_client) {  // one server is alone
    for (const auto& server : servers_) {
      if (server->host() == one) continue;
      network_.block(one, server->host());
      network_.block(server->host(), one);
    }
    if (random_.coin()) service_.cut_off(one);
  } else if (one != other) {
    const bool both = kind == 1;
    const bool turned = random_.coin();
    if (both || !turned) network_.block(one, other);
    if (both || turned) network_.block(other, one);
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
    if (random_.coin()) lies.late_request = 5 + random_.below(30);
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
  if (shape_.commanded) queue_.after(seconds(1), [this] { repair(); });
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
  while (committed() < before + 3 && step(end)) {
  }
  if (checker_.violation()) return;
  if (committed() < before + 3) checker_.fail("nothing is committed after everything healed");
  for (const auto& client : clients_) client->finish();
  const auto finished = [this] {
    return std::ranges::all_of(clients_, [](const auto& client) { return client->finished(); });
  };
  while (!finished() && step(end)) {
  }
  if (!finished()) checker_.fail("a client does not learn how its commit ended");
  while (!converged() && step(end)) {
  }
  if (!converged()) checker_.fail("the servers do not come to have the same log");
  if (!checker_.violation()) checker_.final_log(servers_.front()->disk());
}

}  // namespace zeolite::sim
