#pragma once

#include <functional>
#include <string>

#include "base/time.h"
#include "daemon/config.h"
#include "daemon/hub_client.h"
#include "daemon/server.h"
#include "net/shared_budget.h"

namespace zeolite::daemon {

class ShardHub;

// What all connections of the server share.
struct ConnectionEnvironment {
  const ServerConfig* config = nullptr;
  const Clock* clock = nullptr;
  LogSink log;
  // The hub of a storage on the calling shard; null when there is no storage of that name.
  std::function<ShardHub*(std::size_t shard, const std::string& storage)> find_hub;
  net::SharedBudget* staged = nullptr;   // held by unfinished transactions
  net::SharedBudget* buffers = nullptr;  // of slow peers: unsent output, unfinished messages
  // The state of all storages for ZEO's monitoring, as JSON.
  std::function<std::string()> monitoring;
  // The connection is closed and may be forgotten.
  std::function<void(std::size_t shard, commit::OwnerId)> ended;
};

// A connection as the server keeps it, whatever protocol it speaks.
// Thread: its shard's. Owner: shared by the server's register, its hub and reads under way.
class ClientConnection : public HubClient {
 public:
  virtual void start() = 0;
  // At once, without last words.
  virtual void close(Error why) = 0;
  // About every second: closes peers that do not move on.
  virtual void check_progress(Instant now) = 0;
};

}  // namespace zeolite::daemon
