#include "storage/rocks_database.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "storage/fault_file_system.h"
#include "storage/store_workload.h"

namespace zeolite::storage::testing {
namespace {

using Fault = FaultFileSystem::Fault;

class RocksDatabaseTest : public ::testing::Test {
 protected:
  using Files = std::shared_ptr<FaultFileSystem>;

  static RocksStoreOptions options(const std::filesystem::path& directory, const Files& files) {
    RocksStoreOptions made;
    made.directory = directory;
    made.reserve_bytes = 0;
    made.wal_file_bytes = 64 * 1024;
    made.memtable_bytes = 256 * 1024;
    made.block_cache_bytes = 4 << 20;
    made.file_system = files;
    return made;
  }

  // Opens what has come to `acknowledged`, appends and flushes until something fails; returns the
  // last acknowledged tid.
  static std::uint64_t run_into_fault(const std::filesystem::path& directory, const Files& files,
                                      std::uint64_t acknowledged) {
    const auto store = RocksObjectStore::open(options(directory, files));
    if (!store) return acknowledged;
    for (int step = 1; step <= 12; ++step) {
      if (step == 5) (void)(*store)->flush();
      const auto position = (*store)->append(workload_group(acknowledged));
      if (!position) {
        expect_refuses_and_still_reads(**store, position.error().code, acknowledged);
        break;
      }
      acknowledged = position->tid.value();
    }
    return acknowledged;
  }

  static void expect_refuses_and_still_reads(RocksObjectStore& store, ErrorCode code,
                                             std::uint64_t acknowledged) {
    if (code != ErrorCode::out_of_space) {
      EXPECT_EQ(code, ErrorCode::io_error);
      EXPECT_FALSE(store.append(workload_group(acknowledged))) << "went on after an error";
      EXPECT_FALSE(store.check_space());
    }
    EXPECT_EQ(store.last_position().tid, Tid(acknowledged));
    if (!is_workload_write(acknowledged)) return;
    const auto loaded = store.load_before(Oid(workload_oid(acknowledged)), kMaxTid,
                                          Tid(acknowledged), ReadTier::disk);
    ASSERT_TRUE(loaded) << loaded.error().to_string();
    EXPECT_EQ(loaded->data, workload_record(acknowledged).writes[0].data);
  }

  // What is armed strikes a database that has come to `before`, in `directory`; afterwards it is
  // whole. Whether the fault came to pass at all.
  static bool expect_whole_after(const std::filesystem::path& directory, const Files& files,
                                 std::uint64_t before) {
    const std::uint64_t acknowledged = run_into_fault(directory, files, before);
    const bool fired = files->fired();
    files->disarm();
    const auto store = RocksObjectStore::open(options(directory, files));
    EXPECT_TRUE(store) << store.error().to_string();
    if (store) expect_workload(**store, acknowledged);
    return fired;
  }

  static bool expect_survives(std::uint64_t at, Fault fault, bool lasting) {
    SCOPED_TRACE("operation " + std::to_string(at));
    const TemporaryDirectory directory;
    const Files files = std::make_shared<FaultFileSystem>();
    files->arm(at, fault, lasting);
    return expect_whole_after(directory.path() / "db", files, 0);
  }

  // The same for a database that is there already, whose files cannot be opened.
  static bool expect_survives_unreadable(std::uint64_t at, bool lasting) {
    SCOPED_TRACE("open for reading " + std::to_string(at));
    const TemporaryDirectory directory;
    const Files files = std::make_shared<FaultFileSystem>();
    files->only(FaultFileSystem::Operations::opens_for_reading);
    const std::uint64_t before = run_into_fault(directory.path() / "db", files, 0);
    EXPECT_GT(before, 0U);
    files->arm(at, Fault::io_error, lasting);
    return expect_whole_after(directory.path() / "db", files, before);
  }

  // RocksDB rests a second after each failed flush: many at once, in threads of their own.
  template <typename Survives>
  static void expect_for_every_operation(std::uint64_t least, Survives expect) {
    rocksdb::Env::Default()->SetBackgroundThreads(kThreads, rocksdb::Env::HIGH);
    std::atomic<std::uint64_t> next = 1;
    std::atomic<bool> done = false;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&next, &done, &expect] {
          while (!done && !HasFailure()) {
            if (!expect(next++)) done = true;
          }
        });
      }
    }
    EXPECT_GT(next, kThreads + least) << "hardly anything was counted";
  }
  static void expect_survives_every_fault(Fault fault, bool lasting) {
    expect_for_every_operation(
        20, [=](std::uint64_t at) { return expect_survives(at, fault, lasting); });
  }

  static constexpr int kThreads = 12;
};

TEST_F(RocksDatabaseTest, NthOperationFailingOnceNeverFalsifiesAnAnswer) {
  expect_survives_every_fault(Fault::io_error, false);
}

TEST_F(RocksDatabaseTest, BrokenDiskFromTheNthOperationOnNeverFalsifiesAnAnswer) {
  expect_survives_every_fault(Fault::io_error, true);
}

TEST_F(RocksDatabaseTest, NthOperationMeetingAFullDiskNeverFalsifiesAnAnswer) {
  expect_survives_every_fault(Fault::no_space, false);
}

TEST_F(RocksDatabaseTest, FullDiskFromTheNthOperationOnNeverFalsifiesAnAnswer) {
  expect_survives_every_fault(Fault::no_space, true);
}

TEST_F(RocksDatabaseTest, NthFileThatCannotBeReadOnceNeverFalsifiesAnAnswer) {
  expect_for_every_operation(
      5, [](std::uint64_t at) { return expect_survives_unreadable(at, false); });
}

TEST_F(RocksDatabaseTest, FilesThatCannotBeReadFromTheNthOnNeverFalsifyAnAnswer) {
  expect_for_every_operation(5,
                             [](std::uint64_t at) { return expect_survives_unreadable(at, true); });
}

TEST_F(RocksDatabaseTest, FlushThatMeetsAFullDiskStopsAppendsUntilThereIsSpace) {
  const TemporaryDirectory directory;
  const Files files = std::make_shared<FaultFileSystem>();
  const auto store = RocksObjectStore::open(options(directory.path() / "db", files)).value();
  ASSERT_TRUE(store->append(workload_group(0)));
  files->only(".sst");
  files->arm(1, Fault::no_space, true);
  EXPECT_FALSE(store->flush());
  EXPECT_EQ(store->check_space().error().code, ErrorCode::out_of_space);
  EXPECT_EQ(store->append(workload_group(1)).error().code, ErrorCode::out_of_space);
  EXPECT_TRUE(store->load_before(Oid(1), kMaxTid, Tid(1), ReadTier::disk));
  files->disarm();
  // RocksDB notices within five seconds.
  while (!store->check_space()) std::this_thread::yield();
  expect_workload(*store, 1);
}

TEST_F(RocksDatabaseTest, ErrorsSayWhatFailedAndWhy) {
  const auto damaged = rocks_error("read", rocksdb::Status::Corruption("bad block"));
  EXPECT_EQ(damaged.error().code, ErrorCode::corruption);
  EXPECT_EQ(damaged.error().detail, "cannot read: Corruption: bad block");
  EXPECT_EQ(rocks_error("read", rocksdb::Status::Incomplete()).error().code,
            ErrorCode::unavailable);
  EXPECT_EQ(rocks_error("read", rocksdb::Status::IOError()).error().code, ErrorCode::io_error);
}

}  // namespace
}  // namespace zeolite::storage::testing
