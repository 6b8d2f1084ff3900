#pragma once

#include <span>
#include <string>

#include "daemon/storage_engine.h"
#include "pickle/value.h"

// What ZEO's clients and monitoring are told of a storage.
namespace zeolite::daemon {

// One storage, as all shards see it together.
struct ZeoStatus {
  std::string storage;
  StorageEngine::Counters counters;
  commit::CommitCoordinator::Counts counts;
  std::uint64_t loads = 0;
  std::uint64_t connections = 0;
  Tid last_transaction;
  std::int64_t started_s = 0;  // seconds since 1970
};

// get_info: what the storage can do, and its size.
[[nodiscard]] pickle::Dict storage_info(const StorageEngine& engine);
// `info`, sent with every commit: the size alone.
[[nodiscard]] pickle::Dict storage_size(const StorageEngine& engine);

// server_status: the 13 keys of Python's server. Some have no meaning here and are constants:
// conflicts are resolved by clients, and there is no lock that transactions hold as a whole.
[[nodiscard]] pickle::Dict server_status(const ZeoStatus& status);
// The same of all storages as JSON, for `ruok`.
[[nodiscard]] std::string monitoring_json(std::span<const ZeoStatus> storages);

}  // namespace zeolite::daemon
