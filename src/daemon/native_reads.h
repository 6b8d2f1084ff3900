#pragma once

#include <memory>

#include "daemon/native_connection.h"
#include "daemon/shard_hub.h"
#include "server/native_session.h"

// The reads of the native protocol: each is answered to the connection now, or when the disk has
// answered. On the hub's shard.
namespace zeolite::daemon {

void answer_read(ShardHub& hub, const std::shared_ptr<NativeConnection>& connection,
                 server::SessionEffects::Read read);

// Brings a cache at `from` up to the hub's line: sends the invalidations in between to the
// connection, then calls its caught_up(). Reads the log on the pool.
void catch_up(ShardHub& hub, const std::shared_ptr<NativeConnection>& connection,
              const Position& from, std::size_t bytes_max);

}  // namespace zeolite::daemon
