#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "commit/commit_effects.h"

namespace zeolite::daemon {

// Something happened in a storage, as one I/O shard is told of it.
struct Delivery {
  // Became visible, in tid order; shared by all shards. Null when nothing did.
  std::shared_ptr<const std::vector<commit::CommitEffects::Publish>> published;
  // Answers for connections of this shard. Those of kind `committed` whose tid is in `published`
  // stand in the same order.
  std::vector<commit::CommitEffects::Reply> replies;
  // Connections of this shard to close: their vote timed out.
  std::vector<commit::OwnerId> close;
};

// What the shards have to be told of a storage, in the order in which it happened.
//
// All shards get a publication at the same moment, before any of them can act on it, and a shard
// takes what is there before it looks at a request. So once a client was answered, whatever anyone
// asks afterwards, on whichever shard, is answered with that knowledge.
//
// A shard without a client that would be told is woken for a publication only when many have
// gathered: waking a thread costs more than all the rest of a lone client's commit but the sync.
// Thread: any.
class DeliveryBoard {
 public:
  explicit DeliveryBoard(std::size_t shards) : inboxes_(shards) {}

  // Publications that gather for a shard without clients.
  static constexpr std::size_t kUnattendedMax = 64;

  // Whether the shard has clients. True: it is to be woken now, for what has gathered.
  [[nodiscard]] bool set_attended(std::size_t shard, bool attended) {
    const std::lock_guard lock(mutex_);
    Inbox& inbox = inboxes_[shard];
    inbox.attended = attended;
    return attended && !inbox.waiting.empty() && !std::exchange(inbox.woken, true);
  }

  // Adds one delivery for each shard, in the order of the shards; empty ones are left out. Returns
  // the shards that are to be woken: they have something to do now and had nothing.
  [[nodiscard]] std::vector<std::size_t> post(std::vector<Delivery>& deliveries) {
    std::vector<std::size_t> woken;
    const std::lock_guard lock(mutex_);
    for (std::size_t shard = 0; shard < deliveries.size(); ++shard) {
      Delivery& delivery = deliveries[shard];
      if (!delivery.published && delivery.replies.empty() && delivery.close.empty()) continue;
      Inbox& inbox = inboxes_[shard];
      const bool due = inbox.attended || !delivery.replies.empty() || !delivery.close.empty() ||
                       inbox.waiting.size() + 1 >= kUnattendedMax;
      inbox.waiting.push_back(std::exchange(delivery, {}));
      if (due && !std::exchange(inbox.woken, true)) woken.push_back(shard);
      inbox.filled.store(true, std::memory_order_release);
    }
    return woken;
  }

  // Everything that waits for the shard; cheap when there is nothing.
  [[nodiscard]] std::vector<Delivery> take(std::size_t shard) {
    Inbox& inbox = inboxes_[shard];
    if (!inbox.filled.load(std::memory_order_acquire)) return {};
    const std::lock_guard lock(mutex_);
    inbox.filled.store(false, std::memory_order_relaxed);
    inbox.woken = false;
    return std::exchange(inbox.waiting, {});
  }

 private:
  struct Inbox {
    std::vector<Delivery> waiting;  // with mutex_, as are the next two
    bool attended = false;
    bool woken = false;  // and has not taken since
    std::atomic<bool> filled = false;
  };
  std::mutex mutex_;
  std::vector<Inbox> inboxes_;
};

// Makes shard number `shard` take its deliveries soon. Called with the engine's mutex held, so it
// must only queue. Any thread.
using WakeShard = std::function<void(std::size_t shard)>;

}  // namespace zeolite::daemon
