#include "pickle/unique_keys.h"

#include <gtest/gtest.h>

#include "pickle/sample_pickles.h"

namespace zeolite::pickle {
namespace {

TEST(MakeUnique, TheLastValueWinsInTheFirstPlace) {
  Dict dict{{{number(1), number(10)}, {number(2), number(20)}, {number(1), number(11)}}};
  ASSERT_TRUE(make_unique(dict));
  EXPECT_EQ(dict, (Dict{{{number(1), number(11)}, {number(2), number(20)}}}));
}

TEST(MakeUnique, ManyItemsAreTreatedAsFewAre) {
  Dict dict;
  for (int i = 0; i < 1000; ++i) dict.items.emplace_back(number((i * 7) % 100), number(i));
  ASSERT_TRUE(make_unique(dict));
  ASSERT_EQ(dict.items.size(), 100U);
  for (int i = 0; i < 100; ++i) {
    const auto& [key, value] = dict.items[static_cast<std::size_t>(i)];
    EXPECT_EQ(key, number((i * 7) % 100));
    EXPECT_EQ(value, number(900 + i));
  }
}

TEST(MakeUnique, TypesAreToldApart) {
  Set set{{number(1), Value(true), Value(1.0), Value::text("a"), Value::bytes("a")}};
  ASSERT_TRUE(make_unique(set));
  EXPECT_EQ(set.items.size(), 5U);
}

TEST(MakeUnique, WhatCanChangeIsNoKey) {
  for (const Value& key : {list(), Value(Dict{}), Value(Set{}), Value(PathPrefix{}),
                           Value::tuple(number(1), Value::tuple(list()))}) {
    Dict dict{{{key, Value(None{})}}};
    EXPECT_FALSE(make_unique(dict));
    Set set{{key}};
    EXPECT_FALSE(make_unique(set));
  }
}

}  // namespace
}  // namespace zeolite::pickle
