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

// Gives `content` in parts of 4 bytes.
BlobExport::Reader parts_of(std::string content) {
  return [content = std::move(content)](Oid, Tid, std::uint64_t offset) -> Result<Bytes> {
    return Bytes(content.substr(offset, 4));
  };
}

TEST_F(BlobExportTest, FetchesInParts) {
  auto out = BlobExport::open(directory_ / "out");
  ASSERT_TRUE(out);
  std::vector<std::uint64_t> offsets;
  const auto read = [&](Oid oid, Tid tid, std::uint64_t offset) {
    EXPECT_EQ(oid, kOid);
    EXPECT_EQ(tid, kTid);
    offsets.push_back(offset);
    return parts_of("a content")(oid, tid, offset);
  };
  ASSERT_TRUE(out->fetch(read, kOid, kTid, info_of("a content")));
  EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 4, 8, 9}));
  ASSERT_TRUE(out->fetch(read, kOid, kTid, info_of("a content")));  // it is there
  EXPECT_EQ(offsets.size(), 4U);
  EXPECT_EQ(out->bytes(), 18U);
  ASSERT_TRUE(out->fetch(parts_of(""), kOid, kTid.next(), info_of("")));
  const auto files = ZodbBlobFiles::open(directory_ / "out");
  EXPECT_EQ(read_file(files->find(kOid, kTid).value().value()), "a content");
  EXPECT_EQ(read_file(files->find(kOid, kTid.next()).value().value()), "");
}

TEST_F(BlobExportTest, WhatIsFetchedIsCheckedAndLeavesNothingWhenItIsWrong) {
  auto out = BlobExport::open(directory_ / "out");
  ASSERT_TRUE(out);
  const fs::path path = directory_ / "out" / object_directory(Layout::bushy, kOid);
  for (const std::string wrong : {"a contemt", "a content and more", "a con", ""}) {
    EXPECT_EQ(code_of(out->fetch(parts_of(wrong), kOid, kTid, info_of("a content"))),
              ErrorCode::corruption)
        << wrong;
    EXPECT_TRUE(fs::is_empty(path));
  }
  const auto lost = [](Oid, Tid, std::uint64_t offset) -> Result<Bytes> {
    if (offset < 4) return Bytes::copy_of("a co");
    return make_error(ErrorCode::unavailable, "the connection was lost");
  };
  EXPECT_EQ(code_of(out->fetch(lost, kOid, kTid, info_of("a content"))), ErrorCode::unavailable);
  EXPECT_FALSE(fs::exists(path / blob_file_name(kTid)));
  EXPECT_EQ(out->blobs(), 0U);
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
