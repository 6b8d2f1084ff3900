#include "pickle/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace zeolite::pickle {
namespace {

bool is_valid(std::string_view bytes) { return is_utf8(bytes, Surrogates::refused); }

TEST(IsUtf8, AcceptsEveryLength) {
  EXPECT_TRUE(is_valid(""));
  EXPECT_TRUE(is_valid("plain text of more than eight bytes"));
  EXPECT_TRUE(is_valid("plain text, then é€😀 and more plain text"));
  EXPECT_TRUE(is_valid("\xf4\x8f\xbf\xbf"));
}

TEST(IsUtf8, RefusesWhatIsBroken) {
  for (const char* bytes :
       {"\x80", "\xc3", "a\xc3(", "\xc0\xaf", "\xe0\x80\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xe2\x82", "\xff"}) {
    EXPECT_FALSE(is_valid(bytes)) << to_hex(bytes);
    EXPECT_FALSE(is_utf8(bytes, Surrogates::allowed)) << to_hex(bytes);
  }
}

TEST(IsUtf8, SurrogatesAreAChoice) {
  EXPECT_FALSE(is_valid("\xed\xa0\x80"));
  EXPECT_TRUE(is_utf8("\xed\xa0\x80", Surrogates::allowed));
  EXPECT_TRUE(is_valid("\xed\x9f\xbf"));
}

TEST(AppendUtf8, WritesWhatIsUtf8KnowsForEveryCodePoint) {
  for (char32_t c = 0; c <= 0x10FFFF; c += 7) {
    std::string out;
    append_utf8(out, c);
    EXPECT_TRUE(is_utf8(out, Surrogates::allowed)) << static_cast<std::uint32_t>(c);
  }
}

TEST(Latin1FromUtf8, GivesBackEachByte) {
  std::string utf8;
  std::string bytes;
  for (char32_t c = 0; c < 256; ++c) {
    append_utf8(utf8, c);
    bytes.push_back(static_cast<char>(c));
  }
  EXPECT_EQ(latin1_from_utf8(utf8), bytes);
  EXPECT_FALSE(latin1_from_utf8("Ā").has_value());
  EXPECT_FALSE(latin1_from_utf8("€").has_value());
}

}  // namespace
}  // namespace zeolite::pickle
