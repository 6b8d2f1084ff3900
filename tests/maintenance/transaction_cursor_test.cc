#include "maintenance/transaction_cursor.h"

#include <gtest/gtest.h>

#include <vector>

#include "storage/memory_object_store.h"

namespace zeolite::maintenance {
namespace {

void append(storage::MemoryObjectStore& store, Tid tid, RecordKind kind) {
  TransactionRecord record;
  record.kind = kind;
  record.epoch = Epoch(1);
  record.tid = tid;
  const std::vector<TransactionRecord> group{record};
  ASSERT_TRUE(store.append(group).has_value());
}

std::vector<Tid> walk(const storage::ObjectStore& store) {
  TransactionCursor cursor(store);
  std::vector<Tid> tids;
  while (true) {
    const auto next = cursor.next();
    EXPECT_TRUE(next.has_value());
    if (!next || *next == nullptr) return tids;
    tids.push_back((*next)->position.tid);
  }
}

TEST(TransactionCursor, EmptyStoreHasNothing) {
  const storage::MemoryObjectStore store;
  EXPECT_TRUE(walk(store).empty());
}

TEST(TransactionCursor, PassesOverTheServersOwnRecords) {
  storage::MemoryObjectStore store;
  append(store, Tid(1), RecordKind::epoch);
  append(store, Tid(2), RecordKind::transaction);
  append(store, Tid(3), RecordKind::oids);
  append(store, Tid(4), RecordKind::transaction);
  append(store, Tid(5), RecordKind::epoch);
  EXPECT_EQ(walk(store), (std::vector<Tid>{Tid(2), Tid(4)}));
}

TEST(TransactionCursor, GoesOnBeyondOneBatchOfTheLog) {
  storage::MemoryObjectStore store;
  for (std::uint64_t tid = 1; tid <= 2500; ++tid) append(store, Tid(tid), RecordKind::transaction);
  EXPECT_EQ(walk(store).size(), 2500U);
}

TEST(TransactionCursor, StopsAtTheEndItStartedWith) {
  storage::MemoryObjectStore store;
  append(store, Tid(1), RecordKind::transaction);
  TransactionCursor cursor(store);
  append(store, Tid(2), RecordKind::transaction);
  ASSERT_NE(cursor.next().value(), nullptr);
  EXPECT_EQ(cursor.next().value(), nullptr);
  EXPECT_EQ(cursor.next().value(), nullptr);
}

}  // namespace
}  // namespace zeolite::maintenance
