#include "sim/network.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::sim {
namespace {

// How long it takes to see that a host does not answer.
constexpr Duration kConnectTimeout = std::chrono::seconds(1);

}  // namespace

Host Network::add_host(const Process& process, Listener listener) {
  hosts_.push_back({.process = &process, .listener = std::move(listener)});
  return hosts_.size() - 1;
}

Network::Connection* Network::find(ConnectionId connection) {
  const auto found = connections_.find(connection);
  return found == connections_.end() ? nullptr : &found->second;
}

ConnectionId Network::connect(Host from, Host to) {
  CHECK(from != to, "a host does not connect to itself");
  const ConnectionId id = next_++;
  connections_[id] = {.client = from, .server = to};
  carry(to, id, [this, id] { accept(id); });
  queue_.after(kConnectTimeout, *hosts_[from].process, [this, id, from] {
    const Connection* const connection = find(id);
    if (connection == nullptr || connection->established) return;
    tell_lost(from, id, "it does not answer");
    connections_.erase(id);
  });
  return id;
}

void Network::accept(ConnectionId id) {
  Connection& connection = connections_.at(id);
  const Host client = connection.client;
  const Host server = connection.server;
  hosts_[server].listener.accepted(id, client);
  carry(client, id, [this, id, client] {
    if (Connection* const now = find(id)) {
      now->established = true;
      hosts_[client].listener.connected(id);
    }
  });
}

void Network::send(Host from, ConnectionId id, std::any message) {
  Connection* const connection = find(id);
  if (connection == nullptr || !connection->pipe_to(from).open) return;
  const Host to = connection->other(from);
  carry(to, id, [this, id, to, message = std::move(message)]() mutable {
    ++delivered_;
    hosts_[to].listener.received(id, std::move(message));
  });
}

void Network::close(Host from, ConnectionId id) {
  Connection* const connection = find(id);
  if (connection == nullptr) return;
  connection->pipe_to(from).open = false;
  const Host to = connection->other(from);
  carry(to, id, [this, id, to] { tell_lost(to, id, "the other side closed it"); });
}

void Network::carry(Host to, ConnectionId id, std::function<void()> deliver) {
  Connection* const connection = find(id);
  if (connection == nullptr) return;
  Pipe& pipe = connection->pipe_to(to);
  pipe.content.push_back(std::move(deliver));
  schedule_arrival(to, id, pipe);
}

void Network::schedule_arrival(Host to, ConnectionId id, Pipe& pipe) {
  pipe.last_arrival = std::max(pipe.last_arrival, queue_.now() + random_.delay(usual_delay_));
  queue_.after(pipe.last_arrival - queue_.now(), *hosts_[to].process,
               [this, to, id] { arrive(to, id); });
}

void Network::arrive(Host to, ConnectionId id) {
  Connection* const connection = find(id);
  if (connection == nullptr) return;
  Pipe& pipe = connection->pipe_to(to);
  const Host from = connection->other(to);
  if (blocked_.contains({from, to})) {
    ++pipe.held;
    return;
  }
  const std::function<void()> deliver = std::move(pipe.content.front());
  pipe.content.pop_front();
  if (hosts_[to].alive && pipe.open) {
    deliver();
    return;
  }
  if (!hosts_[to].alive && hosts_[to].silent) return;
  // There is no such connection (any more), says the host or whoever answers for it.
  pipe.open = false;
  if (!connection->pipe_to(from).open) {
    connections_.erase(id);
    return;
  }
  carry(from, id, [this, id, from] { tell_lost(from, id, "refused"); });
}

void Network::tell_lost(Host host, ConnectionId id, const std::string& why) {
  Connection* const connection = find(id);
  if (connection == nullptr || !connection->pipe_to(host).open) return;
  connection->pipe_to(host).open = false;
  forget_if_over(id);
  hosts_[host].listener.lost(id, why);
}

void Network::forget_if_over(ConnectionId id) {
  const Connection* const connection = find(id);
  if (connection != nullptr && !connection->to_client.open && !connection->to_server.open) {
    connections_.erase(id);
  }
}

void Network::block(Host from, Host to) { blocked_.insert({from, to}); }

void Network::unblock(Host from, Host to) {
  if (blocked_.erase({from, to}) == 0) return;
  for (auto& [id, connection] : connections_) {
    if (!connection.joins(from, to)) continue;
    Pipe& pipe = connection.pipe_to(to);
    for (; pipe.held > 0; --pipe.held) schedule_arrival(to, id, pipe);
  }
}

void Network::heal() {
  while (!blocked_.empty()) {
    const auto [from, to] = *blocked_.begin();
    unblock(from, to);
  }
}

void Network::reset(ConnectionId id) {
  Connection* const connection = find(id);
  if (connection == nullptr) return;
  const Connection old = *connection;
  const ConnectionId gone = id;
  connections_.erase(id);
  for (const Host host : {old.client, old.server}) {
    const bool open = host == old.client ? old.to_client.open : old.to_server.open;
    if (!open || !hosts_[host].alive) continue;
    queue_.after(random_.delay(usual_delay_), *hosts_[host].process, [this, host, gone] {
      hosts_[host].listener.lost(gone, "the connection was reset");
    });
  }
}

void Network::host_died(Host host, bool silently) {
  hosts_[host].alive = false;
  hosts_[host].silent = silently;
  for (const ConnectionId id : connections()) {
    Connection* const connection = find(id);
    if (connection == nullptr || (connection->client != host && connection->server != host)) {
      continue;
    }
    connection->pipe_to(host).open = false;
    if (!silently) close(host, id);
  }
}

void Network::host_lives(Host host) { hosts_[host].alive = true; }

std::vector<ConnectionId> Network::connections() const {
  std::vector<ConnectionId> ids;
  for (const auto& [id, connection] : connections_) ids.push_back(id);
  return ids;
}

}  // namespace zeolite::sim
