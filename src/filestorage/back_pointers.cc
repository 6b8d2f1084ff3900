#include "filestorage/back_pointers.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace zeolite::filestorage {
namespace {

// A back-pointer as it was found: in the record at `offset`, which has `tid`.
struct Hop {
  Tid tid;
  std::uint64_t offset;
  std::uint64_t target;
};

// No record fits into less room.
constexpr std::uint64_t kSmallestRecordBytes = kRecordHeaderBytes + 1;

// Whether `record`, found at `offset`, lies within the transaction that it names.
Result<bool> is_in_its_transaction(const WindowedSource& source, const RecordHeader& record,
                                   std::uint64_t offset) {
  const std::uint64_t begin = record.transaction_offset;
  if (begin < kMagicBytes || begin > offset || offset - begin < kTransactionHeaderBytes) {
    return false;
  }
  char bytes[kTransactionHeaderBytes];
  RETURN_IF_ERROR(source.copy(begin, bytes, sizeof bytes));
  const TransactionHeader header = decode_transaction_header(bytes);
  const std::uint64_t inside = offset - begin;
  return header.tid == record.tid && inside >= header.header_bytes() &&
         header.length <= source.size() - begin && header.length >= inside + kRecordHeaderBytes &&
         record.content_bytes() <= header.length - inside - kRecordHeaderBytes;
}

// The header of the record of `oid` that `hop` leads to.
Result<RecordHeader> read_target(const WindowedSource& source, const PlacedTransaction& transaction,
                                 const Hop& hop, Oid oid) {
  const auto wrong = [&](const std::string& what) {
    return damage(hop.offset + kRecordHeaderBytes, transaction,
                  "the back-pointer of oid " + to_hex(oid) + " leads to byte " +
                      std::to_string(hop.target) + ", " + what);
  };
  if (hop.target < kMagicBytes + kTransactionHeaderBytes || hop.target >= hop.offset ||
      hop.offset - hop.target < kSmallestRecordBytes) {
    return wrong("where no earlier record can be");
  }
  char bytes[kRecordHeaderBytes];
  RETURN_IF_ERROR(source.copy(hop.target, bytes, sizeof bytes));
  const RecordHeader record = decode_record_header(bytes);
  if (record.oid != oid) {
    return wrong("where there is no record of that object (the oid there is " + to_hex(record.oid) +
                 ")");
  }
  ASSIGN_OR_RETURN(const bool placed, is_in_its_transaction(source, record, hop.target));
  if (record.tid > hop.tid || record.version_bytes != 0 || !placed) {
    return wrong("where the record does not fit into the transaction that it names, at byte " +
                 std::to_string(record.transaction_offset));
  }
  return record;
}

}  // namespace

Result<> BackPointers::follow(const WindowedSource& source, const PlacedTransaction& transaction,
                              std::uint64_t offset, std::uint64_t target,
                              std::uint64_t data_bytes_max, ObjectWrite& write) const {
  Hop hop{transaction.header.tid, offset, target};
  Tid first;  // the record that `target` leads to, when it was given out
  for (int hops = 0; hop.target != 0; ++hops) {
    if (hops == kHopsMax) {
      return damage(
          offset + kRecordHeaderBytes, transaction,
          "a chain of more than " + std::to_string(kHopsMax) + " back-pointers begins here");
    }
    ASSIGN_OR_RETURN(const RecordHeader record, read_target(source, transaction, hop, write.oid));
    if (hops == 0 && was_given_out(hop.target)) first = record.tid;
    if (record.data_bytes == 0) {
      char back[kBackPointerBytes];
      RETURN_IF_ERROR(source.copy(hop.target + kRecordHeaderBytes, back, sizeof back));
      hop = {record.tid, hop.target, get_u64(back)};
      continue;
    }
    if (was_given_out(hop.target)) {
      // A true record of this object in this transaction would have been superseded.
      if (record.tid >= transaction.header.tid) {
        return damage(hop.offset + kRecordHeaderBytes, transaction,
                      "the back-pointer of oid " + to_hex(write.oid) + " leads to byte " +
                          std::to_string(hop.target) + ", where no record begins");
      }
      write.kind = RevisionKind::back_pointer;
      write.back = record.tid;
      if (first != record.tid) write.via = first;
      return {};
    }
    if (record.data_bytes > data_bytes_max) {
      return make_error(ErrorCode::invalid_argument,
                        "at byte " + std::to_string(hop.target) + ": a record of " +
                            std::to_string(record.data_bytes) + " bytes; more than " +
                            std::to_string(data_bytes_max) + " are not supported");
    }
    std::string data(static_cast<std::size_t>(record.data_bytes), '\0');
    RETURN_IF_ERROR(source.copy(hop.target + kRecordHeaderBytes, data.data(), data.size()));
    write.data = Bytes(std::move(data));
    return {};
  }
  write.kind = RevisionKind::deletion;
  write.via = first;
  return {};
}

bool BackPointers::was_given_out(std::uint64_t offset) const {
  if (superseded_.contains(offset)) return false;
  const auto after = std::ranges::upper_bound(undone_, offset, {}, &Range::begin);
  return after == undone_.begin() || offset >= std::prev(after)->end;
}

}  // namespace zeolite::filestorage
