// Packing on RocksObjectStore beyond the contract: across reopening, from tables, beside appends,
// with failures.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "storage/fault_file_system.h"
#include "storage/key_encoding.h"
#include "storage/memory_object_store.h"
#include "storage/record_codec.h"
#include "storage/rocks_database.h"
#include "storage/rocks_object_store.h"
#include "storage/store_builders.h"

namespace zeolite::storage::testing {
namespace {

using ::testing::HasSubstr;
using Group = std::vector<TransactionRecord>;

template <typename T>
Result<> without_value(const Result<T>& result) {
  if (result) return {};
  return std::unexpected(result.error());
}

class RocksPackingTest : public ::testing::Test {
 protected:
  RocksPackingTest() {
    options_.directory = directory_.path() / "db";
    options_.reserve_bytes = 0;
    options_.wal_file_bytes = 0;
    options_.memtable_bytes = 1 << 20;
    options_.file_system = files_;
  }
  std::unique_ptr<RocksObjectStore> open() {
    auto store = RocksObjectStore::open(options_);
    EXPECT_TRUE(store) << store.error().to_string();
    return store ? std::move(*store) : nullptr;
  }
  // Two revisions of object 1, and a pack record above them.
  std::unique_ptr<RocksObjectStore> open_packed() {
    auto store = open();
    EXPECT_TRUE(store->append(Group{record(10).data(1, "a"), record(20).data(1, "b", 10),
                                    record(21, RecordKind::pack).pack(20)}));
    return store;
  }

  TemporaryDirectory directory_;
  RocksStoreOptions options_;
  std::shared_ptr<FaultFileSystem> files_ = std::make_shared<FaultFileSystem>();
  const Group removal_ = {removal(22, 21, {key(1, 10)})};
  const Group end_ = {removal(23, 21, {}, true)};
};

TEST_F(RocksPackingTest, RemovalsAndTheirEndComeBackAfterReopening) {
  ASSERT_TRUE(open_packed()->append(removal_));
  EXPECT_EQ(open()->pack_state(), (PackState{Tid(20), Tid(21), false, false}));
  EXPECT_EQ(open()->revisions_from(Oid(0), 9).value().size(), 1U);
  ASSERT_TRUE(open()->append(end_));
  EXPECT_EQ(open()->pack_state(), (PackState{Tid(20), Tid(21), false, true}));
  ASSERT_TRUE(open()->append(Group{record(24).data(1, "c", 20)}));
  EXPECT_TRUE(open()->pack_state().swept);
  ASSERT_TRUE(open()->append(Group{record(30, RecordKind::pack).pack(29, true)}));
  EXPECT_EQ(open()->pack_state(), (PackState{Tid(29), Tid(30), true, false}));
}

TEST_F(RocksPackingTest, WhatASweepRemovedStaysGoneThroughTablesAndCompaction) {
  auto store = open_packed();
  ASSERT_TRUE(store->flush());
  ASSERT_TRUE(store->append(removal_));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(store->present(store->log_entry(Tid(10)).value().value()).value(),
              std::vector<bool>{false});
    ASSERT_TRUE(store->flush());
    ASSERT_TRUE(store->compact());
    store.reset();
    store = open();
  }
  EXPECT_EQ(store->load_before(Oid(1), kMaxTid, kMaxTid, ReadTier::disk)->data.view(), "b");
}

TEST_F(RocksPackingTest, ReadOnlyRefusesRemovals) {
  open_packed();
  options_.read_only = true;
  const auto store = open();
  EXPECT_EQ(store->append(removal_).error().code, ErrorCode::read_only);
}

TEST_F(RocksPackingTest, FullDiskRefusesRemovalsUntilThereIsSpace) {
  const auto store = open_packed();
  store->set_reserve_bytes(std::uint64_t{1} << 60);
  EXPECT_EQ(store->append(removal_).error().code, ErrorCode::out_of_space);
  EXPECT_EQ(store->revisions_from(Oid(0), 9).value().size(), 2U);
  store->set_reserve_bytes(0);
  EXPECT_TRUE(store->append(removal_));
  EXPECT_TRUE(store->append(end_));
  EXPECT_EQ(store->revisions_from(Oid(0), 9).value().size(), 1U);
}

TEST_F(RocksPackingTest, FailedRemovalIsFinal) {
  for (const bool at_the_end : {false, true}) {
    for (const auto fault : {FaultFileSystem::Fault::io_error, FaultFileSystem::Fault::no_space}) {
      std::filesystem::remove_all(options_.directory);
      const auto store = open_packed();
      files_->only(".log");
      files_->arm(1, fault, true);
      const auto failed = store->append(at_the_end ? end_ : removal_);
      ASSERT_FALSE(failed);
      EXPECT_EQ(failed.error().code, ErrorCode::io_error) << failed.error().detail;
      files_->disarm();
      EXPECT_FALSE(store->pack_state().swept);
      EXPECT_EQ(store->append(Group{record(31).data(1, "c")}).error().code, ErrorCode::io_error);
      EXPECT_EQ(store->load_before(Oid(1), kMaxTid, kMaxTid, ReadTier::disk)->data.view(), "b");
    }
  }
}

TEST_F(RocksPackingTest, RottenSurvivorIsCorruption) {
  open_packed();
  {
    const auto raw =
        RocksDatabase::open(options_, options_.directory / "records", false, [](std::uint64_t) {
          return false;
        }).value();
    const auto head = encode_revision_head(Oid(1), Tid(10), RevisionKind::data, "a");
    const std::string value = std::string(head.data(), head.size()) + "x";
    const auto key = revision_key(Oid(1), Tid(10));
    ASSERT_TRUE(raw->db().Put({}, raw->revisions(), to_slice(key.view()), value).ok());
    ASSERT_TRUE(raw->db().Put({}, raw->revisions(), "short key", value).ok());
  }
  const auto store = open();
  const LogEntry entry = store->log_entry(Tid(10)).value().value();
  EXPECT_EQ(store->read_surviving(entry).error().code, ErrorCode::corruption);
  EXPECT_EQ(store->present(entry).value(), std::vector<bool>{true}) << "rotten, but there";
  for (const Result<>& walked : {without_value(store->revisions_from(Oid(0), 100)),
                                 without_value(store->next_objects(Oid(0), kMaxTid, 100))}) {
    EXPECT_EQ(walked.error().code, ErrorCode::corruption);
    EXPECT_THAT(walked.error().detail, HasSubstr(to_hex(ByteView("short key"))));
  }
}

// Of a revision that cannot be told apart by its head; a sweep meets it first.
TEST_F(RocksPackingTest, AWalkSaysWhichRevisionIsDamaged) {
  open_packed();
  for (const char* const head : {"", "\x7F all of it unknown", "\x1F a kind unknown"}) {
    {
      const auto raw =
          RocksDatabase::open(options_, options_.directory / "records", false, [](std::uint64_t) {
            return false;
          }).value();
      const auto key = revision_key(Oid(1), Tid(10));
      ASSERT_TRUE(raw->db().Put({}, raw->revisions(), to_slice(key.view()), head).ok());
    }
    const auto walked = open()->revisions_from(Oid(0), 100);
    ASSERT_FALSE(walked);
    EXPECT_EQ(walked.error().code, ErrorCode::corruption);
    EXPECT_THAT(walked.error().detail, HasSubstr("object 0000000000000001 as of transaction " +
                                                 to_hex(Tid(10)) + " is damaged"));
  }
}

// Iterators and verify read while a group with a pack and its removals is written.
TEST_F(RocksPackingTest, WhatIsRemovedBesideReadersIsExpectedToBeMissing) {
  static constexpr std::uint64_t kRounds = 300;
  const auto store = open();
  ASSERT_TRUE(store->append(Group{record(1).data(1, "x")}));
  std::atomic<bool> done = false;
  std::jthread reader([&] {
    while (!done) {
      const auto log = store->read_log_back(kMaxTid, {.entries = 8}).value();
      for (const LogEntry& entry : log) {
        if (store->read_surviving(entry).value().writes.size() == entry.objects.size()) continue;
        EXPECT_LE(entry.position.tid, store->pack_horizon());
        EXPECT_EQ(store->present(entry).value(), std::vector<bool>{false});
      }
    }
  });
  for (std::uint64_t tid = 1; tid < kRounds * 3; tid += 3) {
    ASSERT_TRUE(store->append(Group{record(tid + 1, RecordKind::pack).pack(tid),
                                    removal(tid + 2, tid + 1, {key(1, tid)}, true),
                                    record(tid + 3).data(1, "x")}));
  }
  done = true;
}

// A random history that is packed again and again; the memory store says what is right.
class PackedComparison {
 public:
  explicit PackedComparison(std::uint64_t seed) : random_(seed) {}

  Group next_group() {
    Group group;
    for (std::uint64_t i = 0; i <= below(3); ++i) {
      RecordBuilder builder = record(tid_ += 1 + below(4));
      for (std::uint64_t oid = below(4); oid < kOids; oid += 1 + below(5)) {
        if (below(5) == 0) {
          builder.deletion(oid);
        } else {
          builder.data(oid, "at " + std::to_string(tid_));
        }
      }
      group.push_back(builder);
    }
    return group;
  }

  // A pack record at a random horizon above the last one.
  Group next_pack() {
    horizon_ += 1 + below(tid_ - horizon_);
    pack_ = ++tid_;
    return {record(tid_, RecordKind::pack).pack(horizon_, below(2) == 0)};
  }

  // Any revisions that are old enough: the store leaves it to the caller which.
  Group next_removal(bool complete) {
    std::vector<RevisionKey> keys;
    for (std::uint64_t i = below(60); i > 0; --i) {
      keys.push_back(key(below(kOids), 1 + below(horizon_)));
    }
    return {removal(++tid_, pack_, std::move(keys), complete)};
  }

  void expect_equal(const ObjectStore& store, const ObjectStore& model) {
    EXPECT_EQ(store.pack_state(), model.pack_state());
    for (int i = 0; i < 60; ++i) {
      const Oid oid(below(kOids + 2));
      const Tid line(below(tid_ + 3));
      SCOPED_TRACE(to_hex(oid) + " at " + to_hex(line));
      const auto found = store.load_before(oid, line, Tid(tid_), ReadTier::disk).value();
      const auto wanted = model.load_before(oid, line, Tid(tid_), ReadTier::disk).value();
      EXPECT_EQ(found.status, wanted.status);
      EXPECT_EQ(found.data, wanted.data);
      EXPECT_EQ(found.end, wanted.end);
      const std::size_t count = below(20);
      EXPECT_EQ(store.next_objects(oid, line, count).value(),
                model.next_objects(oid, line, count).value());
      EXPECT_EQ(store.revisions_from(oid, count).value(), model.revisions_from(oid, count).value());
      EXPECT_EQ(store.read_log_back(line, {.entries = count}).value(),
                model.read_log_back(line, {.entries = count}).value());
    }
    const auto log = store.read_log(kNoTid, kMaxTid, {.entries = 10'000}).value();
    for (const LogEntry& entry : log) {
      const auto found = store.read_surviving(entry).value();
      const auto wanted = model.read_surviving(entry).value();
      EXPECT_EQ(encode_log_entry(found, kNoTid, {}), encode_log_entry(wanted, kNoTid, {}));
      EXPECT_EQ(store.present(entry).value(), model.present(entry).value());
    }
  }

 private:
  static constexpr std::uint64_t kOids = 12;

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  std::mt19937_64 random_;
  std::uint64_t tid_ = 0;
  std::uint64_t horizon_ = 0;
  std::uint64_t pack_ = 0;
};

TEST_F(RocksPackingTest, AgreesWithTheMemoryStoreOnPackedHistories) {
  PackedComparison comparison(19'981'203);
  MemoryObjectStore model;
  for (int round = 0; round < 8; ++round) {
    const auto store = open();
    for (int i = 0; i < 15; ++i) {
      const Group group = comparison.next_group();
      ASSERT_EQ(store->append(group).value(), model.append(group).value());
    }
    const Group pack = comparison.next_pack();
    ASSERT_EQ(store->append(pack).value(), model.append(pack).value());
    for (int i = 0; i < 3; ++i) {
      if (round % 2 == 0) {
        ASSERT_TRUE(store->flush());
      }
      const Group gone = comparison.next_removal(i == 2 && round % 3 == 0);
      ASSERT_EQ(store->append(gone).value(), model.append(gone).value());
    }
    comparison.expect_equal(*store, model);
  }
}

}  // namespace
}  // namespace zeolite::storage::testing
