#include "zeo/arguments.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "zeo/client_messages.h"

namespace zeolite::zeo {
namespace {

Call call_with(std::vector<Value> arguments) {
  Call call;
  call.method = "method";
  call.arguments = std::move(arguments);
  return call;
}

TEST(Arguments, AreTakenByType) {
  const Call call = call_with({oid(7), bytes("data"), text("name"), integer(-3), Value(2.5)});
  const Arguments arguments(call);
  EXPECT_EQ(arguments.size(), 5U);
  EXPECT_EQ(arguments.oid(0), Oid(7));
  EXPECT_EQ(arguments.tid(0), Tid(7));
  EXPECT_EQ(arguments.serial(0), Tid(7));
  EXPECT_EQ(arguments.optional_tid(0).value(), Tid(7));
  EXPECT_EQ(arguments.bytes(1)->view(), "data");
  EXPECT_EQ(arguments.text(2), "name");
  EXPECT_EQ(arguments.integer(3), -3);
  EXPECT_EQ(arguments.number(3), -3.0);
  EXPECT_EQ(arguments.number(4), 2.5);
}

TEST(Arguments, TextAndBytesStandForEachOther) {
  const Call call = call_with({text("abc"), bytes("abc")});
  EXPECT_EQ(Arguments(call).bytes(0)->view(), "abc");
  EXPECT_EQ(Arguments(call).text(1), "abc");
}

TEST(Arguments, NoneAndMissingAreNothing) {
  const Call call = call_with({none()});
  const Arguments arguments(call);
  for (const std::size_t i : {0U, 1U}) {
    EXPECT_TRUE(arguments.is_none(i));
    EXPECT_FALSE(arguments.optional_tid(i).value());
    EXPECT_EQ(arguments.serial(i), kNoTid);
    EXPECT_FALSE(arguments.truth(i));
    EXPECT_FALSE(arguments.tid(i));
    EXPECT_FALSE(arguments.bytes(i));
    EXPECT_FALSE(arguments.integer(i));
    EXPECT_FALSE(arguments.number(i));
  }
  EXPECT_EQ(arguments.at(1), nullptr);
}

TEST(Arguments, WrongOnesAreNamedByPlace) {
  const Call call = call_with({oid(1), bytes("seven b")});
  const auto wrong = Arguments(call).tid(1);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(wrong.error().detail, "method: argument 2 must be a transaction id, 8 bytes");
  EXPECT_FALSE(Arguments(call).optional_tid(1));
  EXPECT_FALSE(Arguments(call).serial(1));
}

TEST(Arguments, TruthIsPythons) {
  const Call call = call_with({Value(true), Value(false), integer(0), integer(2), text("x")});
  const Arguments arguments(call);
  EXPECT_TRUE(arguments.truth(0));
  EXPECT_FALSE(arguments.truth(1));
  EXPECT_FALSE(arguments.truth(2));
  EXPECT_TRUE(arguments.truth(3));
  EXPECT_TRUE(arguments.truth(4));
  EXPECT_EQ(arguments.integer(0), 1);  // as in Python, where bool is an int
}

}  // namespace
}  // namespace zeolite::zeo
