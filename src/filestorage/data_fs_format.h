#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "model/ids.h"
#include "model/transaction_record.h"

// The layout of a ZODB FileStorage file ("Data.fs"), as this project reads it. Learnt from the
// description in ZODB's ZODB/FileStorage/format.py and from real files; all integers big-endian.
//
//   file         magic (4): "FS21" (Python 2 pickles) or "FS30" (Python 3); then transactions
//   transaction  tid (8), length (8), status (1), lengths of user, description and extension
//                (2 each), user, description, extension, data records, length again (8).
//                "length" counts from the tid up to, and without, the closing length.
//   status       ' ' normal; 'p' packed; 'u' undone by an old scheme: readers skip it;
//                'c' voted, not finished: the last thing in the file after a crash
//   data record  oid (8), tid (8), offset of the object's previous record (8), offset of this
//                transaction (8), version length (2, always 0 since ZODB 3.9), data length (8),
//                then the data; or, when the data length is 0, a back-pointer (8): the offset of
//                an earlier record of the same object whose state this one has (made by undo; that
//                record may itself hold a back-pointer), or 0: the object is gone (its creation was
//                undone, or it was deleted).
//
// A pack leaves "previous" offsets that lead nowhere, so they are never followed.
namespace zeolite::filestorage {

inline constexpr std::string_view kMagicPython2 = "FS21";
inline constexpr std::string_view kMagicPython3 = "FS30";
inline constexpr std::uint64_t kMagicBytes = 4;
inline constexpr std::uint64_t kTransactionHeaderBytes = 23;
inline constexpr std::uint64_t kRecordHeaderBytes = 42;
inline constexpr std::uint64_t kClosingLengthBytes = 8;
inline constexpr std::uint64_t kBackPointerBytes = 8;

// Beside those of model/transaction_record.h.
inline constexpr char kStatusUndone = 'u';
inline constexpr char kStatusUnfinished = 'c';

// The fixed part of a transaction, in front of its user, description and extension.
struct TransactionHeader {
  Tid tid;
  std::uint64_t length = 0;
  char status = kStatusNormal;
  std::uint16_t user_bytes = 0;
  std::uint16_t description_bytes = 0;
  std::uint16_t extension_bytes = 0;

  // With user, description and extension: where the data records begin.
  [[nodiscard]] std::uint64_t header_bytes() const {
    return kTransactionHeaderBytes + user_bytes + description_bytes + extension_bytes;
  }
};

// The fixed part of a data record.
struct RecordHeader {
  Oid oid;
  Tid tid;
  std::uint64_t previous_offset = 0;
  std::uint64_t transaction_offset = 0;
  std::uint16_t version_bytes = 0;
  std::uint64_t data_bytes = 0;

  // What follows the header: the data, or the back-pointer.
  [[nodiscard]] std::uint64_t content_bytes() const {
    return data_bytes == 0 ? kBackPointerBytes : data_bytes;
  }
};

// `p` must be followed by kTransactionHeaderBytes readable bytes. Checks nothing.
[[nodiscard]] inline TransactionHeader decode_transaction_header(const char* p) {
  return {Tid(get_u64(p)), get_u64(p + 8),  p[16],
          get_u16(p + 17), get_u16(p + 19), get_u16(p + 21)};
}

// `p` must be followed by kRecordHeaderBytes readable bytes. Checks nothing.
[[nodiscard]] inline RecordHeader decode_record_header(const char* p) {
  return {Oid(get_u64(p)), Tid(get_u64(p + 8)), get_u64(p + 16),
          get_u64(p + 24), get_u16(p + 32),     get_u64(p + 34)};
}

}  // namespace zeolite::filestorage
