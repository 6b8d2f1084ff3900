#include "storage/last_told.h"

#include <gtest/gtest.h>

#include <vector>

#include "storage/memory_object_store.h"

namespace zeolite::storage {
namespace {

TransactionRecord record(std::uint64_t tid, RecordKind kind = RecordKind::transaction) {
  TransactionRecord made;
  made.kind = kind;
  made.epoch = Epoch{tid};
  made.tid = Tid(tid);
  if (kind == RecordKind::transaction) {
    made.writes.push_back(
        {.oid = Oid(tid), .previous = kNoTid, .data = Bytes::copy_of("record"), .back = kNoTid});
  }
  return made;
}

class LastToldTest : public testing::Test {
 protected:
  void append(const std::vector<TransactionRecord>& records) {
    ASSERT_TRUE(store_.append(records));
  }
  Tid told(std::uint64_t end) {
    const auto entry = last_told(store_, Tid(end)).value();
    return entry ? entry->position.tid : kNoTid;
  }
  MemoryObjectStore store_;
};

TEST_F(LastToldTest, NothingIsInAnEmptyLogNorAfterItsFirstReignBegan) {
  EXPECT_EQ(told(100), kNoTid);
  append({record(1, RecordKind::epoch), record(2, RecordKind::oids)});
  EXPECT_EQ(told(100), kNoTid);
}

TEST_F(LastToldTest, OwnRecordsDoNotCountButATakeoverByTheClockDoes) {
  append({record(10), record(11, RecordKind::epoch), record(12, RecordKind::oids)});
  EXPECT_EQ(told(9), kNoTid);
  for (const std::uint64_t end : {10U, 11U, 12U, 99U}) EXPECT_EQ(told(end), Tid(10)) << end;
  for (const std::uint64_t tid : {9U, 11U, 12U}) EXPECT_FALSE(*was_told(store_, Tid(tid))) << tid;
  EXPECT_TRUE(*was_told(store_, Tid(10)));
  append({record(20, RecordKind::epoch), record(21, RecordKind::tombstone)});
  EXPECT_TRUE(*was_told(store_, Tid(20)));
  EXPECT_FALSE(*was_told(store_, Tid(21)));
  EXPECT_EQ(told(19), Tid(10));
  for (const std::uint64_t end : {20U, 21U, 99U}) EXPECT_EQ(told(end), Tid(20)) << end;
  append({record(30)});
  EXPECT_EQ(told(99), Tid(30));
}

TEST_F(LastToldTest, IsFoundBehindManyOwnRecords) {
  append({record(10)});
  for (std::uint64_t tid = 11; tid < 111; ++tid) append({record(tid, RecordKind::oids)});
  EXPECT_EQ(told(1000), Tid(10));
}

}  // namespace
}  // namespace zeolite::storage
