#include "blobs/blob_export.h"

#include "blobs/blob_fixture.h"
#include "blobs/zodb_blob_files.h"

namespace zeolite::blobs::testing {
namespace {

namespace fs = std::filesystem;
using BlobExportTest = BlobFixture;

constexpr Oid kOid{0x012a};
constexpr Tid kTid{0x03d1e0f1a2b3c4d5};

TEST_F(BlobExportTest, WritesWhatZodbReads) {
  commit(kTid, kOid, "content");
  auto out = BlobExport::open(directory_ / "out");
  ASSERT_TRUE(out) << out.error().to_string();
  ASSERT_TRUE(out->add(blobs(), kOid, kTid, info_of("content")));
  ASSERT_TRUE(out->finish());
  EXPECT_EQ(out->blobs(), 1U);
  EXPECT_EQ(out->bytes(), 7U);
  EXPECT_EQ(read_file(directory_ / "out/.layout"), "bushy");
  const auto files = ZodbBlobFiles::open(directory_ / "out");
  EXPECT_EQ(read_file(files->find(kOid, kTid).value().value()), "content");
}

TEST_F(BlobExportTest, CopiesToAnotherFileSystem) {
  const std::string content(3'000'000, 'x');
  commit(kTid, kOid, content);
  // Another one where the tests' directories are in memory.
  const fs::path path =
      fs::temp_directory_path() / (directory_.path().filename().string() + "-out");
  auto out = BlobExport::open(path);
  ASSERT_TRUE(out) << out.error().to_string();
  EXPECT_TRUE(out->add(blobs(), kOid, kTid, info_of(content)));
  const auto file = ZodbBlobFiles::open(path)->find(kOid, kTid);
  ASSERT_TRUE(file && *file);
  EXPECT_TRUE(read_file(**file) == content);
  EXPECT_EQ(fs::status(**file).permissions() & fs::perms(0222), fs::perms::none);
  fs::remove_all(path);
}

TEST_F(BlobExportTest, GoesOnWhereItStopped) {
  commit(kTid, kOid, "content");
  for (int round = 0; round < 2; ++round) {
    auto out = BlobExport::open(directory_ / "out");
    ASSERT_TRUE(out);
    EXPECT_TRUE(out->add(blobs(), kOid, kTid, info_of("content")));
  }
}

TEST_F(BlobExportTest, RefusesWhatIsNotTheRightBlob) {
  commit(kTid, kOid, "content");
  auto out = BlobExport::open(directory_ / "out");
  ASSERT_TRUE(out);
  EXPECT_EQ(code_of(out->add(blobs(), kOid, kTid.next(), info_of("content"))),
            ErrorCode::not_found);
  EXPECT_EQ(code_of(out->add(blobs(), kOid, kTid, info_of("other"))), ErrorCode::corruption);
  const fs::path path = directory_ / "out" / object_directory(Layout::bushy, kOid);
  fs::create_directories(path);
  write_file(path / blob_file_name(kTid), "something else");
  EXPECT_EQ(code_of(out->add(blobs(), kOid, kTid, info_of("content"))), ErrorCode::conflict);
}

TEST_F(BlobExportTest, RefusesDirectoriesOfOthers) {
  EXPECT_EQ(code_of(BlobExport::open(directory_ / "blobs")), ErrorCode::invalid_argument);
  fs::create_directories(directory_ / "other");
  write_file(directory_ / "other/file", "");
  EXPECT_EQ(code_of(BlobExport::open(directory_ / "other")), ErrorCode::invalid_argument);
  fs::create_directories(directory_ / "lawn");
  write_file(directory_ / "lawn/.layout", "lawn");
  EXPECT_EQ(code_of(BlobExport::open(directory_ / "lawn")), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace zeolite::blobs::testing
