#pragma once

#include <cstdint>
#include <filesystem>

#include "base/error.h"
#include "blobs/blob_directory.h"
#include "model/ids.h"
#include "storage/object_store.h"

// The blobs of transactions that a node is about to undo (docs/replication.md, "What is undone, and
// kept"): first they get a second name in an archive, then, when the log has lost the transactions,
// their first one is removed. A mark in the archive stands in between, so that what a kill
// interrupts is made good at the next start.
//
// An archive is a blob directory in ZODB's layout, on the same file system by links.
// Thread: one at a time; nobody appends to the store meanwhile.
namespace zeolite::blobs {

struct UndoneBlobs {
  std::uint64_t kept = 0;
  std::uint64_t missing = 0;  // their file is not there, or has another size: nothing to keep
};

// Before the undo: keeps the blobs of all log entries after `ancestor` in `archive`, durably. None
// is made when there is no blob. Repeating it does no harm.
// Errors: out_of_space, io_error; conflict (something else is in `archive`).
[[nodiscard]] Result<UndoneBlobs> keep_undone(const storage::ObjectStore& store,
                                              const BlobDirectory& blobs, const Position& ancestor,
                                              const std::filesystem::path& archive);

// After the undo, and before the store is used at a start: removes the files of what the archives
// in `folder` keep, as far as the log does not have their revisions (any more). How many. Nothing
// to do when `folder` is not there. Errors: of the store and the directory; to be repeated.
[[nodiscard]] Result<std::uint64_t> remove_undone(BlobDirectory& blobs,
                                                  const storage::ObjectStore& store,
                                                  const std::filesystem::path& folder);

}  // namespace zeolite::blobs
