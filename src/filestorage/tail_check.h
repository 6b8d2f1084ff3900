#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "filestorage/field_check.h"
#include "filestorage/windowed_source.h"
#include "model/ids.h"

namespace zeolite::filestorage {

// What lies behind the last complete transaction of a file: a commit that a crash or a full disk
// cut off. ZODB discards it when it opens the file; nobody was told that it had committed.
struct TruncatedTail {
  std::uint64_t offset = 0;  // where the unfinished transaction begins
  std::uint64_t bytes = 0;   // from there to the end of the file
  Tid tid;                   // its tid; kNoTid when not even that is there
  std::string reason;        // how it was recognised, a clause for people
};

// Decides whether the transaction at `transaction.offset`, whose header lies within the file, is
// the file's unfinished end. Nothing: it is complete, and its header's fields are yet to be
// checked.
//
// A tail is: a transaction with status 'c', or one longer than what is left of the file, whose
// records run on to the file's last byte; or nothing but zeros (blocks that were given to the file
// and never written). Zeros may also follow a tail. Everything else that does not fit is
// ErrorCode::corruption: taking a transaction with a wrong length in the middle of a file for its
// end would drop all that follows.
[[nodiscard]] Result<std::optional<TruncatedTail>> check_for_tail(
    WindowedSource& source, const PlacedTransaction& transaction, Tid last_tid);

}  // namespace zeolite::filestorage
