#include "filestorage/file_storage_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "filestorage/sample_file.h"
#include "support/temporary_directory.h"

namespace zeolite::filestorage {
namespace {

using ::testing::HasSubstr;

Result<Bytes> nothing_to_load(Oid oid, Tid tid) {
  return make_error(ErrorCode::not_found, to_hex(oid) + " at " + to_hex(tid));
}

// The file that the writer makes of `transactions`.
Result<std::string> write_file(const std::vector<TransactionRecord>& transactions,
                               const FileStorageWriter::LoadData& load = nothing_to_load,
                               std::string_view magic = kMagicPython2) {
  const zeolite::testing::TemporaryDirectory directory;
  auto writer = FileStorageWriter::create(directory / "Data.fs", magic).value();
  for (const TransactionRecord& transaction : transactions) {
    RETURN_IF_ERROR(writer.write(transaction, load));
  }
  RETURN_IF_ERROR(writer.finish());
  std::ifstream file(directory / "Data.fs", std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(bytes.size(), writer.size());
  return bytes;
}

// Reading `bytes` and writing what was read gives `bytes`.
void expect_comes_back(const std::string& bytes) {
  const Read original = read(bytes);
  ASSERT_FALSE(original.error) << original.error->detail;
  const Result<std::string> written =
      write_file(original.transactions, nothing_to_load, std::string_view(bytes).substr(0, 4));
  ASSERT_TRUE(written.has_value()) << written.error().detail;
  EXPECT_TRUE(*written == bytes);
}

TransactionRecord transaction(Tid tid, std::vector<ObjectWrite> writes = {}) {
  TransactionRecord record;
  record.tid = tid;
  record.writes = std::move(writes);
  return record;
}

ObjectWrite data_write(Oid oid, std::string_view data) {
  return {.oid = oid, .previous = {}, .data = Bytes::copy_of(data), .back = {}};
}

ObjectWrite back_write(Oid oid, Tid back, Tid via = kNoTid) {
  return {.oid = oid,
          .previous = {},
          .kind = RevisionKind::back_pointer,
          .data = {},
          .back = back,
          .via = via};
}

TEST(FileStorageWriter, NoTransactionsAreAnEmptyDatabase) {
  EXPECT_EQ(write_file({}, nothing_to_load, kMagicPython2).value(), "FS21");
  EXPECT_EQ(write_file({}, nothing_to_load, kMagicPython3).value(), "FS30");
}

TEST(FileStorageWriter, EveryKindOfRecordComesBackByteForByte) {
  expect_comes_back(Sample().file.bytes());
}

TEST(FileStorageWriter, PackedAndEmptyTransactionsAndLongTextsComeBack) {
  DataFsBuilder file(kMagicPython3);
  const std::string text(65'535, 't');
  file.begin(kT1, kStatusPacked, text, text, text);
  file.data(kA, std::string(2'000'000, 'a'));
  file.data(kB, std::string("\0\xff", 2));
  file.end();
  file.begin(kT2);
  file.end();
  file.begin(kT3, kStatusNormal, std::string("\0\n\xff", 3));
  file.data(kA, "a");
  file.end();
  expect_comes_back(file.bytes());
}

TEST(FileStorageWriter, ChainsOfBackPointersComeBack) {
  DataFsBuilder file;
  const auto one = file.commit(kT1, kA, "one");
  const auto two = file.commit(kT2, kA, "two");
  const auto tid = [](std::uint64_t number) { return Tid(kT3.value() + number); };
  std::vector<std::uint64_t> undone = {one, two};
  for (std::uint64_t i = 0; i < 40; ++i) {
    file.begin(tid(i));
    // Also one that passes over the last but one, as the undo of an older transaction does.
    undone.push_back(file.back(kA, undone[undone.size() - (i % 5 == 4 ? 3 : 2)]));
    file.end();
  }
  expect_comes_back(file.bytes());
}

TEST(FileStorageWriter, UndoneCreationsAndTheirUndoComeBack) {
  DataFsBuilder file;
  const auto created = file.commit(kT1, kA, "created");
  file.begin(kT2);
  const auto gone = file.gone(kA);
  file.end();
  file.begin(kT3);
  const auto again = file.back(kA, created);
  file.end();
  file.begin(kT4);
  const auto gone_again = file.back(kA, gone);
  file.end();
  file.begin(Tid(kT4.value() + 1));
  file.back(kA, again);
  file.end();
  file.begin(Tid(kT4.value() + 2));
  file.back(kA, gone_again);
  file.end();
  expect_comes_back(file.bytes());
}

TEST(FileStorageWriter, ManyObjectsPointToTheirPreviousRecords) {
  DataFsBuilder file(kMagicPython3);
  for (std::uint64_t i = 0; i < 300; ++i) {
    file.begin(Tid(kT1.value() + i));
    // 97 is a prime: each oid at most once.
    for (std::uint64_t j = 1; j < 20; ++j) file.data(Oid((i % 96 + 1) * j % 97), "data");
    file.end();
  }
  expect_comes_back(file.bytes());
}

TEST(FileStorageWriter, DataTakesThePlaceOfABackPointerWhoseTargetIsGone) {
  const auto load = [](Oid oid, Tid tid) -> Result<Bytes> {
    EXPECT_EQ(oid, kA);
    EXPECT_EQ(tid, kT3);
    return Bytes::copy_of("one");
  };
  const std::string bytes = write_file({transaction(kT2, {data_write(kA, "two")}),
                                        transaction(kT3, {back_write(kA, kT1)})},
                                       load)
                                .value();
  const Read all = read(bytes);
  ASSERT_EQ(all.transactions.size(), 2U);
  EXPECT_EQ(all.transactions[1].writes[0].kind, RevisionKind::data);
  EXPECT_EQ(all.transactions[1].writes[0].data.view(), "one");
}

TEST(FileStorageWriter, ViaThatIsGoneOrLeadsElsewhereIsPassedOver) {
  for (const Tid via : {Tid(kT1.value() + 1), kT2}) {
    const std::string bytes = write_file({transaction(kT1, {data_write(kA, "one")}),
                                          transaction(kT2, {data_write(kA, "two")}),
                                          transaction(kT3, {back_write(kA, kT1, via)})})
                                  .value();
    const Read all = read(bytes);
    ASSERT_EQ(all.transactions.size(), 3U);
    EXPECT_EQ(all.transactions[2].writes[0].kind, RevisionKind::back_pointer);
    EXPECT_EQ(all.transactions[2].writes[0].back, kT1);
    EXPECT_TRUE(all.transactions[2].writes[0].via.is_zero());
  }
}

TEST(FileStorageWriter, WhatAFileCannotHoldIsRefused) {
  const auto empty = write_file({transaction(kT1, {data_write(kA, "")})});
  ASSERT_FALSE(empty.has_value());
  EXPECT_EQ(empty.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(empty.error().detail, HasSubstr("no bytes"));
  TransactionRecord odd = transaction(kT1);
  odd.status = 'c';
  const auto unfinished = write_file({odd});
  ASSERT_FALSE(unfinished.has_value());
  EXPECT_EQ(unfinished.error().code, ErrorCode::invalid_argument);
}

TEST(FileStorageWriter, CountsWhatItWrote) {
  const zeolite::testing::TemporaryDirectory directory;
  auto writer = FileStorageWriter::create(directory / "Data.fs").value();
  for (const TransactionRecord& transaction : read(Sample().file.bytes()).transactions) {
    ASSERT_TRUE(writer.write(transaction, nothing_to_load).has_value());
  }
  EXPECT_EQ(writer.counts().transactions, 3U);
  EXPECT_EQ(writer.counts().records, 6U);
  EXPECT_EQ(writer.counts().data_bytes, 9U + 9U + 9U + 300U);
  EXPECT_EQ(writer.counts().back_pointers, 1U);
}

}  // namespace
}  // namespace zeolite::filestorage
