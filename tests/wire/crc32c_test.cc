#include "wire/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace zeolite::wire {
namespace {

std::string counting_bytes(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

TEST(Crc32c, GivesThePublishedVectors) {
  // RFC 3720, appendix B.4, and the usual check value.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c(counting_bytes(32)), 0x46DD794EU);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(Crc32c, TablesAndInstructionAgreeAtEveryLengthAndAlignment) {
  const std::string bytes = counting_bytes(300);
  for (std::size_t start = 0; start < 8; ++start) {
    for (std::size_t size = 0; size + start <= bytes.size(); ++size) {
      const ByteView part = ByteView(bytes).substr(start, size);
      ASSERT_EQ(crc32c(part), crc32c_by_table(part)) << start << " " << size;
    }
  }
}

TEST(Crc32c, OfPartsIsThatOfTheWhole) {
  const std::string bytes = counting_bytes(100);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const ByteView whole = bytes;
    EXPECT_EQ(crc32c(whole.substr(cut), crc32c(whole.substr(0, cut))), crc32c(whole));
    EXPECT_EQ(crc32c_by_table(whole.substr(cut), crc32c_by_table(whole.substr(0, cut))),
              crc32c(whole));
  }
}

}  // namespace
}  // namespace zeolite::wire
