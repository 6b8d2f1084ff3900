#pragma once

#include "base/bytes.h"

namespace zeolite::blobs {

// Whether a record, as a client sent it, is that of a blob object, which has a file: its first
// pickle is the global ZODB.blob.Blob and nothing else, in any protocol of Python 2 or 3. The rule
// is ZODB.blob.is_blob_record's. Thread-safe.
[[nodiscard]] bool is_blob_record(ByteView record);

}  // namespace zeolite::blobs
