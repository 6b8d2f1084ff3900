#include "blobs/zodb_blob_files.h"

#include "blobs/blob_fixture.h"

namespace zeolite::blobs::testing {
namespace {

namespace fs = std::filesystem;

constexpr Oid kOid{0x012a};
constexpr Tid kTid{0x03d1e0f1a2b3c4d5};

class ZodbBlobFilesTest : public ::testing::Test {
 protected:
  void write(const fs::path& relative, std::string_view content) {
    fs::create_directories((directory_ / relative).parent_path());
    write_file(directory_ / relative, content);
  }
  void expect_found(Layout layout) {
    const auto files = ZodbBlobFiles::open(directory_.path());
    ASSERT_TRUE(files) << files.error().to_string();
    EXPECT_EQ(files->layout(), layout);
    const auto file = files->find(kOid, kTid);
    ASSERT_TRUE(file && *file);
    EXPECT_EQ(read_file(**file), "content");
    EXPECT_EQ(files->find(kOid, kTid.next()), std::nullopt);
    EXPECT_EQ(files->find(kOid.next(), kTid), std::nullopt);
  }

  const TemporaryDirectory directory_;
};

TEST_F(ZodbBlobFilesTest, ReadsBothLayouts) {
  write(".layout", "bushy");
  write("0x00/0x00/0x00/0x00/0x00/0x00/0x01/0x2a/0x03d1e0f1a2b3c4d5.blob", "content");
  expect_found(Layout::bushy);
  write(".layout", "lawn\n");
  write("0x012a/0x03d1e0f1a2b3c4d5.blob", "content");
  expect_found(Layout::lawn);
}

TEST_F(ZodbBlobFilesTest, TellsTheLayoutWithoutMarker) {
  EXPECT_EQ(ZodbBlobFiles::open(directory_.path())->layout(), Layout::bushy);
  write("0x00/0x01.blob", "of the root object");
  write("0x012a/0x03d1e0f1a2b3c4d5.blob", "content");
  expect_found(Layout::lawn);
  write("0x00/0x00/0x00/0x00/0x00/0x00/0x01/0x2a/0x03d1e0f1a2b3c4d5.blob", "content");
  expect_found(Layout::bushy);
}

TEST_F(ZodbBlobFilesTest, RefusesACacheAndWhatIsNotThere) {
  write(".layout", "zeocache");
  EXPECT_EQ(code_of(ZodbBlobFiles::open(directory_.path())), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(ZodbBlobFiles::open(directory_ / "missing")), ErrorCode::not_found);
}

TEST_F(ZodbBlobFilesTest, WhatIsNoFileIsAnError) {
  fs::create_directories(directory_ /
                         "0x00/0x00/0x00/0x00/0x00/0x00/0x01/0x2a/0x03d1e0f1a2b3c4d5.blob");
  EXPECT_EQ(code_of(ZodbBlobFiles::open(directory_.path())->find(kOid, kTid)), ErrorCode::io_error);
}

}  // namespace
}  // namespace zeolite::blobs::testing
