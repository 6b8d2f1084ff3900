#include "zeo/msgpack_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "zeo/sample_messages.h"

// Values in msgpack. Expectations are what msgpack 1.2 for Python writes and reads.
namespace zeolite::zeo::msgpack_message {
namespace {

using pickle::BigInteger;
using pickle::Dict;
using pickle::List;
using pickle::None;
using pickle::PathPrefix;
using pickle::Set;
using testing::HasSubstr;

std::string hex_of(const Value& value) {
  std::string out;
  encode_reply(Value(None{}), false, value, out);
  return to_hex(out).substr(2 * std::string_view("\x94\xc0_\xa6.reply").size());
}
Value value_of(std::string_view hex) {
  auto value = decode(Bytes(from_hex(hex).value()));
  EXPECT_TRUE(value.has_value()) << hex << ": " << value.error().detail;
  return value ? std::move(*value) : Value::text("error");
}
std::string refusal(std::string_view hex) {
  const auto value = decode(Bytes(from_hex(hex).value()));
  return value ? "read" : value.error().detail;
}
Value big(std::string_view hex) { return Value(BigInteger{from_hex(hex).value()}); }

struct Pair {
  Value value;
  std::string_view hex;
};
const std::vector<Pair>& pairs() {
  static const std::vector<Pair> all = {
      {Value(None{}), "c0"},
      {Value(true), "c3"},
      {Value(false), "c2"},
      {number(0), "00"},
      {number(127), "7f"},
      {number(128), "cc80"},
      {number(255), "ccff"},
      {number(256), "cd0100"},
      {number(65535), "cdffff"},
      {number(65536), "ce00010000"},
      {number(4294967295), "ceffffffff"},
      {number(4294967296), "cf0000000100000000"},
      {number(std::numeric_limits<std::int64_t>::max()), "cf7fffffffffffffff"},
      {big("ffffffffffffffff00"), "cfffffffffffffffff"},
      {number(-1), "ff"},
      {number(-32), "e0"},
      {number(-33), "d0df"},
      {number(-128), "d080"},
      {number(-129), "d1ff7f"},
      {number(-32768), "d18000"},
      {number(-32769), "d2ffff7fff"},
      {number(-2147483648), "d280000000"},
      {number(-2147483649), "d3ffffffff7fffffff"},
      {number(std::numeric_limits<std::int64_t>::min()), "d38000000000000000"},
      {Value(1.5), "cb3ff8000000000000"},
      {Value(3.0), "cb4008000000000000"},
      {Value::text(""), "a0"},
      {Value::text("é"), "a2c3a9"},
      {Value::bytes(""), "c400"},
      {Value::bytes("a"), "c40161"},
      {Value::tuple(), "90"},
      {Value::tuple(number(1), Value::tuple(number(2))), "92019102"},
      {Value(Dict{}), "80"},
      {Value(Dict{{{Value::text("k"), Value::tuple()}}}), "81a16b90"},
  };
  return all;
}

TEST(MsgpackMessage, WritesValuesAsPythonDoes) {
  for (const auto& [value, hex] : pairs()) EXPECT_EQ(hex_of(value), hex);
}

TEST(MsgpackMessage, ReadsValuesAsPythonDoes) {
  for (const auto& [value, hex] : pairs()) EXPECT_EQ(value_of(hex), value) << hex;
  EXPECT_EQ(value_of("ca3fc00000"), Value(1.5));
  EXPECT_EQ(value_of("d37fffffffffffffff"), number(std::numeric_limits<std::int64_t>::max()));
}

TEST(MsgpackMessage, LongValuesHaveLongLengths) {
  for (const std::size_t size : {31U, 32U, 255U, 256U, 65'535U, 65'536U}) {
    const Value text = Value::text(std::string(size, 'x'));
    EXPECT_EQ(value_of(hex_of(text)), text) << size;
    const Value bytes = Value::bytes(std::string(size, 'x'));
    EXPECT_EQ(value_of(hex_of(bytes)), bytes) << size;
    const Value tuple(pickle::Tuple{std::vector<Value>(size)});
    EXPECT_EQ(value_of(hex_of(tuple)), tuple) << size;
  }
}

TEST(MsgpackMessage, WhatHasNoFormGetsTheNearest) {
  EXPECT_EQ(hex_of(Value(List{{number(1)}})), "9101");
  EXPECT_EQ(hex_of(Value(Set{{number(1)}})), "9101");
  EXPECT_EQ(hex_of(Value(PathPrefix{{"", "a"}})), "92a0a161");
  EXPECT_EQ(hex_of(big("000000000000000001")), "c409000000000000000001");
  EXPECT_EQ(hex_of(Value::text("a\xed\xa0\x80z")), "a561efbfbd7a");
}

TEST(MsgpackMessage, ItemsThatPythonRefusesAreLeftOut) {
  const Dict dict{{{number(1), number(2)},
                   {Value::text("k"), number(3)},
                   {Value::tuple(), number(4)},
                   {Value::bytes("b"), number(5)}}};
  EXPECT_EQ(hex_of(Value(dict)), "82a16b03c4016205");
}

TEST(MsgpackMessage, OfEqualKeysTheLastWins) {
  EXPECT_EQ(value_of("82a16b01a16b02"), Value(Dict{{{Value::text("k"), number(2)}}}));
  EXPECT_THAT(refusal("818001"), HasSubstr("a key cannot be one"));
}

TEST(MsgpackMessage, ExtensionsAndUnknownTypesAreRefused) {
  for (const char* hex : {"c1", "d40161", "d5016161", "c7010161", "c8000101", "d60100000000"}) {
    EXPECT_NE(refusal(hex), "read") << hex;
  }
}

TEST(MsgpackMessage, LengthsThatLieAreRefused) {
  for (const char* hex :
       {"", "a1", "d9", "d905", "daffff61", "dbffffffff61", "c4ff61", "c6ffffffff", "91", "dcffff",
        "ddffffffff", "dfffffffff", "81", "81a161", "cd01", "cb00", "dbffffffff"}) {
    EXPECT_NE(refusal(hex), "read") << hex;
  }
}

TEST(MsgpackMessage, NestingIsBounded) {
  std::string deep;
  for (int i = 0; i < 99; ++i) deep += "91";
  EXPECT_EQ(refusal(deep + "90"), "read");
  EXPECT_THAT(refusal(deep + "9190"), HasSubstr("too deep"));
  for (int i = 0; i < 100'000; ++i) deep += "91";
  EXPECT_THAT(refusal(deep), HasSubstr("too deep"));
}

TEST(MsgpackMessage, TextMustBeUtf8) {
  EXPECT_THAT(refusal("a1e9"), HasSubstr("not UTF-8"));
  EXPECT_THAT(refusal("a3eda080"), HasSubstr("not UTF-8"));
}

}  // namespace
}  // namespace zeolite::zeo::msgpack_message
