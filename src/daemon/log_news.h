#pragma once

#include <vector>

#include "base/error.h"
#include "commit/commit_effects.h"
#include "model/ids.h"
#include "storage/object_store.h"

namespace zeolite::daemon {

// What readers are told of the log's entries with after < tid <= until, in order: of those that
// were appended by an earlier process, or followed from another server. Memory: all of it. Errors:
// of ObjectStore::read_log.
[[nodiscard]] Result<std::vector<commit::CommitEffects::Publish>> log_news(
    const storage::ObjectStore& store, Tid after, Tid until);

}  // namespace zeolite::daemon
