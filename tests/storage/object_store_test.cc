// The contract of ObjectStore, on every store.

#include "storage/object_store.h"

#include "model/tid_time.h"
#include "storage/object_store_contract.h"

namespace zeolite::storage::testing {
namespace {

TYPED_TEST_SUITE(ObjectStoreContract, StoreMakers);

TYPED_TEST(ObjectStoreContract, EmptyStoreKnowsNothing) {
  ObjectStore& store = *this->store_;
  EXPECT_EQ(store.last_position(), Position{});
  EXPECT_EQ(store.last_transaction(), kNoTid);
  EXPECT_EQ(store.oid_mark(), Oid(0));
  EXPECT_EQ(store.outcome_horizon(), kNoTid);
  EXPECT_TRUE(store.check_space());
  EXPECT_EQ(text(this->load_current(0, 100)), "unknown");
  EXPECT_EQ(text(this->load_serial(0, 1, 100)), "unknown");
  EXPECT_THAT(this->current_tids({0, 1}, 100), ::testing::ElementsAre(0, 0));
  EXPECT_TRUE(store.history(Oid(0), kMaxTid, 10).value().empty());
  EXPECT_THAT(this->walk(0, 100), ::testing::IsEmpty());
  EXPECT_THAT(this->log_tids(0, 100, {}), ::testing::IsEmpty());
  EXPECT_FALSE(store.log_entry(Tid(1)).value());
  EXPECT_FALSE(store.find_outcome(RecordBuilder::commit_id(1, 1)).value());
}

TYPED_TEST(ObjectStoreContract, EmptyGroupChangesNothing) {
  EXPECT_EQ(this->store_->append({}).value(), Position{});
  this->append({record(5).data(1, "a")});
  EXPECT_EQ(this->store_->append({}).value(), this->store_->last_position());
}

TYPED_TEST(ObjectStoreContract, LoadBeforeFindsTheRevisionAndItsEnd) {
  this->append({record(10).data(1, "a")});
  this->append({record(20).data(1, "b", 10), record(30).data(1, "c", 20)});
  EXPECT_EQ(text(this->load_before(1, 10, 100)), "not yet");
  EXPECT_EQ(text(this->load_before(1, 0, 100)), "not yet");
  EXPECT_EQ(text(this->load_before(1, 11, 100)), "a 10..20");
  EXPECT_EQ(text(this->load_before(1, 20, 100)), "a 10..20");
  EXPECT_EQ(text(this->load_before(1, 21, 100)), "b 20..30");
  EXPECT_EQ(text(this->load_before(1, 31, 100)), "c 30..now");
  EXPECT_EQ(text(this->load_current(1, 100)), "c 30..now");
  EXPECT_EQ(text(this->load_current(2, 100)), "unknown");
  EXPECT_EQ(text(this->load_before(2, 5, 100)), "unknown");
}

TYPED_TEST(ObjectStoreContract, NothingAboveTheLineExists) {
  this->append({record(10).data(1, "a").data(2, "x"), record(20).data(1, "b", 10),
                record(30).data(1, "c", 20).data(3, "z")});
  EXPECT_EQ(text(this->load_current(1, 29)), "b 20..now");
  EXPECT_EQ(text(this->load_before(1, 15, 19)), "a 10..now");
  EXPECT_EQ(text(this->load_before(1, 15, 20)), "a 10..20");
  EXPECT_EQ(text(this->load_current(1, 9)), "unknown");
  EXPECT_EQ(text(this->load_before(1, 5, 9)), "unknown");
  EXPECT_EQ(text(this->load_before(1, 5, 10)), "not yet");
  EXPECT_EQ(text(this->load_serial(1, 30, 29)), "unknown");
  EXPECT_EQ(text(this->load_serial(1, 30, 30)), "c 30..now");
  EXPECT_THAT(this->current_tids({3, 1, 2}, 29), ::testing::ElementsAre(0, 20, 10));
  EXPECT_THAT(this->walk(0, 29), ::testing::ElementsAre(1, 2));
  EXPECT_THAT(this->walk(0, 9), ::testing::IsEmpty());
}

TYPED_TEST(ObjectStoreContract, MemoryTierAnswersRightOrUnavailable) {
  this->append({record(10).data(1, "a")});
  const Result<Loaded> loaded =
      this->store_->load_before(Oid(1), kMaxTid, Tid(10), ReadTier::memory);
  if (loaded) {
    EXPECT_EQ(text(*loaded), "a 10..now");
  } else {
    EXPECT_EQ(loaded.error().code, ErrorCode::unavailable);
  }
}

TYPED_TEST(ObjectStoreContract, BackPointersAreFollowed) {
  this->append({record(10).data(1, "a"), record(20).data(1, "b", 10)});
  this->append({record(30).back(1, 10, 20)});
  EXPECT_EQ(text(this->load_current(1, 100)), "a 30..now");
  EXPECT_EQ(text(this->load_before(1, 30, 100)), "b 20..30");
  EXPECT_EQ(text(this->load_serial(1, 30, 100)), "a 30..now");
  EXPECT_THAT(this->current_tids({1}, 100), ::testing::ElementsAre(30));
}

TYPED_TEST(ObjectStoreContract, BackPointerToNothingIsCorruption) {
  this->append({record(10).data(1, "a"), record(20).back(1, 15, 10)});
  const Result<Loaded> loaded = this->store_->load_before(Oid(1), kMaxTid, Tid(20), ReadTier::disk);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::corruption);
}

TYPED_TEST(ObjectStoreContract, DeletedObjectsAreGoneUntilCreatedAgain) {
  this->append({record(10).data(1, "a").data(2, "x"), record(20).deletion(1, 10)});
  EXPECT_EQ(text(this->load_current(1, 100)), "deleted 20..now");
  EXPECT_EQ(text(this->load_before(1, 20, 100)), "a 10..20");
  EXPECT_EQ(text(this->load_serial(1, 20, 100)), "deleted 20..now");
  EXPECT_THAT(this->current_tids({1, 2}, 100), ::testing::ElementsAre(0, 10));
  EXPECT_THAT(this->walk(0, 100), ::testing::ElementsAre(2));
  this->append({record(30).data(1, "again")});
  EXPECT_EQ(text(this->load_current(1, 100)), "again 30..now");
  EXPECT_EQ(text(this->load_before(1, 30, 100)), "deleted 20..30");
  EXPECT_THAT(this->current_tids({1}, 29), ::testing::ElementsAre(0));
  EXPECT_THAT(this->walk(0, 100), ::testing::ElementsAre(1, 2));
}

TYPED_TEST(ObjectStoreContract, EmptyAndLargeDataComeBackAsTheyWere) {
  const std::string zeros(300'000, '\0');
  this->append({record(10).data(1, "").data(2, zeros)});
  EXPECT_EQ(text(this->load_current(1, 100)), " 10..now");
  EXPECT_EQ(this->load_current(2, 100).data.view(), zeros);
}

TYPED_TEST(ObjectStoreContract, FirstAndLastOidWork) {
  constexpr std::uint64_t kLast = ~std::uint64_t{0};
  this->append({record(10).data(0, "root").data(kLast, "last").data(kLast - 1, "near")});
  EXPECT_EQ(text(this->load_current(0, 10)), "root 10..now");
  EXPECT_EQ(text(this->load_current(kLast, 10)), "last 10..now");
  EXPECT_THAT(this->walk(0, 10), ::testing::ElementsAre(0, kLast - 1, kLast));
  EXPECT_THAT(this->walk(kLast, 10), ::testing::ElementsAre(kLast));
  EXPECT_EQ(this->store_->oid_mark(), Oid(kLast));
  this->append({record(20).deletion(kLast, 10)});
  EXPECT_THAT(this->walk(1, 20), ::testing::ElementsAre(kLast - 1));
}

TYPED_TEST(ObjectStoreContract, NeighboursDoNotMix) {
  this->append({record(10).data(1, "one"), record(20).data(3, "three")});
  EXPECT_EQ(text(this->load_current(2, 100)), "unknown");
  EXPECT_EQ(text(this->load_before(2, 15, 100)), "unknown");
  EXPECT_EQ(text(this->load_before(1, 15, 100)), "one 10..now");
  EXPECT_EQ(text(this->load_before(3, 15, 100)), "not yet");
}

TYPED_TEST(ObjectStoreContract, HistoryIsNewestFirstAndLimited) {
  this->append({record(10).data(1, "abc"), record(20).data(1, "de", 10).data(2, "x"),
                record(30).back(1, 10, 20), record(40).deletion(1, 30)});
  const auto all = this->store_->history(Oid(1), Tid(100), 10).value();
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].tid, Tid(40));
  EXPECT_EQ(all[0].summary.kind, RevisionKind::deletion);
  EXPECT_EQ(all[1].tid, Tid(30));
  EXPECT_EQ(all[1].summary.kind, RevisionKind::back_pointer);
  EXPECT_EQ(all[1].summary.back, Tid(10));
  EXPECT_EQ(all[2].summary.size, 2U);
  EXPECT_EQ(all[3].tid, Tid(10));
  EXPECT_EQ(all[3].summary.size, 3U);
  EXPECT_EQ(all[3].summary.oid, Oid(1));
  EXPECT_EQ(this->store_->history(Oid(1), Tid(30), 2).value().at(0).tid, Tid(30));
  EXPECT_EQ(this->store_->history(Oid(1), Tid(30), 2).value().size(), 2U);
  EXPECT_TRUE(this->store_->history(Oid(1), Tid(100), 0).value().empty());
}

TYPED_TEST(ObjectStoreContract, LogRangesAreHalfOpenAndLimited) {
  for (std::uint64_t tid = 10; tid <= 50; tid += 10) {
    this->append({record(tid).data(tid, "data")});
  }
  EXPECT_THAT(this->log_tids(0, 100, {}), ::testing::ElementsAre(10, 20, 30, 40, 50));
  EXPECT_THAT(this->log_tids(20, 40, {}), ::testing::ElementsAre(30, 40));
  EXPECT_THAT(this->log_tids(19, 39, {}), ::testing::ElementsAre(20, 30));
  EXPECT_THAT(this->log_tids(50, 100, {}), ::testing::IsEmpty());
  EXPECT_THAT(this->log_tids(40, 40, {}), ::testing::IsEmpty());
  EXPECT_THAT(this->log_tids(40, 20, {}), ::testing::IsEmpty());
  EXPECT_THAT(this->log_tids(0, 100, {.entries = 2}), ::testing::ElementsAre(10, 20));
  EXPECT_THAT(this->log_tids(0, 100, {.entries = 0}), ::testing::ElementsAre(10));
  EXPECT_THAT(this->log_tids(0, 100, {.bytes = 1}), ::testing::ElementsAre(10));
  EXPECT_EQ(this->store_->read_log(Tid(0), kMaxTid, {}).value().size(), 5U);
}

TYPED_TEST(ObjectStoreContract, LogEntriesSayWhatWasAppended) {
  this->append({record(5, RecordKind::epoch).epoch(3)});
  this->append({record(10)
                    .epoch(3)
                    .commit(7, 99)
                    .metadata("anna", "a description", std::string("\x80\x02}\0.", 5))
                    .data(1, "abc")
                    .back(2, 4, 3)
                    .deletion(3, 5)});
  const LogEntry found = this->entry(10);
  EXPECT_EQ(found.kind, RecordKind::transaction);
  EXPECT_EQ(found.position, this->store_->last_position());
  EXPECT_EQ(found.position.epoch, Epoch(3));
  EXPECT_EQ(found.previous_tid, Tid(5));
  EXPECT_EQ(found.commit_id, RecordBuilder::commit_id(7, 99));
  EXPECT_EQ(found.metadata.user, "anna");
  EXPECT_EQ(found.metadata.extension, std::string("\x80\x02}\0.", 5));
  ASSERT_EQ(found.objects.size(), 3U);
  EXPECT_EQ(found.objects[0], (ObjectSummary{Oid(1), kNoTid, RevisionKind::data, kNoTid, 3}));
  EXPECT_EQ(found.objects[1],
            (ObjectSummary{Oid(2), Tid(3), RevisionKind::back_pointer, Tid(4), 0}));
  EXPECT_EQ(found.objects[2], (ObjectSummary{Oid(3), Tid(5), RevisionKind::deletion, kNoTid, 0}));
  EXPECT_EQ(this->entry(5).kind, RecordKind::epoch);
  EXPECT_EQ(this->entry(5).previous_tid, kNoTid);
  EXPECT_FALSE(this->store_->log_entry(Tid(7)).value());
}

TYPED_TEST(ObjectStoreContract, RecordsReadBackAppendToTheSameChain) {
  this->append(
      {record(5, RecordKind::epoch), record(10).commit(1, 1).data(1, "abc").data(2, "de")});
  this->append({record(20).metadata("u", "d", "e").back(1, 10, 10).deletion(2, 10),
                record(30, RecordKind::oids).mark(500), record(40).data(9, "")});
  TypeParam other;
  const std::unique_ptr<ObjectStore> copy = other.make();
  const std::vector<LogEntry> entries = this->store_->read_log(kNoTid, kMaxTid, {}).value();
  for (const LogEntry& entry : entries) {
    const std::vector<TransactionRecord> group = {this->store_->read_record(entry).value()};
    EXPECT_EQ(copy->append(group).value(), entry.position);
  }
  EXPECT_EQ(copy->last_position(), this->store_->last_position());
  EXPECT_EQ(copy->oid_mark(), this->store_->oid_mark());
  EXPECT_EQ(copy->last_transaction(), this->store_->last_transaction());
}

TYPED_TEST(ObjectStoreContract, ChainDependsOnEveryRecordAndOnTheirData) {
  this->append({record(10).data(1, "a"), record(20).data(1, "b", 10)});
  TypeParam other;
  const std::unique_ptr<ObjectStore> store = other.make();
  const std::vector<TransactionRecord> group = {record(10).data(1, "A"),
                                                record(20).data(1, "b", 10)};
  EXPECT_NE(store->append(group).value().chain, this->store_->last_position().chain);
}

TYPED_TEST(ObjectStoreContract, ReadingARecordThatIsNotThereIsNotFound) {
  this->append({record(10).data(1, "a")});
  LogEntry entry = this->entry(10);
  entry.objects[0].oid = Oid(2);
  const auto missing = this->store_->read_record(entry);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
}

TYPED_TEST(ObjectStoreContract, ReadingARecordChecksItsBody) {
  this->append({record(10).data(1, "a")});
  LogEntry entry = this->entry(10);
  entry.body_hash[0] ^= 1;
  const auto changed = this->store_->read_record(entry);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::corruption);
}

TYPED_TEST(ObjectStoreContract, OutcomesAreKeptForTransactionsAndTombstones) {
  this->append({record(10).commit(1, 1).data(1, "a"),
                record(20, RecordKind::tombstone).commit(1, 2), record(30, RecordKind::epoch)});
  const auto outcome = [this](std::uint8_t session, std::uint64_t number) {
    return this->store_->find_outcome(RecordBuilder::commit_id(session, number)).value();
  };
  EXPECT_EQ(outcome(1, 1), (Outcome{Outcome::Kind::committed, Tid(10)}));
  EXPECT_EQ(outcome(1, 2), (Outcome{Outcome::Kind::aborted, Tid(20)}));
  EXPECT_FALSE(outcome(1, 3));
  EXPECT_FALSE(outcome(2, 1));
}

TYPED_TEST(ObjectStoreContract, OutcomesOlderThanTheRetentionAreForgotten) {
  const std::int64_t start = 1'700'000'000'000'000;
  const auto at = [start](std::int64_t minutes) {
    return tid_from_time(WallTime{start + minutes * 60'000'000}).value();
  };
  this->append({record(at(0)).commit(1, 1).data(1, "a")});
  this->append({record(at(30)).commit(1, 2).data(1, "b")});
  EXPECT_TRUE(this->store_->find_outcome(RecordBuilder::commit_id(1, 1)).value());
  this->append({record(at(75)).commit(1, 3).data(1, "c")});
  EXPECT_FALSE(this->store_->find_outcome(RecordBuilder::commit_id(1, 1)).value());
  EXPECT_TRUE(this->store_->find_outcome(RecordBuilder::commit_id(1, 2)).value());
  EXPECT_GE(this->store_->outcome_horizon(), Tid(at(0)));
  EXPECT_LT(this->store_->outcome_horizon(), Tid(at(30)));
}

TYPED_TEST(ObjectStoreContract, MarksFollowTheLog) {
  this->append({record(10).data(41, "a")});
  EXPECT_EQ(this->store_->oid_mark(), Oid(42));
  EXPECT_EQ(this->store_->last_transaction(), Tid(10));
  this->append({record(20, RecordKind::oids).mark(1000)});
  EXPECT_EQ(this->store_->oid_mark(), Oid(1000));
  EXPECT_EQ(this->store_->last_transaction(), Tid(10));
  this->append({record(30, RecordKind::oids).mark(500), record(40).data(7, "b")});
  EXPECT_EQ(this->store_->oid_mark(), Oid(1000));
  EXPECT_EQ(this->store_->last_transaction(), Tid(40));
  EXPECT_EQ(this->store_->last_position().tid, Tid(40));
}

TYPED_TEST(ObjectStoreContract, BrokenPreconditionsStopTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  this->append({record(10).epoch(2).data(1, "a")});
  const auto append_one = [this](const TransactionRecord& bad) {
    (void)this->store_->append(std::vector<TransactionRecord>{bad});
  };
  EXPECT_DEATH(append_one(record(10).epoch(2)), "tids strictly increase");
  EXPECT_DEATH(append_one(record(11).epoch(1)), "epochs never decrease");
  EXPECT_DEATH(append_one(record(11).epoch(2).data(1, "a").data(1, "b")), "an oid twice");
}

}  // namespace
}  // namespace zeolite::storage::testing
