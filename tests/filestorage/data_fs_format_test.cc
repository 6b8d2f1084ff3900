#include "filestorage/data_fs_format.h"

#include <gtest/gtest.h>

#include <string>

namespace zeolite::filestorage {
namespace {

// The first bytes of a file that ZODB wrote in 2002.
TEST(DataFsFormat, TransactionHeaderIsTwentyThreeBytes) {
  const auto bytes = from_hex("033f9e345c0842330000000000000093200000001900005a");
  ASSERT_TRUE(bytes.has_value());
  const TransactionHeader header = decode_transaction_header(bytes->data());
  EXPECT_EQ(header.tid, Tid(0x033f9e345c084233));
  EXPECT_EQ(header.length, 0x93U);
  EXPECT_EQ(header.status, ' ');
  EXPECT_EQ(header.user_bytes, 0U);
  EXPECT_EQ(header.description_bytes, 25U);
  EXPECT_EQ(header.extension_bytes, 0U);
  EXPECT_EQ(header.header_bytes(), 48U);
}

TEST(DataFsFormat, RecordHeaderIsFortyTwoBytes) {
  const auto bytes = from_hex(
      "0000000000000001033f9e352e35b0770000000000000206000000000000027a0000000000000000005f28");
  ASSERT_TRUE(bytes.has_value());
  const RecordHeader header = decode_record_header(bytes->data());
  EXPECT_EQ(header.oid, Oid(1));
  EXPECT_EQ(header.tid, Tid(0x033f9e352e35b077));
  EXPECT_EQ(header.previous_offset, 0x206U);
  EXPECT_EQ(header.transaction_offset, 0x27aU);
  EXPECT_EQ(header.version_bytes, 0U);
  EXPECT_EQ(header.data_bytes, 0x5fU);
  EXPECT_EQ(header.content_bytes(), 0x5fU);
}

TEST(DataFsFormat, RecordWithoutDataHoldsABackPointer) {
  EXPECT_EQ(RecordHeader{}.content_bytes(), 8U);
}

}  // namespace
}  // namespace zeolite::filestorage
