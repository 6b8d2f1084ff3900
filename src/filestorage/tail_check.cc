#include "filestorage/tail_check.h"

#include <algorithm>
#include <utility>

namespace zeolite::filestorage {
namespace {

// No file is longer.
constexpr std::uint64_t kOffsetMax = std::uint64_t{1} << 62;

constexpr std::uint64_t kLengthField = 8;
constexpr std::uint64_t kStatusField = 16;
constexpr std::uint64_t kRecordTidField = 8;

TruncatedTail make_tail(const WindowedSource& source, const PlacedTransaction& transaction,
                        std::string reason) {
  return {transaction.offset, source.size() - transaction.offset, transaction.header.tid,
          std::move(reason)};
}

// Whether the file's last bytes, too few for a record's header, can be the beginning of one.
Result<bool> begins_like_a_record(WindowedSource& source, Tid tid, std::uint64_t offset) {
  ASSIGN_OR_RETURN(const ByteView bytes,
                   source.view(offset, static_cast<std::size_t>(source.size() - offset)));
  if (bytes.size() <= kRecordTidField) return true;
  std::string wanted;
  put_tid(wanted, tid);
  const ByteView found = bytes.substr(kRecordTidField, wanted.size());
  if (ByteView(wanted).starts_with(found)) return true;
  return source.only_zeros_from(offset + kRecordTidField);
}

// Whether what is left of the file is a beginning of the transaction: its records one after another
// until the file breaks off, or nothing but zeros follows.
Result<bool> records_run_to_the_end(WindowedSource& source, const PlacedTransaction& transaction) {
  const TransactionHeader& header = transaction.header;
  // By the transaction's own account, which may be beyond all numbers when it is wrong.
  const std::uint64_t end = transaction.offset + std::min(header.length, kOffsetMax);
  std::uint64_t offset = transaction.offset + header.header_bytes();
  while (offset < end && offset < source.size()) {
    const std::uint64_t left = source.size() - offset;
    if (left < kRecordHeaderBytes) return begins_like_a_record(source, header.tid, offset);
    ASSIGN_OR_RETURN(const ByteView bytes, source.view(offset, kRecordHeaderBytes));
    const RecordHeader record = decode_record_header(bytes.data());
    if (!check_record(transaction, record, offset, end)) {
      // The header itself may have been torn where a block ends.
      return source.only_zeros_from(offset + kRecordHeaderBytes);
    }
    offset += kRecordHeaderBytes + record.content_bytes();
  }
  return true;
}

Result<std::optional<TruncatedTail>> check_unfinished(WindowedSource& source,
                                                      const PlacedTransaction& transaction) {
  const std::uint64_t end = transaction.offset + transaction.header.length + kClosingLengthBytes;
  ASSIGN_OR_RETURN(const bool is_last, source.only_zeros_from(end));
  if (is_last) {
    return make_tail(source, transaction,
                     "the transaction was voted for but never finished (status 'c')");
  }
  return damage(transaction.offset + kStatusField, transaction,
                "the transaction's status is 'c', never finished, but it is not the last: " +
                    std::to_string(source.size() - end) + " bytes follow it");
}

}  // namespace

Result<std::optional<TruncatedTail>> check_for_tail(WindowedSource& source,
                                                    const PlacedTransaction& transaction,
                                                    Tid last_tid) {
  const TransactionHeader& header = transaction.header;
  const std::uint64_t left = source.size() - transaction.offset;
  if (header.tid.is_zero()) {
    ASSIGN_OR_RETURN(const bool zeros, source.only_zeros_from(transaction.offset));
    if (zeros) {
      return make_tail(source, transaction, "nothing but zeros up to the end of the file");
    }
  }
  const bool fits = left >= kClosingLengthBytes && header.length <= left - kClosingLengthBytes;
  if (fits && header.status != kStatusUnfinished) return std::nullopt;
  RETURN_IF_ERROR(check_header(transaction, last_tid));
  if (fits) return check_unfinished(source, transaction);

  const std::string length = "the transaction's length says " + std::to_string(header.length) +
                             ", of which the file holds " + std::to_string(left) + " bytes";
  ASSIGN_OR_RETURN(const bool runs, records_run_to_the_end(source, transaction));
  if (runs) return make_tail(source, transaction, length);
  return damage(transaction.offset + kLengthField, transaction,
                length + ", but its records end before that");
}

}  // namespace zeolite::filestorage
