#pragma once

#include "model/ids.h"
#include "model/transaction_record.h"
#include "zeo/message.h"

// What ZEO's answers are made of.
namespace zeolite::daemon {

// A transaction's extension as a dict: what was pickled, or an empty one when that is nothing that
// can be told (Python's server answers the same).
[[nodiscard]] zeo::Value extension_value(ByteView extension);

// Seconds since 1970.
[[nodiscard]] double seconds_of(Tid tid);

// Adds what every list of transactions tells: time, user_name, description, size; the transaction's
// own extension after them, whose items count more.
void add_transaction(Tid tid, const TransactionMetadata& metadata, std::uint64_t size,
                     pickle::Dict& dict);

// Whether `dict` has every item of `specification`; a path prefix equals any path it begins.
[[nodiscard]] bool has_all(const pickle::Dict& dict, const pickle::Dict& specification);

}  // namespace zeolite::daemon
