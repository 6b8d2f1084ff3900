#include "maintenance/store_transactions.h"

#include <gtest/gtest.h>

#include <vector>

#include "storage/memory_object_store.h"
#include "storage/store_builders.h"

namespace zeolite::maintenance {
namespace {

constexpr Oid kA{1};
constexpr Oid kB{2};

TransactionRecord transaction(Tid tid, std::vector<ObjectWrite> writes) {
  TransactionRecord record;
  record.epoch = Epoch(1);
  record.tid = tid;
  record.writes = std::move(writes);
  return record;
}

ObjectWrite data_write(Oid oid, Tid previous, std::string_view data) {
  return {.oid = oid, .previous = previous, .data = Bytes::copy_of(data), .back = {}};
}

class StoreTransactionsTest : public ::testing::Test {
 protected:
  StoreTransactionsTest() {
    append(transaction(Tid(10), {data_write(kA, {}, "a1"), data_write(kB, {}, "b1")}));
    append(transaction(Tid(20), {data_write(kA, Tid(10), "a2")}));
    append(transaction(Tid(30), {{.oid = kA,
                                  .previous = Tid(20),
                                  .kind = RevisionKind::back_pointer,
                                  .data = {},
                                  .back = Tid(10)}}));
  }
  void append(const TransactionRecord& record) {
    ASSERT_TRUE(store_.append({&record, 1}).has_value());
  }

  storage::MemoryObjectStore store_;
};

TEST_F(StoreTransactionsTest, GivesTransactionsWithTheirDataAndNothingElse) {
  TransactionRecord oids;
  oids.kind = RecordKind::oids;
  oids.epoch = Epoch(1);
  oids.tid = Tid(40);
  oids.oid_mark = Oid(100);
  append(oids);
  StoreTransactions transactions(store_);
  EXPECT_EQ(transactions.until(), Tid(40));
  for (const Tid tid : {Tid(10), Tid(20), Tid(30)}) {
    const auto record = transactions.next().value();
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record->tid, tid);
    if (tid == Tid(20)) {
      EXPECT_EQ(record->writes[0].data.view(), "a2");
    }
  }
  EXPECT_FALSE(transactions.next().value().has_value());
  EXPECT_EQ(transactions.packed_records(), 0U);
}

TEST_F(StoreTransactionsTest, LoadFollowsABackPointer) {
  StoreTransactions transactions(store_);
  EXPECT_EQ(transactions.load(kA, Tid(30)).value().view(), "a1");
  EXPECT_EQ(transactions.load(kA, Tid(25)).error().code, ErrorCode::not_found);
}

TEST_F(StoreTransactionsTest, WhatAPackRemovedIsLeftOut) {
  TransactionRecord pack;
  pack.kind = RecordKind::pack;
  pack.epoch = Epoch(1);
  pack.tid = Tid(50);
  pack.pack_horizon = Tid(25);
  append(pack);
  append(storage::testing::removal(51, 50, {{kB, Tid(10)}, {kA, Tid(20)}}));
  StoreTransactions transactions(store_);
  const auto first = transactions.next().value();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->status, 'p');
  ASSERT_EQ(first->writes.size(), 1U);
  EXPECT_EQ(first->writes[0].oid, kA);
  const auto second = transactions.next().value();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->tid, Tid(30));
  EXPECT_EQ(second->status, ' ');
  EXPECT_FALSE(transactions.next().value().has_value());
  EXPECT_EQ(transactions.packed_records(), 1U);
}

}  // namespace
}  // namespace zeolite::maintenance
