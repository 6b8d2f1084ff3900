#include "maintenance/file_read_ahead.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "filestorage/data_fs_builder.h"
#include "storage/log_chain.h"

namespace zeolite::maintenance {
namespace {

using filestorage::DataFsBuilder;
using filestorage::FileStorageReader;

constexpr Oid kA{1};
constexpr Oid kB{2};
// Several batches, and more than is held ahead.
constexpr std::uint64_t kTransactions = 120;
constexpr std::size_t kRecordBytes = 100'000;

std::string content(std::uint64_t tid) {
  return std::string(kRecordBytes, static_cast<char>('a' + tid % 26));
}

DataFsBuilder large_file() {
  DataFsBuilder file;
  for (std::uint64_t tid = 1; tid <= kTransactions; ++tid) file.commit(Tid(tid), kA, content(tid));
  return file;
}

FileStorageReader reader_of(std::string_view bytes) {
  return FileStorageReader::from_source(filestorage::make_memory_source(bytes)).value();
}

struct Taken {
  std::vector<FileTransaction> transactions;
  std::size_t batches = 0;
  std::optional<Error> error;
};

Taken take_all(FileReadAhead& ahead) {
  Taken taken;
  while (true) {
    Result<std::optional<FileBatch>> batch = ahead.next();
    if (!batch) {
      taken.error = batch.error();
      return taken;
    }
    if (!*batch) return taken;
    EXPECT_FALSE((*batch)->transactions.empty());
    ++taken.batches;
    for (FileTransaction& transaction : (*batch)->transactions) {
      taken.transactions.push_back(std::move(transaction));
    }
    EXPECT_EQ((*batch)->transactions_read, taken.transactions.size());
  }
}

TEST(FileReadAhead, GivesWhatTheReaderGives) {
  DataFsBuilder file = large_file();
  FileStorageReader reader = reader_of(file.bytes());
  FileReadAhead ahead(reader);
  const Taken taken = take_all(ahead);
  EXPECT_FALSE(taken.error);
  EXPECT_GT(taken.batches, 5U);
  FileStorageReader plain = reader_of(file.bytes());
  for (const FileTransaction& transaction : taken.transactions) {
    const TransactionRecord record = plain.next().value().value();
    EXPECT_EQ(transaction.record, record);
    EXPECT_EQ(transaction.body_hash, storage::body_hash(record.writes));
    EXPECT_EQ(transaction.data_bytes, kRecordBytes);
  }
  EXPECT_FALSE(plain.next().value());
  EXPECT_FALSE(ahead.next().value()) << "the end stays the end";
  EXPECT_EQ(reader.counts().transactions, kTransactions);
  EXPECT_EQ(reader.position(), reader.size());
}

TEST(FileReadAhead, EachBatchSaysHowFarTheFileIsRead) {
  DataFsBuilder file = large_file();
  FileStorageReader reader = reader_of(file.bytes());
  FileReadAhead ahead(reader);
  FileStorageReader plain = reader_of(file.bytes());
  while (const std::optional<FileBatch> batch = ahead.next().value()) {
    for (std::size_t i = 0; i < batch->transactions.size(); ++i) ASSERT_TRUE(plain.next().value());
    ASSERT_EQ(batch->position, plain.position());
  }
}

TEST(FileReadAhead, SaysWhatAnImportWantsToKnow) {
  DataFsBuilder file;
  file.begin(Tid(1), ' ', "user", "description");
  const auto at = file.data(kA, "a");
  file.data(kB,
            "\x80\x03"
            "cZODB.blob\nBlob\nq\x01.\x80\x03N.");
  file.end();
  file.begin(Tid(2));
  file.back(kA, at);
  file.end();
  FileStorageReader reader = reader_of(file.bytes());
  FileReadAhead ahead(reader);
  const Taken taken = take_all(ahead);
  ASSERT_EQ(taken.transactions.size(), 2U);
  EXPECT_EQ(taken.transactions[0].blob_records, 1U);
  EXPECT_FALSE(taken.transactions[0].has_back_pointers);
  EXPECT_GT(taken.transactions[0].bytes, taken.transactions[0].data_bytes);
  EXPECT_EQ(taken.transactions[1].blob_records, 0U);
  EXPECT_TRUE(taken.transactions[1].has_back_pointers);
  EXPECT_EQ(taken.transactions[1].data_bytes, 0U);
}

TEST(FileReadAhead, DamageComesAfterEverythingBeforeIt) {
  DataFsBuilder file = large_file();
  const std::uint64_t damaged = file.begin(Tid(kTransactions + 1));
  file.data(kB, "b");
  file.end();
  file.commit(Tid(kTransactions + 2), kB, "c");
  file.bytes()[damaged + 16] = 'x';
  FileStorageReader reader = reader_of(file.bytes());
  FileReadAhead ahead(reader);
  const Taken taken = take_all(ahead);
  EXPECT_EQ(taken.transactions.size(), kTransactions);
  ASSERT_TRUE(taken.error);
  EXPECT_EQ(taken.error->code, ErrorCode::corruption);
  EXPECT_EQ(ahead.next().error().detail, taken.error->detail) << "and from then on";
}

// Reads what it has, up to a place on the disk that is bad, once.
class TornSource final : public filestorage::ByteSource {
 public:
  TornSource(std::string_view bytes, std::uint64_t torn_from) : bytes_(bytes), from_(torn_from) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Result<> read_at(std::uint64_t offset, char* out, std::size_t count) const override {
    if (offset + count > from_ && !std::exchange(failed_, true)) {
      return make_error(ErrorCode::io_error, "a bad sector");
    }
    std::memcpy(out, bytes_.data() + offset, count);
    return {};
  }

 private:
  const std::string_view bytes_;
  const std::uint64_t from_;
  mutable bool failed_ = false;
};

TEST(FileReadAhead, AnErrorOfTheDiskIsNeitherLostNorPassedOver) {
  DataFsBuilder file = large_file();
  auto source = std::make_unique<TornSource>(file.bytes(), file.size() / 2);
  FileStorageReader reader = FileStorageReader::from_source(std::move(source)).value();
  FileReadAhead ahead(reader);
  const Taken taken = take_all(ahead);
  ASSERT_TRUE(taken.error);
  EXPECT_EQ(taken.error->code, ErrorCode::io_error);
  EXPECT_GT(taken.transactions.size(), kTransactions / 4);
  EXPECT_LT(taken.transactions.size(), kTransactions);
  for (std::size_t i = 0; i < taken.transactions.size(); ++i) {
    ASSERT_EQ(taken.transactions[i].record.tid, Tid(i + 1));
  }
  EXPECT_EQ(ahead.next().error().code, ErrorCode::io_error);
}

TEST(FileReadAhead, MayGoBeforeTheFileIsRead) {
  DataFsBuilder file = large_file();
  FileStorageReader reader = reader_of(file.bytes());
  {
    FileReadAhead ahead(reader);
    ASSERT_TRUE(ahead.next().value());
  }
  EXPECT_LT(reader.counts().transactions, kTransactions) << "it stays a few MiB ahead";
  EXPECT_TRUE(reader.next().value()) << "the reader is free again";
}

TEST(FileReadAhead, AnUnfinishedTransactionIsATailAtTheEnd) {
  DataFsBuilder file = large_file();
  file.bytes() += "half a header";
  FileStorageReader reader = reader_of(file.bytes());
  FileReadAhead ahead(reader);
  const Taken taken = take_all(ahead);
  EXPECT_FALSE(taken.error);
  EXPECT_EQ(taken.transactions.size(), kTransactions);
  EXPECT_TRUE(reader.tail());
}

}  // namespace
}  // namespace zeolite::maintenance
