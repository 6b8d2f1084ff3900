#include "maintenance/newest_revisions.h"

#include <gtest/gtest.h>

#include <map>

namespace zeolite::maintenance {
namespace {

TEST(NewestRevisions, ObjectsAboveTheMarkDoNotExist) {
  const NewestRevisions revisions(Oid(100));
  EXPECT_EQ(revisions.find(Oid(100)), kNoTid);
  EXPECT_EQ(revisions.find(Oid(1'000'000)), kNoTid);
  EXPECT_FALSE(revisions.find(Oid(99)).has_value());
}

TEST(NewestRevisions, WhatItWasToldIsKnown) {
  NewestRevisions revisions(Oid(100));
  revisions.set(Oid(5), Tid(7));
  revisions.set(Oid(5), Tid(8));
  revisions.set(Oid(6), kNoTid);
  EXPECT_EQ(revisions.find(Oid(5)), Tid(8));
  EXPECT_EQ(revisions.find(Oid(6)), kNoTid);
  EXPECT_FALSE(revisions.find(Oid(7)).has_value());
}

TEST(NewestRevisions, NeverKnowsWhatItWasNotTold) {
  // Oids that jump up and down, against a model; "not known" is always right but for new ones.
  NewestRevisions revisions(Oid(200));
  std::map<Oid, Tid> told;
  std::uint64_t mark = 200;
  std::uint64_t state = 1;
  for (std::uint64_t step = 1; step < 5000; ++step) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const Oid oid((state >> 33) % (200 + step));
    const auto found = revisions.find(oid);
    if (told.contains(oid)) {
      EXPECT_EQ(found, told[oid]);
    } else if (oid.value() >= mark) {
      EXPECT_EQ(found, kNoTid);
    } else if (found) {
      EXPECT_EQ(*found, kNoTid);
      EXPECT_GE(oid.value(), 200U);
    }
    revisions.set(oid, Tid(step));
    told[oid] = Tid(step);
    mark = std::max(mark, oid.value() + 1);
  }
}

TEST(NewestRevisions, TheGreatestOidIsNeverTakenForNew) {
  NewestRevisions revisions(Oid(0));
  constexpr Oid kGreatest(~std::uint64_t{0});
  EXPECT_FALSE(revisions.find(kGreatest).has_value());
  revisions.set(kGreatest, Tid(1));
  EXPECT_EQ(revisions.find(kGreatest), Tid(1));
}

TEST(NewestRevisions, TrimForgetsWhenThereIsTooMuch) {
  NewestRevisions revisions(Oid(0), 2);
  for (const std::uint64_t oid : {0U, 64U}) revisions.set(Oid(oid), Tid(9));
  revisions.trim();
  EXPECT_EQ(revisions.find(Oid(0)), Tid(9));
  revisions.set(Oid(128), Tid(9));
  EXPECT_EQ(revisions.find(Oid(0)), Tid(9));
  revisions.trim();
  EXPECT_FALSE(revisions.find(Oid(0)).has_value());
  EXPECT_FALSE(revisions.find(Oid(128)).has_value());
  EXPECT_EQ(revisions.find(Oid(129)), kNoTid);
}

}  // namespace
}  // namespace zeolite::maintenance
