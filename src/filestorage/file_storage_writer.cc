#include "filestorage/file_storage_writer.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "filestorage/back_pointers.h"

namespace zeolite::filestorage {
namespace {

constexpr std::size_t kTextBytesMax = 0xFFFF;

}  // namespace

Result<FileStorageWriter> FileStorageWriter::create(const std::filesystem::path& path,
                                                    std::string_view magic) {
  CHECK(magic == kMagicPython2 || magic == kMagicPython3, "a magic that ZODB knows");
  ASSIGN_OR_RETURN(AppendFile file, AppendFile::create(path));
  RETURN_IF_ERROR(file.append(magic));
  return FileStorageWriter(std::move(file));
}

Result<> FileStorageWriter::write(const TransactionRecord& transaction, const LoadData& load) {
  if (transaction.status != kStatusNormal && transaction.status != kStatusPacked) {
    return make_error(ErrorCode::invalid_argument, "transaction " + to_hex(transaction.tid) +
                                                       " has status " +
                                                       to_hex(ByteView(&transaction.status, 1)) +
                                                       ", which a FileStorage file cannot have");
  }
  const TransactionMetadata& metadata = transaction.metadata;
  std::uint64_t length = kTransactionHeaderBytes + metadata.user.size() +
                         metadata.description.size() + metadata.extension.size();
  contents_.clear();
  for (const ObjectWrite& write : transaction.writes) {
    ASSIGN_OR_RETURN(Content content, content_of(write, transaction.tid, load));
    length += kRecordHeaderBytes + content.size();
    contents_.push_back(std::move(content));
  }
  const std::uint64_t begin = file_.size();
  RETURN_IF_ERROR(put_header(transaction, length));
  for (std::size_t i = 0; i < contents_.size(); ++i) {
    RETURN_IF_ERROR(put_record(transaction.writes[i].oid, transaction.tid, begin, contents_[i]));
  }
  std::string closing;
  put_u64(closing, length);
  RETURN_IF_ERROR(file_.append(closing));
  ++counts_.transactions;
  return {};
}

Result<FileStorageWriter::Content> FileStorageWriter::content_of(const ObjectWrite& write, Tid tid,
                                                                 const LoadData& load) {
  Content content;
  switch (write.kind) {
    case RevisionKind::data:
      content.data = write.data;
      break;
    case RevisionKind::deletion: {
      ASSIGN_OR_RETURN(content.back, find_target(write));
      return content;
    }
    case RevisionKind::back_pointer: {
      ASSIGN_OR_RETURN(content.back, find_target(write));
      if (content.back != 0) return content;
      ASSIGN_OR_RETURN(content.data, load(write.oid, tid));
      break;
    }
  }
  if (content.data.empty()) {
    return make_error(ErrorCode::invalid_argument,
                      "object " + to_hex(write.oid) + " has a record of no bytes in transaction " +
                          to_hex(tid) + ", which a FileStorage file cannot hold");
  }
  return content;
}

// Where the back-pointer of `write` leads; 0 when the file does not have what it stands for.
Result<std::uint64_t> FileStorageWriter::find_target(const ObjectWrite& write) const {
  if (!write.via.is_zero()) {
    ASSIGN_OR_RETURN(const std::uint64_t via, find_record(write.oid, write.via));
    if (via != 0) {
      ASSIGN_OR_RETURN(const bool fits, leads_to(via, write.back));
      if (fits) return via;
    }
  }
  if (write.kind == RevisionKind::deletion) return 0;
  ASSIGN_OR_RETURN(const std::uint64_t data, find_record(write.oid, write.back));
  if (data == 0) return 0;
  ASSIGN_OR_RETURN(const bool fits, leads_to(data, write.back));
  return fits ? data : 0;
}

// Where the record of `oid` at `tid` is; 0: it is not in the file.
Result<std::uint64_t> FileStorageWriter::find_record(Oid oid, Tid tid) const {
  std::uint64_t offset = last_.find(oid);
  while (offset != 0) {
    ASSIGN_OR_RETURN(const RecordHeader record, read_record(offset));
    if (record.tid == tid) return offset;
    if (record.tid < tid) break;
    offset = record.previous_offset;
  }
  return 0;
}

// Whether the record at `offset` has, directly or through back-pointers, the data of `tid`; kNoTid:
// whether its object is gone.
Result<bool> FileStorageWriter::leads_to(std::uint64_t offset, Tid tid) const {
  for (int hops = 0; hops < BackPointers::kHopsMax; ++hops) {
    ASSIGN_OR_RETURN(const RecordHeader record, read_record(offset));
    if (record.data_bytes > 0) return record.tid == tid;
    char back[kBackPointerBytes];
    RETURN_IF_ERROR(file_.read_at(offset + kRecordHeaderBytes, back, sizeof back));
    offset = get_u64(back);
    if (offset == 0) return tid.is_zero();
  }
  return false;
}

Result<RecordHeader> FileStorageWriter::read_record(std::uint64_t offset) const {
  char bytes[kRecordHeaderBytes];
  RETURN_IF_ERROR(file_.read_at(offset, bytes, sizeof bytes));
  return decode_record_header(bytes);
}

Result<> FileStorageWriter::put_header(const TransactionRecord& transaction, std::uint64_t length) {
  const TransactionMetadata& metadata = transaction.metadata;
  std::string header;
  put_tid(header, transaction.tid);
  put_u64(header, length);
  header.push_back(transaction.status);
  for (const std::string* text : {&metadata.user, &metadata.description, &metadata.extension}) {
    CHECK(text->size() <= kTextBytesMax, "a text of a transaction is too long");
    put_u16(header, static_cast<std::uint16_t>(text->size()));
  }
  header += metadata.user;
  header += metadata.description;
  header += metadata.extension;
  return file_.append(header);
}

Result<> FileStorageWriter::put_record(Oid oid, Tid tid, std::uint64_t transaction_offset,
                                       const Content& content) {
  const std::uint64_t offset = file_.size();
  std::string header;
  header.reserve(kRecordHeaderBytes + kBackPointerBytes);
  put_oid(header, oid);
  put_tid(header, tid);
  put_u64(header, last_.find(oid));
  put_u64(header, transaction_offset);
  put_u16(header, 0);
  put_u64(header, content.data.size());
  if (content.data.empty()) put_u64(header, content.back);
  RETURN_IF_ERROR(file_.append(header));
  RETURN_IF_ERROR(file_.append(content.data.view()));
  last_.set(oid, offset);
  ++counts_.records;
  counts_.data_bytes += content.data.size();
  if (content.back != 0) ++counts_.back_pointers;
  return {};
}

}  // namespace zeolite::filestorage
