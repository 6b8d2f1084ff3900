#include "daemon/calls_apart.h"

#include <gtest/gtest.h>

namespace zeolite::daemon {
namespace {

using namespace commit::calls;

Call abort_of(commit::Ticket ticket) { return Abort{ticket}; }

TEST(CallsApart, KeepsNothingUnlessACallWaits) {
  CallsApart apart;
  Call call = abort_of(7);
  EXPECT_FALSE(apart.keep(1, call));
  apart.begin(2, Submit{});
  EXPECT_FALSE(apart.keep(1, call));
  EXPECT_EQ(std::get<Abort>(call).ticket, 7U);
}

TEST(CallsApart, GivesTheCallsOfAConnectionInOrder) {
  CallsApart apart;
  apart.begin(1, Submit{5, {}, false});
  EXPECT_EQ(std::get<Submit>(std::get<Call>(apart.next(1).value())).ticket, 5U);
  Call abort = abort_of(5);
  EXPECT_TRUE(apart.keep(1, abort));
  CallsApart::Lost lost;
  EXPECT_TRUE(apart.keep(1, lost));
  EXPECT_EQ(std::get<Abort>(std::get<Call>(apart.next(1).value())).ticket, 5U);
  EXPECT_TRUE(std::holds_alternative<CallsApart::Lost>(apart.next(1).value()));
  EXPECT_FALSE(apart.next(1));
  EXPECT_FALSE(apart.keep(1, abort));
}

}  // namespace
}  // namespace zeolite::daemon
