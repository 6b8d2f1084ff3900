#include "base/error.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace zeolite {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return make_error(ErrorCode::invalid_argument, "odd");
  return number / 2;
}

Result<int> quarter(int number) {
  ASSIGN_OR_RETURN(const int once, half(number));
  ASSIGN_OR_RETURN(const int twice, half(once));
  return twice;
}

Result<> require_even(int number, int& passed) {
  RETURN_IF_ERROR(half(number));
  ++passed;
  return {};
}

Result<std::unique_ptr<int>> boxed(int number) {
  ASSIGN_OR_RETURN(auto box, Result<std::unique_ptr<int>>(std::make_unique<int>(number)));
  return box;
}

TEST(ErrorCode, HasAFixedNumberAndItsOwnName) {
  // The numbers travel on the wire: a change here breaks what is deployed.
  EXPECT_EQ(static_cast<int>(ErrorCode::not_found), 1);
  EXPECT_EQ(static_cast<int>(ErrorCode::conflict), 2);
  EXPECT_EQ(static_cast<int>(ErrorCode::read_only), 3);
  EXPECT_EQ(static_cast<int>(ErrorCode::not_primary), 4);
  EXPECT_EQ(static_cast<int>(ErrorCode::stale_epoch), 5);
  EXPECT_EQ(static_cast<int>(ErrorCode::timeout), 6);
  EXPECT_EQ(static_cast<int>(ErrorCode::unavailable), 7);
  EXPECT_EQ(static_cast<int>(ErrorCode::corruption), 8);
  EXPECT_EQ(static_cast<int>(ErrorCode::io_error), 9);
  EXPECT_EQ(static_cast<int>(ErrorCode::protocol_error), 10);
  EXPECT_EQ(static_cast<int>(ErrorCode::invalid_argument), 11);
  EXPECT_EQ(static_cast<int>(ErrorCode::shutting_down), 12);
  EXPECT_EQ(static_cast<int>(ErrorCode::out_of_space), 13);
  EXPECT_EQ(static_cast<int>(ErrorCode::outcome_unknown), 14);
  EXPECT_EQ(static_cast<int>(ErrorCode::expired), 15);
  EXPECT_EQ(static_cast<int>(ErrorCode::aborted), 16);
  EXPECT_EQ(static_cast<int>(ErrorCode::busy), 17);
  EXPECT_EQ(static_cast<int>(ErrorCode::too_new), 18);
  std::set<std::string_view> names;
  for (std::uint16_t code = 1; code <= 18; ++code) names.insert(to_string(ErrorCode{code}));
  EXPECT_EQ(names.size(), 18U);
  EXPECT_FALSE(names.contains("unknown_error"));
  EXPECT_TRUE(names.contains("outcome_unknown"));
}

TEST(ErrorCode, OfANewerPeerHasANameToo) {
  EXPECT_EQ(to_string(ErrorCode{0}), "unknown_error");
  EXPECT_EQ(to_string(ErrorCode{999}), "unknown_error");
}

TEST(Error, IsShownWithItsCode) {
  EXPECT_EQ((Error{ErrorCode::busy, "the port is in use"}).to_string(), "busy: the port is in use");
}

TEST(Error, GainsContextOnTheWayUp) {
  const Error error = Error{ErrorCode::io_error, "disk full"}.prefixed("log 7").prefixed("main");
  EXPECT_EQ(error.code, ErrorCode::io_error);
  EXPECT_EQ(error.detail, "main: log 7: disk full");
}

TEST(AssignOrReturn, TakesTheValueOrReturnsTheError) {
  EXPECT_EQ(quarter(12), 3);
  const Result<int> odd = quarter(6);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(odd.error().detail, "odd");
}

TEST(AssignOrReturn, MovesWhatCannotBeCopied) { EXPECT_EQ(**boxed(5), 5); }

TEST(ReturnIfError, GoesOnWhenThereIsNone) {
  int passed = 0;
  EXPECT_TRUE(require_even(2, passed));
  EXPECT_FALSE(require_even(3, passed));
  EXPECT_EQ(passed, 1);
}

}  // namespace
}  // namespace zeolite
