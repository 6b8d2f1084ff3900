#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "blobs/blob_directory.h"
#include "maintenance/verify_store.h"
#include "storage/object_store.h"
#include "wire/messages.h"

// Answers to the requests that only read, from a store at a line. Free functions without state;
// any thread. With ReadTier::memory those that take a tier answer `unavailable` instead of waiting
// for the disk: ask again from a thread that may wait.
namespace zeolite::daemon {

[[nodiscard]] wire::Loaded to_wire(storage::Loaded loaded);
[[nodiscard]] Result<wire::LoadedMany> to_wire(const Result<std::vector<storage::Loaded>>& items);

[[nodiscard]] Result<wire::Loaded> read_load_serial(const storage::ObjectStore& store,
                                                    const wire::LoadSerial& request, Tid line);

// Stops early when the answer would grow beyond `bytes_max` (at least one item).
[[nodiscard]] Result<std::vector<storage::Loaded>> read_load_many(const storage::ObjectStore& store,
                                                                  const wire::LoadMany& request,
                                                                  Tid line, std::size_t bytes_max,
                                                                  storage::ReadTier tier);

// The same in parts.
class LoadManyRead {
 public:
  LoadManyRead(wire::LoadMany request, std::size_t bytes_max, storage::ReadTier tier)
      : request_(std::move(request)), bytes_max_(bytes_max), tier_(tier) {}

  // Reads at most `count` more. True when the answer has all that it will have.
  [[nodiscard]] Result<bool> advance(const storage::ObjectStore& store, Tid line,
                                     std::size_t count);
  [[nodiscard]] std::vector<storage::Loaded> take_items() { return std::exchange(items_, {}); }

 private:
  wire::LoadMany request_;
  std::size_t bytes_max_;
  storage::ReadTier tier_;
  std::vector<storage::Loaded> items_;
  std::size_t bytes_ = 0;  // of items_
};

[[nodiscard]] Result<wire::Walked> read_walk(const storage::ObjectStore& store,
                                             const wire::Walk& request, Tid line);

[[nodiscard]] Result<wire::LogReply> read_log(const storage::ObjectStore& store,
                                              const wire::ReadLog& request, Tid line,
                                              std::size_t bytes_max);

// `blobs` null: there are none. The answer fits `bytes_max`. Errors: not_found (no such revision,
// it has no blob, or it was packed away), invalid_argument (beyond the blob's end), corruption,
// io_error.
[[nodiscard]] Result<wire::BlobPart> read_blob(const storage::ObjectStore& store,
                                               const blobs::BlobDirectory* blobs,
                                               const wire::LoadBlob& request, Tid line,
                                               std::size_t bytes_max);

// With more problems than are described, the last one tells how many more there are.
[[nodiscard]] wire::VerifyReport to_wire(maintenance::VerifyReport report);

// A full check of the database as of `line`, and of its blobs (null: it keeps none); takes long.
// When `cancelled` turns true (it may be null) it ends with error aborted.
[[nodiscard]] Result<wire::VerifyReport> read_verify(const storage::ObjectStore& store,
                                                     const blobs::BlobDirectory* blobs, Tid line,
                                                     const std::atomic<bool>* cancelled = nullptr);

// Whether `position` names a place in the store's history (its epoch and its chain
// are compared when not zero).
[[nodiscard]] Result<bool> is_in_history(const storage::ObjectStore& store,
                                         const Position& position);

}  // namespace zeolite::daemon
