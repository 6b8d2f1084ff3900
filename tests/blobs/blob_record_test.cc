#include "blobs/blob_record.h"

#include <gtest/gtest.h>

#include <string>

namespace zeolite::blobs {
namespace {

using namespace std::string_view_literals;

constexpr ByteView kState = "\x80\x03N."sv;

TEST(BlobRecord, IsFoundInEveryProtocol) {
  for (const ByteView pickle : {"cZODB.blob\nBlob\np0\n."sv, "cZODB.blob\nBlob\nq\0."sv,
                                "cZODB.blob\nBlob\n."sv, "cZODB.blob\nBlob\nr\0\0\0\0."sv,
                                "\x80\x02"
                                "cZODB.blob\nBlob\nq\x01."sv,
                                "\x80\x03"
                                "cZODB.blob\nBlob\nq\0."sv,
                                "\x80\x04\x95\x16\0\0\0\0\0\0\0\x8c\tZODB.blob\x94\x8c\x04"
                                "Blob\x94\x93\x94."sv,
                                "X\t\0\0\0ZODB.blobX\x04\0\0\0Blob\x93."sv}) {
    EXPECT_TRUE(is_blob_record(std::string(pickle) + std::string(kState))) << pickle;
  }
}

TEST(BlobRecord, NothingElseIsOne) {
  for (const ByteView record :
       {""sv, "."sv, "cZODB.blob\nBlob"sv, "cZODB.blob\nBlob\n"sv, "cZODB.blob\nBlob\nq"sv,
        "cZODB.blob\nBlob\nq\x01"sv, "cZODB.blob\nBlob\nN\x86."sv, "cZODB.blob\nBlobFile\n."sv,
        "cmy.ZODB.blob\nBlob\n."sv,
        "cpersistent.mapping\nPersistentMapping\n.cZODB.blob\nBlob\n."sv,
        "\x80\x03"
        "cZODB.blob\nBlob\nq\0N\x86q\x01."sv,
        "\x8c\tZODB.blob\x8c\x04"
        "Blob."sv,
        "\x8c\xff"
        "ZODB.blob"sv,
        "X\xff\xff\xff\xffZODB.blob"sv, "X\t\0"sv, ".zZODB.blob Blob"sv}) {
    EXPECT_FALSE(is_blob_record(record)) << record;
  }
}

TEST(BlobRecord, EveryPrefixIsNone) {
  constexpr ByteView kRecord =
      "\x80\x03"
      "cZODB.blob\nBlob\nq\0."sv;
  for (std::size_t size = 0; size < kRecord.size(); ++size) {
    EXPECT_FALSE(is_blob_record(kRecord.substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace zeolite::blobs
