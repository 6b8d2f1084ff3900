#include <gtest/gtest.h>

#include "storage/fault_file_system.h"
#include "storage/log_search.h"
#include "storage/memory_object_store.h"
#include "storage/node_runs.h"
#include "storage/rocks_store_fixture.h"
#include "storage/store_comparison.h"
#include "storage/store_workload.h"

namespace zeolite::storage::testing {
namespace {

// Several batches of what is undone.
constexpr std::uint64_t kLast = 1'300;
constexpr std::uint64_t kKept = 10;

// The workload without removals, which could not be undone.
std::vector<TransactionRecord> workload(std::uint64_t from, std::uint64_t last) {
  std::vector<TransactionRecord> records;
  for (std::uint64_t tid = from; tid <= last; ++tid) {
    const bool removes = !is_workload_write(tid) && !is_workload_pack(tid);
    records.push_back(removes ? record(tid) : workload_record(tid));
  }
  return records;
}

// That up to `last`.
std::unique_ptr<MemoryObjectStore> wanted_store(std::uint64_t last) {
  auto store = std::make_unique<MemoryObjectStore>();
  EXPECT_TRUE(store->append(workload(1, last)));
  return store;
}

class RocksRollbackTest : public RocksStoreFixture {
 protected:
  RocksRollbackTest() { options_.memtable_bytes = 256 * 1024; }

  // In the directory of options_.
  void make_database() {
    const auto store = open();
    for (std::uint64_t tid = 1; tid <= kLast; tid += 100) {
      ASSERT_TRUE(store->append(workload(tid, std::min(tid + 99, kLast))));
    }
  }
  // What is there is that workload up to some place, at least to `kept`; the rest can be undone.
  void expect_shorter_log(std::uint64_t kept) {
    const auto store = open();
    ASSERT_NE(store, nullptr);
    const std::uint64_t last = store->last_position().tid.value();
    ASSERT_GE(last, kept);
    ASSERT_LE(last, kLast);
    expect_same_content(*store, *wanted_store(last));
    const auto wanted = wanted_store(kept);
    ASSERT_TRUE(store->rollback(wanted->last_position()));
    expect_same_content(*store, *wanted);
    const std::vector<TransactionRecord> next = workload(kept + 1, kept + 1);
    ASSERT_TRUE(store->append(next));
    ASSERT_TRUE(wanted->append(next));
    expect_same_content(*store, *wanted);
  }
};

TEST_F(RocksRollbackTest, ShorterLogComesBackAfterReopening) {
  make_database();
  for (const std::uint64_t last : {1'200U, 1'199U, 30U, 0U}) {
    const auto wanted = wanted_store(last);
    {
      const auto store = open();
      ASSERT_TRUE(store->rollback(wanted->last_position()));
      expect_same_content(*store, *wanted);
      if (last == 1'199) {
        ASSERT_TRUE(store->flush());
        ASSERT_TRUE(store->compact());
      }
    }
    const auto store = open();
    ASSERT_NE(store, nullptr);
    expect_same_content(*store, *wanted);
  }
  const auto store = open();
  ASSERT_TRUE(store->append(workload(1, 20)));
  expect_same_content(*store, *wanted_store(20));
}

TEST_F(RocksRollbackTest, OidsStayHandedOutThoughNothingIsLeftOfTheLog) {
  {
    const auto store = open();
    ASSERT_TRUE(store->append(std::vector<TransactionRecord>{record(1).data(41, "a")}));
    ASSERT_TRUE(store->rollback(Position{}));
  }
  EXPECT_EQ(open()->oid_mark(), Oid(42));
}

TEST_F(RocksRollbackTest, EntryWithManyObjectsIsUndoneWhole) {
  const auto store = open();
  ASSERT_TRUE(store->append(std::vector<TransactionRecord>{record(1).data(1, "a")}));
  const Position kept = store->last_position();
  RecordBuilder builder = record(2);
  for (std::uint64_t oid = 0; oid < 25'000; ++oid) builder.data(oid, "x");
  ASSERT_TRUE(store->append(std::vector<TransactionRecord>{builder, record(3).data(5, "y", 2)}));
  ASSERT_TRUE(store->rollback(kept));
  EXPECT_EQ(all_revisions(*store).size(), 1U);
}

TEST_F(RocksRollbackTest, ReadOnlyAndFullDiskUndoNothing) {
  make_database();
  {
    const auto store = open();
    store->set_reserve_bytes(std::uint64_t{1} << 60);
    EXPECT_EQ(store->rollback(Position{}).error().code, ErrorCode::out_of_space);
    expect_same_content(*store, *wanted_store(kLast));
  }
  options_.read_only = true;
  EXPECT_EQ(open()->rollback(Position{}).error().code, ErrorCode::read_only);
}

TEST_F(RocksRollbackTest, RemovalsAreRememberedAfterReopening) {
  {
    const auto store = open();
    ASSERT_TRUE(store->append(workload(1, 30)));
    const std::vector<TransactionRecord> gone = {
        removal(31, workload_pack(30), {key(workload_oid(1), 1)})};
    ASSERT_TRUE(store->append(gone));
    ASSERT_TRUE(store->append(workload(32, 40)));
  }
  const auto store = open();
  const auto at = [&store](std::uint64_t tid) {
    return find_position(*store, Tid(tid)).value().value();
  };
  EXPECT_EQ(store->rollback(at(30)).error().code, ErrorCode::conflict);
  EXPECT_TRUE(store->rollback(at(31)));
}

TEST_F(RocksRollbackTest, KilledAtAnyPointTheLogIsShorterAndWhole) {
  make_database();
  const std::filesystem::path whole = options_.directory;
  for_each_crash("rollback.", [&](const std::string& crash_point) {
    const TemporaryDirectory place;
    options_.directory = place.path() / "db";
    std::filesystem::copy(whole, options_.directory, std::filesystem::copy_options::recursive);
    const bool killed =
        run_node("rollback", options_.directory, std::to_string(kKept), crash_point);
    expect_shorter_log(kKept);
    return killed;
  });
}

class RocksRollbackFaultTest : public RocksRollbackTest,
                               public ::testing::WithParamInterface<bool> {};

TEST_P(RocksRollbackFaultTest, NthFailingOperationLeavesAShorterAndWholeLog) {
  make_database();
  const std::filesystem::path whole = options_.directory;
  const auto files = std::make_shared<FaultFileSystem>();
  options_.file_system = files;
  bool fired = true;
  std::uint64_t at = 1;
  for (; fired && !HasFatalFailure(); ++at) {
    SCOPED_TRACE("operation " + std::to_string(at));
    const TemporaryDirectory place;
    options_.directory = place.path() / "db";
    std::filesystem::copy(whole, options_.directory, std::filesystem::copy_options::recursive);
    {
      const auto store = open();
      const Position to = find_position(*store, Tid(kKept)).value().value();
      files->arm(at, FaultFileSystem::Fault::io_error, GetParam());
      const Result<> done = store->rollback(to);
      fired = files->fired();
      if (!done) {
        EXPECT_EQ(done.error().code, ErrorCode::io_error);
        EXPECT_FALSE(store->append(workload(kLast + 1, kLast + 1))) << "went on after an error";
        EXPECT_EQ(store->rollback(to).error().code, ErrorCode::io_error);
        EXPECT_TRUE(store->log_entry(Tid(kKept)).value()) << "reads go on";
      }
      files->disarm();
    }
    expect_shorter_log(kKept);
  }
  EXPECT_GT(at, 6U) << "hardly anything was counted";
}

INSTANTIATE_TEST_SUITE_P(OnceOrLasting, RocksRollbackFaultTest, ::testing::Bool());

}  // namespace
}  // namespace zeolite::storage::testing
