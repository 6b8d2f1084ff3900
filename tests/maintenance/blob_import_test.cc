#include "maintenance/blob_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "blobs/blob_directory.h"
#include "blobs/blob_names.h"
#include "blobs/zodb_blob_files.h"
#include "filestorage/data_fs_builder.h"
#include "maintenance/import_filestorage.h"
#include "storage/memory_object_store.h"
#include "support/temporary_directory.h"

namespace zeolite::maintenance {
namespace {

namespace fs = std::filesystem;
using blobs::BlobDirectory;
using blobs::Layout;
using blobs::ZodbBlobFiles;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Tid kT1{0x03292acfb11228b3};
constexpr Tid kT2{0x03292acfb5c5d63b};
constexpr Tid kT3{0x03292acff56f8c3b};
constexpr Oid kBlob{0x1234};
constexpr Oid kOther{2};
constexpr std::string_view kBlobRecord = "cZODB.blob\nBlob\nq\x01.N.";

class BlobImportTest : public ::testing::Test {
 protected:
  BlobImportTest() {
    // Two revisions of a blob, and an undo of the second.
    file_.begin(kT1);
    const std::uint64_t first = file_.data(kBlob, kBlobRecord);
    file_.data(kOther, "no blob");
    file_.end();
    file_.commit(kT2, kBlob, kBlobRecord);
    file_.begin(kT3);
    file_.back(kBlob, first);
    file_.end();
    open_blobs();
  }
  void open_blobs() {
    blobs_.reset();
    blobs_ = BlobDirectory::open({.path = directory_ / "blobs", .reserve_bytes = 0}).value();
  }
  void put(Tid tid, std::string_view content, Layout layout = Layout::bushy) {
    const fs::path source = directory_ / "source";
    const fs::path path = source / blobs::object_directory(layout, kBlob);
    fs::create_directories(path);
    std::ofstream(source / ".layout") << to_string(layout);
    std::ofstream(path / blobs::blob_file_name(tid)) << content;
  }
  Result<ImportReport> import(const ImportOptions& options = {}) {
    return import_into(store_, options);
  }
  Result<ImportReport> import_into(storage::ObjectStore& store, ImportOptions options) {
    const auto files = ZodbBlobFiles::open(directory_ / "source").value();
    auto reader =
        filestorage::FileStorageReader::from_source(filestorage::make_memory_source(file_.bytes()))
            .value();
    options.blob_files = &files;
    options.blob_directory = blobs_.get();
    return import_filestorage(reader, &store, options);
  }
  std::string content_of(Tid tid) {
    const auto file = blobs_->open_for_reading(kBlob, tid);
    if (!file) return std::string(to_string(file.error().code));
    std::string content(file->size(), '\0');
    EXPECT_EQ(file->read(0, content), content.size());
    return content;
  }
  // What the log says of the object at `tid` is what is in its file.
  void expect_verified(const storage::ObjectStore& store, Tid tid) {
    const auto entry = store.log_entry(tid).value();
    ASSERT_TRUE(entry && entry->objects[0].blob);
    const auto verified = blobs_->verify(kBlob, tid, *entry->objects[0].blob, nullptr);
    EXPECT_TRUE(verified) << verified.error().to_string();
  }

  const zeolite::testing::TemporaryDirectory directory_;
  filestorage::DataFsBuilder file_;
  storage::MemoryObjectStore store_;
  std::unique_ptr<BlobDirectory> blobs_;
};

TEST_F(BlobImportTest, BlobsComeWithTheirTransactions) {
  for (const Layout layout : {Layout::bushy, Layout::lawn}) {
    SCOPED_TRACE(to_string(layout));
    storage::MemoryObjectStore store;
    put(kT1, "first", layout);
    put(kT2, "second", layout);
    put(kT3, "first", layout);
    const auto report = import_into(store, {});
    ASSERT_TRUE(report) << report.error().to_string();
    EXPECT_EQ(report->blobs, 3U);
    EXPECT_EQ(report->blob_bytes, 16U);
    EXPECT_THAT(report->warnings, ElementsAre());
    EXPECT_EQ(content_of(kT1), "first");
    EXPECT_EQ(content_of(kT2), "second");
    EXPECT_EQ(content_of(kT3), "first");
    for (const Tid tid : {kT1, kT2, kT3}) expect_verified(store, tid);
    EXPECT_FALSE(store.log_entry(kT1).value()->objects[1].blob);
    EXPECT_EQ(blobs_->unsettled(), 0U);
    EXPECT_TRUE(blobs_->staged().value().empty());
  }
}

TEST_F(BlobImportTest, AnUndoWithoutFileHasThatOfWhatItRestores) {
  put(kT1, "first");
  put(kT2, "second");
  for (const std::size_t group_bytes : {std::size_t{1}, std::size_t{1} << 20}) {
    storage::MemoryObjectStore store;
    const auto report = import_into(store, {.group_bytes = group_bytes});
    ASSERT_TRUE(report) << report.error().to_string();
    EXPECT_EQ(report->blobs, 3U);
    EXPECT_EQ(content_of(kT3), "first");
    EXPECT_EQ(store.log_entry(kT3).value()->objects[0].blob,
              store.log_entry(kT1).value()->objects[0].blob);
  }
}

TEST_F(BlobImportTest, MissingFilesAreListedAndNothingIsImportedFromThereOn) {
  put(kT1, "first");
  const auto report = import({.group_bytes = 1});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::not_found);
  EXPECT_THAT(report.error().detail, HasSubstr("1 blob has no file"));
  EXPECT_THAT(report.error().detail,
              HasSubstr("0x00/0x00/0x00/0x00/0x00/0x00/0x12/0x34/0x03292acfb5c5d63b.blob"));
  EXPECT_EQ(store_.last_transaction(), kT1);
  EXPECT_EQ(content_of(kT1), "first");

  put(kT2, "second");
  const auto rest = import({.incremental = true});
  ASSERT_TRUE(rest) << rest.error().to_string();
  EXPECT_EQ(rest->blobs, 2U);
  EXPECT_EQ(content_of(kT2), "second");
}

TEST_F(BlobImportTest, MissingFilesMayBeLeftOut) {
  put(kT1, "first");
  const auto report = import({.allow_missing_blobs = true});
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->blobs, 2U);
  EXPECT_THAT(report->warnings, ElementsAre(HasSubstr("1 blob has no file")));
  EXPECT_EQ(content_of(kT2), "not_found");
  EXPECT_FALSE(store_.log_entry(kT2).value()->objects[0].blob);
}

TEST_F(BlobImportTest, ADryRunLooksOnly) {
  put(kT1, "first");
  EXPECT_EQ(import({.dry_run = true}).error().code, ErrorCode::not_found);
  put(kT2, "second");
  const auto report = import({.dry_run = true});
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(content_of(kT1), "not_found");
  // What it counts is what an import brings.
  EXPECT_EQ(report->blobs, 3U);
  EXPECT_EQ(report->blob_bytes, 16U);
  const auto imported = import();
  ASSERT_TRUE(imported) << imported.error().to_string();
  EXPECT_EQ(imported->blobs, report->blobs);
  EXPECT_EQ(imported->blob_bytes, report->blob_bytes);
}

TEST_F(BlobImportTest, ADryRunCountsTheFileThatAnUndoHasOfItsOwn) {
  put(kT1, "first");
  put(kT2, "second");
  put(kT3, "third, longer");
  const auto report = import({.dry_run = true});
  EXPECT_EQ(report->blobs, 3U);
  EXPECT_EQ(report->blob_bytes, import()->blob_bytes);
}

TEST_F(BlobImportTest, ADryRunCountsNoBlobsThatMayBeMissing) {
  put(kT2, "second");
  const auto report = import({.dry_run = true, .allow_missing_blobs = true});
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->blobs, 1U);
  EXPECT_EQ(report->blob_bytes, 6U);
  EXPECT_EQ(import({.allow_missing_blobs = true})->blobs, 1U);
}

TEST_F(BlobImportTest, AnIncrementalImportComparesBlobs) {
  put(kT1, "first");
  put(kT2, "second");
  ASSERT_TRUE(import());
  EXPECT_TRUE(import({.incremental = true}));
  fs::remove_all(directory_ / "source");
  put(kT1, "first");
  put(kT2, "another size");
  const auto report = import({.incremental = true});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::conflict);
  EXPECT_THAT(report.error().detail, HasSubstr("another size"));
}

TEST_F(BlobImportTest, WhatWasImportedWithoutBlobsIsNotGoneOnWith) {
  auto reader =
      filestorage::FileStorageReader::from_source(filestorage::make_memory_source(file_.bytes()))
          .value();
  const auto without = import_filestorage(reader, &store_, {});
  ASSERT_TRUE(without);
  EXPECT_THAT(without->warnings, ElementsAre(HasSubstr("2 blob records")));
  put(kT1, "first");
  put(kT2, "second");
  EXPECT_EQ(import({.incremental = true}).error().code, ErrorCode::conflict);
}

TEST_F(BlobImportTest, AFailedAppendLeavesNothingForTheLogToMiss) {
  put(kT1, "first");
  put(kT2, "second");
  store_.break_appends();
  EXPECT_FALSE(import());
  // Whether the transactions are in the log is for the next open to find out.
  EXPECT_EQ(blobs_->staged().value().size(), 3U);
}

}  // namespace
}  // namespace zeolite::maintenance
