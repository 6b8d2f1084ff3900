#include "filestorage/file_storage_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "filestorage/real_files.h"
#include "filestorage/sample_file.h"

namespace zeolite::filestorage {
namespace {

using testing::HasSubstr;

FileStorageReader reader_of(DataFsBuilder& file) {
  return FileStorageReader::from_source(make_memory_source(file.bytes())).value();
}

std::vector<TransactionRecord> read_all(FileStorageReader& reader) {
  std::vector<TransactionRecord> all;
  while (true) {
    auto next = reader.next();
    EXPECT_TRUE(next.has_value()) << next.error().detail;
    if (!next || !*next) return all;
    all.push_back(std::move(**next));
  }
}

// What is known of a file from reading it with ZODB 6 itself.
struct Facts {
  std::vector<std::size_t> records;  // of each transaction
  std::size_t objects = 0;
  std::uint64_t data_bytes = 0;
  Tid first;
  Tid last;
  std::string sha256;  // over each transaction's tid, and oid, tid and data of its records
};

void expect_facts(const std::filesystem::path& path, const Facts& facts) {
  auto reader = FileStorageReader::open(path);
  ASSERT_TRUE(reader.has_value()) << reader.error().detail;
  EXPECT_EQ(reader->magic(), "FS21");
  const auto all = read_all(*reader);
  std::vector<std::size_t> records;
  std::unordered_set<Oid> objects;
  std::string content;
  for (const TransactionRecord& transaction : all) {
    records.push_back(transaction.writes.size());
    put_tid(content, transaction.tid);
    EXPECT_EQ(transaction.status, ' ');
    for (const ObjectWrite& write : transaction.writes) {
      EXPECT_EQ(write.kind, RevisionKind::data);
      objects.insert(write.oid);
      put_oid(content, write.oid);
      put_tid(content, transaction.tid);
      content.append(write.data.view());
    }
  }
  EXPECT_EQ(records, facts.records);
  EXPECT_EQ(objects.size(), facts.objects);
  EXPECT_EQ(reader->counts().data_bytes, facts.data_bytes);
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.front().tid, facts.first);
  EXPECT_EQ(all.back().tid, facts.last);
  EXPECT_FALSE(reader->tail().has_value());
  EXPECT_EQ(reader->position(), reader->size());
  std::string hash(32, '\0');
  ASSERT_EQ(EVP_Q_digest(nullptr, "SHA256", nullptr, content.data(), content.size(),
                         reinterpret_cast<unsigned char*>(hash.data()), nullptr),
            1);
  EXPECT_EQ(to_hex(hash), facts.sha256);
}

TEST(FileStorageReader, ReadsTheDatabaseThatZopeShippedIn1998) {
  const auto path = real_file("zope-1998.fs");
  SKIP_WITHOUT_FILE(path);
  expect_facts(path,
               {.records = {4, 4, 69, 1, 1, 3, 1, 1, 1, 1, 1, 3},
                .objects = 85,
                .data_bytes = 74780,
                .first = Tid(0x03292acfb11228b3),
                .last = Tid(0x0339e9ad72854311),
                .sha256 = "4a73347ccee001d09540f3f9abec98eb0a224af7e4bb45d170f26b86a1806f88"});
}

TEST(FileStorageReader, ReadsAFileOfFourTransactions) {
  const auto path = real_file("zodb-test-checker.fs");
  SKIP_WITHOUT_FILE(path);
  expect_facts(path,
               {.records = {1, 1, 2, 1},
                .objects = 2,
                .data_bytes = 439,
                .first = Tid(0x033f9e345c084233),
                .last = Tid(0x033f9e352e35b077),
                .sha256 = "cac4c51aba83c6913e8615f49619350540be5a5cec6b3ce3deffe0120c538b42"});
}

TEST(FileStorageReader, KeepsMetadataAsWritten) {
  const auto path = real_file("zope-1998.fs");
  SKIP_WITHOUT_FILE(path);
  auto reader = FileStorageReader::open(path).value();
  const auto all = read_all(reader);
  ASSERT_EQ(all.size(), 12U);
  EXPECT_EQ(all[2].metadata.user, " amos");
  EXPECT_EQ(all[2].metadata.description, "/manage_importHack");
  EXPECT_EQ(all[5].metadata.user, "Installed product MailHost");
}

TEST(FileStorageReader, EmptyDatabaseHasNoTransactions) {
  DataFsBuilder file;
  auto reader = reader_of(file);
  EXPECT_TRUE(read_all(reader).empty());
  EXPECT_FALSE(reader.tail().has_value());
  EXPECT_EQ(reader.position(), 4U);
}

TEST(FileStorageReader, ReadsThePython3Format) {
  DataFsBuilder file(kMagicPython3);
  file.commit(kT1, kRoot, "root");
  auto reader = reader_of(file);
  EXPECT_EQ(reader.magic(), "FS30");
  EXPECT_EQ(read_all(reader).size(), 1U);
}

TEST(FileStorageReader, OtherFilesAreRefusedAtOpening) {
  for (const std::string content : {"", "FS2", "FS20....", "SQLite format 3"}) {
    const auto reader = FileStorageReader::from_source(make_memory_source(content));
    ASSERT_FALSE(reader.has_value()) << content;
    EXPECT_EQ(reader.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(reader.error().detail, HasSubstr("not a FileStorage file"));
  }
}

TEST(FileStorageReader, StatusAndMetadataAreKept) {
  DataFsBuilder file;
  file.begin(kT1, 'p', "user", std::string("des\0cription", 12), std::string("\x80\x02}q\x01.", 6));
  file.data(kRoot, "root");
  file.end();
  auto reader = reader_of(file);
  const auto all = read_all(reader);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].kind, RecordKind::transaction);
  EXPECT_EQ(all[0].status, 'p');
  EXPECT_EQ(all[0].metadata.user, "user");
  EXPECT_EQ(all[0].metadata.description, std::string_view("des\0cription", 12));
  EXPECT_EQ(all[0].metadata.extension, std::string_view("\x80\x02}q\x01.", 6));
  EXPECT_TRUE(all[0].commit_id.empty());
}

TEST(FileStorageReader, LongestMetadataIsKept) {
  const std::string longest(65535, 'x');
  DataFsBuilder file;
  file.begin(kT1, ' ', longest, longest, longest);
  file.end();
  auto reader = reader_of(file);
  const auto all = read_all(reader);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].metadata.extension, longest);
}

TEST(FileStorageReader, TransactionWithoutRecordsIsKept) {
  DataFsBuilder file;
  file.begin(kT1);
  file.end();
  auto reader = reader_of(file);
  const auto all = read_all(reader);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].writes.empty());
}

TEST(FileStorageReader, UndoneTransactionIsSkippedAndCounted) {
  DataFsBuilder file;
  file.commit(kT1, kA, "one");
  file.begin(kT2, 'u');
  file.data(kA, "undone");
  file.end();
  file.commit(kT3, kA, "three");
  auto reader = reader_of(file);
  const auto all = read_all(reader);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].tid, kT3);
  EXPECT_EQ(reader.counts().undone_transactions, 1U);
}

TEST(FileStorageReader, LastRecordOfAnObjectWinsWithinATransaction) {
  DataFsBuilder file;
  file.begin(kT1);
  const auto replaced = file.data(kA, "first");
  file.data(kB, "b");
  file.data(kA, "last");
  file.end();
  file.begin(kT2);
  file.back(kA, replaced);
  file.end();
  auto reader = reader_of(file);
  const auto all = read_all(reader);
  ASSERT_EQ(all.size(), 2U);
  ASSERT_EQ(all[0].writes.size(), 2U);
  EXPECT_EQ(all[0].writes[0].oid, kA);
  EXPECT_EQ(all[0].writes[0].data.view(), "last");
  EXPECT_EQ(reader.counts().repeated_records, 1U);
  EXPECT_EQ(reader.counts().first_repeated_in, kT1);
  EXPECT_EQ(reader.counts().records, 3U);
  EXPECT_EQ(reader.counts().data_bytes, 10U);
  EXPECT_EQ(all[1].writes[0].data.view(), "first")
      << "the record that a back-pointer means is not always the one that won";
}

TEST(FileStorageReader, RepeatedObjectsAreFoundInLargeTransactions) {
  DataFsBuilder file;
  file.begin(kT1);
  for (std::uint64_t i = 0; i < 100; ++i) file.data(Oid(i), "old");
  for (std::uint64_t i = 0; i < 100; i += 3) file.data(Oid(i), "new");
  file.end();
  auto reader = reader_of(file);
  const auto all = read_all(reader);
  ASSERT_EQ(all.at(0).writes.size(), 100U);
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(all[0].writes[i].oid, Oid(i));
    EXPECT_EQ(all[0].writes[i].data.view(), i % 3 == 0 ? "new" : "old");
  }
}

TEST(FileStorageReader, ReadsTransactionsAndRecordsLargerThanTheWindow) {
  const std::string large(3'000'000, 'L');
  DataFsBuilder file;
  const auto at = file.commit(kT1, kA, large);
  file.begin(kT2);
  for (std::uint64_t i = 0; i < 3000; ++i) file.data(Oid(i + 10), std::string(1000, 'x'));
  file.end();
  file.begin(kT3);
  file.back(kA, at);
  file.end();
  auto reader = reader_of(file);
  const auto all = read_all(reader);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].writes[0].data.view(), large);
  EXPECT_EQ(all[1].writes.size(), 3000U);
  EXPECT_EQ(all[2].writes[0].back, kT1);
}

TEST(FileStorageReader, PositionGrowsToTheSize) {
  DataFsBuilder file;
  file.commit(kT1, kA, "one");
  const auto first_end = file.size();
  file.commit(kT2, kA, "two");
  auto reader = reader_of(file);
  ASSERT_TRUE(reader.next().has_value());
  EXPECT_EQ(reader.position(), first_end);
  ASSERT_TRUE(reader.next().has_value());
  EXPECT_EQ(reader.position(), reader.size());
}

TEST(FileStorageReader, DataOutliveTheReader) {
  DataFsBuilder file;
  file.commit(kT1, kA, "one");
  std::vector<TransactionRecord> all;
  {
    auto reader = reader_of(file);
    all = read_all(reader);
  }
  EXPECT_EQ(all.at(0).writes[0].data.view(), "one");
}

TEST(FileStorageReader, DamageStaysReported) {
  Sample sample;
  sample.file.bytes()[sample.second + 16] = 'x';
  auto reader = FileStorageReader::from_source(make_memory_source(sample.file.bytes())).value();
  ASSERT_TRUE(reader.next().has_value());
  const auto first = reader.next();
  const auto second = reader.next();
  ASSERT_FALSE(first.has_value());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(first.error().detail, second.error().detail);
}

TEST(FileStorageReader, AnyChangedByteIsReadOrReportedButNeverFatal) {
  Sample sample;
  const std::string whole = sample.file.bytes();
  for (std::size_t at = 4; at < whole.size(); ++at) {
    for (const int bit : {0x01, 0x10, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ bit);
      const Read result = read(damaged);
      EXPECT_LE(result.transactions.size(), 3U);
      if (result.error) {
        EXPECT_EQ(result.error->code, ErrorCode::corruption);
      }
      // Only damage to the last transaction may look like an unfinished one.
      if (result.tail) {
        EXPECT_GE(result.tail->offset, sample.third) << "byte " << at;
      }
    }
  }
}

}  // namespace
}  // namespace zeolite::filestorage
