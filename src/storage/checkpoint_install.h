#pragma once

#include <filesystem>
#include <memory>

#include "base/error.h"
#include "model/ids.h"
#include "storage/directory_lock.h"

// A copy of a primary's database that a standby takes in place of its own (docs/replication.md,
// docs/storage-format.md). It gathers in the folder `incoming`, and counts once COMPLETE is there.
namespace zeolite::storage {

inline constexpr const char* kIncomingFolder = "incoming";

// Everything in `incoming` is whole and synced: from now on install_checkpoint() takes it. Durable
// when it returns. Error: io_error.
[[nodiscard]] Result<> complete_incoming(const std::filesystem::path& data_directory,
                                         const Id128& cluster_id, const Position& position);

// Puts a complete copy in the place of the database, before that is opened; false when there is
// none. A database that had acknowledged anything is kept beside, in `old-` and the tid of the
// copy; files of blobs go into `blobs`, where those that are there stay. A kill at any moment
// leaves what the next call completes. Errors: io_error; corruption (COMPLETE is damaged).
[[nodiscard]] Result<bool> install_checkpoint(const DirectoryLock& lock,
                                              const std::filesystem::path& blobs);

}  // namespace zeolite::storage
