#include "pickle/writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "pickle/sample_pickles.h"

// Expectations are what zodbpickle 4.5 wrote; whole values are compared in codec_test.
namespace zeolite::pickle {
namespace {

std::string hex_of_integer(std::int64_t number) {
  std::string out;
  put_integer(out, number);
  return to_hex(out);
}

TEST(PutInteger, TakesTheShortestForm) {
  EXPECT_EQ(hex_of_integer(0), "4b00");
  EXPECT_EQ(hex_of_integer(255), "4bff");
  EXPECT_EQ(hex_of_integer(256), "4d0001");
  EXPECT_EQ(hex_of_integer(65535), "4dffff");
  EXPECT_EQ(hex_of_integer(65536), "4a00000100");
  EXPECT_EQ(hex_of_integer(-1), "4affffffff");
  EXPECT_EQ(hex_of_integer(2147483648), "8a050000008000");
  EXPECT_EQ(hex_of_integer(-2147483649), "8a05ffffff7fff");
  EXPECT_EQ(hex_of_integer(140737488355328), "8a0700000000008000");
  EXPECT_EQ(hex_of_integer(-140737488355328), "8a06000000000080");
  EXPECT_EQ(hex_of_integer(std::numeric_limits<std::int64_t>::min()), "8a080000000000000080");
}

TEST(PutValue, LargeIntegersHaveALongLength) {
  std::string out;
  put_value(out, Value(BigInteger{std::string(255, '\x7f')}));
  EXPECT_EQ(to_hex(out).substr(0, 6), "8aff7f");
  out.clear();
  put_value(out, Value(BigInteger{std::string(256, '\x7f')}));
  EXPECT_EQ(to_hex(out).substr(0, 12), "8b000100007f");
}

TEST(PutBytes, LongOnesHaveALongLength) {
  std::string out;
  put_bytes(out, std::string(255, 'x'));
  EXPECT_EQ(to_hex(out).substr(0, 6), "43ff78");
  out.clear();
  put_bytes(out, std::string(256, 'x'));
  EXPECT_EQ(to_hex(out).substr(0, 12), "420001000078");
}

std::size_t count(std::string_view text, char c) {
  return static_cast<std::size_t>(std::ranges::count(text, c));
}

TEST(PutList, ItemsComeInBatchesOfAThousand) {
  const auto written = [](std::size_t items) {
    std::string out;
    put_list(out, items, [&out](std::size_t) { put_op(out, Op::none); });
    return out;
  };
  EXPECT_EQ(written(0), "]");
  EXPECT_EQ(written(1), "]Na");
  EXPECT_EQ(written(2), "](NNe");
  EXPECT_EQ(written(1000), "](" + std::string(1000, 'N') + "e");
  EXPECT_EQ(written(1001), "](" + std::string(1000, 'N') + "e(Ne");
  EXPECT_EQ(count(written(2001), '('), 3U);
}

TEST(PutValue, PairsOfADictComeInBatchesOfAThousand) {
  const auto written = [](int items) {
    Dict dict;
    for (int i = 0; i < items; ++i) dict.items.emplace_back(Value(None{}), Value(None{}));
    std::string out;
    put_value(out, Value(std::move(dict)));
    return out;
  };
  EXPECT_EQ(written(0), "}");
  EXPECT_EQ(written(1), "}NNs");
  EXPECT_EQ(written(2), "}(NNNNu");
  EXPECT_EQ(count(written(1000), 'u'), 1U);
  EXPECT_TRUE(written(1001).ends_with("Nu(NNu"));
}

TEST(PutValue, ASetIsMadeOfAList) {
  std::string out;
  put_value(out, Value(Set{{number(7)}}));
  EXPECT_EQ(out,
            "cbuiltins\nset\n]K\x07"
            "a\x85R");
}

TEST(PutValue, APathPrefixIsBuiltOfItsState) {
  std::string out;
  put_value(out, Value(PathPrefix{{"", "a"}}));
  EXPECT_EQ(to_hex(out),
            "635a6f7065556e646f2e5072656669780a5072656669780a29817d2858060000006c656e677468"
            "4b025804000000706174685d285800000000580100000061657562"
            "");
}

}  // namespace
}  // namespace zeolite::pickle
