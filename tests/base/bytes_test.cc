#include "base/bytes.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace zeolite {
namespace {

using namespace std::string_literals;

TEST(Bytes, TakesOverABufferAndSharesIt) {
  const Bytes whole(std::string("hello world, longer than a small string's own buffer"));
  const Bytes copy = whole;
  EXPECT_EQ(copy.view().data(), whole.view().data());
  EXPECT_EQ(copy, whole);
  EXPECT_EQ(whole.size(), 52U);
  EXPECT_FALSE(whole.empty());
}

TEST(Bytes, IsEmptyByDefault) {
  EXPECT_TRUE(Bytes().empty());
  EXPECT_EQ(Bytes(), Bytes(std::string()));
}

TEST(Bytes, SliceOutlivesTheWhole) {
  Bytes slice;
  {
    const Bytes whole = Bytes::copy_of("0123456789");
    slice = whole.slice(3, 4).slice(1, 100);
  }
  EXPECT_EQ(slice.view(), "456");
}

TEST(Bytes, CopyDoesNotReferToItsSource) {
  std::string source = "before";
  const Bytes copy = Bytes::copy_of(source);
  source = "after!";
  EXPECT_EQ(copy.view(), "before");
}

TEST(Bytes, KeepsAForeignOwnerAlive) {
  auto owner = std::make_shared<std::string>("owned");
  const std::weak_ptr<std::string> watch = owner;
  {
    const Bytes bytes(owner, *owner);
    owner.reset();
    EXPECT_EQ(bytes.view(), "owned");
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Bytes, ComparesContentNotOwner) {
  EXPECT_EQ(Bytes::copy_of("a\0b"s), Bytes::copy_of("a\0b"s));
  EXPECT_FALSE(Bytes::copy_of("a\0b"s) == Bytes::copy_of("a\0c"s));
}

TEST(BigEndian, PutsTheMostSignificantByteFirst) {
  std::string out;
  put_u16(out, 0x0102);
  put_u32(out, 0x03040506);
  put_u64(out, 0x0708090A0B0C0D0EULL);
  EXPECT_EQ(out, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E"s);
}

TEST(BigEndian, GetsWhatWasPut) {
  std::string out = "x";  // not aligned
  put_u16(out, 0xFFFE);
  put_u32(out, 0xFFFEFDFC);
  put_u64(out, 0xFFFEFDFCFBFAF9F8ULL);
  EXPECT_EQ(get_u16(out.data() + 1), 0xFFFE);
  EXPECT_EQ(get_u32(out.data() + 3), 0xFFFEFDFC);
  EXPECT_EQ(get_u64(out.data() + 7), 0xFFFEFDFCFBFAF9F8ULL);
}

TEST(Hex, WritesTwoLowerCaseDigitsAByte) {
  EXPECT_EQ(to_hex(ByteView("\x00\x0F\xA5\xFF"s)), "000fa5ff");
  EXPECT_EQ(to_hex(ByteView()), "");
}

TEST(Hex, ReadsBothCases) {
  EXPECT_EQ(from_hex("000fA5Ff"), "\x00\x0F\xA5\xFF"s);
  EXPECT_EQ(from_hex(""), "");
}

TEST(Hex, RefusesOddLengthsAndOtherCharacters) {
  for (const char* text : {"0", "abc", "0g", "g0", " 0", "0x", "-1", "/0", ":0", "@0", "`0"}) {
    EXPECT_FALSE(from_hex(text)) << text;
  }
}

TEST(Hex, RoundTripsEveryByte) {
  std::string all;
  for (int b = 0; b < 256; ++b) all.push_back(static_cast<char>(b));
  EXPECT_EQ(from_hex(to_hex(ByteView(all))), all);
}

TEST(ByteReader, TakesFieldsInOrder) {
  std::string buffer = "ab";
  buffer.push_back('\xFF');
  put_u16(buffer, 2);
  put_u32(buffer, 3);
  put_u64(buffer, 4);
  ByteReader reader(buffer);
  EXPECT_EQ(reader.take(2), "ab");
  EXPECT_EQ(reader.take_u8(), 255);
  EXPECT_EQ(reader.take_u16(), 2);
  EXPECT_EQ(reader.take_u32(), 3U);
  EXPECT_EQ(reader.remaining(), 8U);
  EXPECT_EQ(reader.take_u64(), 4U);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_EQ(reader.take(0), "");
  EXPECT_TRUE(reader.ok());
}

TEST(ByteReader, FailsForGoodWhenAFieldDoesNotFit) {
  const std::string buffer = "\x01\x02\x03"s;
  ByteReader reader(buffer);
  EXPECT_EQ(reader.take_u32(), 0U);
  EXPECT_FALSE(reader.ok());
  // What is there would fit, but the order of fields is lost.
  EXPECT_EQ(reader.take_u8(), 0);
  EXPECT_EQ(reader.take_u16(), 0);
  EXPECT_EQ(reader.take_u64(), 0U);
  EXPECT_EQ(reader.take(1), "");
  EXPECT_FALSE(reader.ok());
}

TEST(ByteReader, RefusesAnEnormousLength) {
  ByteReader reader("abc");
  EXPECT_EQ(reader.take(SIZE_MAX), "");
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace zeolite
