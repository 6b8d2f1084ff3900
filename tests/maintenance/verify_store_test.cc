#include "maintenance/verify_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "maintenance/tampered_store.h"
#include "storage/store_builders.h"
#include "support/zodb_record.h"

namespace zeolite::maintenance {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Oid kA{1};
constexpr Oid kB{2};
constexpr Oid kC{3};

ObjectWrite data(Oid oid, Tid previous, std::string_view bytes) {
  return {oid, previous, RevisionKind::data, Bytes::copy_of(bytes), kNoTid};
}
ObjectWrite back(Oid oid, Tid previous, Tid to) {
  return {oid, previous, RevisionKind::back_pointer, Bytes(), to};
}
ObjectWrite gone(Oid oid, Tid previous) {
  return {oid, previous, RevisionKind::deletion, Bytes(), kNoTid};
}

void append(storage::ObjectStore& store, Tid tid, std::vector<ObjectWrite> writes,
            RecordKind kind = RecordKind::transaction) {
  TransactionRecord record;
  record.kind = kind;
  record.epoch = Epoch(1);
  record.tid = tid;
  record.writes = std::move(writes);
  ASSERT_TRUE(store.append({&record, 1}).has_value());
}

class VerifyStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    append(store_, Tid(10), {}, RecordKind::epoch);
    append(store_, Tid(20), {data(kA, kNoTid, "a20"), data(kB, kNoTid, "b20")});
    append(store_, Tid(30), {data(kA, Tid(20), "a30"), gone(kB, Tid(20))});
    append(store_, Tid(40), {back(kA, Tid(30), Tid(20)), data(kB, kNoTid, "b40")});
    append(store_, Tid(50), {gone(kB, Tid(40)), data(kC, kNoTid, "c50")});
  }

  // At tid 60.
  void append_pack(std::uint64_t horizon) {
    const TransactionRecord pack = storage::testing::record(60, RecordKind::pack).pack(horizon);
    ASSERT_TRUE(store_.append({&pack, 1}).has_value());
  }
  VerifyReport verify(const VerifyOptions& options = {}) const {
    auto report = verify_store(store_, options);
    EXPECT_TRUE(report.has_value()) << report.error().detail;
    return report ? *report : VerifyReport{};
  }
  // The one problem of the store.
  std::string problem() const {
    const VerifyReport report = verify();
    EXPECT_EQ(report.problem_count, 1U) << testing::PrintToString(report.problems);
    EXPECT_FALSE(report.clean());
    return report.problems.empty() ? "" : report.problems[0];
  }

  TamperedStore store_;
};

TEST_F(VerifyStoreTest, SoundStoreIsClean) {
  const VerifyReport report = verify();
  EXPECT_THAT(report.problems, ElementsAre());
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.transactions, 4U);
  EXPECT_EQ(report.revisions, 8U);
  EXPECT_EQ(report.blobs, 0U);
  EXPECT_EQ(report.digest.size(), 32U);
}

TEST_F(VerifyStoreTest, TheFilesOfBlobsAreLookedAt) {
  const BlobInfo info{.size = 7, .hash = {1}};
  ObjectWrite write = data(kC, Tid(50), "c60");
  write.blob = info;
  append(store_, Tid(60), {write});
  EXPECT_EQ(verify().blobs, 1U);

  Result<> answer;
  const VerifyOptions options{.check_blob = [&](Oid oid, Tid tid, const BlobInfo& named) {
    EXPECT_EQ(oid, kC);
    EXPECT_EQ(tid, Tid(60));
    EXPECT_EQ(named, info);
    return answer;
  }};
  EXPECT_TRUE(verify(options).clean());
  answer = make_error(ErrorCode::not_found, "no file");
  EXPECT_THAT(verify(options).problems, ElementsAre("no file"));
  answer = make_error(ErrorCode::corruption, "damaged");
  EXPECT_THAT(verify(options).problems, ElementsAre("damaged"));
  answer = make_error(ErrorCode::aborted, "cancelled");
  EXPECT_EQ(verify_store(store_, options).error().code, ErrorCode::aborted);
  // The revision went while its blob was looked for.
  store_.on_history = [](Oid oid, Tid, std::vector<storage::ObjectStore::ObjectRevision>& found) {
    if (oid == kC) found.clear();
  };
  answer = make_error(ErrorCode::not_found, "no file");
  EXPECT_THAT(verify(options).problems, testing::Not(Contains("no file")));
}

TEST_F(VerifyStoreTest, EmptyStoreIsClean) {
  const storage::MemoryObjectStore empty;
  const auto report = verify_store(empty, {});
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->clean());
  EXPECT_EQ(report->transactions, 0U);
}

TEST_F(VerifyStoreTest, DigestIsOfTheContentAlone) {
  storage::MemoryObjectStore other;
  append(other, Tid(20), {data(kB, kNoTid, "b20"), data(kA, kNoTid, "a20")});
  append(other, Tid(30), {data(kA, Tid(20), "a30"), gone(kB, Tid(20))});
  append(other, Tid(40), {back(kA, Tid(30), Tid(20)), data(kB, kNoTid, "b40")});
  append(other, Tid(50), {gone(kB, Tid(40)), data(kC, kNoTid, "c50")});
  append(other, Tid(60), {}, RecordKind::epoch);
  EXPECT_EQ(verify_store(other, {}).value().digest, verify().digest);
  append(other, Tid(70), {});
  EXPECT_NE(verify_store(other, {}).value().digest, verify().digest);
}

TEST_F(VerifyStoreTest, WhatIsAboveTheLineDoesNotCount) {
  const std::string digest = verify().digest;
  append(store_, Tid(60), {data(kA, Tid(40), "a60"), data(kB, kNoTid, "b60")});
  append(store_, Tid(70), {gone(kA, Tid(60))});
  const VerifyReport report = verify({.line = Tid(50)});
  EXPECT_THAT(report.problems, ElementsAre());
  EXPECT_EQ(report.transactions, 4U);
  EXPECT_EQ(report.digest, digest);
}

TEST_F(VerifyStoreTest, FindsWrongPreviousEntry) {
  store_.on_entry = [](LogEntry& entry) {
    if (entry.position.tid == Tid(30)) entry.previous_tid = Tid(10);
  };
  EXPECT_THAT(verify().problems,
              Contains(HasSubstr("says that it follows 000000000000000a, but it follows")));
}

TEST_F(VerifyStoreTest, FindsEpochThatGoesBack) {
  store_.on_entry = [](LogEntry& entry) {
    if (entry.position.tid == Tid(20)) entry.position.epoch = Epoch(3);
  };
  EXPECT_THAT(verify().problems, Contains(HasSubstr("has epoch 1, the one before has 3")));
}

TEST_F(VerifyStoreTest, FindsBrokenChain) {
  store_.on_entry = [](LogEntry& entry) {
    if (entry.position.tid == Tid(30)) entry.metadata.user = "somebody else";
  };
  EXPECT_THAT(problem(), HasSubstr("the hash chain breaks at log entry 000000000000001e"));
}

TEST_F(VerifyStoreTest, FindsDataThatIsNotWhatWasWritten) {
  store_.on_record = [](TransactionRecord& record) -> Result<> {
    if (record.tid == Tid(30)) record.writes[0].data = Bytes::copy_of("xxx");
    return {};
  };
  EXPECT_THAT(problem(), HasSubstr("are not those it was written with"));
}

TEST_F(VerifyStoreTest, FindsDataThatCannotBeRead) {
  store_.on_record = [](TransactionRecord& record) -> Result<> {
    if (record.tid == Tid(30)) return make_error(ErrorCode::corruption, "bad block");
    return {};
  };
  EXPECT_THAT(problem(), HasSubstr("cannot be read with its data: bad block"));
}

TEST_F(VerifyStoreTest, FailingDiskEndsTheVerification) {
  store_.on_record = [](TransactionRecord&) -> Result<> {
    return make_error(ErrorCode::io_error, "the disk is gone");
  };
  const auto report = verify_store(store_, {});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::io_error);
}

TEST_F(VerifyStoreTest, FindsMissingRevision) {
  store_.on_history = [](Oid oid, Tid line, auto& found) {
    if (oid == kA && line == Tid(30)) found.clear();
  };
  EXPECT_EQ(problem(),
            "object 0000000000000001 as of transaction 000000000000001e is in the log but has no "
            "revision");
}

TEST_F(VerifyStoreTest, FindsRevisionOfAnotherSize) {
  store_.on_history = [](Oid oid, Tid line, auto& found) {
    if (oid == kA && line == Tid(30)) found[0].summary.size = 7;
  };
  EXPECT_THAT(problem(), HasSubstr("another kind or size"));
}

TEST_F(VerifyStoreTest, FindsBackPointerToNoData) {
  append(store_, Tid(60), {back(kA, Tid(40), Tid(40))});
  EXPECT_THAT(problem(), HasSubstr("points back to 0000000000000028, which has no data of it"));
}

TEST_F(VerifyStoreTest, FindsBackPointerForward) {
  append(store_, Tid(60), {back(kA, Tid(40), Tid(60))});
  EXPECT_THAT(problem(), HasSubstr("which is not before it"));
}

TEST_F(VerifyStoreTest, FindsWrongPreviousRevision) {
  append(store_, Tid(60), {data(kA, Tid(30), "a60")});
  EXPECT_THAT(problem(), HasSubstr("follows 0000000000000028, but the log says 000000000000001e"));
}

TEST_F(VerifyStoreTest, DeletedObjectHasNoPrevious) {
  append(store_, Tid(60), {data(kB, Tid(50), "b60")});
  EXPECT_THAT(problem(), HasSubstr("follows 0000000000000000, but the log says"));
}

TEST_F(VerifyStoreTest, FindsRevisionThatIsNotInTheLog) {
  store_.on_revisions = [](auto& found) {
    if (found.empty()) return;
    found.insert(found.begin() + 1, {{kA, Tid(35)}, RevisionKind::data, kNoTid});
  };
  EXPECT_THAT(problem(), HasSubstr("as of transaction 0000000000000023 has a revision but is not"));
}

TEST_F(VerifyStoreTest, FindsOidMarkThatIsTooLow) {
  store_.mark = kC;
  EXPECT_THAT(problem(), HasSubstr("the oid mark is 0000000000000003"));
}

TEST_F(VerifyStoreTest, DescribesSoManyProblemsAndCountsAll) {
  store_.on_record = [](TransactionRecord&) -> Result<> {
    return make_error(ErrorCode::not_found, "nothing there");
  };
  const VerifyReport report = verify({.problems_max = 2});
  EXPECT_EQ(report.problems.size(), 2U);
  EXPECT_EQ(report.problem_count, 5U);
}

TEST_F(VerifyStoreTest, OfPackedHistoryWhatIsLeftCounts) {
  append_pack(40);
  const std::string digest = verify().digest;
  EXPECT_EQ(verify().transactions, 4U);
  const std::vector<TransactionRecord> removals = {
      storage::testing::removal(61, 60, {{kA, Tid(30)}, {kB, Tid(30)}, {kB, Tid(20)}}),
      storage::testing::removal(62, 60, {}, true)};
  ASSERT_TRUE(store_.append(removals).has_value());
  const VerifyReport report = verify();
  EXPECT_THAT(report.problems, ElementsAre());
  EXPECT_EQ(report.transactions, 3U);
  EXPECT_EQ(report.revisions, 5U);
  EXPECT_NE(report.digest, digest);
}

// The log names what packs remove.
TEST_F(VerifyStoreTest, WhatIsMissingBelowThePackHorizonAndWasNotRemovedIsDamage) {
  append_pack(50);
  const std::vector<TransactionRecord> removals = {
      storage::testing::removal(61, 60, {{kA, Tid(30)}, {kB, Tid(30)}, {kB, Tid(20)}}),
      storage::testing::removal(62, 60, {}, true)};
  ASSERT_TRUE(store_.append(removals).has_value());
  EXPECT_TRUE(verify().clean());
  EXPECT_TRUE(verify({.line = Tid(50)}).clean()) << "the removals are above it";
  store_.on_revisions = [](auto& found) {
    std::erase_if(found, [](const auto& revision) { return revision.key.oid == kC; });
  };
  EXPECT_EQ(problem(),
            "1 revisions at or below the pack horizon, 0000000000000032, are missing, and the log "
            "does not say that they were removed");
}

TEST_F(VerifyStoreTest, WhatIsMissingAboveThePackHorizonIsDamage) {
  append_pack(30);
  store_.on_history = [](Oid oid, Tid line, auto& found) {
    if (oid == kA && line >= Tid(30)) found.clear();
  };
  EXPECT_EQ(problem(),
            "object 0000000000000001 as of transaction 0000000000000028 is in the log but has no "
            "revision");
}

TEST_F(VerifyStoreTest, TellsOfDanglingReferences) {
  EXPECT_EQ(verify().references.unscanned, 2U);
  append(store_, Tid(60), {data(kB, kNoTid, zodb_record("b60", {kA, kC, Oid(77)}))});
  const VerifyReport report = verify();
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.references.dangling_count, 1U);
  EXPECT_THAT(report.references.dangling, ElementsAre(DanglingReference{kB, Oid(77)}));
  EXPECT_EQ(verify({.check_references = false}).references.dangling_count, 0U);
}

TEST_F(VerifyStoreTest, WalksLongHistories) {
  for (std::uint64_t tid = 51; tid < 2600; ++tid) {
    append(store_, Tid(tid), {data(kC, Tid(tid - 1), "c")});
  }
  EXPECT_THAT(verify().problems, ElementsAre());
}

TEST_F(VerifyStoreTest, CancelEndsIt) {
  const std::atomic<bool> cancelled = true;
  const auto report = verify_store(store_, {.cancelled = &cancelled});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::aborted);
}

TEST_F(VerifyStoreTest, TellsProgress) {
  std::vector<VerifyProgress> told;
  VerifyOptions options;
  options.progress = [&](const VerifyProgress& progress) { told.push_back(progress); };
  ASSERT_TRUE(verify_store(store_, options).has_value());
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].transactions, 4U);
  EXPECT_EQ(told[0].tid, told[0].until);
}

}  // namespace
}  // namespace zeolite::maintenance
