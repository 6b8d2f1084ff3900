#pragma once

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
  // A read of this connection waits for the disk, or has been answered.
  virtual void read_began() = 0;
  virtual void read_ended() = 0;
  // History was packed away: the storage's size is another.
  virtual void packed() {}
  // Tells the client why, if its protocol can, then closes.
  virtual void end(Error why) = 0;
};

}  // namespace zeolite::daemon
