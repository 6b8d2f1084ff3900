#include "protocol/fingerprint_table.h"

#include <gtest/gtest.h>

namespace zeolite::protocol {
namespace {

TEST(FingerprintTable, KeepsEachWithItsFirstParentWhileItGrows) {
  FingerprintTable table;
  constexpr std::uint64_t kCount = 100'000;
  std::uint64_t parent = 0;
  for (std::uint64_t number = 0; number < kCount; ++number) {
    const std::uint64_t print = fingerprint(&number, sizeof number);
    EXPECT_TRUE(table.insert(print, parent));
    EXPECT_FALSE(table.insert(print, 42));
    parent = print;
  }
  EXPECT_EQ(table.size(), kCount);
  std::size_t length = 0;
  for (std::uint64_t print = parent; print != 0; print = table.parent_of(print)) {
    ++length;
  }
  EXPECT_EQ(length, kCount);
}

TEST(FingerprintTable, TellsBytesApart) {
  const std::uint64_t one = 1;
  const std::uint64_t two = 2;
  EXPECT_EQ(fingerprint(&one, sizeof one), fingerprint(&one, sizeof one));
  EXPECT_NE(fingerprint(&one, sizeof one), fingerprint(&two, sizeof two));
  EXPECT_NE(fingerprint(&one, sizeof one), fingerprint(&one, 4));
}

}  // namespace
}  // namespace zeolite::protocol
