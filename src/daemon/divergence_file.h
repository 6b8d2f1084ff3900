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
// histories part. Blobs are named with size and hash, and are not in it.
namespace zeolite::daemon {

// Writes everything after `ancestor` into the folder `divergence` of `data`, durably; the path. An
// earlier try of the same is replaced. Errors: io_error, corruption.
[[nodiscard]] Result<std::filesystem::path> write_divergence_file(const storage::ObjectStore& store,
                                                                  const std::filesystem::path& data,
                                                                  const Position& ancestor);

// A file as it was written. Errors: not_found; io_error; corruption, which says in which group.
struct Divergence {
  Position ancestor;
  std::vector<TransactionRecord> records;
};
[[nodiscard]] Result<Divergence> read_divergence_file(const std::filesystem::path& file);

}  // namespace zeolite::daemon
