// Any bytes read as a Data.fs file: the reader ends with transactions, a tail or an error, keeps
// what its header promises, and reads nothing outside of the file (the memory source CHECKs that).

#include <cstddef>
#include <cstdint>
#include <set>

#include "base/check.h"
#include "filestorage/file_storage_reader.h"

namespace {

using zeolite::ErrorCode;
using zeolite::ObjectWrite;
using zeolite::Oid;
using zeolite::RevisionKind;
using zeolite::Tid;
using zeolite::TransactionRecord;
using zeolite::filestorage::FileStorageReader;

void check_transaction(const TransactionRecord& transaction, Tid last) {
  CHECK(transaction.tid > last, "tids increase");
  CHECK(transaction.status == ' ' || transaction.status == 'p', "only finished transactions");
  std::set<Oid> oids;
  for (const ObjectWrite& write : transaction.writes) {
    CHECK(oids.insert(write.oid).second, "each object once");
    CHECK((write.kind == RevisionKind::data) == !write.data.empty(), "data where there is data");
    CHECK((write.kind == RevisionKind::back_pointer) == !write.back.is_zero(), "back where it is");
    CHECK(write.back < transaction.tid, "a back-pointer leads back");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const zeolite::ByteView bytes(reinterpret_cast<const char*>(data), size);
  auto reader = FileStorageReader::from_source(zeolite::filestorage::make_memory_source(bytes));
  if (!reader) return 0;
  Tid last;
  while (true) {
    const auto next = reader->next();
    CHECK(reader->position() <= reader->size(), "no further than the end");
    if (!next) {
      CHECK(next.error().code == ErrorCode::corruption, "memory can only be damaged");
      CHECK(!reader->next().has_value(), "damage stays");
      return 0;
    }
    if (!*next) break;
    check_transaction(**next, last);
    last = (*next)->tid;
  }
  const auto& tail = reader->tail();
  CHECK(tail ? tail->offset + tail->bytes == size : reader->position() == size,
        "every byte is read or left");
  return 0;
}
