#include "pickle/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "pickle/sample_pickles.h"

// One instruction after the other, the memo, and the limits. Values are told by their own pickles.
namespace zeolite::pickle {
namespace {

using testing::HasSubstr;

void expect_reads(std::string_view pickle, const Value& value) {
  const auto read = decode(pickle_of(pickle));
  ASSERT_TRUE(read.has_value()) << read.error().detail;
  EXPECT_EQ(*read, value) << to_hex(pickle);
}

std::string refusal(const Bytes& pickle, const DecodeLimits& limits = {}) {
  const auto read = decode(pickle, limits);
  return read ? "read" : read.error().detail;
}
std::string refusal(std::string_view pickle, const DecodeLimits& limits = {}) {
  return refusal(pickle_of(pickle), limits);
}

TEST(Decoder, ReadsNumbersOfEveryForm) {
  expect_reads("I42\n.", number(42));
  expect_reads("I-42\n.", number(-42));
  expect_reads("I01\n.", Value(true));
  expect_reads("I00\n.", Value(false));
  expect_reads("L42L\n.", number(42));
  expect_reads("L42\n.", number(42));
  expect_reads("L36893488147419103232L\n.",
               Value(BigInteger{std::string("\0\0\0\0\0\0\0\0\x02", 9)}));
  expect_reads(std::string_view("J\xfe\xff\xff\xff.", 6), number(-2));
  expect_reads("K\xff.", number(255));
  expect_reads("M\x01\x02.", number(513));
  expect_reads(std::string_view("\x8a\0.", 3), number(0));
  expect_reads("\x8a\x01\xff.", number(-1));
  expect_reads(std::string_view("\x8b\x02\0\0\0\x01\x02.", 8), number(513));
  expect_reads("F-1.5\n.", Value(-1.5));
  expect_reads("F1e+300\n.", Value(1e300));
  expect_reads(std::string_view("G\x3f\xf8\0\0\0\0\0\0.", 10), Value(1.5));
}

TEST(Decoder, ReadsConstants) {
  expect_reads("N.", Value(None{}));
  expect_reads("\x88.", Value(true));
  expect_reads("\x89.", Value(false));
}

TEST(Decoder, ReadsStringsOfEveryForm) {
  const Value ab = Value::bytes("ab");
  expect_reads("S'ab'\n.", ab);
  expect_reads("S\"a\\x62\"\n.", ab);
  expect_reads(
      "U\x02"
      "ab.",
      ab);
  expect_reads(std::string_view("T\x02\0\0\0ab.", 8), ab);
  expect_reads(
      "C\x02"
      "ab.",
      ab);
  expect_reads(std::string_view("B\x02\0\0\0ab.", 8), ab);
  expect_reads(std::string_view("\x8e\x02\0\0\0\0\0\0\0ab.", 12), ab);
  expect_reads(std::string_view("\x96\x02\0\0\0\0\0\0\0ab.", 12), ab);
}

TEST(Decoder, StringsOfPython2AreTextWhereThatIsWantedAndTheyAreAscii) {
  const auto read = [](std::string_view pickle) {
    return decode(pickle_of(pickle), {}, Python2Strings::text_if_ascii).value();
  };
  const Value ab = Value::text("ab");
  EXPECT_EQ(read("S'ab'\n."), ab);
  EXPECT_EQ(read("U\x02"
                 "ab."),
            ab);
  EXPECT_EQ(read(std::string_view("T\x02\0\0\0ab.", 8)), ab);
  EXPECT_EQ(read("S'\\x80'\n."), Value::bytes("\x80"));
  EXPECT_EQ(read("U\x02"
                 "a\xff."),
            Value::bytes("a\xff"));
  // What Python 3 calls bytes is bytes.
  EXPECT_EQ(read("C\x02"
                 "ab."),
            Value::bytes("ab"));
}

TEST(Decoder, ReadsTextsOfEveryForm) {
  const Value text = Value::text("aé");
  expect_reads("Va\\u00e9\n.", text);
  expect_reads("Va\xe9\n.", text);
  expect_reads(std::string_view("X\x03\0\0\0aé.", 9), text);
  expect_reads(
      "\x8c\x03"
      "aé.",
      text);
  expect_reads(std::string_view("\x8d\x03\0\0\0\0\0\0\0aé.", 13), text);
  EXPECT_THAT(refusal("\x8c\x01\xe9."), HasSubstr("not UTF-8"));
}

TEST(Decoder, ReadsTuplesAndListsOfEveryForm) {
  expect_reads(").", Value::tuple());
  expect_reads("(t.", Value::tuple());
  expect_reads("N\x85.", Value::tuple(None{}));
  expect_reads("NK\x01\x86.", Value::tuple(None{}, number(1)));
  expect_reads("NNK\x01\x87.", Value::tuple(None{}, None{}, number(1)));
  expect_reads("(NNNK\x01t.", Value::tuple(None{}, None{}, None{}, number(1)));
  expect_reads("].", list());
  expect_reads(
      "(lK\x01"
      "a.",
      list(number(1)));
  expect_reads("(NK\x01l.", list(None{}, number(1)));
  expect_reads(
      "](NK\x01"
      "e(e(Ne.",
      list(None{}, number(1), None{}));
}

TEST(Decoder, ReadsDictsAndSetsOfEveryForm) {
  const Value dict(Dict{{{number(1), Value(None{})}, {number(2), Value(true)}}});
  expect_reads("}.", Value(Dict{}));
  expect_reads(
      "(K\x01NK\x02\x88"
      "d.",
      dict);
  expect_reads("}K\x01NsK\x02\x88s.", dict);
  expect_reads("}(K\x01NK\x02\x88u(u.", dict);
  const Value set(Set{{number(1), number(2)}});
  expect_reads("\x8f.", Value(Set{}));
  expect_reads("\x8f(K\x01K\x02\x90.", set);
  expect_reads("(K\x01K\x02\x91.", set);
}

TEST(Decoder, OfEqualKeysTheLastWinsInTheFirstPlace) {
  const Value dict(Dict{{{number(1), number(9)}, {number(2), number(8)}}});
  expect_reads("}(K\x01K\x07K\x02K\x08K\x01K\x09u.", dict);
  expect_reads("}K\x01K\x07sK\x02K\x08sK\x01K\x09s.", dict);
  expect_reads("\x8f(K\x01K\x02K\x01\x90.", Value(Set{{number(1), number(2)}}));
}

TEST(Decoder, KeysMustBeHashable) {
  EXPECT_THAT(refusal("}]Ns."), HasSubstr("a key cannot be one"));
  EXPECT_THAT(refusal("}}Ns."), HasSubstr("a key cannot be one"));
  EXPECT_THAT(refusal("}]\x85Ns."), HasSubstr("a key cannot be one"));
  EXPECT_THAT(refusal("\x8f(]\x90."), HasSubstr("a key cannot be one"));
  expect_reads("}N\x85Ns.", Value(Dict{{{Value::tuple(None{}), Value(None{})}}}));
}

TEST(Decoder, TakesValuesOffTheStack) {
  expect_reads(
      "NK\x01"
      "0.",
      Value(None{}));
  expect_reads(
      "N(K\x01K\x01"
      "1.",
      Value(None{}));
  expect_reads("N(0.", Value(None{}));  // POP of a mark
  expect_reads(
      "K\x01"
      "2\x86.",
      Value::tuple(number(1), number(1)));
}

TEST(Decoder, IgnoresProtocolAndFrames) {
  expect_reads(std::string_view("\x80\x05\x95\x02\0\0\0\0\0\0\0N.", 13), Value(None{}));
  EXPECT_THAT(refusal(std::string_view("\x95\x03\0\0\0\0\0\0\0N.", 11)), HasSubstr("a frame"));
  EXPECT_THAT(refusal("\x80\x06N."), HasSubstr("protocol is too new"));
}

TEST(Decoder, RefersByMemoOfEveryForm) {
  const Value twice = Value::tuple(number(5), number(5));
  expect_reads("K\x05p7\ng7\n\x86.", twice);
  expect_reads("K\x05q\x07h\x07\x86.", twice);
  expect_reads(std::string_view("K\x05r\x07\x01\0\0j\x07\x01\0\0\x86.", 14), twice);
  expect_reads(std::string_view("K\x05\x94h\0\x86.", 7), twice);
  expect_reads("K\x05q\x01q\x02h\x01h\x02\x87.", Value::tuple(number(5), number(5), number(5)));
}

TEST(Decoder, TheLastPutOfAnIndexCounts) {
  expect_reads("K\x05q\x01K\x06q\x01h\x01\x87.", Value::tuple(number(5), number(6), number(6)));
}

TEST(Decoder, AMemoisedContainerIsReferredToWithAllThatCameLater) {
  // On the stack, and as part of something: ([1], [1]) and (([1],), [1]).
  const Value ones = list(number(1));
  expect_reads(
      "]q\x01K\x01"
      "ah\x01\x86.",
      Value::tuple(ones, ones));
  expect_reads(
      "]q\x01K\x01"
      "a\x85h\x01\x86.",
      Value::tuple(Value::tuple(ones), ones));
  expect_reads(
      "]q\x01K\x01"
      "a0h\x01.",
      ones);  // only the memo has it
}

TEST(Decoder, WhatRefersToItselfIsRefused) {
  EXPECT_THAT(refusal("]q\x01h\x01"
                      "a."),
              HasSubstr("changes after it was referred to"));
  EXPECT_THAT(refusal("}q\x01Nh\x01s."), HasSubstr("changes after it was referred to"));
  EXPECT_THAT(refusal("]q\x01(h\x01\x85"
                      "e."),
              HasSubstr("changes after it was referred to"));
  // A copy may not change either.
  EXPECT_THAT(refusal("]q\x01h\x01Na\x86."), HasSubstr("changes after it was referred to"));
}

TEST(Decoder, ReferencesToNothingAreRefused) {
  EXPECT_THAT(refusal("h\x01."), HasSubstr("not there"));
  EXPECT_THAT(refusal("Nq\x01h\x02\x86."), HasSubstr("not there"));
}

TEST(Decoder, MissingOperandsAreRefused) {
  for (const std::string_view pickle :
       {".",      "0.",      "2.",    "a.",    "Na.",    "s.",     "NNs.",  "\x85.",
        "N\x86.", "NN\x87.", "t.",    "l.",    "d.",     "e.",     "u.",    "(e.",
        "(u.",    "(\x90.",  "\x90.", "\x91.", "1.",     "q\x01.", "R.",    "NR.",
        "b.",     "Nb.",     "\x81.", "\x93.", "N\x93.", "N(a.",   "](Na.", "N(\x85."}) {
    EXPECT_NE(refusal(pickle), "read") << to_hex(pickle);
  }
}

TEST(Decoder, OperandsOfAWrongTypeAreRefused) {
  for (const std::string_view pickle :
       {"NNa.", ")Na.", "NNNs.", "]NNs.", "}(Ne.", "](NNu.", "](N\x90.", "(Nd.", "}(Nu.", "NNR.",
        "N)R.", "NN\x93.", "NNb."}) {
    EXPECT_NE(refusal(pickle), "read") << to_hex(pickle);
  }
}

TEST(Decoder, WhatPlainValuesDoNotNeedIsRefused) {
  using namespace std::string_view_literals;
  for (const std::string_view pickle :
       {"Pabc\n."sv, "NQ."sv, "\x82\x01."sv, "\x83\x01\0."sv, "\x84\x01\0\0\0."sv,
        "(iabc\ndef\n."sv, "(No."sv, "N)}\x92."sv, "\x97."sv, "N\x98."sv, "\xff."sv, "@."sv}) {
    EXPECT_NE(refusal(pickle), "read") << to_hex(pickle);
  }
}

TEST(Decoder, BrokenTextFormsAreRefused) {
  for (const std::string_view pickle :
       {"Iabc\n.", "I\n.", "L12x\n.", "Fabc\n.", "S'abc\n.", "Sabc\n.", "S'\\x1'\n.", "V\\u12\n.",
        "V\\U00110000\n.", "gx\n.", "Npx\n.", "Np-1\n."}) {
    EXPECT_NE(refusal(pickle), "read") << to_hex(pickle);
  }
}

TEST(Decoder, ThereIsExactlyOneValue) {
  EXPECT_THAT(refusal("NN."), HasSubstr("more or less than one"));
  EXPECT_THAT(refusal("N(."), HasSubstr("more or less than one"));
  EXPECT_THAT(refusal("."), HasSubstr("more or less than one"));
  EXPECT_THAT(refusal("N.N"), HasSubstr("something follows"));
}

TEST(DecoderLimits, Depth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, ']') + std::string(depth - 1, 'a') + ".";
  };
  const DecodeLimits limits{.depth = 10};
  EXPECT_EQ(refusal(nested(10), limits), "read");
  EXPECT_THAT(refusal(nested(11), limits), HasSubstr("too deep"));
  EXPECT_THAT(refusal(nested(1'000'000)), HasSubstr("too deep"));
  EXPECT_THAT(refusal(")" + std::string(1'000'000, '\x85') + "."), HasSubstr("too deep"));
  EXPECT_NE(refusal(std::string(1'000'000, '(') + "."), "read");
}

TEST(DecoderLimits, Values) {
  const DecodeLimits limits{.values = 100};
  const std::string many(98, 'N');
  EXPECT_EQ(refusal("(" + many + "t.", limits), "read");
  EXPECT_THAT(refusal("(N" + many + "t.", limits), HasSubstr("too many values"));
  EXPECT_THAT(refusal(std::string(101, '(') + ".", limits), HasSubstr("too many values"));
}

TEST(DecoderLimits, WhatTheMemoRefersToCountsWithAllItsContent) {
  // Each list holds the one before twice: a million million values in 200 bytes.
  std::string bomb = "]q";
  bomb.push_back('\0');
  for (char i = 0; i < 40; ++i)
    bomb += std::string("](h") + i + "h" + i + "eq" + static_cast<char>(i + 1);
  bomb += "(1.";
  EXPECT_THAT(refusal(bomb), HasSubstr("too many values"));
  const DecodeLimits limits{.values = 1000};
  // A long string counts by its length, although copying a byte string would cost nothing.
  std::string strings = "(" + std::string("B\x00\x10\0\0", 5) + std::string(4096, 'x') + "q\x01";
  EXPECT_EQ(refusal(strings + "h\x01t.", limits), "read");
  for (int i = 0; i < 5; ++i) strings += "h\x01";
  EXPECT_THAT(refusal(strings + "t.", limits), HasSubstr("too many values"));
  EXPECT_THAT(refusal("(" + std::string(40, '2') + "t."), HasSubstr("too few"));
}

TEST(DecoderLimits, DupCountsToo) {
  std::string bomb = "]";
  for (int i = 0; i < 40; ++i) bomb += "2\x86";
  EXPECT_NE(refusal(bomb + "."), "read");
}

TEST(DecoderLimits, Integers) {
  const auto long4 = [](std::size_t size) {
    std::string out("\x8b\0\0\0\0", 5);
    out[1] = static_cast<char>(size);
    out[2] = static_cast<char>(size >> 8);
    return out + std::string(size, '\x11') + ".";
  };
  EXPECT_EQ(refusal(long4(1024)), "read");
  EXPECT_THAT(refusal(long4(1025)), HasSubstr("too large"));
  EXPECT_EQ(refusal("L1" + std::string(2460, '0') + "L\n."), "read");
  EXPECT_THAT(refusal("L1" + std::string(10'000, '0') + "L\n."), HasSubstr("too large"));
}

TEST(DecoderLimits, LengthsThatLie) {
  for (const std::string_view pickle :
       {std::string_view("B\xff\xff\xff\xff"
                         "a.",
                         7),
        std::string_view("X\xff\xff\xff\x7f"
                         "a.",
                         7),
        std::string_view("T\xff\xff\xff\xff"
                         "a.",
                         7),
        std::string_view("\x8b\xff\xff\xff\xff.", 6),
        std::string_view("\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", 10),
        std::string_view("\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", 10),
        std::string_view("\x96\x02\0\0\0\0\0\0\x80.", 10), std::string_view("C\xff.", 3)}) {
    EXPECT_NE(refusal(pickle), "read") << to_hex(pickle);
  }
}

}  // namespace
}  // namespace zeolite::pickle
