#include "history/undo_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "storage/memory_object_store.h"
#include "storage/store_builders.h"

namespace zeolite::history {
namespace {

using storage::testing::record;
using testing::ElementsAre;
using testing::IsEmpty;

Result<std::vector<UndoLogEntry>> read_undo_log(const storage::ObjectStore& store, Tid line,
                                                UndoLogRange range) {
  UndoLog log(store, line, std::move(range));
  while (true) {
    ASSIGN_OR_RETURN(const bool done, log.read_page({}));
    if (done) return log.take_entries();
  }
}

class UndoLogTest : public testing::Test {
 protected:
  void append(const TransactionRecord& transaction) {
    ASSERT_TRUE(store_.append({&transaction, 1}).has_value());
  }
  void append_many(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t tid = first; tid <= last; ++tid) {
      append(record(tid).data(1, "x", tid - 1).metadata(tid % 2 == 0 ? "even" : "odd", "", ""));
    }
  }
  std::vector<std::uint64_t> tids(UndoLogRange range, Tid line = kMaxTid) const {
    const auto entries = read_undo_log(store_, line, std::move(range));
    EXPECT_TRUE(entries.has_value());
    std::vector<std::uint64_t> numbers;
    for (const UndoLogEntry& entry : entries.value()) numbers.push_back(entry.tid.value());
    return numbers;
  }

  storage::MemoryObjectStore store_;
};

TEST_F(UndoLogTest, NewestComeFirst) {
  append_many(1, 4);
  EXPECT_THAT(tids({}), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(tids({}, Tid(2)), ElementsAre(2, 1));
}

TEST_F(UndoLogTest, EmptyStoreHasNone) { EXPECT_THAT(tids({}), IsEmpty()); }

TEST_F(UndoLogTest, NegativeLastIsACount) {
  append_many(1, 30);
  EXPECT_EQ(tids({}).size(), 20U);
  EXPECT_THAT(tids({.first = 0, .last = -2}), ElementsAre(30, 29));
  EXPECT_THAT(tids({.first = 3, .last = -2}), ElementsAre(27, 26));
}

TEST_F(UndoLogTest, PositiveLastIsWhereItEnds) {
  append_many(1, 30);
  EXPECT_THAT(tids({.first = 1, .last = 3}), ElementsAre(29, 28));
  EXPECT_THAT(tids({.first = 3, .last = 3}), IsEmpty());
  EXPECT_THAT(tids({.first = 0, .last = 0}), IsEmpty());
  EXPECT_THAT(tids({.first = 28, .last = 100}), ElementsAre(2, 1));
}

TEST_F(UndoLogTest, ExtremeNumbersAreTaken) {
  append_many(1, 3);
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(tids({.first = 0, .last = kMax}).size(), 3U);
  EXPECT_EQ(tids({.first = 0, .last = kMin}).size(), 3U);
  EXPECT_EQ(tids({.first = kMin, .last = -1}).size(), 0U);
  EXPECT_EQ(tids({.first = kMax, .last = kMin}).size(), 0U);
}

TEST_F(UndoLogTest, ItTakesOnlySoMuchMemory) {
  for (std::uint64_t tid = 1; tid <= 10; ++tid) {
    append(record(tid).data(1, "x", tid - 1).metadata(std::string(60'000, 'u'), "", ""));
  }
  const auto bounded = [this](std::int64_t first) {
    return tids({.first = first, .last = 1'000'000'000, .bytes_max = 100'000});
  };
  EXPECT_THAT(bounded(0), ElementsAre(10, 9));
  EXPECT_THAT(bounded(4), ElementsAre(6, 5));  // what is not listed takes none
}

TEST_F(UndoLogTest, OnlyWhatPassesTheFilterIsCounted) {
  append_many(1, 10);
  const auto even = [](const UndoLogEntry& entry) { return entry.metadata.user == "even"; };
  EXPECT_THAT(tids({.first = 1, .last = -2, .filter = even}), ElementsAre(8, 6));
}

TEST_F(UndoLogTest, ServersOwnRecordsAndOddStatusesArePassedOver) {
  append_many(1, 2);
  append(record(3, RecordKind::epoch));
  TransactionRecord odd = record(4).data(1, "x", 2);
  odd.status = 'u';
  append(odd);
  append(record(5).data(1, "x", 4));
  EXPECT_THAT(tids({}), ElementsAre(5, 2, 1));
}

TEST_F(UndoLogTest, EndsAtThePackHorizon) {
  append_many(1, 5);
  TransactionRecord pack = record(6, RecordKind::pack);
  pack.pack_horizon = Tid(3);
  append(pack);
  EXPECT_THAT(tids({}), ElementsAre(5, 4));
}

TEST_F(UndoLogTest, EndsAtAnImportedPackedTransaction) {
  append_many(1, 2);
  TransactionRecord packed = record(3).data(1, "x", 2);
  packed.status = 'p';
  append(packed);
  append_many(4, 5);
  EXPECT_THAT(tids({}), ElementsAre(5, 4));
}

TEST_F(UndoLogTest, ReadsAPageAtATime) {
  append_many(1, 10);
  const auto none = [](const UndoLogEntry&) { return false; };
  UndoLog log(store_, kMaxTid, {.filter = none});
  for (int page = 0; page < 5; ++page) {
    EXPECT_FALSE(log.read_page({.entries = 2}).value()) << page;
  }
  EXPECT_TRUE(log.read_page({.entries = 2}).value());
  EXPECT_TRUE(log.read_page({.entries = 2}).value());
  EXPECT_THAT(log.entries(), IsEmpty());
}

TEST_F(UndoLogTest, EntryTellsMetadataAndFileStorageSize) {
  append(record(1).data(1, "12345").data(2, "").metadata("u", "de", "ext"));
  append(record(2).back(1, 1, 1).deletion(2, 1));
  const auto entries = read_undo_log(store_, kMaxTid, {}).value();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[1].metadata, (TransactionMetadata{"u", "de", "ext"}));
  EXPECT_EQ(entries[1].size, 23U + 6 + (42 + 5) + (42 + 8));
  EXPECT_EQ(entries[0].size, 23U + 2 * (42 + 8));
}

}  // namespace
}  // namespace zeolite::history
