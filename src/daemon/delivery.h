#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "commit/commit_coordinator.h"

namespace zeolite::daemon {

// Something happened in a storage, as one I/O shard is told of it. Deliveries reach a shard in the
// order in which the engine made them.
struct Delivery {
  // Became visible, in tid order; shared by all shards. Null when nothing did.
  std::shared_ptr<const std::vector<commit::CommitEffects::Publish>> published;
  // Answers for connections of this shard. Those of kind `committed` whose tid is in `published`
  // stand in the same order.
  std::vector<commit::CommitEffects::Reply> replies;
  // Connections of this shard to close: their vote timed out.
  std::vector<commit::OwnerId> close;
};

// Hands a delivery to shard number `shard`. Called with the engine's mutex held, so it must only
// queue. Owner ids tell the shard: owner % number of shards.
using Deliver = std::function<void(std::size_t shard, Delivery delivery)>;

}  // namespace zeolite::daemon
