#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "blobs/blob_directory.h"
#include "daemon/zeo_uploads.h"
#include "history/undo_planner.h"
#include "storage/object_store.h"
#include "zeo/session.h"

// Before a transaction can be submitted: first what must be read for it, then what must be done.
namespace zeolite::daemon {

// Turns true when nobody waits for the vote any more.
using VoteAbandoned = std::shared_ptr<const std::atomic<bool>>;

// Plans the transaction's undos, and finds the restored records that repeat others. In parts, each
// of some milliseconds, as a client may ask for much.
class VoteReading {
 public:
  VoteReading(zeo::Preparation wanted, VoteAbandoned abandoned)
      : wanted_(std::move(wanted)), abandoned_(std::move(abandoned)) {}

  // Reads a part; waits for the disk. Nothing: there is more to read. With undo failures, nothing
  // else of the result counts. Errors: as the store; aborted.
  std::optional<Result<zeo::Prepared>> operator()(const storage::ObjectStore& store, Tid line);

 private:
  using Restored = zeo::Preparation::Restored;

  // True when it is done.
  Result<bool> read(const storage::ObjectStore& store, Tid line);
  Result<bool> plan_undos();
  Result<bool> find_repeated(const storage::ObjectStore& store, Tid line);
  // One whose source is source_.
  Result<> judge(const storage::ObjectStore& store, Tid line, const Restored& restored);

  zeo::Preparation wanted_;
  VoteAbandoned abandoned_;
  bool begun_ = false;
  std::optional<history::UndoPlanner> planner_;  // until the plan is made
  std::size_t next_ = 0;                         // of the restored records, which are by source
  std::optional<LogEntry> source_;               // of that before; its objects are by oid
  zeo::Prepared prepared_;
};

struct VotePreparation {
  zeo::Prepared prepared;
  // The files of undone blobs, which prepared.undone names.
  std::vector<blobs::StagedBlob> restaged;
};

// Makes the blobs of the transaction durable: those uploaded, and of those it undoes files of their
// own. Waits for the disk. `blobs` null: the storage keeps none. Errors: as the directory; aborted.
[[nodiscard]] Result<VotePreparation> prepare_blobs(blobs::BlobDirectory* blobs,
                                                    zeo::Prepared prepared,
                                                    const ZeoUploads::Uploads& uploads,
                                                    const VoteAbandoned& abandoned);

}  // namespace zeolite::daemon
