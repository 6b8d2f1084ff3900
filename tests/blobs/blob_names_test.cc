#include "blobs/blob_names.h"

#include <gtest/gtest.h>

namespace zeolite::blobs {
namespace {

TEST(BlobNames, DirectoriesAreThoseOfZodb) {
  EXPECT_EQ(object_directory(Layout::bushy, Oid(0x012a)),
            "0x00/0x00/0x00/0x00/0x00/0x00/0x01/0x2a");
  EXPECT_EQ(object_directory(Layout::bushy, Oid(0xFEDCBA9876543210)),
            "0xfe/0xdc/0xba/0x98/0x76/0x54/0x32/0x10");
  EXPECT_EQ(object_directory(Layout::lawn, Oid(0x012a)), "0x012a");
  EXPECT_EQ(object_directory(Layout::lawn, Oid(0x100)), "0x0100");
  EXPECT_EQ(object_directory(Layout::lawn, Oid(0)), "0x00");
}

TEST(BlobNames, FileNamesAreThoseOfZodb) {
  EXPECT_EQ(blob_file_name(Tid(0x03441422948b4399)), "0x03441422948b4399.blob");
  EXPECT_EQ(blob_file_name(Tid(0x12)), "0x12.blob");
  EXPECT_EQ(blob_file_name(Tid(0)), "0x00.blob");
  for (const std::uint64_t tid : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x100},
                                  std::uint64_t{0x03441422948b4399}, kMaxTid.value()}) {
    EXPECT_EQ(parse_blob_file_name(blob_file_name(Tid(tid))), Tid(tid));
  }
  for (const char* const name :
       {"", ".blob", "0x.blob", "12.blob", "0x012.blob", "0x0012.blob", "0xAB.blob", "0x12.tmp",
        "0x12.blob-", "0x00000000000000012.blob", "../0x12.blob"}) {
    EXPECT_EQ(parse_blob_file_name(name), std::nullopt) << name;
  }
}

TEST(BlobNames, OnlyTheCanonicalLevelIsALevel) {
  EXPECT_EQ(parse_bushy_level("0x00"), 0);
  EXPECT_EQ(parse_bushy_level("0xfe"), 0xfe);
  for (const char* const name : {"", "0x", "0x0", "0xFE", "0x000", "00fe", "0xg0", "tmp", ".."}) {
    EXPECT_EQ(parse_bushy_level(name), std::nullopt) << name;
  }
}

TEST(BlobNames, LayoutMarkersMayHaveWhiteSpace) {
  EXPECT_EQ(parse_layout("bushy"), Layout::bushy);
  EXPECT_EQ(parse_layout(" lawn\n"), Layout::lawn);
  EXPECT_EQ(parse_layout("zeocache"), std::nullopt);
  EXPECT_EQ(parse_layout(" \n"), std::nullopt);
  EXPECT_EQ(parse_layout(to_string(Layout::lawn)), Layout::lawn);
}

TEST(BlobNames, StagedNamesKeepWhatTheySay) {
  StagedName name{Oid(0x2a), {.size = 1'000'000, .hash = {}}, 7};
  name.info.hash.fill(0xcd);
  const std::string text = format_staged_name(name);
  EXPECT_EQ(text,
            "000000000000002a-00000000000f4240-cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd-"
            "0000000000000007.staged");
  EXPECT_EQ(parse_staged_name(text), name);
  EXPECT_EQ(parse_staged_name(text + "x"), std::nullopt);
  EXPECT_EQ(parse_staged_name("x" + text), std::nullopt);
  EXPECT_EQ(parse_staged_name(""), std::nullopt);
  EXPECT_EQ(parse_staged_name(".staged"), std::nullopt);
  EXPECT_EQ(parse_upload_name(upload_name(99)), 99U);
  EXPECT_EQ(parse_upload_name("99.upload"), std::nullopt);
  EXPECT_EQ(parse_upload_name(text), std::nullopt);
}

TEST(BlobNames, ClientsMayNameTemporaryFilesOnly) {
  for (const char* const name : {"0x03d1abcdef.tmp", "0x03d1x_y.tmp-", ".tmp", "a..tmp"}) {
    EXPECT_TRUE(is_shared_upload_name(name)) << name;
  }
  for (const std::string_view name :
       {std::string_view(""), std::string_view("."), std::string_view(".."),
        std::string_view("x.tmp--"), std::string_view("x.blob"), std::string_view("../x.tmp"),
        std::string_view("/x.tmp"), std::string_view("x.tmp/"), std::string_view("x\0.tmp", 6),
        std::string_view("x.tmp\0", 6)}) {
    EXPECT_FALSE(is_shared_upload_name(name)) << name;
  }
  EXPECT_FALSE(is_shared_upload_name(std::string(252, 'x') + ".tmp"));
}

}  // namespace
}  // namespace zeolite::blobs
