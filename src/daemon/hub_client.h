#pragma once

#include <cstddef>
#include <functional>

#include "base/error.h"
#include "commit/commit_effects.h"
#include "daemon/published_batch.h"
#include "model/transaction_record.h"

namespace zeolite::daemon {

// A connection as the hub of its storage sees it, whatever protocol it speaks.
// Thread: the shard's.
class HubClient {
 public:
  virtual ~HubClient() = default;

  [[nodiscard]] virtual commit::OwnerId owner() const = 0;
  // The same as long as it is registered.
  [[nodiscard]] virtual bool wants_invalidations() const = 0;

  // An answer of the coordinator to one of its tickets.
  virtual void on_reply(commit::CommitEffects::Reply reply) = 0;
  // Something became visible. `own`: committed by this connection, whose answer follows in place of
  // the invalidation. `kind`: only `transaction` is one that clients see. Only for those that want
  // invalidations. May end the connection.
  virtual void offer(PublishedBatch& published, RecordKind kind, bool own) = 0;
  // A read of this connection waits for the disk, or has been answered; `room` is given back.
  virtual void read_began() = 0;
  virtual void read_ended(std::size_t room) = 0;
  // Room for `bytes` of an answer, until read_ended(); false: too much waits for the peer already,
  // see when_room(). Any thread.
  [[nodiscard]] virtual bool take_room(std::size_t bytes) = 0;
  // Whether reads wait for room. Any thread.
  [[nodiscard]] virtual bool crowded() const = 0;
  // The connection is closed: nobody waits for its answers. Any thread.
  [[nodiscard]] virtual bool gone() const = 0;
  // Calls `resume` when there may be room, or the connection is closed: in the order of the calls,
  // one read at a time.
  virtual void when_room(std::function<void()> resume) = 0;
  // History was packed away: the storage's size is another.
  virtual void packed() {}
  // Tells the client why, if its protocol can, then closes.
  virtual void end(Error why) = 0;
};

}  // namespace zeolite::daemon
