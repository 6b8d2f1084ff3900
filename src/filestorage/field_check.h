#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "filestorage/data_fs_format.h"

// Whether the fields of a transaction agree with each other and with their places: what ZODB relies
// on when it reads a file. Pure functions.
namespace zeolite::filestorage {

// A transaction as its header describes it, and where that stands.
struct PlacedTransaction {
  std::uint64_t offset = 0;
  TransactionHeader header;
};

// ErrorCode::corruption: "at byte 88: in transaction 03292acf... (which begins at byte 80),
// <what>". `offset` is where the field that is wrong stands.
[[nodiscard]] std::unexpected<Error> damage(std::uint64_t offset,
                                            const PlacedTransaction& transaction,
                                            const std::string& what);

// Its tid (which must be above `last_tid`), status and length. Nothing of what follows the header.
[[nodiscard]] Result<> check_header(const PlacedTransaction& transaction, Tid last_tid);

// The length that stands behind the transaction's records.
[[nodiscard]] Result<> check_closing_length(const PlacedTransaction& transaction,
                                            std::uint64_t closing_length);

// Whether the record with this header, at `offset`, belongs into the transaction, whose closing
// length is at `end` (>= offset). `record_before` is the offset of the record that ends where this
// one begins, nothing for the first. When nothing at `offset` is like a record of the transaction,
// the error is about the data length of that one, and names both places.
[[nodiscard]] Result<> check_record(const PlacedTransaction& transaction,
                                    const RecordHeader& record, std::uint64_t offset,
                                    std::uint64_t end,
                                    std::optional<std::uint64_t> record_before = std::nullopt);

}  // namespace zeolite::filestorage
