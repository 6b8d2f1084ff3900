#include "invalidation/invalidation_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace zeolite::invalidation {
namespace {

TEST(InvalidationBatch, NamesItsObjectsInAnyOrder) {
  const InvalidationBatch batch(Tid(5), {Oid(9), Oid(1), Oid(4)});
  EXPECT_EQ(batch.tid(), Tid(5));
  EXPECT_THAT(batch.oids(), testing::ElementsAre(Oid(1), Oid(4), Oid(9)));
  EXPECT_TRUE(batch.names(Oid(9)));
  EXPECT_TRUE(batch.names(Oid(1)));
  EXPECT_FALSE(batch.names(Oid(2)));
}

TEST(InvalidationBatch, MayNameNothing) {
  const InvalidationBatch batch(Tid(5), {});
  EXPECT_FALSE(batch.names(Oid(0)));
  EXPECT_GT(batch.bytes(), 0U);
}

TEST(InvalidationBatch, ChargesForEveryObject) {
  const InvalidationBatch small(Tid(5), std::vector<Oid>(1));
  const InvalidationBatch large(Tid(6), std::vector<Oid>(1'001));
  EXPECT_EQ(large.bytes() - small.bytes(), 8'000U);
}

}  // namespace
}  // namespace zeolite::invalidation
