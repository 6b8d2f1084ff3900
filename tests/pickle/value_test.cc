#include "pickle/value.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace zeolite::pickle {
namespace {

TEST(Dict, FindsTextKeysOnly) {
  const Dict dict{{{Value::bytes("a"), Value(true)}, {Value::text("a"), Value(false)}}};
  ASSERT_NE(dict.find("a"), nullptr);
  EXPECT_EQ(*dict.find("a"), Value(false));
  EXPECT_EQ(dict.find("b"), nullptr);
}

TEST(Value, TypesAreToldApart) {
  EXPECT_NE(Value(std::int64_t{1}), Value(true));
  EXPECT_NE(Value(std::int64_t{1}), Value(1.0));
  EXPECT_NE(Value::text("a"), Value::bytes("a"));
  EXPECT_NE(Value(Tuple{}), Value(List{}));
  EXPECT_EQ(Value(), Value(None{}));
}

}  // namespace
}  // namespace zeolite::pickle
