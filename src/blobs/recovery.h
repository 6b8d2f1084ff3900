#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "blobs/blob_directory.h"
#include "storage/object_store.h"

namespace zeolite::blobs {

struct RecoveryReport {
  std::uint64_t installed =
      0;                      // their transaction is in the log: they got their names, or had them
  std::uint64_t removed = 0;  // their transaction is not: it never happened
  std::uint64_t packed = 0;   // their revision was removed by one of the last entries of the log
};

// After opening both, before anyone uses them: brings the directory to what the log says. Looks at
// what is staged, and at what the last entries of the log removed since the last time, so it costs
// next to nothing after an orderly end. When it returns nothing is staged.
// Nobody else may append to the store or stage meanwhile.
// Errors: of the store and of the directory; to be repeated at the next open.
[[nodiscard]] Result<RecoveryReport> recover(BlobDirectory& blobs,
                                             const storage::ObjectStore& store);

// Removes the files of the blobs of what a removal record removed; a revision without a blob is
// passed over. For whoever appended the record, the owner of the log or a follower alike, once it
// is durable and before more than kRemovalsRepeated entries are appended: so many recover() looks
// at again after a crash. Repeating it does no harm. Adds to `removed` how many there were.
// Errors: the directory's; the others were removed nonetheless.
[[nodiscard]] Result<> remove_packed(BlobDirectory& blobs, std::span<const RevisionKey> keys,
                                     std::uint64_t& removed);
inline constexpr std::size_t kRemovalsRepeated = 10'000;

// Removes every committed file whose revision is not in the store: what a pack that was killed
// left behind. Walks the whole directory. May run beside commits and reads. How many were removed.
// Errors: of the store and of the directory; aborted (`cancelled` turned true; may be null).
[[nodiscard]] Result<std::uint64_t> remove_orphans(BlobDirectory& blobs,
                                                   const storage::ObjectStore& store,
                                                   const std::atomic<bool>* cancelled);

// Whether the store has a revision of `oid` at `tid` that can have a blob.
[[nodiscard]] Result<bool> has_revision(const storage::ObjectStore& store, Oid oid, Tid tid);

}  // namespace zeolite::blobs
