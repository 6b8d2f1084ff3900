#pragma once

#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/client_connection.h"

namespace zeolite::daemon {

// The connections that live on one shard, from when they are accepted until they have closed.
// Thread: its shard's.
class ConnectionRegister {
 public:
  void add(commit::OwnerId owner, std::shared_ptr<ClientConnection> connection) {
    connections_.emplace(owner, std::move(connection));
  }
  void remove(commit::OwnerId owner) { connections_.erase(owner); }

  // Calls `visit(connection)` for each that is here now. What it does may close connections, and so
  // remove them, also others than the one visited.
  template <typename Visit>
  void for_each(Visit visit) const {
    std::vector<std::shared_ptr<ClientConnection>> all;
    all.reserve(connections_.size());
    for (const auto& [owner, connection] : connections_) all.push_back(connection);
    for (const std::shared_ptr<ClientConnection>& connection : all) visit(*connection);
  }

 private:
  std::unordered_map<commit::OwnerId, std::shared_ptr<ClientConnection>> connections_;
};

}  // namespace zeolite::daemon
