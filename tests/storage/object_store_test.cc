// The contract of ObjectStore, on every store.

#include "storage/object_store.h"

#include "model/tid_time.h"
#include "storage/log_chain.h"
#include "storage/object_store_contract.h"

namespace zeolite::storage::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

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

TYPED_TEST(ObjectStoreContract, RecordsReadTogetherAreThoseReadOneByOne) {
  ObjectStore& store = *this->store_;
  this->append({record(5, RecordKind::epoch), record(10).data(1, "a").data(2, "").data(3, "c")});
  this->append({record(20).back(1, 10, 10).deletion(3, 10).data(9, "z").blob(7)});
  for (std::uint64_t tid = 30; tid < 130; ++tid) {
    RecordBuilder builder = record(tid);
    // Neither the oids of a transaction nor those of its neighbours are in order.
    for (std::uint64_t i = 0; i < 7; ++i) {
      builder.data(i * 7919 + tid * 31 % 17, std::to_string(tid * i));
    }
    this->append({builder});
  }
  this->append({record(200).data(4, std::string(3 << 20, 'x')).data(5, "after it")});
  this->append({record(201, RecordKind::pack).pack(20)});
  this->append({removal(202, 201, {key(3, 10)})});
  std::vector<LogEntry> entries = store.read_log(kNoTid, kMaxTid, {}).value();
  ASSERT_EQ(entries.size(), 106U);
  entries[50].body_hash[0] ^= 1;
  entries.push_back(entries[20]);  // also out of order, and twice
  const std::vector<Result<TransactionRecord>> together = store.read_records(entries);
  ASSERT_EQ(together.size(), entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Result<TransactionRecord> alone = store.read_record(entries[i]);
    ASSERT_EQ(together[i].has_value(), alone.has_value()) << i;
    if (alone) {
      ASSERT_EQ(*together[i], *alone) << i;
    } else {
      ASSERT_EQ(together[i].error().code, alone.error().code) << i;
      ASSERT_EQ(together[i].error().detail, alone.error().detail) << i;
    }
  }
  EXPECT_EQ(together[1].error().code, ErrorCode::not_found) << "packed away in part";
  EXPECT_EQ(together[50].error().code, ErrorCode::corruption);
  EXPECT_TRUE(store.read_records({}).empty());
}

TYPED_TEST(ObjectStoreContract, HashesThatAreGivenMakeTheSameChain) {
  const std::vector<TransactionRecord> group = {record(10).commit(1, 1).data(1, "abc").data(2, ""),
                                                record(20).back(1, 10, 10).deletion(2, 10)};
  std::vector<ChainHash> hashes;
  for (const TransactionRecord& each : group) hashes.push_back(body_hash(each.writes));
  TypeParam other;
  const std::unique_ptr<ObjectStore> store = other.make();
  EXPECT_EQ(store->append_hashed(group, hashes).value(), this->store_->append(group).value());
  EXPECT_EQ(store->read_log(kNoTid, kMaxTid, {}).value(),
            this->store_->read_log(kNoTid, kMaxTid, {}).value());
  EXPECT_EQ(store->append_hashed({}, {}).value(), store->last_position());
}

TEST(EntriesWithin, CountsDataAndGivesOneAtLeast) {
  LogEntry small;
  small.objects = {{.oid = Oid(1), .previous = {}, .back = {}, .size = 100}};
  LogEntry large = small;
  large.objects[0].size = 10'000;
  const std::vector<LogEntry> entries = {small, small, LogEntry{}, large, small};
  EXPECT_EQ(entries_within({}, 100), 0U);
  EXPECT_EQ(entries_within(entries, 0), 1U);
  EXPECT_EQ(entries_within(entries, 1'000), 3U);
  EXPECT_EQ(entries_within(std::span(entries).subspan(3), 1'000), 1U);
  EXPECT_EQ(entries_within(entries, 100'000), 5U);
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

TYPED_TEST(ObjectStoreContract, ReservedOidsCountBeforeTheLogSaysSo) {
  ASSERT_TRUE(this->store_->reserve_oids(Oid(600)));
  EXPECT_EQ(this->store_->oid_mark(), Oid(600));
  ASSERT_TRUE(this->store_->reserve_oids(Oid(500)));
  EXPECT_EQ(this->store_->oid_mark(), Oid(600));
  EXPECT_EQ(this->store_->last_position(), Position{});
  this->append({record(10).data(41, "a")});
  EXPECT_EQ(this->store_->oid_mark(), Oid(600));
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

TYPED_TEST(ObjectStoreContract, WalkReadsOnPastManyRevisionsAndDeletions) {
  for (std::uint64_t tid = 10; tid < 60; ++tid) {
    RecordBuilder builder = record(tid);
    for (std::uint64_t oid = 1; oid <= 5; ++oid) builder.data(oid, "x");
    if (tid % 2 == 0) builder.deletion(6 + tid);
    this->append({builder});
  }
  this->append({record(60).data(1000, "y")});
  EXPECT_THAT(this->walk(0, 100), ElementsAre(1, 2, 3, 4, 5, 1000));
  EXPECT_THAT(this->walk(3, 10), ElementsAre(3, 4, 5));
  EXPECT_TRUE(this->store_->next_objects(Oid(0), kMaxTid, 0).value().empty());
  const auto page = this->store_->next_objects(Oid(2), Tid(30), 2).value();
  EXPECT_EQ(page, (std::vector<CurrentObject>{{Oid(2), Tid(30)}, {Oid(3), Tid(30)}}));
}

TYPED_TEST(ObjectStoreContract, TheLogIsReadBackwards) {
  this->append({record(10).data(1, "a"), record(20, RecordKind::epoch), record(30).data(2, "b")});
  EXPECT_THAT(this->log_tids_back(31, {}), ElementsAre(30, 20, 10));
  EXPECT_THAT(this->log_tids_back(kMaxTid.value(), {}), ElementsAre(30, 20, 10));
  EXPECT_THAT(this->log_tids_back(30, {}), ElementsAre(20, 10));
  EXPECT_THAT(this->log_tids_back(10, {}), IsEmpty());
  EXPECT_THAT(this->log_tids_back(0, {}), IsEmpty());
  EXPECT_THAT(this->log_tids_back(31, {.entries = 2}), ElementsAre(30, 20));
  EXPECT_THAT(this->log_tids_back(31, {.entries = 0}), ElementsAre(30));
  EXPECT_THAT(this->log_tids_back(31, {.bytes = 1}), ElementsAre(30)) << "one at least";
  EXPECT_EQ(this->store_->read_log_back(Tid(11), {}).value()[0], this->entry(10));
}

TYPED_TEST(ObjectStoreContract, PackStateFollowsTheLogAndTheSweep) {
  ObjectStore& store = *this->store_;
  EXPECT_EQ(store.pack_state(), PackState{});
  this->append({record(10).data(1, "a"), record(11, RecordKind::pack).pack(9, true)});
  EXPECT_EQ(store.pack_state(), (PackState{Tid(9), Tid(11), true, false}));
  this->append({record(12, RecordKind::pack).pack(10), record(13).data(1, "b")});
  EXPECT_EQ(store.pack_state(), (PackState{Tid(10), Tid(12), false, false}));
  EXPECT_EQ(store.pack_horizon(), Tid(10));
  this->append({removal(14, 12, {})});
  EXPECT_FALSE(store.pack_state().swept);
  this->append({removal(15, 12, {}, true), record(16).data(1, "c")});
  EXPECT_EQ(store.pack_state(), (PackState{Tid(10), Tid(12), false, true}));
  this->append({record(17, RecordKind::pack).pack(11)});
  EXPECT_FALSE(store.pack_state().swept);
  EXPECT_EQ(store.last_transaction(), Tid(16));
  EXPECT_TRUE(this->entry(11).collect_garbage);
}

TYPED_TEST(ObjectStoreContract, RevisionsAreWalkedInWholeObjects) {
  this->append({record(10).data(1, "a").data(2, "b").data(3, "c")});
  this->append({record(20).data(1, "d").back(2, 10).deletion(3)});
  this->append({record(30).data(1, "e").data(~std::uint64_t{0}, "z")});
  const std::vector<StoredRevision> all = {{{Oid(1), Tid(30)}, RevisionKind::data},
                                           {{Oid(1), Tid(20)}, RevisionKind::data},
                                           {{Oid(1), Tid(10)}, RevisionKind::data},
                                           {{Oid(2), Tid(20)}, RevisionKind::back_pointer, Tid(10)},
                                           {{Oid(2), Tid(10)}, RevisionKind::data},
                                           {{Oid(3), Tid(20)}, RevisionKind::deletion},
                                           {{Oid(3), Tid(10)}, RevisionKind::data},
                                           {{Oid(~std::uint64_t{0}), Tid(30)}, RevisionKind::data}};
  const auto from = [&all](std::size_t begin, std::size_t end) {
    return std::vector<StoredRevision>(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                       all.begin() + static_cast<std::ptrdiff_t>(end));
  };
  const ObjectStore& store = *this->store_;
  EXPECT_EQ(store.revisions_from(Oid(0), 100).value(), all);
  EXPECT_EQ(store.revisions_from(Oid(0), 1).value(), from(0, 3)) << "never a part of an object";
  EXPECT_EQ(store.revisions_from(Oid(0), 0).value(), from(0, 3));
  EXPECT_EQ(store.revisions_from(Oid(1), 4).value(), from(0, 3));
  EXPECT_EQ(store.revisions_from(Oid(1), 5).value(), from(0, 5));
  EXPECT_EQ(store.revisions_from(Oid(2), 3).value(), from(3, 5));
  EXPECT_EQ(store.revisions_from(Oid(4), 3).value(), from(7, 8));
}

TYPED_TEST(ObjectStoreContract, RemovedRevisionsAreGoneForEveryReader) {
  ObjectStore& store = *this->store_;
  this->append({record(10).data(1, "a").data(2, "x")});
  this->append({record(20).data(1, "b", 10).data(2, "y", 10)});
  this->append({record(30).data(1, "c", 20)});
  this->append({record(31, RecordKind::pack).pack(20)});
  for (std::uint64_t i = 0; i < 2; ++i) {  // what is gone is ignored
    this->append({removal(32 + i, 31, {key(1, 10), key(2, 10), key(7, 5)})});
    EXPECT_EQ(text(this->load_before(1, 15, 100)), "not yet");
    EXPECT_EQ(text(this->load_before(1, 25, 100)), "b 20..30");
    EXPECT_EQ(text(this->load_serial(1, 10, 100)), "unknown");
    EXPECT_EQ(text(this->load_current(2, 100)), "y 20..now");
    EXPECT_THAT(this->current_tids({1, 2}, 15), ElementsAre(0, 0));
    EXPECT_EQ(store.history(Oid(1), kMaxTid, 10).value().size(), 2U);
    EXPECT_THAT(this->walk(0, 15), IsEmpty());
  }
  EXPECT_EQ(store.revisions_from(Oid(0), 100).value().size(), 3U);
  EXPECT_EQ(this->entry(20).objects[0].previous, Tid(10)) << "the log stays as it was";
  EXPECT_EQ(store.read_record(this->entry(10)).error().code, ErrorCode::not_found);
  EXPECT_EQ(store.read_record(this->entry(20))->writes.size(), 2U);
}

TYPED_TEST(ObjectStoreContract, WhatIsLeftOfATransactionIsRead) {
  ObjectStore& store = *this->store_;
  this->append({record(10).data(1, "a").data(2, "b").data(3, "c").blob(7).metadata("u", "d", "e")});
  this->append({record(20).back(2, 10, 10).deletion(3, 10).data(1, "d", 10)});
  this->append({record(21, RecordKind::pack).pack(20)});
  EXPECT_EQ(store.present(this->entry(10)).value(), std::vector<bool>(3, true));
  this->append({removal(22, 21, {key(1, 10), key(3, 20), key(1, 20)})});
  EXPECT_EQ(store.present(this->entry(10)).value(), (std::vector<bool>{false, true, true}));
  EXPECT_EQ(store.present(this->entry(20)).value(), (std::vector<bool>{true, false, false}));
  EXPECT_TRUE(store.present(this->entry(21)).value().empty());

  const TransactionRecord first = store.read_surviving(this->entry(10)).value();
  EXPECT_EQ(first.metadata.user, "u");
  ASSERT_EQ(first.writes.size(), 2U);
  EXPECT_EQ(first.writes[0].oid, Oid(2));
  EXPECT_EQ(first.writes[0].data.view(), "b");
  EXPECT_EQ(first.writes[1].blob->size, 7U);
  const TransactionRecord second = store.read_surviving(this->entry(20)).value();
  ASSERT_EQ(second.writes.size(), 1U);
  EXPECT_EQ(second.writes[0].kind, RevisionKind::back_pointer);
  EXPECT_EQ(second.writes[0].back, Tid(10));
  EXPECT_TRUE(second.writes[0].data.empty());
  EXPECT_EQ(store.read_surviving(this->entry(21))->pack_horizon, Tid(20));
}

TYPED_TEST(ObjectStoreContract, BackPointerWithoutItsTargetIsCorruption) {
  ObjectStore& store = *this->store_;
  this->append({record(10).data(1, "a"), record(20).back(1, 10, 10)});
  this->append({record(21, RecordKind::pack).pack(20)});
  this->append({removal(22, 21, {key(1, 10)})});
  EXPECT_EQ(store.read_surviving(this->entry(20)).error().code, ErrorCode::corruption);
  EXPECT_EQ(store.load_before(Oid(1), kMaxTid, kMaxTid, ReadTier::disk).error().code,
            ErrorCode::corruption);
}

TYPED_TEST(ObjectStoreContract, ManyObjectsAreLookedUpTogether) {
  static constexpr std::uint64_t kObjects = 1000;
  RecordBuilder builder = record(10);
  for (std::uint64_t oid = 0; oid < kObjects; ++oid) builder.data(oid * 3, std::to_string(oid));
  this->append({builder, record(11, RecordKind::pack).pack(10)});
  std::vector<RevisionKey> keys;
  for (std::uint64_t oid = 0; oid < kObjects; oid += 2) keys.push_back(key(oid * 3, 10));
  this->append({removal(12, 11, keys)});
  const std::vector<bool> present = this->store_->present(this->entry(10)).value();
  const TransactionRecord left = this->store_->read_surviving(this->entry(10)).value();
  ASSERT_EQ(left.writes.size(), kObjects / 2);
  for (std::uint64_t i = 0; i < kObjects; ++i) {
    ASSERT_EQ(present[i], i % 2 == 1);
    if (i % 2 == 1) {
      ASSERT_EQ(left.writes[i / 2].data.view(), std::to_string(i));
    }
  }
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
  EXPECT_DEATH(append_one(record(11, RecordKind::pack).epoch(2).pack(11)), "below its record");
  EXPECT_DEATH(append_one(removal(11, 0, {key(1, 10)})), "epochs never decrease");
  this->append({record(12, RecordKind::pack).epoch(2).pack(9)});
  const auto remove = [&append_one](std::uint64_t pack, std::vector<RevisionKey> keys) {
    TransactionRecord bad = removal(20, pack, {});
    bad.epoch = Epoch(2);
    bad.removed = std::move(keys);
    append_one(bad);
  };
  EXPECT_DEATH(remove(12, {key(1, 10)}), "what was not packed");
  EXPECT_DEATH(remove(11, {key(1, 9)}), "not for the newest pack");
  EXPECT_DEATH(remove(12, {key(1, 8), key(1, 9)}), "out of order");
}

TYPED_TEST(ObjectStoreContract, AGroupMayRemoveWhatItWrites) {
  this->append({record(10).data(1, "a"), record(20).data(1, "b", 10),
                record(21, RecordKind::pack).pack(20), removal(22, 21, {key(1, 10)}, true)});
  EXPECT_EQ(text(this->load_before(1, 15, 100)), "not yet");
  EXPECT_EQ(text(this->load_current(1, 100)), "b 20..now");
  EXPECT_EQ(this->store_->present(this->entry(10)).value(), std::vector<bool>{false});
  EXPECT_EQ(this->store_->pack_state(), (PackState{Tid(20), Tid(21), false, true}));
}

TYPED_TEST(ObjectStoreContract, ARemovalIsReadAsItWasAppended) {
  this->append({record(10).data(1, "a").data(2, "b"), record(21, RecordKind::pack).pack(20)});
  const std::vector<RevisionKey> keys = {key(1, 10), key(2, 10), key(2, 7)};
  this->append({removal(22, 21, keys, true)});
  const LogEntry entry = this->entry(22);
  EXPECT_EQ(entry.kind, RecordKind::removal);
  EXPECT_EQ(entry.removed, keys);
  EXPECT_THAT(entry.objects, IsEmpty());
  const TransactionRecord record = this->store_->read_record(entry).value();
  EXPECT_EQ(record.pack_record, Tid(21));
  EXPECT_TRUE(record.pack_complete);
  EXPECT_EQ(record.removed, keys);
  EXPECT_EQ(this->store_->last_transaction(), Tid(10));
}

// What a standby does: whatever stands in the log, and nothing else, makes the content.
TYPED_TEST(ObjectStoreContract, ACopyThatFollowsTheLogHasTheSameContent) {
  ObjectStore& store = *this->store_;
  TypeParam other_maker;
  const std::unique_ptr<ObjectStore> copy = other_maker.make();
  const auto follow = [&] {
    const auto entries = store.read_log(copy->last_position().tid, kMaxTid, {}).value();
    for (const LogEntry& entry : entries) {
      const TransactionRecord record = store.read_record(entry).value();
      ASSERT_EQ(copy->append({&record, 1}).value(), entry.position);
    }
    EXPECT_EQ(copy->last_position(), store.last_position());
    EXPECT_EQ(copy->pack_state(), store.pack_state());
    EXPECT_EQ(copy->revisions_from(Oid(0), 1000).value(),
              store.revisions_from(Oid(0), 1000).value());
  };
  this->append({record(10).data(1, "a").data(2, "x"), record(20).data(1, "b", 10).back(2, 10, 10)});
  follow();
  this->append({record(30).deletion(1, 20).data(2, "y", 20)});
  this->append({record(31, RecordKind::pack).pack(30, true)});
  follow();
  this->append({removal(32, 31, {key(1, 20), key(1, 10)}), record(33).data(3, "new")});
  follow();
  this->append({removal(34, 31, {key(1, 30), key(2, 20), key(2, 10), key(5, 1)})});
  this->append({removal(35, 31, {}, true)});
  follow();
  EXPECT_TRUE(copy->pack_state().swept);
  EXPECT_EQ(copy->revisions_from(Oid(0), 1000).value().size(), 2U);
}

}  // namespace
}  // namespace zeolite::storage::testing
