#include "pickle/text_arguments.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace zeolite::pickle {
namespace {

Value big(std::string_view hex) { return Value(BigInteger{from_hex(hex).value()}); }
Value number(std::int64_t n) { return Value(n); }
Value of_hex(std::string_view hex) { return integer_from_bytes(from_hex(hex).value()).value(); }

TEST(IntegerFromBytes, TakesTheShortestForm) {
  EXPECT_EQ(of_hex(""), number(0));
  EXPECT_EQ(of_hex("00"), number(0));
  EXPECT_EQ(of_hex("ff"), number(-1));
  EXPECT_EQ(of_hex("ffffffffffffffffffffff"), number(-1));
  EXPECT_EQ(of_hex("ff00"), number(255));
  EXPECT_EQ(of_hex("80"), number(-128));
  EXPECT_EQ(of_hex("ffffffffffffff7f00"), number(std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(of_hex("0000000000000080ff"), number(std::numeric_limits<std::int64_t>::min()));
  EXPECT_EQ(of_hex("00000000000000800000"), big("000000000000008000"));
  EXPECT_FALSE(integer_from_bytes(std::string(kIntegerBytesMax + 1, '\1')).has_value());
}

TEST(IntegerFromDecimal, ReadsNumbersOfAnySize) {
  EXPECT_EQ(integer_from_decimal("-17"), number(-17));
  EXPECT_EQ(integer_from_decimal("9223372036854775807"),
            number(std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(integer_from_decimal("9223372036854775808"), big("000000000000008000"));
  EXPECT_EQ(integer_from_decimal("-9223372036854775809"), big("ffffffffffffff7fff"));
  EXPECT_EQ(integer_from_decimal("-18446744073709551616"), big("0000000000000000ff"));
  EXPECT_EQ(integer_from_decimal("1000000000000000000000000000000"),
            big("00000040eaed7446d09c2c9f0c"));
  EXPECT_EQ(integer_from_decimal("-1000000000000000000000000000000"),
            big("000000c015128bb92f63d360f3"));
  EXPECT_FALSE(integer_from_decimal("").has_value());
  EXPECT_FALSE(integer_from_decimal("-").has_value());
  EXPECT_FALSE(integer_from_decimal("12 ").has_value());
  EXPECT_FALSE(integer_from_decimal(std::string(3000, '9')).has_value());
}

TEST(FloatFromText, ReadsWhatReprWrites) {
  EXPECT_EQ(float_from_text("1.5"), 1.5);
  EXPECT_EQ(float_from_text("-2e-07"), -2e-07);
  EXPECT_EQ(float_from_text("inf"), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(float_from_text("nan").has_value());
  EXPECT_FALSE(float_from_text("").has_value());
  EXPECT_FALSE(float_from_text("1.5x").has_value());
}

TEST(StringFromLiteral, UndoesPythonsEscapes) {
  EXPECT_EQ(string_from_literal("''"), "");
  EXPECT_EQ(string_from_literal("'a\"b'"), "a\"b");
  EXPECT_EQ(string_from_literal("\"a'b\""), "a'b");
  EXPECT_EQ(string_from_literal(R"('\a\b\f\n\r\t\v\\\'\"')"), "\a\b\f\n\r\t\v\\'\"");
  EXPECT_EQ(string_from_literal(R"('\x41\101\0\q')"), std::string("AA\0\\q", 5));
  for (const char* broken : {"", "'", "a", "'a", "'a\"", "'\\'", "'\\x4'", "'\\xzz'"}) {
    EXPECT_FALSE(string_from_literal(broken).has_value()) << broken;
  }
}

TEST(Utf8FromRawEscapes, UndoesOnlyCodePoints) {
  EXPECT_EQ(utf8_from_raw_escapes("a\xe9"), "aé");
  EXPECT_EQ(utf8_from_raw_escapes("\\u20ac\\U0001f600"), "€😀");
  EXPECT_EQ(utf8_from_raw_escapes("\\n\\\\u0041\\"), "\\n\\\\u0041\\");
  EXPECT_EQ(utf8_from_raw_escapes("\\ud800"), "\xed\xa0\x80");
  EXPECT_FALSE(utf8_from_raw_escapes("\\u12").has_value());
  EXPECT_FALSE(utf8_from_raw_escapes("\\U00110000").has_value());
}

}  // namespace
}  // namespace zeolite::pickle
