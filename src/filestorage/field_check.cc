#include "filestorage/field_check.h"

#include <string_view>

namespace zeolite::filestorage {
namespace {

// Offsets of a transaction's fields from its beginning.
constexpr std::uint64_t kLengthField = 8;
constexpr std::uint64_t kStatusField = 16;
// Offsets of a record's fields from its beginning.
constexpr std::uint64_t kRecordTidField = 8;
constexpr std::uint64_t kTransactionOffsetField = 24;
constexpr std::uint64_t kVersionField = 32;
constexpr std::uint64_t kDataLengthField = 34;

std::string describe_status(char status) {
  if (status >= ' ' && status <= '~') return std::string("'") + status + "'";
  return "0x" + to_hex(ByteView(&status, 1));
}

// What led to `offset`, where no record begins as it seems.
std::unexpected<Error> wrong_data_length(const PlacedTransaction& transaction,
                                         std::uint64_t record_before, std::uint64_t offset,
                                         const std::string& what) {
  return damage(record_before + kDataLengthField, transaction,
                "the data length of the record that begins at byte " +
                    std::to_string(record_before) + " leads to byte " + std::to_string(offset) +
                    ", where " + what);
}

}  // namespace

std::unexpected<Error> damage(std::uint64_t offset, const PlacedTransaction& transaction,
                              const std::string& what) {
  return make_error(ErrorCode::corruption,
                    "at byte " + std::to_string(offset) + ": in transaction " +
                        to_hex(transaction.header.tid) + " (which begins at byte " +
                        std::to_string(transaction.offset) + "), " + what);
}

Result<> check_header(const PlacedTransaction& transaction, Tid last_tid) {
  const TransactionHeader& header = transaction.header;
  if (header.tid <= last_tid) {
    return damage(transaction.offset, transaction,
                  "the transaction's tid is not above that of the one before, " + to_hex(last_tid));
  }
  if (header.tid > kMaxTid) {
    return damage(transaction.offset, transaction,
                  "the transaction's tid is above the greatest there can be");
  }
  if (std::string_view(" puc").find(header.status) == std::string_view::npos) {
    return damage(transaction.offset + kStatusField, transaction,
                  "the transaction's status is " + describe_status(header.status) +
                      ", not ' ', 'p', 'u' or 'c'");
  }
  if (header.length < header.header_bytes()) {
    return damage(transaction.offset + kLengthField, transaction,
                  "the transaction's length says " + std::to_string(header.length) +
                      ", its header alone takes " + std::to_string(header.header_bytes()));
  }
  return {};
}

Result<> check_closing_length(const PlacedTransaction& transaction, std::uint64_t closing_length) {
  const std::uint64_t length = transaction.header.length;
  if (closing_length == length) return {};
  return damage(transaction.offset + length, transaction,
                "the transaction's closing length says " + std::to_string(closing_length) +
                    ", the header says " + std::to_string(length));
}

Result<> check_record(const PlacedTransaction& transaction, const RecordHeader& record,
                      std::uint64_t offset, std::uint64_t end,
                      std::optional<std::uint64_t> record_before) {
  const auto wrong = [&](std::uint64_t field, const std::string& what) {
    return damage(offset + field, transaction, "the record of oid " + to_hex(record.oid) + what);
  };
  const std::uint64_t room = end - offset;
  if (room < kRecordHeaderBytes) {
    const std::string what =
        "a record begins " + std::to_string(room) +
        " bytes before the transaction's end, less than a record's header takes";
    if (record_before) return wrong_data_length(transaction, *record_before, offset, what);
    return damage(offset, transaction, what);
  }
  const bool is_like_a_record =
      record.tid == transaction.header.tid || record.transaction_offset == transaction.offset;
  if (!is_like_a_record && record_before) {
    return wrong_data_length(
        transaction, *record_before, offset,
        "no record begins: what stands there has the tid " + to_hex(record.tid));
  }
  if (record.tid != transaction.header.tid) {
    return wrong(kRecordTidField, " has the tid " + to_hex(record.tid));
  }
  if (record.transaction_offset != transaction.offset) {
    return wrong(kTransactionOffsetField, " says that its transaction begins at byte " +
                                              std::to_string(record.transaction_offset));
  }
  if (record.version_bytes != 0) {
    return wrong(kVersionField,
                 " has a version name of " + std::to_string(record.version_bytes) +
                     " bytes: either damage, or work in a \"version\" of ZODB before 3.9, which "
                     "must be committed or discarded with that ZODB first");
  }
  if (record.content_bytes() > room - kRecordHeaderBytes) {
    return wrong(kDataLengthField, " has a data length of " + std::to_string(record.data_bytes) +
                                       ", which leads beyond the end of its transaction at byte " +
                                       std::to_string(end));
  }
  return {};
}

}  // namespace zeolite::filestorage
