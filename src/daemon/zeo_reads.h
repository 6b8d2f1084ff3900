#pragma once

#include <memory>

#include "daemon/shard_hub.h"
#include "daemon/zeo_connection.h"
#include "zeo/requests.h"

// The reads of ZEO clients: each is answered to the connection now, or when the disk has answered.
// On the hub's shard. What each call answers: docs/zeo-protocol.md.
namespace zeolite::daemon {

void answer_read(ShardHub& hub, const std::shared_ptr<ZeoConnection>& connection, zeo::Read read);

}  // namespace zeolite::daemon
