#pragma once

#include "model/ids.h"
#include "model/transaction_record.h"
#include "zeo/message.h"

// What ZEO's answers are made of.
namespace zeolite::daemon {

// A transaction's extension as a dict: what was pickled, or an empty one when that is nothing that
// can be told (Python's server answers the same). Sets in it are told as tuples.
[[nodiscard]] zeo::Value extension_value(ByteView extension);

// Seconds since 1970.
[[nodiscard]] double seconds_of(Tid tid);
// What FileStorage takes the time of a pack for, to the last bit: a client that packs to the time
// it was told of a transaction means the same transactions there and here. Where tids
// begin, 1900, is for whatever is earlier.
[[nodiscard]] Tid tid_of_seconds(double seconds);

// Sets what every list of transactions tells: time, user_name, description, size.
void set_transaction(Tid tid, const TransactionMetadata& metadata, std::uint64_t size,
                     pickle::Dict& dict);
// Sets the items of the transaction's extension. Whoever comes last has his way: in FileStorage's
// undo log the extension, in its history of an object the transaction.
void set_extension(const TransactionMetadata& metadata, pickle::Dict& dict);
void set_item(pickle::Dict& dict, const zeo::Value& key, const zeo::Value& value);

// Whether `dict` has every item of `specification`, as FileStorage sees it: 1 is True, what is not
// there is None, and a path prefix equals any path it begins.
[[nodiscard]] bool has_all(const pickle::Dict& dict, const pickle::Dict& specification);

}  // namespace zeolite::daemon
