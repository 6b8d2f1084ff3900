#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "maintenance/reference_check.h"
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
  // Whether the references of current records are looked at; each is read once more for it.
  bool check_references = true;
  std::size_t dangling_max = 10;  // how many are described; all are counted
  // Looks at the file of a revision's blob: not_found and corruption are problems, any other error
  // ends the verification. Empty: blobs are counted only.
  std::function<Result<>(Oid, Tid, const BlobInfo&)> check_blob = {};
  // Looked at between transactions; when it turns true verify ends with error aborted.
  const std::atomic<bool>* cancelled = nullptr;
  // Called on the verifying thread, after each batch of log entries. May be empty.
  std::function<void(const VerifyProgress&)> progress = {};
};

struct VerifyReport {
  // What a client can read: of history at or below the pack horizon, what is left.
  std::uint64_t transactions = 0;
  std::uint64_t revisions = 0;  // objects written in them
  std::uint64_t blobs = 0;      // of these revisions
  // 32 hexadecimal digits over the logical content: each transaction's tid, status, user,
  // description and extension, and for each of its objects, by oid, its kind, its data or the tid
  // it goes back to, and its blob's size and hash. Nothing of epochs, chains, sessions or the
  // server's own records, so stores that hold the same content have the same digest, however it got
  // there. A transaction at or below the pack horizon has the status of a packed one, and none is
  // counted of which nothing is left. While a pack is under way the digest may be of any state
  // between.
  std::string digest;
  std::uint64_t problem_count = 0;
  std::vector<std::string> problems;  // sentences: what is wrong, where
  // Information, not damage: applications make dangling references, too.
  ReferenceFindings references;

  [[nodiscard]] bool clean() const { return problem_count == 0; }
};

// Walks the whole log and checks all that must hold: chain, previous tids, epochs, body hashes;
// each listed object has its revision of that kind and size; back-pointers lead to data; `previous`
// is the revision before; the revisions are those that the log lists, without those that removals
// name; marks are above what was used; what `check_blob` checks. Of the history at or below the
// pack horizon what is there is checked, and the number of what is missing.
//
// Damage is reported, not an error. Memory: one transaction, a batch of log entries or of
// revisions' keys, and some bits for each object. Runs beside appends and packs: everything above
// the line is ignored.
// Errors: io_error, aborted, and corruption only where the store cannot be read any further.
[[nodiscard]] Result<VerifyReport> verify_store(const storage::ObjectStore& store,
                                                const VerifyOptions& options);

}  // namespace zeolite::maintenance
