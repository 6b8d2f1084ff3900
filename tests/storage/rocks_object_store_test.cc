#include "storage/rocks_object_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "storage/fault_file_system.h"
#include "storage/key_encoding.h"
#include "storage/memory_object_store.h"
#include "storage/rocks_database.h"
#include "storage/rocks_store_fixture.h"
#include "storage/store_workload.h"
#include "storage/tiny_disk.h"

namespace zeolite::storage::testing {
namespace {

using ::testing::HasSubstr;

class RocksObjectStoreTest : public RocksStoreFixture {
 protected:
  // Appends the workload up to at least `until`; returns the last tid.
  static std::uint64_t fill(ObjectStore& store, std::uint64_t until) {
    std::uint64_t last = store.last_position().tid.value();
    while (last < until) {
      last = store.append(workload_group(last)).value().tid.value();
    }
    return last;
  }
  void expect_refused(const std::string& why) {
    // Twice: looking must not make it look better.
    for (int i = 0; i < 2; ++i) {
      const auto store = RocksObjectStore::open(options_);
      ASSERT_FALSE(store) << "opened with data missing";
      EXPECT_EQ(store.error().code, ErrorCode::corruption) << store.error().detail;
      EXPECT_THAT(store.error().detail, HasSubstr(why));
    }
  }
  // The write-ahead log file that holds most.
  [[nodiscard]] std::filesystem::path wal() const {
    std::filesystem::path largest;
    for (const auto& file : std::filesystem::directory_iterator(records())) {
      if (file.path().extension() != ".log") continue;
      if (largest.empty() || file.file_size() > std::filesystem::file_size(largest)) {
        largest = file.path();
      }
    }
    return largest;
  }
  [[nodiscard]] std::filesystem::path records() const { return options_.directory / "records"; }
  // The records without the store's checks, to do harm.
  std::unique_ptr<RocksDatabase> open_raw() {
    return RocksDatabase::open(options_, records(), false, [](std::uint64_t) { return false; })
        .value();
  }
};

TEST_F(RocksObjectStoreTest, ReservedOidsAreRememberedAfterReopening) {
  ASSERT_TRUE(open()->reserve_oids(Oid(600)));
  const auto store = open();
  EXPECT_EQ(store->oid_mark(), Oid(600));
  EXPECT_EQ(store->last_position(), Position{});
}

TEST_F(RocksObjectStoreTest, EverythingComesBackAfterReopening) {
  std::uint64_t last = 0;
  Id128 cluster{};
  for (int round = 0; round < 4; ++round) {
    const auto store = open();
    if (round == 0) cluster = store->cluster_id();
    EXPECT_EQ(store->cluster_id(), cluster);
    EXPECT_EQ(store->last_position().tid, Tid(last));
    last = fill(*store, last + 40);
    if (round % 2 == 1) {
      ASSERT_TRUE(store->flush());
    }
  }
  expect_workload(*open(), last);
}

// Clients show it as the number of objects.
TEST_F(RocksObjectStoreTest, TheNumberOfRevisionsIsKnownAfterReopening) {
  {
    const auto store = open();
    for (std::uint64_t tid = 1; tid <= 50; ++tid) {
      const std::vector<TransactionRecord> group = {record(tid).data(7, "x").data(100 + tid, "y")};
      ASSERT_TRUE(store->append(group));
    }
    EXPECT_EQ(store->size().revisions, 100U);
    ASSERT_TRUE(store->flush());
  }
  EXPECT_EQ(open()->size().revisions, 100U);
}

TEST_F(RocksObjectStoreTest, MarksComeBackWhateverEndsTheLog) {
  const std::vector<std::vector<TransactionRecord>> groups = {
      {record(10).data(41, "a")},
      {record(20, RecordKind::oids).mark(900)},
      {record(30, RecordKind::tombstone).commit(1, 2)},
      {record(40).data(3, "b"), record(50, RecordKind::epoch).epoch(9)},
      {record(60).epoch(9).data(4, "c")}};
  MemoryObjectStore model;
  for (const auto& group : groups) {
    const auto store = open();
    ASSERT_TRUE(store->append(group));
    ASSERT_TRUE(model.append(group));
  }
  for (int i = 0; i < 2; ++i) {
    const auto store = open();
    EXPECT_EQ(store->last_position(), model.last_position());
    EXPECT_EQ(store->last_transaction(), model.last_transaction());
    EXPECT_EQ(store->oid_mark(), model.oid_mark());
    EXPECT_EQ(store->outcome_horizon(), model.outcome_horizon());
  }
}

TEST_F(RocksObjectStoreTest, ReadOnlyReadsAndRefusesAppends) {
  const std::uint64_t last = fill(*open(), 20);
  options_.read_only = true;
  const auto store = open();
  EXPECT_EQ(store->last_position().tid, Tid(last));
  EXPECT_TRUE(store->load_before(Oid(1), kMaxTid, kMaxTid, ReadTier::disk));
  EXPECT_EQ(store->append(workload_group(last)).error().code, ErrorCode::read_only);
}

TEST_F(RocksObjectStoreTest, SecondOpenerIsRefused) {
  const auto store = open();
  EXPECT_EQ(RocksObjectStore::open(options_).error().code, ErrorCode::busy);
}

TEST_F(RocksObjectStoreTest, NewerFormatIsRefused) {
  open();
  std::ofstream(options_.directory / "FORMAT") << "zeolite 9\n";
  EXPECT_EQ(RocksObjectStore::open(options_).error().code, ErrorCode::too_new);
}

TEST_F(RocksObjectStoreTest, LogCutShortIsRefused) {
  fill(*open(), 60);
  std::filesystem::resize_file(wal(), std::filesystem::file_size(wal()) / 2);
  expect_refused("acknowledged transactions are missing");
}

TEST_F(RocksObjectStoreTest, FlippedBitInTheLogIsRefused) {
  fill(*open(), 60);
  {
    std::fstream file(wal(), std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(wal()) / 2);
    file.seekg(middle);
    const int byte = file.get();
    file.seekp(middle);
    file.put(static_cast<char>(byte ^ 4));
  }
  expect_refused("acknowledged transactions are missing");
}

TEST_F(RocksObjectStoreTest, LogFileMissingIsRefused) {
  fill(*open(), 60);
  std::filesystem::remove(wal());
  expect_refused("acknowledged transactions are missing");
}

TEST_F(RocksObjectStoreTest, RecordsMissingAltogetherAreRefused) {
  fill(*open(), 10);
  std::filesystem::remove_all(records());
  std::filesystem::create_directory(records());
  expect_refused("there are no records");
}

TEST_F(RocksObjectStoreTest, MarkWithAnotherHistoryIsRefused) {
  Position other;
  {
    const auto store = open();
    fill(*store, 10);
    other = store->last_position();
  }
  other.chain[0] ^= 1;
  ASSERT_TRUE(HighWaterMark::open(options_.directory / "HWM", false).value()->write(other));
  expect_refused("the log has another one in its place");
}

TEST_F(RocksObjectStoreTest, HoleInTheLogIsRefused) {
  fill(*open(), 30);
  {
    const auto raw = open_raw();
    ASSERT_TRUE(raw->db().Delete({}, raw->log(), to_slice(log_key(Tid(17)).view())).ok());
  }
  expect_refused("the log is broken after transaction 0000000000000010");
}

TEST_F(RocksObjectStoreTest, BeginningOfTheLogIsCheckedToo) {
  fill(*open(), 30);
  {
    const auto raw = open_raw();
    ASSERT_TRUE(raw->db().Delete({}, raw->log(), to_slice(log_key(Tid(1)).view())).ok());
  }
  expect_refused("the log is broken after its beginning");
}

// What opening reads of a store with so many transactions in tables, when its process is killed
// after `unflushed` more.
std::uint64_t bytes_read_to_open(std::uint64_t transactions, std::uint64_t unflushed) {
  const TemporaryDirectory directory;
  const auto files = std::make_shared<FaultFileSystem>();
  RocksStoreOptions options;
  options.directory = directory.path() / "db";
  options.reserve_bytes = 0;
  options.wal_file_bytes = 0;
  options.memtable_bytes = 256 * 1024;
  options.chain_check_bytes = 64 * 1024;
  options.file_system = files;
  {
    const auto store = RocksObjectStore::open(options).value();
    std::uint64_t tid = 0;
    const auto append = [&](std::uint64_t count) {
      std::vector<TransactionRecord> group;
      for (std::uint64_t i = 0; i < count; ++i) {
        ++tid;
        // Of the known workload it is the data that is wanted: it does not compress.
        const std::string data(workload_record(tid * kWorkloadPeriod + 3).writes[0].data.view());
        group.push_back(record(tid).metadata("", data.substr(0, 300), "").data(tid % 1'000, data));
      }
      EXPECT_TRUE(store->append(group));
    };
    while (tid < transactions) append(50);
    EXPECT_TRUE(store->flush());
    EXPECT_TRUE(store->compact());
    if (unflushed > 0) append(unflushed);
    // What is there when the process is killed now.
    std::filesystem::copy(options.directory, directory.path() / "killed",
                          std::filesystem::copy_options::recursive);
  }
  options.directory = directory.path() / "killed";
  files->bytes_read = 0;
  const auto store = RocksObjectStore::open(options);
  EXPECT_TRUE(store) << store.error().to_string();
  if (store) {
    EXPECT_EQ((*store)->last_position().tid, Tid(transactions + unflushed));
  }
  return files->bytes_read;
}

TEST_F(RocksObjectStoreTest, OpeningAfterACrashDoesNotReadMoreOfALargerDatabase) {
  constexpr std::uint64_t kUnflushed = 50;
  const std::uint64_t small = bytes_read_to_open(1'000, kUnflushed);
  const std::uint64_t large = bytes_read_to_open(10'000, kUnflushed);
  EXPECT_GT(small, bytes_read_to_open(1'000, 0)) << "the log's tail is read";
  EXPECT_LT(large, small + 300'000) << "of 1 MB: " << small << ", of 12 MB: " << large;
}

TEST_F(RocksObjectStoreTest, AGroupIsSyncedOnce) {
  const auto files = std::make_shared<FaultFileSystem>();
  options_.file_system = files;
  const auto store = open();
  fill(*store, 1);
  for (const std::uint64_t size : {1U, 50U}) {
    std::vector<TransactionRecord> group;
    const std::uint64_t last = store->last_position().tid.value();
    for (std::uint64_t i = 1; i <= size; ++i) group.push_back(record(last + i).data(i, "x"));
    files->log_syncs = 0;
    ASSERT_TRUE(store->append(group));
    EXPECT_EQ(files->log_syncs, 1U) << "for " << size;
  }
}

TEST_F(RocksObjectStoreTest, TheChainIsCheckedAsFarBackAsTheBoundsSay) {
  fill(*open(), 30);
  {
    const auto raw = open_raw();
    ASSERT_TRUE(raw->db().Delete({}, raw->log(), to_slice(log_key(Tid(3)).view())).ok());
  }
  options_.chain_check_bytes = 500;
  EXPECT_TRUE(open());
  options_.chain_check_bytes = 1 << 20;
  options_.chain_check_entries = 10;
  EXPECT_TRUE(open());
  options_.chain_check_entries = 100;
  expect_refused("the log is broken after transaction 0000000000000002");
}

// How large a disk is decides what finds it full: the log, a flush, a compaction. Compaction keeps
// a larger one from getting full for a minute.
TEST_F(RocksObjectStoreTest, FullDiskUnderTheWholeDatabaseNeverFalsifiesAnAnswer) {
  constexpr std::uint64_t kEnough = 2'000;
  options_.memtable_bytes = 256 * 1024;
  for (const int kibibytes : {1024, 1152, 1280, 1408, 1536}) {
    SCOPED_TRACE(kibibytes);
    const auto disk = TinyDisk::mount(kibibytes);
    if (!disk) GTEST_SKIP() << "only root may mount a small disk: " << disk.error().detail;
    options_.directory = (*disk)->path() / "db";
    std::uint64_t last = 0;
    {
      const auto store = open();
      while (true) {
        if (last > kEnough) (*disk)->fill_up();
        const auto position = store->append(workload_group(last));
        if (!position) break;
        last = position->tid.value();
      }
      EXPECT_GT(last, 100U);
      EXPECT_EQ(store->last_position().tid, Tid(last));
    }
    (*disk)->grow();
    expect_workload(*open(), last);
  }
}

TEST_F(RocksObjectStoreTest, MarkBehindTheLogIsMovedUp) {
  Position first;
  {
    const auto store = open();
    fill(*store, 1);
    first = store->last_position();
    fill(*store, 20);
  }
  const std::filesystem::path path = options_.directory / "HWM";
  ASSERT_TRUE(HighWaterMark::open(path, false).value()->write(first));
  const Position last = open()->last_position();
  EXPECT_GE(last.tid, Tid(20));
  EXPECT_EQ(HighWaterMark::open(path, true).value()->position(), last);
}

TEST_F(RocksObjectStoreTest, AStoreThatWasFilledIsMissedIfItsTablesAre) {
  options_.bulk_load = true;
  {
    const auto store = open();
    fill(*store, 40);
    ASSERT_TRUE(store->sync());
  }
  options_.bulk_load = false;
  for (const auto& file : std::filesystem::directory_iterator(records())) {
    if (file.path().filename() == "CURRENT") std::filesystem::remove(file.path());
  }
  expect_refused("acknowledged transactions are missing");
}

TEST_F(RocksObjectStoreTest, ABulkLoadWritesNoLogAndKeepsEachRevisionOfAnObject) {
  options_.bulk_load = true;
  const std::vector<TransactionRecord> group = {record(10).data(7, "a").data(3, "x"),
                                                record(20).data(7, "b"),
                                                record(30).data(1, "c").data(7, "d")};
  MemoryObjectStore model;
  ASSERT_TRUE(model.append(group));
  {
    const auto store = open();
    ASSERT_TRUE(store->append(group));
    EXPECT_EQ(std::filesystem::file_size(wal()), 0U);
    ASSERT_TRUE(store->sync());
  }
  options_.bulk_load = false;
  const auto store = open();
  EXPECT_EQ(store->last_position(), model.last_position());
  for (const auto& [oid, tid, data] : {std::tuple(7U, 10U, "a"), std::tuple(7U, 20U, "b"),
                                       std::tuple(7U, 30U, "d"), std::tuple(3U, 10U, "x")}) {
    const auto loaded = store->load_serial(Oid(oid), Tid(tid), kMaxTid);
    ASSERT_TRUE(loaded) << loaded.error().detail;
    EXPECT_EQ(loaded->data.view(), data);
  }
}

TEST_F(RocksObjectStoreTest, FullDiskRefusesAppendsAndServesReads) {
  const auto store = open();
  const std::uint64_t last = fill(*store, 10);
  store->set_reserve_bytes(std::uint64_t{1} << 60);
  const auto refused = store->append(workload_group(last));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::out_of_space);
  EXPECT_THAT(refused.error().detail, HasSubstr("1099511627776 MiB kept back"));
  EXPECT_EQ(store->check_space().error().code, ErrorCode::out_of_space);
  EXPECT_TRUE(store->load_before(Oid(1), kMaxTid, Tid(last), ReadTier::disk));
  store->set_reserve_bytes(0);
  EXPECT_TRUE(store->check_space());
  EXPECT_TRUE(store->check_room(1 << 20));
  EXPECT_EQ(store->check_room(std::uint64_t{1} << 60).error().code, ErrorCode::out_of_space);
  expect_workload(*store, last);
}

TEST_F(RocksObjectStoreTest, ReadersOnOtherThreadsSeeWhatWasAppended) {
  const auto store = open();
  std::atomic<bool> done = false;
  const auto read = [&store, &done] {
    while (!done) {
      const Tid line = store->last_position().tid;
      if (!is_workload_write(line.value())) continue;
      const auto loaded =
          store->load_before(Oid(workload_oid(line.value())), kMaxTid, line, ReadTier::memory);
      if (!loaded) continue;
      if (line <= store->pack_horizon()) continue;  // packed away meanwhile
      EXPECT_EQ(loaded->tid, line);
      EXPECT_EQ(loaded->data, workload_record(line.value()).writes[0].data);
    }
  };
  std::jthread first(read);
  std::jthread second(read);
  for (int i = 0; i < 5; ++i) {
    fill(*store, static_cast<std::uint64_t>(60 * (i + 1)));
    EXPECT_TRUE(store->flush());
  }
  done = true;
}

}  // namespace
}  // namespace zeolite::storage::testing
