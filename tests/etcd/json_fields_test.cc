#include "etcd/json_fields.h"

#include <gtest/gtest.h>

#include <string>

namespace zeolite::etcd {
namespace {

boost::json::object object_of(std::string_view text) { return parse_object(text).value(); }

TEST(JsonFields, TakeOneObjectAndNothingElse) {
  EXPECT_TRUE(parse_object(" {\"a\":1} \n"));
  for (const char* text : {"", "[]", "1", "null", "{", "{}{}", "{\"a\":1}\n{\"b\":2}", "Not Found",
                           "<html></html>", "{\"a\":}"}) {
    const auto object = parse_object(text);
    ASSERT_FALSE(object) << text;
    EXPECT_EQ(object.error().code, ErrorCode::protocol_error);
  }
}

TEST(JsonFields, RefuseWhatIsNestedWithoutEnd) {
  EXPECT_FALSE(parse_object("{\"a\":" + std::string(100'000, '[')));
}

TEST(JsonFields, KeepBytesThatAreNoUtf8) {
  const auto object = object_of("{\"a\":\"\xff\"}");
  EXPECT_EQ(text_field(object, "a"), "\xff");
}

TEST(JsonFields, ReadNumbersAndTheirDigitsAlike) {
  const auto object = object_of(R"({"a":7,"b":"7","c":18446744073709551615,
      "d":"18446744073709551615","e":9223372036854775807})");
  EXPECT_EQ(uint_field(object, "a"), 7U);
  EXPECT_EQ(uint_field(object, "b"), 7U);
  EXPECT_EQ(uint_field(object, "c"), UINT64_MAX);
  EXPECT_EQ(uint_field(object, "d"), UINT64_MAX);
  EXPECT_FALSE(int_field(object, "c"));
  EXPECT_EQ(int_field(object, "e"), INT64_MAX);
}

TEST(JsonFields, RefuseWhatIsNoNumber) {
  const auto object = object_of(R"({"a":-1,"b":"-1","c":"","d":" 7","e":"7 ","f":1.0,"g":true,
      "h":"18446744073709551616","i":null,"j":"0x7"})");
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "absent"}) {
    const auto number = uint_field(object, name);
    ASSERT_FALSE(number) << name;
    EXPECT_NE(number.error().detail.find(name), std::string::npos);
  }
}

TEST(JsonFields, TakeAnAbsentNumberForZeroOnlyWhereTold) {
  const auto object = object_of(R"({"a":"x"})");
  EXPECT_EQ(int_field_or_zero(object, "absent"), 0);
  EXPECT_FALSE(int_field_or_zero(object, "a"));
}

TEST(JsonFields, RefuseOtherTypes) {
  const auto object = object_of(R"({"n":1,"t":"x","o":{},"a":[],"b":true})");
  EXPECT_EQ(text_field(object, "t"), "x");
  EXPECT_FALSE(text_field(object, "n"));
  EXPECT_FALSE(text_field(object, "absent"));
  EXPECT_EQ(bool_field(object, "b"), true);
  EXPECT_FALSE(bool_field(object, "n"));
  EXPECT_TRUE(object_field(object, "o"));
  EXPECT_FALSE(object_field(object, "a"));
  EXPECT_FALSE(object_field(object, "absent"));
  EXPECT_TRUE(array_field(object, "a"));
  EXPECT_FALSE(array_field(object, "o"));
  EXPECT_TRUE(array_field(object, "absent").value()->empty());
}

TEST(JsonFields, ReadIdsOf32Digits) {
  const auto object = object_of(R"({"a":"000102030405060708090a0b0c0d0e0f","b":"0001",
      "c":"000102030405060708090a0b0c0d0e0g"})");
  EXPECT_EQ(id_field(object, "a").value()[15], 15);
  EXPECT_FALSE(id_field(object, "b"));
  EXPECT_FALSE(id_field(object, "c"));
}

}  // namespace
}  // namespace zeolite::etcd
