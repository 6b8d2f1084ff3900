#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "storage/object_store.h"

namespace zeolite::maintenance {

struct VerifyProgress {
  std::uint64_t transactions = 0;
  Tid tid;    // reached
  Tid until;  // to reach
};

struct VerifyOptions {
  // Verify the log up to and including this tid; nothing: up to the store's last entry now.
  // On a live server pass the visible tid.
  std::optional<Tid> line = std::nullopt;
  std::size_t problems_max = 100;  // how many are described; all are counted
  // Looked at between transactions; when it turns true verify ends with error aborted.
  const std::atomic<bool>* cancelled = nullptr;
  // Called on the verifying thread, after each batch of log entries. May be empty.
  std::function<void(const VerifyProgress&)> progress = {};
};

struct VerifyReport {
  std::uint64_t transactions = 0;  // log entries of kind transaction
  std::uint64_t revisions = 0;     // objects written in them
  std::uint64_t blobs = 0;
  // 32 hexadecimal digits over the logical content: each transaction's tid, status, user,
  // description and extension, and for each of its objects, by oid, its kind, and its data or the
  // tid it goes back to. Nothing of epochs, chains, sessions or the server's own records, so stores
  // that hold the same content have the same digest, however it got there.
  std::string digest;
  std::uint64_t problem_count = 0;
  std::vector<std::string> problems;  // sentences: what is wrong, where

  [[nodiscard]] bool clean() const { return problem_count == 0; }
};

// Walks the whole log and checks all that must hold: chain, previous tids, epochs, body hashes;
// each listed object has its revision of that kind and size; back-pointers lead to data; `previous`
// is the revision before; no current object has a revision that no log entry lists; marks are above
// what was used.
//
// Damage is reported, not an error. Memory: one transaction and a batch of log entries; the rest is
// point reads. Runs beside appends: everything above the line is ignored.
// Errors: io_error, aborted, and corruption only where the store cannot be read any further.
[[nodiscard]] Result<VerifyReport> verify_store(const storage::ObjectStore& store,
                                                const VerifyOptions& options);

}  // namespace zeolite::maintenance
