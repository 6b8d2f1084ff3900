// Which classes and functions a pickle may name, and what they make.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "pickle/codec.h"
#include "pickle/sample_pickles.h"

namespace zeolite::pickle {
namespace {

using testing::HasSubstr;

void expect_reads(std::string_view pickle, const Value& value) {
  const auto read = decode(pickle_of(pickle));
  ASSERT_TRUE(read.has_value()) << read.error().detail;
  EXPECT_EQ(*read, value) << to_hex(pickle);
}

std::string refusal(std::string_view pickle) {
  const auto read = decode(pickle_of(pickle));
  return read ? "read" : read.error().detail;
}

TEST(DecoderCall, MakesSets) {
  const Value set(Set{{number(1), number(2)}});
  expect_reads(
      "cbuiltins\nset\n](K\x01K\x02"
      "e\x85R.",
      set);
  expect_reads(
      "c__builtin__\nset\n](K\x01K\x02"
      "e\x85R.",
      set);
  expect_reads(
      "cbuiltins\nfrozenset\n](K\x01K\x02K\x01"
      "e\x85R.",
      set);
  expect_reads(
      "\x8c\x08"
      "builtins\x8c\x03set\x93](K\x01K\x02"
      "e\x85R.",
      set);
  expect_reads("cbuiltins\nset\n)R.", Value(Set{}));
}

TEST(DecoderCall, MakesDictsOfPairs) {
  const Value dict(Dict{{{number(1), number(2)}}});
  expect_reads("cbuiltins\ndict\nK\x01K\x02\x86\x85\x85R.", dict);
  expect_reads(
      "cbuiltins\ndict\n]K\x01K\x02\x86"
      "a\x85R.",
      dict);
  expect_reads("cbuiltins\ndict\n}K\x01K\x02s\x85R.", dict);
  expect_reads("cbuiltins\ndict\n)RK\x01K\x02s.", dict);
  expect_reads("cbuiltins\ndict\n)\x81K\x01K\x02s.", dict);
  EXPECT_NE(refusal("cbuiltins\ndict\nK\x01\x85\x85R."), "read");
  EXPECT_NE(refusal("cbuiltins\ndict\nK\x01\x85R."), "read");
  EXPECT_THAT(refusal("cbuiltins\ndict\n]N\x86\x85\x85R."), HasSubstr("a key cannot be one"));
}

TEST(DecoderCall, MakesListsAndTuples) {
  expect_reads("cbuiltins\nlist\nN\x85\x85R.", list(None{}));
  expect_reads("cbuiltins\ntuple\n]Na\x85R.", Value::tuple(None{}));
  EXPECT_NE(refusal("cbuiltins\nlist\nNN\x86R."), "read");
  EXPECT_NE(refusal("cbuiltins\nlist\nN\x85R."), "read");
}

TEST(DecoderCall, MakesByteStrings) {
  const Value bytes = Value::bytes("a\xe9");
  expect_reads(
      "czodbpickle\nbinary\nU\x02"
      "a\xe9\x85R.",
      bytes);
  expect_reads(
      "czodbpickle\nbinary\nU\x02"
      "a\xe9\x85\x81.",
      bytes);
  expect_reads(
      "c_codecs\nencode\n\x8c\x03"
      "aé\x8c\x06latin1\x86R.",
      bytes);
  expect_reads(
      "c__builtin__\nbytearray\n\x8c\x03"
      "aé\x8c\x07latin-1\x86R.",
      bytes);
  expect_reads(
      "cbuiltins\nbytearray\nC\x02"
      "a\xe9\x85R.",
      bytes);
  expect_reads("c__builtin__\nbytes\n)R.", Value::bytes(""));
  EXPECT_THAT(refusal("c_codecs\nencode\n\x8c\x03€\x8c\x06latin1\x86R."), HasSubstr("not Latin-1"));
  EXPECT_NE(refusal("c_codecs\nencode\n\x8c\x01"
                    "a\x8c\x03hex\x86R."),
            "read");
  EXPECT_NE(refusal("c_codecs\nencode\n\x8c\x01"
                    "a\x85R."),
            "read");
  EXPECT_NE(refusal("cbuiltins\nbytes\nK\x05\x85R."), "read");  // would be zeros
}

constexpr std::string_view kPrefix = "cZopeUndo.Prefix\nPrefix\n)\x81";

TEST(DecoderCall, MakesPathPrefixes) {
  const Value prefix(PathPrefix{{"", "a"}});
  expect_reads(std::string(kPrefix) + "}(\x8c\x06lengthK\x02\x8c\x04path](" +
                   std::string("\x8c\0\x8c\x01"
                               "aeub.",
                               9),
               prefix);
  std::string again;
  encode(prefix, again);
  EXPECT_EQ(decode(Bytes(std::move(again))).value(), prefix);
  const std::string state = std::string(kPrefix) + "}(\x8c\x06lengthK";
  EXPECT_NE(refusal(state + "\x01\x8c\x04path](\x8c\x01"
                            "a\x8c\x01"
                            "beub."),
            "read");
  EXPECT_NE(refusal(state + "\x01\x8c\x04path]Naub."), "read");
  EXPECT_NE(refusal(state + "\x01ub."), "read");
  EXPECT_NE(refusal(std::string(kPrefix) + "Nb."), "read");
}

TEST(DecoderCall, OtherClassesAreRefusedByName) {
  EXPECT_THAT(refusal("cos\nsystem\n\x8c\x02ls\x85R."), HasSubstr("os.system"));
  EXPECT_THAT(refusal("cbuiltins\neval\n)R."), HasSubstr("builtins.eval"));
  EXPECT_THAT(refusal("\x8c\x02os\x8c\x06system\x93)R."), HasSubstr("os.system"));
  EXPECT_NE(refusal("ccopy_reg\n_reconstructor\n)R."), "read");
  EXPECT_LT(refusal("c" + std::string(100'000, 'x') + "\nname\n.").size(), 500U);
}

TEST(DecoderCall, AClassIsNoValue) {
  EXPECT_THAT(refusal("cbuiltins\nset\n."), HasSubstr("a class stands"));
  EXPECT_THAT(refusal("cbuiltins\nset\n\x85."), HasSubstr("a class stands"));
  EXPECT_THAT(refusal("cbuiltins\nset\ncbuiltins\nset\nR."), HasSubstr("a class stands"));
}

TEST(DecoderCall, AClassMayBeMemoised) {
  expect_reads("cbuiltins\nset\nq\x01)Rh\x01)R\x86.", Value::tuple(Set{}, Set{}));
}

}  // namespace
}  // namespace zeolite::pickle
