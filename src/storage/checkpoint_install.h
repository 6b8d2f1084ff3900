#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "model/ids.h"
#include "storage/directory_lock.h"

// A copy of a primary's database that a standby takes in place of its own (docs/replication.md,
// docs/storage-format.md). It gathers in the folder `incoming`, and counts once COMPLETE is there.
//
// What is in the place of a copy must have all that its node ever confirmed. So COMPLETE names
// where the own log ended when the copy was asked for, and a copy is not installed over a log that
// has gone on since.
namespace zeolite::storage {

inline constexpr const char* kIncomingFolder = "incoming";
inline constexpr const char* kFormerPrefix = "old-";  // of the folders of replaced databases

// What a complete copy is: of which cluster, where its log ends, and what it is to replace.
struct CompleteCopy {
  Id128 cluster{};
  Position position;
  Position replaces;  // the end of the own log; zero: there was none, or it was empty
};

// Everything in `incoming` is whole and synced: from now on install_checkpoint() takes it. Durable
// when it returns. The own log must not go on any more in this process. Error: io_error.
[[nodiscard]] Result<> complete_incoming(const std::filesystem::path& data_directory,
                                         const CompleteCopy& copy);

// Whether install_checkpoint() has something to do. Error: io_error.
[[nodiscard]] Result<bool> has_complete_copy(const std::filesystem::path& data_directory);

// Removes what is in `incoming`, in such an order that a kill in between leaves nothing that would
// be installed. Error: io_error.
[[nodiscard]] Result<> discard_incoming(const std::filesystem::path& data_directory);

// The databases that copies have replaced. Nobody but people removes them.
struct FormerDatabases {
  std::size_t count = 0;
  std::uint64_t bytes = 0;  // about: what cannot be read is not counted
};
[[nodiscard]] FormerDatabases former_databases(const std::filesystem::path& data_directory);

enum class InstallOutcome : std::uint8_t {
  nothing,    // there is no complete copy
  installed,  // it is the database now
  outdated,   // the own log has gone on since it was asked for: it was removed
};

// Puts a complete copy in the place of the database, before that is opened. A database that had
// acknowledged anything is kept beside, in `old-` and the tid of the copy (and a number, if that is
// there already); files of blobs go into `blobs`, in place of those of the same names, which were
// not looked at as these were. A kill at any moment leaves what the next call completes. Errors:
// io_error; corruption (COMPLETE is damaged).
[[nodiscard]] Result<InstallOutcome> install_checkpoint(const DirectoryLock& lock,
                                                        const std::filesystem::path& blobs);

}  // namespace zeolite::storage
