#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "model/ids.h"
#include "model/transaction_record.h"

namespace zeolite::storage {

// The keys of a removal record as bytes, as docs/storage-format.md has them: what differs from key
// to key only, as a pack names hundreds of neighbours at a time. One list has one encoding.

// Appends the encoded keys to `out`. CHECKs that they are in_removal_order() and that there are
// fewer than 2^32 of them, all below `pack_record`, which is at most kMaxTid.
void put_removed(std::string& out, std::span<const RevisionKey> keys, Tid pack_record);

// Takes from `reader` what put_removed wrote. False when it is nothing that put_removed writes.
[[nodiscard]] bool take_removed(ByteReader& reader, Tid pack_record,
                                std::vector<RevisionKey>& keys);

}  // namespace zeolite::storage
