#include "storage/random_id.h"

#include <gtest/gtest.h>

namespace zeolite::storage::testing {
namespace {

TEST(RandomId, IsAnotherOneEachTime) {
  const Id128 first = random_id().value();
  EXPECT_NE(first, Id128{});
  EXPECT_NE(first, random_id().value());
}

}  // namespace
}  // namespace zeolite::storage::testing
