#include "filestorage/file_storage_reader.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace zeolite::filestorage {
namespace {

// Below this many writes a linear search for a repeated oid is cheaper than a map.
constexpr std::size_t kLinearSearchMax = 16;

// Collects the writes of one transaction so that each oid has one: the last, in the place of the
// first.
class WriteCollector {
 public:
  explicit WriteCollector(std::vector<ObjectWrite>& writes) : writes_(writes) {}

  // Chooses the place of `oid`'s write, whose record is at `offset`. Returns the offset of the
  // record that it replaces, if it does.
  std::optional<std::uint64_t> begin(Oid oid, std::uint64_t offset) {
    place_ = find_or_note(oid);
    if (place_ < writes_.size()) {
      data_bytes_ -= writes_[place_].data.size();
      return std::exchange(offsets_[place_], offset);
    }
    offsets_.push_back(offset);
    return std::nullopt;
  }
  void put(ObjectWrite write) {
    data_bytes_ += write.data.size();
    if (place_ < writes_.size()) {
      writes_[place_] = std::move(write);
    } else {
      writes_.push_back(std::move(write));
    }
  }
  std::uint64_t data_bytes() const { return data_bytes_; }

 private:
  // writes_.size() when the oid is new.
  std::size_t find_or_note(Oid oid) {
    if (writes_.size() < kLinearSearchMax) {
      const auto it = std::ranges::find(writes_, oid, &ObjectWrite::oid);
      return static_cast<std::size_t>(it - writes_.begin());
    }
    if (places_.empty()) {
      for (std::size_t i = 0; i < writes_.size(); ++i) places_.emplace(writes_[i].oid, i);
    }
    return places_.try_emplace(oid, writes_.size()).first->second;
  }

  std::vector<ObjectWrite>& writes_;
  std::vector<std::uint64_t> offsets_;  // of each write's record
  std::unordered_map<Oid, std::size_t> places_;
  std::size_t place_ = 0;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace

FileStorageReader::FileStorageReader(std::unique_ptr<ByteSource> source, std::string_view magic)
    : source_(std::move(source)), magic_(magic) {}

Result<FileStorageReader> FileStorageReader::open(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, open_file_source(path));
  auto reader = from_source(std::move(source));
  if (!reader) return std::unexpected(std::move(reader).error().prefixed(path.string()));
  return reader;
}

Result<FileStorageReader> FileStorageReader::from_source(std::unique_ptr<ByteSource> source) {
  if (source->size() < kMagicBytes) {
    return make_error(ErrorCode::invalid_argument,
                      "this is not a FileStorage file: it is " + std::to_string(source->size()) +
                          " bytes long, less than the 4 that name the format");
  }
  std::string magic(kMagicBytes, '\0');
  RETURN_IF_ERROR(source->read_at(0, magic.data(), magic.size()));
  for (const std::string_view known : {kMagicPython2, kMagicPython3}) {
    if (magic == known) return FileStorageReader(std::move(source), known);
  }
  return make_error(ErrorCode::invalid_argument,
                    "this is not a FileStorage file: it begins with the bytes " + to_hex(magic) +
                        ", not with FS21 or FS30");
}

Result<std::optional<TransactionRecord>> FileStorageReader::next() {
  if (damage_found_) return std::unexpected(*damage_found_);
  auto result = read_next();
  if (!result && result.error().code == ErrorCode::corruption) damage_found_ = result.error();
  return result;
}

Result<std::optional<TransactionRecord>> FileStorageReader::read_next() {
  while (!ended_) {
    ASSIGN_OR_RETURN(const std::optional<PlacedTransaction> placed, next_header());
    if (!placed) {
      ended_ = true;
      break;
    }
    const TransactionHeader& header = placed->header;
    const std::uint64_t end = position_ + header.length + kClosingLengthBytes;
    std::optional<TransactionRecord> record;
    if (header.status == kStatusUndone) {
      back_pointers_.note_undone(position_, end);
      ++counts_.undone_transactions;
    } else {
      ASSIGN_OR_RETURN(const Bytes body, read_body(header));
      ASSIGN_OR_RETURN(record, parse(*placed, body));
    }
    position_ = end;
    last_tid_ = header.tid;
    if (record) return record;
  }
  return std::nullopt;
}

// The header at position_, checked, of a transaction that is complete; nothing at the end of the
// file and at a tail.
Result<std::optional<PlacedTransaction>> FileStorageReader::next_header() {
  const std::uint64_t left = size() - position_;
  if (left == 0) return std::nullopt;
  const auto fixed =
      static_cast<std::size_t>(std::min<std::uint64_t>(left, kTransactionHeaderBytes));
  ASSIGN_OR_RETURN(const ByteView bytes, source_.view(position_, fixed));
  if (left < kTransactionHeaderBytes) {
    const Tid tid = left < sizeof(std::uint64_t) ? kNoTid : Tid(get_u64(bytes.data()));
    tail_ = TruncatedTail{position_, left, tid, "the file ends within the transaction's header"};
    return std::nullopt;
  }
  const PlacedTransaction placed{position_, decode_transaction_header(bytes.data())};
  ASSIGN_OR_RETURN(tail_, check_for_tail(source_, placed, last_tid_));
  if (tail_) return std::nullopt;
  RETURN_IF_ERROR(check_header(placed, last_tid_));
  // Before the body is read: a length that is wrong is found before memory is taken for it.
  char closing[kClosingLengthBytes];
  RETURN_IF_ERROR(source_.copy(position_ + placed.header.length, closing, sizeof closing));
  RETURN_IF_ERROR(check_closing_length(placed, get_u64(closing)));
  return placed;
}

// The transaction without its closing length, in a buffer of its own.
Result<Bytes> FileStorageReader::read_body(const TransactionHeader& header) {
  if (header.length > kTransactionBytesMax) {
    return make_error(ErrorCode::invalid_argument,
                      "at byte " + std::to_string(position_) + ": transaction " +
                          to_hex(header.tid) + " has " + std::to_string(header.length) +
                          " bytes; more than " + std::to_string(kTransactionBytesMax) +
                          " are not supported");
  }
  const auto length = static_cast<std::size_t>(header.length);
  if (length <= WindowedSource::kWindowBytes) {
    ASSIGN_OR_RETURN(const ByteView bytes, source_.view(position_, length));
    return Bytes::copy_of(bytes);
  }
  std::string buffer(length, '\0');
  RETURN_IF_ERROR(source_.copy(position_, buffer.data(), buffer.size()));
  return Bytes(std::move(buffer));
}

Result<TransactionRecord> FileStorageReader::parse(const PlacedTransaction& placed,
                                                   const Bytes& body) {
  const TransactionHeader& header = placed.header;
  const ByteView bytes = body.view();
  ByteReader texts(bytes.substr(kTransactionHeaderBytes));
  TransactionRecord transaction;
  transaction.tid = header.tid;
  transaction.status = header.status;
  transaction.metadata.user = texts.take(header.user_bytes);
  transaction.metadata.description = texts.take(header.description_bytes);
  transaction.metadata.extension = texts.take(header.extension_bytes);

  WriteCollector collector(transaction.writes);
  std::uint64_t repeated = 0;
  std::optional<std::uint64_t> record_before;
  auto at = static_cast<std::size_t>(header.header_bytes());
  while (at < bytes.size()) {
    const std::uint64_t offset = position_ + at;
    RecordHeader record;
    if (bytes.size() - at >= kRecordHeaderBytes) record = decode_record_header(bytes.data() + at);
    RETURN_IF_ERROR(check_record(placed, record, offset, position_ + header.length, record_before));
    record_before = offset;
    // Noted before the back-pointer is followed: it may lead to the record that is replaced.
    if (const auto replaced = collector.begin(record.oid, offset)) {
      back_pointers_.note_superseded(*replaced);
      ++repeated;
    }
    ObjectWrite write;
    write.oid = record.oid;
    const std::size_t content = at + kRecordHeaderBytes;
    if (record.data_bytes > 0) {
      write.data = body.slice(content, static_cast<std::size_t>(record.data_bytes));
    } else {
      // Copies of one record count as often as they are made.
      const std::uint64_t rest =
          kTransactionBytesMax - std::min(kTransactionBytesMax, collector.data_bytes());
      RETURN_IF_ERROR(back_pointers_.follow(source_, placed, offset,
                                            get_u64(bytes.data() + content), rest, write));
    }
    collector.put(std::move(write));
    at = content + static_cast<std::size_t>(record.content_bytes());
  }
  if (repeated > 0 && counts_.repeated_records == 0) counts_.first_repeated_in = header.tid;
  counts_.repeated_records += repeated;
  ++counts_.transactions;
  counts_.records += transaction.writes.size();
  counts_.data_bytes += collector.data_bytes();
  return transaction;
}

}  // namespace zeolite::filestorage
