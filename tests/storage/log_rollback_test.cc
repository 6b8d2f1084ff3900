// Undoing the end of the log, on every store.

#include "storage/log_rollback.h"

#include <random>
#include <span>
#include <type_traits>

#include "model/tid_time.h"
#include "storage/object_store_contract.h"
#include "storage/store_comparison.h"

namespace zeolite::storage::testing {
namespace {

using ::testing::HasSubstr;

template <typename Maker>
class LogRollback : public ObjectStoreContract<Maker> {
 protected:
  Position at(std::uint64_t tid) { return this->entry(tid).position; }
  void roll_back(const Position& to) {
    const Result<> done = this->store_->rollback(to);
    ASSERT_TRUE(done) << done.error().to_string();
    EXPECT_EQ(this->store_->last_position(), to);
  }
  ErrorCode refusal(const Position& to) {
    const Position before = this->store_->last_position();
    const Result<> refused = this->store_->rollback(to);
    EXPECT_EQ(this->store_->last_position(), before) << "nothing may change";
    return refused ? ErrorCode{} : refused.error().code;
  }
};

TYPED_TEST_SUITE(LogRollback, StoreMakers);

TYPED_TEST(LogRollback, WhatIsUndoneIsGoneForEveryReader) {
  ObjectStore& store = *this->store_;
  this->append({record(10).commit(1, 1).data(1, "a").data(2, "x")});
  const Position kept = store.last_position();
  this->append({record(20).commit(1, 2).data(1, "b", 10).deletion(2, 10).data(3, "new")});
  this->append({record(30, RecordKind::tombstone).commit(1, 3), record(31).back(1, 10, 20)});
  this->roll_back(kept);
  EXPECT_EQ(text(this->load_current(1, 100)), "a 10..now");
  EXPECT_EQ(text(this->load_current(2, 100)), "x 10..now");
  EXPECT_EQ(text(this->load_current(3, 100)), "unknown");
  EXPECT_EQ(text(this->load_serial(1, 20, 100)), "unknown");
  EXPECT_EQ(this->walk(0, 100), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(this->log_tids(0, 100, {}), std::vector<std::uint64_t>{10});
  EXPECT_EQ(store.last_transaction(), Tid(10));
  EXPECT_EQ(store.oid_mark(), Oid(4)) << "oids stay handed out";
  EXPECT_TRUE(store.find_outcome(RecordBuilder::commit_id(1, 1)).value());
  EXPECT_FALSE(store.find_outcome(RecordBuilder::commit_id(1, 2)).value());
  EXPECT_FALSE(store.find_outcome(RecordBuilder::commit_id(1, 3)).value());
}

TYPED_TEST(LogRollback, AnotherHistoryGoesOnFromThere) {
  this->append({record(10).data(1, "a"), record(20).data(1, "b", 10)});
  const Position kept = this->at(10);
  this->roll_back(kept);
  this->append({record(15).epoch(2).data(1, "other", 10), record(20).epoch(2).data(2, "c")});
  EXPECT_EQ(text(this->load_current(1, 100)), "other 15..now");
  EXPECT_EQ(text(this->load_serial(2, 20, 100)), "c 20..now");
  EXPECT_EQ(this->at(15).epoch, Epoch(2));
  EXPECT_EQ(this->entry(15).previous_tid, Tid(10));
}

TYPED_TEST(LogRollback, EverythingCanBeUndone) {
  this->append({record(10).commit(1, 1).data(1, "a"), record(11, RecordKind::pack).pack(5)});
  this->roll_back(Position{});
  EXPECT_EQ(this->store_->pack_state(), PackState{});
  EXPECT_EQ(this->store_->last_transaction(), kNoTid);
  EXPECT_EQ(this->store_->outcome_horizon(), kNoTid);
  EXPECT_TRUE(all_revisions(*this->store_).empty());
  this->append({record(3).data(1, "b")});
  EXPECT_EQ(this->entry(3).previous_tid, kNoTid);
}

TYPED_TEST(LogRollback, EndOfTheLogUndoesNothing) {
  this->roll_back(Position{});
  this->append({record(10).data(1, "a")});
  this->roll_back(this->at(10));
  EXPECT_EQ(text(this->load_current(1, 100)), "a 10..now");
}

TYPED_TEST(LogRollback, PositionThatIsNotInTheLogIsRefused) {
  this->append({record(10).data(1, "a"), record(20)});
  Position other = this->at(10);
  other.chain[3] ^= 1;
  EXPECT_EQ(this->refusal(other), ErrorCode::invalid_argument);
  other = this->at(10);
  other.tid = Tid(9);
  EXPECT_EQ(this->refusal(other), ErrorCode::invalid_argument);
  other.tid = Tid(30);
  EXPECT_EQ(this->refusal(other), ErrorCode::invalid_argument);
}

TYPED_TEST(LogRollback, PackThatRemovedNothingIsUndone) {
  ObjectStore& store = *this->store_;
  this->append({record(10).data(1, "a"), record(11, RecordKind::pack).pack(9, true),
                removal(12, 11, {}, true)});
  const PackState before = store.pack_state();
  this->append({record(20).data(1, "b", 10), record(21, RecordKind::pack).pack(20), record(22)});
  this->roll_back(this->at(12));
  EXPECT_EQ(store.pack_state(), before);
  this->append({record(20).data(1, "c", 10), record(21, RecordKind::pack).pack(15)});
  EXPECT_EQ(store.pack_state(), (PackState{Tid(15), Tid(21), false, false}));
}

TYPED_TEST(LogRollback, RemovalsCannotBeUndone) {
  ObjectStore& store = *this->store_;
  this->append({record(10).data(1, "a"), record(20).data(1, "b", 10)});
  this->append({record(21, RecordKind::pack).pack(20), removal(22, 21, {key(1, 10)}),
                record(30).data(1, "c", 20)});
  const Result<> refused = store.rollback(this->at(20));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("cannot be undone back to transaction"));
  EXPECT_EQ(this->refusal(this->at(20)), ErrorCode::conflict);
  EXPECT_EQ(this->refusal(Position{}), ErrorCode::conflict);
  EXPECT_EQ(text(this->load_current(1, 100)), "c 30..now");
  this->roll_back(this->at(22));
  EXPECT_EQ(text(this->load_current(1, 100)), "b 20..now");
  EXPECT_EQ(store.pack_state(), (PackState{Tid(20), Tid(21), false, false}));
}

TYPED_TEST(LogRollback, SweepThatCameToItsEndCannotBeUndone) {
  this->append({record(10).data(1, "a"), record(11, RecordKind::pack).pack(10)});
  this->append({removal(12, 11, {}, true)});
  EXPECT_EQ(this->refusal(this->at(10)), ErrorCode::conflict);
  EXPECT_EQ(this->refusal(this->at(11)), ErrorCode::conflict);
}

TYPED_TEST(LogRollback, ThePackBeforeIsAsFarAsItWas) {
  for (const bool complete : {false, true}) {
    const std::uint64_t tid = complete ? 200 : 100;
    this->append({record(tid), record(tid + 1, RecordKind::pack).pack(tid, true),
                  removal(tid + 2, tid + 1, {key(1, tid)}, complete), record(tid + 3)});
    const PackState before = this->store_->pack_state();
    EXPECT_EQ(before.swept, complete);
    this->append({record(tid + 4, RecordKind::pack).pack(tid + 3)});
    this->roll_back(this->at(tid + 3));
    EXPECT_EQ(this->store_->pack_state(), before);
  }
}

TYPED_TEST(LogRollback, ForgottenOutcomesStayForgotten) {
  ObjectStore& store = *this->store_;
  const auto at_minute = [](std::int64_t minutes) {
    return tid_from_time(WallTime{1'700'000'000'000'000 + minutes * 60'000'000}).value();
  };
  // Outcomes are kept for an hour.
  for (const std::int64_t minute : {0, 30, 61, 80, 123, 190, 260}) {
    this->append({record(at_minute(minute)).commit(1, static_cast<std::uint64_t>(minute))});
  }
  const auto known = [&store](std::uint64_t minute) {
    return store.find_outcome(RecordBuilder::commit_id(1, minute)).value().has_value();
  };
  EXPECT_EQ(store.outcome_horizon(), Tid(at_minute(190)));
  this->roll_back(this->at(at_minute(123)));
  EXPECT_EQ(store.outcome_horizon(), Tid(at_minute(123))) << "as far as the log reaches";
  EXPECT_FALSE(known(123));
  this->append({record(at_minute(124)).commit(2, 124)});
  EXPECT_TRUE(store.find_outcome(RecordBuilder::commit_id(2, 124)).value()) << "a new one is kept";
  this->append({record(at_minute(190)).commit(2, 190), record(at_minute(240)).commit(2, 240)});
  EXPECT_TRUE(store.find_outcome(RecordBuilder::commit_id(2, 190)).value());
  EXPECT_EQ(store.outcome_horizon(), Tid(at_minute(123)));
  this->append({record(at_minute(251)).commit(2, 251)});
  EXPECT_EQ(store.outcome_horizon(), Tid(at_minute(190)));
}

TYPED_TEST(LogRollback, BrokenStoreUndoesNothing) {
  if constexpr (std::is_same_v<TypeParam, MemoryMaker>) {
    this->append({record(10)});
    dynamic_cast<MemoryObjectStore&>(*this->store_).break_appends();
    EXPECT_EQ(this->refusal(Position{}), ErrorCode::io_error);
  }
}

// A log with every kind of record, some hours long.
std::vector<TransactionRecord> random_log(std::mt19937& random, std::size_t length) {
  std::vector<TransactionRecord> log;
  std::int64_t time = 1'700'000'000'000'000;
  std::uint64_t epoch = 1;
  std::uint64_t horizon = 0;
  while (log.size() < length) {
    time += static_cast<std::int64_t>(1 + random() % (20 * 60'000'000U));
    const std::uint64_t tid = tid_from_time(WallTime{time}).value();
    const std::uint64_t number = log.size() + 1;
    switch (random() % 8) {
      case 0:
        log.push_back(record(tid, RecordKind::epoch).epoch(++epoch));
        break;
      case 1:
        log.push_back(record(tid, RecordKind::oids).epoch(epoch).mark(random() % 100));
        break;
      case 2:
        log.push_back(record(tid, RecordKind::tombstone).epoch(epoch).commit(3, number));
        break;
      case 3:
        if (log.empty() || log.back().tid.value() == horizon) break;
        horizon = log.back().tid.value();
        log.push_back(record(tid, RecordKind::pack).epoch(epoch).pack(horizon, random() % 2 == 0));
        break;
      default: {
        RecordBuilder builder = record(tid).epoch(epoch).commit(3, number);
        builder.metadata("u" + std::to_string(number), "d", "");
        builder.data(random() % 4, std::string(random() % 50, 'x'));
        builder.deletion(4 + random() % 3);
        if (random() % 2 == 0) builder.data(9, "with a blob").blob(number);
        log.push_back(builder);
        break;
      }
    }
  }
  return log;
}

TYPED_TEST(LogRollback, ShorterLogIsAsIfTheRestHadNeverBeen) {
  std::mt19937 random(3);
  for (int round = 0; round < 6; ++round) {
    SCOPED_TRACE(round);
    const std::vector<TransactionRecord> log = random_log(random, 40);
    TypeParam maker;
    const auto store = maker.make();
    ASSERT_TRUE(store->append(log));
    std::size_t length = log.size();
    while (length > 0) {
      length = random() % length;
      const std::span<const TransactionRecord> part(log.data(), length);
      const auto wanted = MemoryMaker::make();
      ASSERT_TRUE(wanted->append(part));
      const Position to = wanted->last_position();
      ASSERT_TRUE(store->rollback(to));
      expect_same_content(*store, *wanted);
      // And it goes on as the other does.
      const std::span<const TransactionRecord> rest(log.data() + length, (log.size() - length) / 2);
      ASSERT_TRUE(store->append(rest));
      ASSERT_TRUE(wanted->append(rest));
      expect_same_content(*store, *wanted);
      ASSERT_TRUE(store->rollback(to));
    }
  }
}

}  // namespace
}  // namespace zeolite::storage::testing
