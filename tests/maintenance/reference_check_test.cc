#include "maintenance/reference_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "storage/memory_object_store.h"
#include "storage/store_builders.h"
#include "support/zodb_record.h"

namespace zeolite::maintenance {
namespace {

using storage::testing::record;
using testing::ElementsAre;
using testing::IsEmpty;

std::string refers(const std::vector<std::uint64_t>& strong,
                   const std::vector<std::uint64_t>& weak = {}) {
  return zodb_record("text", {strong.begin(), strong.end()}, {weak.begin(), weak.end()});
}

class ReferenceCheckTest : public testing::Test {
 protected:
  void append(const TransactionRecord& transaction) {
    ASSERT_TRUE(store_.append({&transaction, 1}).has_value());
  }
  ReferenceFindings check(Tid line = kMaxTid, std::size_t described_max = 10) const {
    ReferenceCheck check(store_, line, nullptr);
    const auto objects = store_.next_objects(Oid(0), line, 100'000).value();
    for (const auto& object : objects) {
      EXPECT_TRUE(check.add(object.oid).has_value());
    }
    return check.finish(described_max).value();
  }

  storage::MemoryObjectStore store_;
};

TEST_F(ReferenceCheckTest, SoundReferencesAreNoFinding) {
  append(record(10).data(0, refers({1, 2}, {77})).data(1, refers({0})).data(2, refers({2})));
  const ReferenceFindings findings = check();
  EXPECT_EQ(findings.dangling_count, 0U);
  EXPECT_THAT(findings.dangling, IsEmpty());
  EXPECT_EQ(findings.unscanned, 0U);
}

TEST_F(ReferenceCheckTest, SaysWhatDanglesAndWhence) {
  append(record(10).data(0, refers({1, 5})).data(1, refers({5, 6})).data(2, refers({})));
  append(record(20).data(0, refers({1, 2, 5}), 10).deletion(2, 10));
  const ReferenceFindings findings = check();
  EXPECT_EQ(findings.dangling_count, 4U);
  EXPECT_THAT(findings.dangling,
              ElementsAre(DanglingReference{Oid(0), Oid(2)}, DanglingReference{Oid(0), Oid(5)},
                          DanglingReference{Oid(1), Oid(5)}, DanglingReference{Oid(1), Oid(6)}));
  EXPECT_EQ(check(kMaxTid, 1).dangling.size(), 1U);
  EXPECT_EQ(check(kMaxTid, 1).dangling_count, 4U);
}

TEST_F(ReferenceCheckTest, LooksAtTheLine) {
  append(record(10).data(0, refers({1})));
  append(record(20).data(1, refers({})));
  EXPECT_EQ(check(Tid(10)).dangling_count, 1U);
  EXPECT_EQ(check().dangling_count, 0U);
}

TEST_F(ReferenceCheckTest, OtherRecordsAreCountedAndLeftAlone) {
  append(record(10).data(0, "no pickle").data(1, refers({0})));
  EXPECT_EQ(check().unscanned, 1U);
  EXPECT_EQ(check().dangling_count, 0U);
}

TEST_F(ReferenceCheckTest, CancelEndsIt) {
  append(record(10).data(0, refers({1})));
  const std::atomic<bool> cancelled = true;
  ReferenceCheck check(store_, kMaxTid, &cancelled);
  ASSERT_TRUE(check.add(Oid(0)).has_value());
  const auto findings = check.finish(10);
  ASSERT_FALSE(findings.has_value());
  EXPECT_EQ(findings.error().code, ErrorCode::aborted);
}

TEST_F(ReferenceCheckTest, ManyObjectsAreWalkedInBatches) {
  TransactionRecord many = record(10);
  for (std::uint64_t oid = 0; oid < 2500; ++oid) {
    many.writes.push_back({Oid(oid), kNoTid, RevisionKind::data, Bytes(refers({oid + 1})), kNoTid});
  }
  append(many);
  EXPECT_THAT(check().dangling, ElementsAre(DanglingReference{Oid(2499), Oid(2500)}));
}

}  // namespace
}  // namespace zeolite::maintenance
