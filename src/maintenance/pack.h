#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

#include "base/error.h"
#include "maintenance/pack_report.h"
#include "maintenance/removal_log.h"
#include "model/ids.h"
#include "storage/object_store.h"

namespace zeolite::maintenance {

struct PackOptions {
  // Log entries, objects or revisions that are worked on between two looks at `cancelled` and two
  // calls of `pause`.
  std::size_t batch = 1000;
  // When it turns true the pack ends with error aborted, after the batch at hand; run it again to
  // finish it.
  const std::atomic<bool>* cancelled = nullptr;
};

// Called on the packing thread. Each may be empty.
struct PackCallbacks {
  std::function<void(const PackProgress&)> progress = {};  // after each batch
  // After each batch: the place to wait, so that commits and loads stay quick. No lock is held.
  std::function<void()> pause = {};
};

// Carries out the store's newest pack record, if that is not done yet (docs/pack.md): appends to
// `log`, which is the store's own, the removal of what is not needed as of its horizon. Commits and
// reads go on meanwhile, and may go on between the record and this. After an error or a crash, and
// when it was cancelled, what was removed stays removed; another call begins again, names what is
// left, and comes to the same end.
//
// Garbage that a later commit refers to again stays if the sweep has not been there yet. As the
// removals are in the log, whoever follows it keeps the same.
//
// A record that cannot be read or is no ZODB record is kept; nothing is collected as garbage then,
// as anything might be referred to by it.
//
// Returns an empty report when there is nothing to do. Memory: two or three bits for each object,
// one record, and the keys of one object's revisions or a batch of them.
// Thread: one at a time for a store; takes long, so on a thread of its own.
// Errors: aborted; out_of_space (nothing wrong was done; call again when there is space); io_error;
// corruption, where the walk over the revisions cannot go on; others of `log`.
[[nodiscard]] Result<PackReport> run_pack(const storage::ObjectStore& store, RemovalLog& log,
                                          const PackOptions& options,
                                          const PackCallbacks& callbacks);

// What a pack to `horizon` (at most the last entry's tid) would do if it began now. Changes
// nothing. Empty when the store was packed to `horizon` or later.
[[nodiscard]] Result<PackReport> dry_run_pack(const storage::ObjectStore& store, Tid horizon,
                                              bool collect_garbage, const PackOptions& options,
                                              const PackCallbacks& callbacks);

}  // namespace zeolite::maintenance
