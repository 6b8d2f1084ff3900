#include "history/transaction_iteration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "storage/memory_object_store.h"
#include "storage/store_builders.h"

namespace zeolite::history {
namespace {

using storage::testing::record;
using testing::ElementsAre;
using testing::IsEmpty;

using Range = TransactionIteration::Range;

class TransactionIterationTest : public testing::Test {
 protected:
  void append(const TransactionRecord& transaction) {
    ASSERT_TRUE(store_.append({&transaction, 1}).has_value());
  }
  void pack(std::uint64_t tid, std::uint64_t horizon) {
    TransactionRecord packed = record(tid, RecordKind::pack);
    packed.pack_horizon = Tid(horizon);
    append(packed);
  }
  void remove(std::uint64_t oid, std::uint64_t tid) {
    append(storage::testing::removal(store_.last_position().tid.next().value(),
                                     store_.pack_state().record.value(), {{Oid(oid), Tid(tid)}}));
  }
  // "tid" with its status when it has one, for each transaction.
  static std::vector<std::string> walk(TransactionIteration iteration) {
    std::vector<std::string> found;
    while (true) {
      const auto next = iteration.next();
      EXPECT_TRUE(next.has_value());
      if (!next || *next == nullptr) return found;
      found.push_back(std::to_string((*next)->position.tid.value()));
      if ((*next)->status != ' ') found.back() += (*next)->status;
    }
  }
  std::vector<std::string> walk(Range range, Tid line = kMaxTid) const {
    return walk(TransactionIteration(store_, line, range));
  }
  // "oid=data", "oid=data from tid" or "oid gone", for each record of the transaction at `tid`.
  std::vector<std::string> records(std::uint64_t tid) const {
    TransactionIteration iteration(store_, kMaxTid, {Tid(tid), Tid(tid)});
    EXPECT_NE(iteration.next().value(), nullptr);
    const auto found = iteration.read_records();
    EXPECT_TRUE(found.has_value());
    std::vector<std::string> lines;
    for (const IteratedRecord& entry : found.value()) {
      EXPECT_EQ(entry.tid, Tid(tid));
      std::string line = std::to_string(entry.oid.value());
      line += entry.data ? "=" + std::string(entry.data->view()) : " gone";
      if (entry.data_tid) line += " from " + std::to_string(entry.data_tid->value());
      lines.push_back(std::move(line));
    }
    return lines;
  }

  storage::MemoryObjectStore store_;
};

TEST_F(TransactionIterationTest, EmptyStoreHasNothing) {
  EXPECT_THAT(walk(TransactionIteration(store_)), IsEmpty());
}

TEST_F(TransactionIterationTest, BothEndsBelongToTheRange) {
  for (std::uint64_t tid = 10; tid <= 50; tid += 10) append(record(tid).data(1, "x", tid - 10));
  EXPECT_THAT(walk({}), ElementsAre("10", "20", "30", "40", "50"));
  EXPECT_THAT(walk({Tid(20), Tid(40)}), ElementsAre("20", "30", "40"));
  EXPECT_THAT(walk({Tid(21), Tid(39)}), ElementsAre("30"));
  EXPECT_THAT(walk({Tid(41), Tid(49)}), IsEmpty());
  EXPECT_THAT(walk({Tid(40), Tid(20)}), IsEmpty());
  EXPECT_THAT(walk({.start = Tid(40)}), ElementsAre("40", "50"));
}

TEST_F(TransactionIterationTest, EndsAtTheLine) {
  for (std::uint64_t tid = 10; tid <= 50; tid += 10) append(record(tid).data(1, "x", tid - 10));
  EXPECT_THAT(walk({}, Tid(30)), ElementsAre("10", "20", "30"));
  EXPECT_THAT(walk({Tid(20), Tid(40)}, Tid(30)), ElementsAre("20", "30"));
}

TEST_F(TransactionIterationTest, PassesOverTheServersOwnRecords) {
  append(record(1, RecordKind::epoch));
  append(record(2).data(1, "x"));
  append(record(3, RecordKind::oids));
  append(record(4));
  append(record(5, RecordKind::tombstone));
  EXPECT_THAT(walk({}), ElementsAre("2", "4"));
}

TEST_F(TransactionIterationTest, GoesOnBeyondOneBatchOfTheLog) {
  for (std::uint64_t tid = 1; tid <= 2500; ++tid) append(record(tid));
  EXPECT_EQ(walk({}).size(), 2500U);
}

TEST_F(TransactionIterationTest, StopsAtTheEndItStartedWith) {
  append(record(1));
  TransactionIteration iteration(store_);
  append(record(2));
  ASSERT_NE(iteration.next().value(), nullptr);
  EXPECT_EQ(iteration.next().value(), nullptr);
  EXPECT_EQ(iteration.next().value(), nullptr);
}

TEST_F(TransactionIterationTest, PackedTransactionsHaveTheirStatusAndTheEmptyOnesAreGone) {
  append(record(10).data(1, "a").data(2, "x"));
  append(record(20).data(1, "b", 10));
  append(record(30).data(1, "c", 20));
  append(record(40));
  append(record(50).data(1, "d", 30));
  append(record(60));
  pack(70, 40);
  EXPECT_THAT(walk({}), ElementsAre("10p", "20p", "30p", "50", "60"));
  remove(1, 10);
  remove(1, 20);
  EXPECT_THAT(walk({}), ElementsAre("10p", "30p", "50", "60"));
  EXPECT_THAT(records(10), ElementsAre("2=x"));
}

TEST_F(TransactionIterationTest, RecordsTellDataDeletionAndWhatAnUndoRepeats) {
  append(record(10).data(1, "a").data(2, "x").data(3, ""));
  append(record(20).data(1, "b", 10));
  append(record(30).back(1, 10, 20).deletion(2, 10));
  EXPECT_THAT(records(10), ElementsAre("1=a", "2=x", "3="));
  EXPECT_THAT(records(30), ElementsAre("1=a from 10", "2 gone"));
}

TEST_F(TransactionIterationTest, RecordsTellTheRevisionAnUndoNamedWhileItIsThere) {
  append(record(10).data(1, "a").data(2, "x"));
  append(record(20).data(1, "b", 10).deletion(2, 10));
  append(record(30).back(1, 10, 20).data(2, "y"));
  append(record(40).data(1, "c", 30));
  TransactionRecord undo = record(50).back(1, 10, 40).deletion(2, 30);
  undo.writes[0].via = Tid(30);
  undo.writes[1].via = Tid(20);
  append(undo);
  EXPECT_THAT(records(50), ElementsAre("1=a from 30", "2 gone from 20"));
  pack(60, 40);
  remove(1, 30);
  remove(2, 20);
  EXPECT_THAT(records(50), ElementsAre("1=a from 10", "2 gone"));
}

TEST_F(TransactionIterationTest, RecordsTellTheirBlobs) {
  TransactionRecord with_blob = record(10).data(1, "a");
  with_blob.writes[0].blob = BlobInfo{5, ChainHash{9}};
  append(with_blob);
  TransactionIteration iteration(store_);
  ASSERT_NE(iteration.next().value(), nullptr);
  EXPECT_EQ(iteration.read_records().value().at(0).blob, with_blob.writes[0].blob);
  EXPECT_EQ(iteration.read_current().value().writes.at(0).blob, with_blob.writes[0].blob);
}

TEST_F(TransactionIterationTest, ReadsTheTransactionAsItIsSeen) {
  append(record(10).data(1, "a").data(2, "x").metadata("u", "d", "e"));
  append(record(20).data(1, "b", 10));
  pack(30, 20);
  remove(1, 10);
  TransactionIteration iteration(store_);
  ASSERT_NE(iteration.next().value(), nullptr);
  const TransactionRecord read = iteration.read_current().value();
  EXPECT_EQ(read.status, kStatusPacked);
  EXPECT_EQ(read.metadata, (TransactionMetadata{"u", "d", "e"}));
  ASSERT_EQ(read.writes.size(), 1U);
  EXPECT_EQ(read.writes[0].oid, Oid(2));
}

TEST_F(TransactionIterationTest, GoesOnInTurns) {
  for (std::uint64_t tid = 1; tid <= 10; ++tid) append(record(tid).data(1, "x", tid - 1));
  pack(11, 9);
  for (std::uint64_t tid = 1; tid <= 8; ++tid) remove(1, tid);
  TransactionIteration iteration(store_);
  std::size_t turns = 1;
  while (!iteration.advance(3).value()) ++turns;
  EXPECT_EQ(turns, 3U);  // nothing is left of the first eight
  EXPECT_EQ(iteration.current()->position.tid, Tid(9));
  EXPECT_TRUE(iteration.advance(3).value());
  EXPECT_EQ(iteration.current()->position.tid, Tid(10));
  while (!iteration.advance(3).value()) continue;
  EXPECT_EQ(iteration.current(), nullptr);
  EXPECT_TRUE(iteration.advance(3).value());
}

TEST_F(TransactionIterationTest, WhatItHoldsCanBeLetGo) {
  for (std::uint64_t tid = 1; tid <= 100; ++tid) {
    append(record(tid).data(1, "data " + std::to_string(tid), tid - 1));
  }
  TransactionIteration iteration(store_);
  iteration.trim();  // nothing was read yet
  for (std::uint64_t tid = 1; tid <= 100; ++tid) {
    const LogEntry* const entry = iteration.next().value();
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->position.tid, Tid(tid));
    if (tid % 10 != 0) continue;
    const std::size_t before = iteration.held_bytes();
    iteration.trim();
    EXPECT_LE(iteration.held_bytes(), before);
    EXPECT_LT(iteration.held_bytes(), 1000U);
    EXPECT_EQ(iteration.current()->position.tid, Tid(tid));
    EXPECT_EQ(iteration.read_records().value()[0].data->view(), "data " + std::to_string(tid));
  }
  EXPECT_EQ(iteration.next().value(), nullptr);
  iteration.trim();
  EXPECT_EQ(iteration.next().value(), nullptr);
}

}  // namespace
}  // namespace zeolite::history
