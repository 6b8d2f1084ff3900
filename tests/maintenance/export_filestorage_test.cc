#include "maintenance/export_filestorage.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "filestorage/data_fs_builder.h"
#include "filestorage/real_files.h"
#include "maintenance/import_filestorage.h"
#include "maintenance/store_transactions.h"
#include "storage/file_descriptor.h"
#include "storage/memory_object_store.h"
#include "support/temporary_directory.h"

namespace zeolite::maintenance {
namespace {

using filestorage::DataFsBuilder;
using filestorage::FileStorageReader;
using storage::MemoryObjectStore;
using ::testing::HasSubstr;

constexpr Tid kT1{0x03292acfb11228b3};
constexpr Tid kT2{0x03292acfb5c5d63b};
constexpr Tid kT3{0x03292acff56f8c3b};
constexpr Tid kT4{0x03292ad0a1d7dbf7};
constexpr Oid kA{1};
constexpr Oid kB{2};

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put_file(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

// A file as FileStorage writes it, with undo of undo and of a creation.
std::string sample_bytes(std::string_view magic = filestorage::kMagicPython3) {
  DataFsBuilder file(magic);
  file.begin(kT1, 'p', "user", "first", "ext");
  const auto a1 = file.data(kA, "a1");
  const auto b1 = file.data(kB, "b1");
  file.end();
  file.begin(kT2, ' ', "user", "second");
  file.data(kA, "a2");
  const auto b2 = file.gone(kB);
  file.end();
  file.begin(kT3);
  const auto a3 = file.back(kA, a1);
  file.back(kB, b1);
  file.end();
  file.begin(Tid(kT3.value() + 1));
  file.end();
  file.begin(kT4, ' ', "", "undo of the undo, and again");
  file.back(kA, a3);
  file.back(kB, b2);
  file.end();
  return file.bytes();
}

void import(std::string_view bytes, MemoryObjectStore& store) {
  auto reader = FileStorageReader::from_source(filestorage::make_memory_source(bytes)).value();
  const auto report = import_filestorage(reader, &store, {});
  ASSERT_TRUE(report.has_value()) << report.error().detail;
}

class ExportFilestorage : public ::testing::Test {
 protected:
  Result<ExportReport> export_store(const storage::ObjectStore& store,
                                    const ExportOptions& options = {}) {
    StoreTransactions transactions(store);
    return export_filestorage(transactions, path_, options);
  }
  [[nodiscard]] std::filesystem::path beside(std::string_view suffix) const {
    return path_.string() + std::string(suffix);
  }

  zeolite::testing::TemporaryDirectory directory_;
  const std::filesystem::path path_ = directory_ / "Data.fs";
};

TEST_F(ExportFilestorage, WhatWasImportedComesBackByteForByte) {
  MemoryObjectStore store;
  import(sample_bytes(), store);
  const auto report = export_store(store);
  ASSERT_TRUE(report.has_value()) << report.error().detail;
  EXPECT_TRUE(content_of(path_) == sample_bytes());
  EXPECT_EQ(report->transactions, 5U);
  EXPECT_EQ(report->records, 8U);
  EXPECT_EQ(report->data_bytes, 6U);
  EXPECT_EQ(report->back_pointers, 4U);
  EXPECT_EQ(report->file_bytes, sample_bytes().size());
  EXPECT_EQ(report->packed_records, 0U);
  EXPECT_EQ(report->last_tid, kT4);
  EXPECT_FALSE(std::filesystem::exists(beside(".part")));
}

TEST_F(ExportFilestorage, TheMagicIsTheOneAskedFor) {
  MemoryObjectStore store;
  import(sample_bytes(filestorage::kMagicPython2), store);
  ASSERT_TRUE(export_store(store, {.magic = filestorage::kMagicPython2}).has_value());
  EXPECT_TRUE(content_of(path_) == sample_bytes(filestorage::kMagicPython2));
}

TEST_F(ExportFilestorage, RealFilesComeBackByteForByte) {
  for (const std::string_view name : {"zope-1998.fs", "zodb-test-checker.fs"}) {
    const auto source = filestorage::real_file(name);
    SKIP_WITHOUT_FILE(source);
    MemoryObjectStore store;
    ASSERT_TRUE(import_filestorage(source, &store, {}).has_value());
    const std::string bytes = content_of(source);
    const auto report =
        export_store(store, {.overwrite = true, .magic = std::string_view(bytes).substr(0, 4)});
    ASSERT_TRUE(report.has_value()) << report.error().detail;
    EXPECT_TRUE(content_of(path_) == bytes) << name;
  }
}

TEST_F(ExportFilestorage, WhatZodbSkipsIsNotThere) {
  DataFsBuilder file;
  file.begin(kT1, 'u');
  const auto undone = file.data(kA, "undone");
  file.end();
  file.begin(kT2);
  file.data(kB, "first");
  file.data(kB, "last");
  file.back(kA, undone);
  file.end();
  MemoryObjectStore store;
  import(file.bytes(), store);
  ASSERT_TRUE(export_store(store).has_value());
  auto reader = FileStorageReader::open(path_).value();
  const auto transaction = reader.next().value();
  ASSERT_TRUE(transaction.has_value());
  EXPECT_EQ(transaction->tid, kT2);
  ASSERT_EQ(transaction->writes.size(), 2U);
  EXPECT_EQ(transaction->writes[0].data.view(), "last");
  EXPECT_EQ(transaction->writes[1].data.view(), "undone");
  EXPECT_FALSE(reader.next().value().has_value());
}

TEST_F(ExportFilestorage, AnEmptyStoreIsAnEmptyFile) {
  const MemoryObjectStore store;
  const auto report = export_store(store);
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->last_tid.is_zero());
  EXPECT_EQ(content_of(path_), "FS30");
}

TEST_F(ExportFilestorage, AFileThatIsThereIsKept) {
  const MemoryObjectStore store;
  for (const std::string_view suffix : {"", ".index"}) {
    put_file(beside(suffix), "precious");
    const auto refused = export_store(store);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
    EXPECT_THAT(refused.error().detail, HasSubstr(beside(suffix).string() + " is there"));
    EXPECT_EQ(content_of(beside(suffix)), "precious");
    std::filesystem::remove(beside(suffix));
  }
}

TEST_F(ExportFilestorage, OverwritingReplacesTheFileAndItsIndex) {
  MemoryObjectStore store;
  import(sample_bytes(), store);
  put_file(path_, "old");
  put_file(beside(".index"), "old index");
  put_file(beside(".part"), "left by an export that was killed");
  ASSERT_TRUE(export_store(store, {.overwrite = true}).has_value());
  EXPECT_TRUE(content_of(path_) == sample_bytes());
  EXPECT_FALSE(std::filesystem::exists(beside(".index")));
}

TEST_F(ExportFilestorage, AFileThatZodbHasOpenIsNotReplaced) {
  const MemoryObjectStore store;
  put_file(path_, "in use");
  put_file(beside(".lock"), "1");
  const storage::FileDescriptor lock(::open(beside(".lock").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX | LOCK_NB), 0);
  const auto refused = export_store(store, {.overwrite = true});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::busy);
  EXPECT_EQ(content_of(path_), "in use");
  ASSERT_EQ(::flock(lock.get(), LOCK_UN), 0);
  EXPECT_TRUE(export_store(store, {.overwrite = true}).has_value());
}

TEST_F(ExportFilestorage, CancelledExportLeavesNothing) {
  MemoryObjectStore store;
  import(sample_bytes(), store);
  const std::atomic<bool> cancelled = true;
  const auto stopped = export_store(store, {.cancelled = &cancelled});
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::aborted);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(ExportFilestorage, ARecordOfNoBytesIsRefusedAndLeavesNothing) {
  MemoryObjectStore store;
  TransactionRecord record;
  record.epoch = Epoch(1);
  record.tid = kT1;
  record.writes.push_back({.oid = kA, .previous = {}, .data = {}, .back = {}});
  ASSERT_TRUE(store.append({&record, 1}).has_value());
  const auto refused = export_store(store);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(ExportFilestorage, ProgressEndsAtTheLastTransaction) {
  DataFsBuilder file;
  for (std::uint64_t tid = 1; tid <= 50; ++tid) {
    file.commit(Tid(tid), kA, std::string(100'000, 'x'));
  }
  MemoryObjectStore store;
  import(file.bytes(), store);
  std::vector<ExportProgress> told;
  ExportOptions options;
  options.progress = [&](const ExportProgress& progress) { told.push_back(progress); };
  ASSERT_TRUE(export_store(store, options).has_value());
  ASSERT_GE(told.size(), 4U);
  ASSERT_LE(told.size(), 6U);
  EXPECT_EQ(told.back().bytes, file.size());
  EXPECT_EQ(told.back().first, Tid(1));
  EXPECT_EQ(told.back().tid, Tid(50));
  EXPECT_EQ(told.back().until, Tid(50));
}

}  // namespace
}  // namespace zeolite::maintenance
