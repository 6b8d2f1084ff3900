#include "pickle/reference_scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

// Which values are persistent ids, whatever instructions made them. Each pickle stands for a whole
// record here; how records begin and end is references_test's matter.
namespace zeolite::pickle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Scan {
  bool ok = false;
  std::string fault;
  References found;
};

Scan scan(std::string_view pickle) {
  Scan result;
  ReferenceScanner scanner(result.found);
  OpcodeReader reader(pickle);
  result.ok = scanner.scan(reader);
  result.fault = scanner.fault();
  return result;
}

// A single persistent id of oid "abcdefgh" and nothing skipped.
constexpr Oid kAToH{0x6162636465666768};
void expect_oid(std::string_view pickle, Oid oid = kAToH) {
  const Scan result = scan(pickle);
  EXPECT_TRUE(result.ok) << to_hex(pickle) << result.fault;
  EXPECT_THAT(result.found.strong, ElementsAre(oid)) << to_hex(pickle);
  EXPECT_EQ(result.found.skipped, 0U) << to_hex(pickle);
}
void expect_skipped(std::string_view pickle) {
  const Scan result = scan(pickle);
  EXPECT_TRUE(result.ok) << to_hex(pickle) << result.fault;
  EXPECT_THAT(result.found.strong, IsEmpty()) << to_hex(pickle);
  EXPECT_EQ(result.found.skipped, 1U) << to_hex(pickle);
}

TEST(ReferenceScanner, AnOidIsEightBytesOfAnyForm) {
  expect_oid(
      "C\x08"
      "abcdefghQ.");
  expect_oid(
      "U\x08"
      "abcdefghQ.");
  expect_oid(std::string_view("B\x08\0\0\0abcdefghQ.", 15));
  expect_oid(std::string_view("T\x08\0\0\0abcdefghQ.", 15));
  expect_oid(std::string_view("\x8e\x08\0\0\0\0\0\0\0abcdefghQ.", 19));
  expect_oid("S'abcdefgh'\nQ.");
  expect_oid("S'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01'\nQ.", Oid(1));
  expect_oid("S'\\000\\000\\000\\000\\000\\000\\000\\n'\nQ.", Oid(10));
}

TEST(ReferenceScanner, AnOidMayBeAsciiText) {
  expect_oid(
      "\x8c\x08"
      "abcdefghQ.");
  expect_oid(std::string_view("X\x08\0\0\0abcdefghQ.", 15));
  expect_oid(std::string_view("\x8d\x08\0\0\0\0\0\0\0abcdefghQ.", 19));
  expect_oid("Vabcdefgh\nQ.");
  expect_oid("V\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0001\nQ.", Oid(1));
  // Text that is none in ASCII: kept, as it can mean nothing else.
  expect_oid(
      "\x8c\x09"
      "abcdefgéQ.",
      Oid(0x61626364656667e9));
  expect_oid(
      "\x8c\x09"
      "abcdefgéN\x86Q.",
      Oid(0x61626364656667e9));
  expect_skipped(
      "\x8c\x0a"
      "abcdefg€Q.");
}

TEST(ReferenceScanner, ATupleThatBeginsWithAnOidIsAReference) {
  expect_oid(
      "C\x08"
      "abcdefgh\x85Q.");
  expect_oid(
      "C\x08"
      "abcdefghN\x86Q.");
  expect_oid(
      "C\x08"
      "abcdefghcmodule\nClass\n\x86Q.");
  expect_oid(
      "C\x08"
      "abcdefghNN\x87Q.");
  expect_oid(
      "(C\x08"
      "abcdefghcmodule\nClass\ntQ.");
  expect_oid(
      "(C\x08"
      "abcdefgh(imodule\nClass\ntQ.");
}

TEST(ReferenceScanner, OtherPersistentIdsAreSkippedAndCounted) {
  expect_skipped(
      "](\x8c\x01wC\x08"
      "abcdefgh\x85"
      "eQ.");  // weak
  expect_skipped(
      "](\x8c\x01wC\x08"
      "abcdefgh\x8c\x02"
      "db\x86"
      "eQ.");  // weak, other database
  expect_skipped(
      "]C\x08"
      "abcdefgh"
      "aQ.");  // old weak
  expect_skipped(
      "](\x8c\x01m\x8c\x02"
      "dbC\x08"
      "abcdefghN\x87"
      "eQ.");
  expect_skipped("NN\x86Q.");
  expect_skipped(")Q.");
  expect_skipped("(tQ.");
  expect_skipped(
      "C\x07"
      "abcdefgQ.");
  expect_skipped(
      "NC\x08"
      "abcdefgh\x86Q.");
  expect_skipped(
      "C\x08"
      "abcdefgh\x85\x85Q.");
  expect_skipped("K\x05Q.");
  expect_skipped(
      "(C\x08"
      "abcdefghlQ.");
  expect_skipped(
      "(C\x08"
      "abcdefgh\x91Q.");
}

TEST(ReferenceScanner, PersistentIdsMayBeLines) {
  expect_oid("Pabcdefgh\n.");
  expect_skipped("Pabc\n.");
}

TEST(ReferenceScanner, BytesMadeByACallAreBytes) {
  expect_oid(
      "czodbpickle\nbinary\nU\x08"
      "abcdefgh\x85R\x85Q.");
  expect_oid(
      "czodbpickle\nbinary\nU\x08"
      "abcdefgh\x85\x81N\x86Q.");
  expect_oid(
      "c_codecs\nencode\n\x8c\x08"
      "abcdefgh\x8c\x06latin1\x86RQ.");
  expect_oid(
      "c_codecs\nencode\n\x8c\x09"
      "abcdefg\xc3\xa9\x8c\x06latin1\x86RQ.",
      Oid(0x61626364656667e9));
  expect_oid(
      "c_codecs\nencode\nq\x01\x8c\x08"
      "abcdefghq\x02\x8c\x06latin1\x86q\x03Rq\x04Q.");
  expect_skipped(
      "cother\nencode\n\x8c\x08"
      "abcdefgh\x85RQ.");
}

// As protocol 4 names what is called.
TEST(ReferenceScanner, BytesMadeByACallNamedOnTheStackAreBytes) {
  const auto made_by = [](std::string_view module, std::string_view name, bool memoised) {
    std::string pickle = "\x80\x04";
    for (const std::string_view part : {module, name}) {
      pickle += "\x8c";
      pickle.push_back(static_cast<char>(part.size()));
      pickle += part;
      if (memoised) pickle += "\x94";
    }
    pickle += "\x93\x8c\x08";
    pickle += "abcdefgh\x85RQ.";
    return pickle;
  };
  for (const bool memoised : {false, true}) {
    expect_oid(made_by("zodbpickle", "binary", memoised));
    expect_oid(made_by("_codecs", "encode", memoised));
    expect_oid(made_by("builtins", "bytes", memoised));
    expect_oid(made_by("__builtin__", "bytes", memoised));
    expect_skipped(made_by("other", "encode", memoised));
    expect_skipped(made_by("_codecs", "decode", memoised));
    expect_skipped(made_by("encode", "_codecs", memoised));
  }
  expect_skipped(
      "\x8c\x05"
      "bytesQ.");
}

TEST(ReferenceScanner, TheMemoGivesBackOidsAndTuples) {
  const auto twice = [](std::string_view put, std::string_view get) {
    return "C\x08"
           "abcdefgh" +
           std::string(put) + "Q0" + std::string(get) + "Q.";
  };
  expect_oid(twice("q\x05", "h\x05"));
  expect_oid(twice("p5\n", "g5\n"));
  expect_oid(twice("p5000000\n", "g5000000\n"));
  expect_oid(
      twice(std::string_view("r\xff\xff\xff\xff", 5), std::string_view("j\xff\xff\xff\xff", 5)));
  expect_oid(twice("\x94", std::string_view("h\0", 2)));
  expect_oid(
      "C\x08"
      "abcdefghq\x01N\x86q\x02Q0h\x02Q0h\x01Q.");
}

TEST(ReferenceScanner, TheLastPutOfAnIndexCounts) {
  expect_skipped(
      "C\x08"
      "abcdefghq\x05"
      "0Nq\x05"
      "0h\x05Q.");
  expect_skipped(
      "C\x08"
      "abcdefghp9000000\n0Np9000000\n0g9000000\nQ.");
  expect_skipped("h\x05Q.");  // never put
}

// Each makes one value.
constexpr std::string_view kOneValue[] = {"N",
                                          "\x88",
                                          "\x89",
                                          "I1\n",
                                          "L1L\n",
                                          "F1.5\n",
                                          "K\x01",
                                          "M\x01\x01",
                                          std::string_view("J\0\0\0\0", 5),
                                          "\x8a\x01\x01",
                                          std::string_view("\x8b\x01\0\0\0\x01", 6),
                                          "G12345678",
                                          "S'a'\n",
                                          "Va\n",
                                          "U\x01"
                                          "a",
                                          "C\x01"
                                          "a",
                                          "\x8c\x01"
                                          "a",
                                          std::string_view("\x96\x01\0\0\0\0\0\0\0a", 10),
                                          ")",
                                          "]",
                                          "}",
                                          "\x8f",
                                          "(t",
                                          "(Nl",
                                          "(NNd",
                                          "(N\x91",
                                          "NN\x86",
                                          "N\x85",
                                          "NNN\x87",
                                          "](NNe",
                                          "]Na",
                                          "}(NNu",
                                          "}NNs",
                                          "\x8f(N\x90",
                                          "ca\nb\n",
                                          "NN\x93",
                                          "NNR",
                                          "NN\x81",
                                          "NNN\x92",
                                          "(ia\nb\n",
                                          "(NNo",
                                          "NNb",
                                          "NQ",
                                          "Pa\n",
                                          "\x82\x01",
                                          "\x83\x01\x01",
                                          "\x84\x01\x01\x01\x01",
                                          "\x97",
                                          "\x97\x98",
                                          "N2\x86",
                                          "NN0",
                                          "N(N0"
                                          "0",
                                          "N(NN1",
                                          "Nq\x01",
                                          "N\x94",
                                          "\x80\x03N",
                                          "Nh\x01\x86",
                                          std::string_view("\x95\x01\0\0\0\0\0\0\0N", 10)};

TEST(ReferenceScanner, EveryInstructionLeavesTheStackAsItShould) {
  const std::string oid =
      "C\x08"
      "abcdefgh";
  for (const std::string_view value : kOneValue) {
    // (value, oid) is no reference, (oid, value) is one: so it was one value.
    const Scan result = scan(oid + std::string(value) + "\x86Q.");
    EXPECT_TRUE(result.ok) << to_hex(value) << result.fault;
    EXPECT_THAT(result.found.strong, ElementsAre(kAToH)) << to_hex(value);
  }
}

TEST(ReferenceScanner, BrokenPicklesAreRefused) {
  for (const std::string_view pickle : {"",
                                        ".",
                                        "N",
                                        "0.",
                                        "Q.",
                                        "a.",
                                        "Na0.",
                                        "N\x86.",
                                        "t.",
                                        "(N\x85\x85"
                                        "0s.",
                                        "R.",
                                        "NR.",
                                        "e.",
                                        "2.",
                                        "q\x01.",
                                        "\xff.",
                                        "S'a\n.",
                                        "V\\u1\n.",
                                        "\x80\x06N.",
                                        "(\x85."}) {
    EXPECT_FALSE(scan(pickle).ok) << to_hex(pickle);
  }
}

TEST(ReferenceScanner, WhatWasFoundBeforeTheDamageStays) {
  const Scan result = scan(
      "C\x08"
      "abcdefghQ\xff.");
  EXPECT_FALSE(result.ok);
  EXPECT_THAT(result.found.strong, ElementsAre(kAToH));
}

TEST(ReferenceScanner, DeepAndHugePicklesAreBounded) {
  EXPECT_TRUE(scan(std::string(1'000'000, ']') + std::string(999'999, 'a') + ".").ok);
  EXPECT_TRUE(scan(")" + std::string(1'000'000, '\x85') + ".").ok);
  EXPECT_TRUE(scan("(" + std::string(10'000'000, 'N') + "t.").ok);
  EXPECT_THAT(scan(std::string(9'000'000, '(')).fault, HasSubstr("too deep"));
  std::string oids =
      "C\x08"
      "abcdefghq\x01";
  for (int i = 0; i < 9'000'000; ++i) oids += "h\x01";
  EXPECT_THAT(scan(oids).fault, HasSubstr("too many values"));
  EXPECT_THAT(scan("C\x08"
                   "abcdefgh" +
                   std::string(9'000'000, '\x94'))
                  .fault,
              HasSubstr("memoises too many"));
}

TEST(ReferenceScanner, EachReferenceIsThereOnce) {
  std::string pickle = "(";
  std::vector<Oid> expected;
  for (std::uint64_t round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i < 1000; ++i) {
      const std::uint64_t oid = (i * 7919) % 1000 + 1;
      pickle += "C\x08";
      put_u64(pickle, oid);
      pickle += "Q";
      if (round == 0) expected.emplace_back(oid);
    }
  }
  Scan result = scan(pickle + "t.");
  EXPECT_TRUE(result.ok);
  EXPECT_LT(result.found.strong.size(), 2200U);
  remove_repeated(result.found.strong);
  EXPECT_EQ(result.found.strong, expected);
}

}  // namespace
}  // namespace zeolite::pickle
