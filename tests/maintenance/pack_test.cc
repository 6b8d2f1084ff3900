#include "maintenance/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "maintenance/store_removal_log.h"
#include "maintenance/tampered_store.h"
#include "storage/memory_object_store.h"
#include "storage/store_builders.h"
#include "support/zodb_record.h"

namespace zeolite::maintenance {
namespace {

using storage::LoadStatus;
using storage::testing::record;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::Not;

std::string refers(const std::vector<std::uint64_t>& strong) {
  return zodb_record("text", {strong.begin(), strong.end()});
}

class PackTest : public testing::Test {
 protected:
  void append(const TransactionRecord& transaction) {
    ASSERT_TRUE(store_.append({&transaction, 1}).has_value());
  }
  void append_pack(std::uint64_t tid, std::uint64_t horizon, bool collect_garbage = true) {
    TransactionRecord packed = record(tid, RecordKind::pack);
    packed.pack_horizon = Tid(horizon);
    packed.collect_garbage = collect_garbage;
    append(packed);
  }
  PackReport run(const PackOptions& options = {}, const PackCallbacks& callbacks = {}) {
    StoreRemovalLog log(store_);
    auto report = run_pack(store_, log, options, callbacks);
    EXPECT_TRUE(report.has_value()) << report.error().to_string();
    return report.value_or(PackReport{});
  }
  PackReport dry_run(std::uint64_t horizon, bool collect_garbage = true) {
    auto report = dry_run_pack(store_, Tid(horizon), collect_garbage, {}, {});
    EXPECT_TRUE(report.has_value()) << report.error().to_string();
    return report.value_or(PackReport{});
  }
  // "oid@tid" for each revision that is stored.
  std::vector<std::string> stored() const {
    std::vector<std::string> names;
    const auto revisions = store_.revisions_from(Oid(0), 100'000).value();
    for (const auto& found : revisions) {
      names.push_back(std::to_string(found.key.oid.value()) + "@" +
                      std::to_string(found.key.tid.value()));
    }
    return names;
  }

  // Root, a kept object with a history, a piece of garbage and a deleted object.
  void append_sample() {
    append(record(10)
               .data(0, refers({1}))
               .data(1, refers({}))
               .data(2, refers({}))
               .data(3, refers({})));
    append(record(20).data(1, refers({}), 10).deletion(3, 10));
    append(record(30).data(1, refers({}), 20).data(4, refers({})));
  }

  storage::MemoryObjectStore store_;
};

TEST_F(PackTest, KeepsWhatIsNeededAsOfTheHorizon) {
  append_sample();
  append_pack(40, 20);
  const PackReport report = run();
  EXPECT_THAT(stored(), ElementsAre("0@10", "1@30", "1@20", "4@30"));
  EXPECT_EQ(report.horizon, Tid(20));
  EXPECT_TRUE(report.garbage_collected);
  EXPECT_EQ(report.removed_objects, 2U);
  EXPECT_EQ(report.removed_revisions, 4U);
  EXPECT_TRUE(store_.pack_state().swept);
}

TEST_F(PackTest, WithoutCollectionOnlyHistoryGoes) {
  append_sample();
  append_pack(40, 20, false);
  const PackReport report = run();
  EXPECT_THAT(stored(), ElementsAre("0@10", "1@30", "1@20", "2@10", "4@30"));
  EXPECT_FALSE(report.garbage_wanted);
  EXPECT_FALSE(report.garbage_collected);
}

TEST_F(PackTest, NothingToDoWhenNothingWasPackedOrItIsDone) {
  append_sample();
  EXPECT_EQ(run().horizon, kNoTid);
  append_pack(40, 20);
  EXPECT_EQ(run().horizon, Tid(20));
  EXPECT_EQ(run().horizon, kNoTid);
}

TEST_F(PackTest, PackingAgainRemovesWhatBecameOld) {
  append_sample();
  append_pack(40, 20);
  run();
  append(record(50).data(0, refers({4}), 10));
  append_pack(60, 50);
  run();
  EXPECT_THAT(stored(), ElementsAre("0@50", "4@30"));
}

TEST_F(PackTest, ObjectOfTheFutureIsNotGarbage) {
  append(record(10).data(0, refers({})));
  append(record(20).data(0, refers({1}), 10).data(1, refers({})));
  append_pack(30, 10);
  run();
  EXPECT_THAT(stored(), ElementsAre("0@20", "0@10", "1@20"));
}

TEST_F(PackTest, RelinkedObjectIsNotGarbage) {
  append(record(10).data(0, refers({1})).data(1, refers({2})).data(2, refers({})));
  append(record(20).data(0, refers({}), 10));
  append(record(30).data(0, refers({1}), 20));
  append_pack(40, 20);
  run();
  EXPECT_THAT(stored(), ElementsAre("0@30", "0@20", "1@10", "2@10"));
}

TEST_F(PackTest, RecordThatCannotBeScannedKeepsAllGarbage) {
  append(record(10).data(0, refers({1})).data(1, "no pickle").data(2, refers({})));
  append(record(20).data(2, refers({}), 10));
  append_pack(30, 20);
  const PackReport report = run();
  EXPECT_THAT(stored(), ElementsAre("0@10", "1@10", "2@20"));
  EXPECT_TRUE(report.garbage_wanted);
  EXPECT_FALSE(report.garbage_collected);
  EXPECT_EQ(report.unreadable_count, 1U);
}

TEST_F(PackTest, WithoutARootNothingIsGarbage) {
  append(record(10).data(5, refers({})).data(6, refers({})));
  append_pack(20, 10);
  const PackReport report = run();
  EXPECT_THAT(stored(), ElementsAre("5@10", "6@10"));
  EXPECT_TRUE(report.root_missing);
  EXPECT_FALSE(report.garbage_collected);
}

TEST_F(PackTest, EmptyStoreIsPacked) {
  append_pack(20, 10);
  EXPECT_EQ(run().removed_revisions, 0U);
  EXPECT_TRUE(store_.pack_state().swept);
}

TEST_F(PackTest, CommitsMeanwhileProtectWhatTheyReferTo) {
  TransactionRecord first = record(10).data(0, refers({}));
  for (std::uint64_t oid = 1; oid <= 9; ++oid) {
    first.writes.push_back(
        {Oid(oid), kNoTid, RevisionKind::data, Bytes(refers({oid + 10})), kNoTid});
    first.writes.push_back({Oid(oid + 10), kNoTid, RevisionKind::data, Bytes(refers({})), kNoTid});
  }
  append(first);
  append_pack(20, 10);
  bool committed = false;
  PackCallbacks callbacks;
  callbacks.progress = [&](const PackProgress& progress) {
    if (progress.name != "remove" || progress.done < 4 || std::exchange(committed, true)) return;
    append(record(30).data(0, refers({8}), 10));
  };
  run({.batch = 1}, callbacks);
  EXPECT_THAT(stored(), ElementsAre("0@30", "0@10", "8@10", "18@10"));
}

TEST_F(PackTest, UndoAfterwardsFindsWhatItGoesBackTo) {
  append(record(10).data(0, refers({1})).data(1, refers({})));
  append(record(20).data(0, refers({}), 10));
  append_pack(30, 10);
  run();
  append(record(40).back(0, 10, 20));
  append_pack(50, 40);
  run();
  // The target stays beneath the back-pointer that is current.
  EXPECT_THAT(stored(), ElementsAre("0@40", "0@10", "1@10"));
  EXPECT_EQ(store_.load_before(Oid(0), kMaxTid, kMaxTid, storage::ReadTier::disk)->status,
            LoadStatus::found);
}

// What ZODB 6.4's FileStorage.pack leaves of the same history, and the original beneath the undo.
TEST_F(PackTest, KeepsWhatFileStorageKeeps) {
  append(record(10).data(0, refers({})));
  append(record(20)
             .data(0, refers({1, 2}), 10)
             .data(1, refers({3}))
             .data(2, refers({}))
             .data(3, refers({})));
  append(record(30).data(1, refers({3}), 20));
  append(record(40).data(0, refers({1}), 20));
  append(record(50).data(1, refers({3}), 30));
  append(record(60).back(1, 30, 50));
  append(record(70).data(3, refers({}), 20));
  append(record(80).data(0, refers({1, 4}), 40).data(4, refers({})));
  append(record(90).data(1, refers({3}), 60));
  append(record(100).back(1, 30, 90));
  append_pack(110, 60);
  run();
  EXPECT_THAT(stored(),
              ElementsAre("0@80", "0@40", "1@100", "1@90", "1@60", "1@30", "3@70", "3@20", "4@80"));
}

TEST_F(PackTest, CancelledPackIsFinishedByTheNextRun) {
  append_sample();
  append_pack(40, 20);
  std::atomic<bool> cancelled = true;
  StoreRemovalLog log(store_);
  const auto stopped = run_pack(store_, log, {.cancelled = &cancelled}, {});
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::aborted);
  EXPECT_FALSE(store_.pack_state().swept);
  cancelled = false;
  EXPECT_EQ(run({.cancelled = &cancelled}).removed_revisions, 4U);
  EXPECT_TRUE(store_.pack_state().swept);
}

TEST_F(PackTest, FullDiskStopsItAndItGoesOnLater) {
  append_sample();
  append_pack(40, 20);
  store_.set_out_of_space(true);
  StoreRemovalLog log(store_);
  const auto stopped = run_pack(store_, log, {}, {});
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::out_of_space);
  store_.set_out_of_space(false);
  EXPECT_EQ(run().removed_revisions, 4U);
}

TEST_F(PackTest, DryRunTellsWhatThePackWillDo) {
  append_sample();
  append(record(35).data(4, refers({77}), 30));
  const PackReport told = dry_run(20);
  const PackReport told_without = dry_run(20, false);
  EXPECT_EQ(stored().size(), 8U + 1);
  append_pack(40, 20);
  const PackReport report = run();
  EXPECT_EQ(told.objects, report.objects);
  EXPECT_EQ(told.revisions, report.revisions);
  EXPECT_EQ(told.removed_objects, report.removed_objects);
  EXPECT_EQ(told.removed_revisions, report.removed_revisions);
  EXPECT_EQ(told.removed_bytes, report.removed_bytes);
  EXPECT_EQ(told.dangling_count, 1U);
  EXPECT_THAT(told.dangling, ElementsAre(Oid(77)));
  EXPECT_EQ(told_without.removed_revisions, report.removed_revisions - 1);
  EXPECT_EQ(dry_run(20).horizon, kNoTid);
}

TEST_F(PackTest, DryRunOfTheFutureIsOneOfNow) {
  append_sample();
  EXPECT_EQ(dry_run(1'000'000).horizon, Tid(30));
}

TEST_F(PackTest, BlobsOfWhatGoesAreCounted) {
  TransactionRecord first = record(10).data(0, refers({1})).data(1, "").data(2, "");
  first.writes[1].blob = BlobInfo{100, {}};
  first.writes[2].blob = BlobInfo{200, {}};
  append(first);
  TransactionRecord second = record(20).data(1, "", 10);
  second.writes[0].blob = BlobInfo{300, {}};
  append(second);
  EXPECT_EQ(dry_run(20).removed_blobs, 2U);
  append_pack(30, 20);
  struct BlobLog final : RemovalLog {
    Result<std::uint64_t> remove(std::span<const RevisionKey> keys) override { return keys.size(); }
    Result<> complete() override { return {}; }
  } log;
  EXPECT_EQ(run_pack(store_, log, {}, {})->removed_blobs, 2U);
}

TEST_F(PackTest, OnlyWhatIsLeftIsRemovedAgain) {
  append_sample();
  append_pack(40, 20);
  std::atomic<bool> cancelled = false;
  PackCallbacks callbacks;
  callbacks.progress = [&](const PackProgress& progress) {
    cancelled = progress.name == "remove" && progress.done >= 3;
  };
  StoreRemovalLog log(store_);
  const PackOptions one_by_one{.batch = 1, .cancelled = &cancelled};
  EXPECT_FALSE(run_pack(store_, log, one_by_one, callbacks).has_value());
  const Tid interrupted = store_.last_position().tid;
  EXPECT_EQ(run().removed_revisions, 2U);
  const auto entries = store_.read_log(interrupted, kMaxTid, {}).value();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_THAT(entries[0].removed,
              ElementsAre(RevisionKey{Oid(3), Tid(20)}, RevisionKey{Oid(3), Tid(10)}));
  EXPECT_TRUE(entries[1].pack_complete);
  EXPECT_THAT(entries[1].removed, IsEmpty());
}

TEST_F(PackTest, TellsProgressAndPausesAfterEachBatch) {
  append_sample();
  append_pack(40, 20);
  std::vector<PackProgress> told;
  std::size_t pauses = 0;
  PackCallbacks callbacks;
  callbacks.progress = [&](const PackProgress& progress) { told.push_back(progress); };
  callbacks.pause = [&] { ++pauses; };
  run({.batch = 1}, callbacks);
  EXPECT_GE(pauses, told.size());
  EXPECT_THAT(told, Each(AllOf(Field(&PackProgress::phases, 3U),
                               Field(&PackProgress::name, Not(IsEmpty())))));
  for (std::size_t i = 1; i < told.size(); ++i) EXPECT_GE(told[i].phase, told[i - 1].phase);
  for (const PackProgress& progress : told) EXPECT_LE(progress.done, progress.total);
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.front().phase, 1U);
  EXPECT_EQ(told.back().phase, 3U);
  EXPECT_EQ(told.back().done, told.back().total);
}

TEST(DamagedPack, EndsWhereTheDamageIsAndGoesOnWhenItIsMended) {
  TamperedStore store;
  const auto append = [&store](const TransactionRecord& transaction) {
    ASSERT_TRUE(store.append({&transaction, 1}));
  };
  append(record(10).data(1, "a").data(2, "a"));
  append(record(20).data(1, "b", 10).data(2, "b", 10));
  append(record(21, RecordKind::pack).pack(20));
  const std::string damage =
      "object 0000000000000002 as of transaction 000000000000000a is damaged";
  store.before_revisions = [&](Oid from) -> Result<> {
    if (from < Oid(2)) return {};
    return make_error(ErrorCode::corruption, damage);
  };
  StoreRemovalLog log(store);
  const auto failed = run_pack(store, log, {.batch = 2}, {});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::corruption);
  EXPECT_EQ(failed.error().detail, damage);
  EXPECT_FALSE(store.pack_state().swept);
  EXPECT_EQ(store.history(Oid(2), kMaxTid, 9)->size(), 2U);
  store.before_revisions = [](Oid) -> Result<> { return {}; };
  ASSERT_TRUE(run_pack(store, log, {.batch = 2}, {}));
  EXPECT_TRUE(store.pack_state().swept);
  EXPECT_EQ(store.history(Oid(2), kMaxTid, 9)->size(), 1U);
}

}  // namespace
}  // namespace zeolite::maintenance
