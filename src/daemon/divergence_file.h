#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "storage/object_store.h"

// What a node had beyond the history that it shares with the others, kept before it is undone
// (docs/replication.md). The file is a sequence of the native protocol's replica_append frames,
// each with its checksum (docs/wire-protocol.md); the first says with `previous` where the
// histories part. Blobs are named with size and hash; their files are in a directory beside it
// (blobs/undone_blobs.h).
namespace zeolite::daemon {

// Where such files are, in the directory of a database.
inline constexpr const char* kDivergenceFolder = "divergence";

// Writes everything after `ancestor` into the folder of `data`, durably; the path. An earlier try
// of the same is replaced. Errors: io_error, corruption.
[[nodiscard]] Result<std::filesystem::path> write_divergence_file(const storage::ObjectStore& store,
                                                                  const std::filesystem::path& data,
                                                                  const Position& ancestor);

// Where the blobs of what is in `file` are; there is no such directory when it has none.
[[nodiscard]] std::filesystem::path blobs_beside(const std::filesystem::path& file);
// Of one of them.
[[nodiscard]] std::filesystem::path blob_beside(const std::filesystem::path& file, Oid oid,
                                                Tid tid);

// A file as it was written. Errors: not_found; io_error; corruption, which says in which group.
struct Divergence {
  Position ancestor;
  std::vector<TransactionRecord> records;
};
[[nodiscard]] Result<Divergence> read_divergence_file(const std::filesystem::path& file);

}  // namespace zeolite::daemon
