// Reads of RocksObjectStore beyond the contract: from tables, from a cold cache, of rotten bytes.

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "storage/key_encoding.h"
#include "storage/memory_object_store.h"
#include "storage/record_codec.h"
#include "storage/rocks_database.h"
#include "storage/rocks_store_fixture.h"

namespace zeolite::storage::testing {
namespace {

class RocksObjectReadsTest : public RocksStoreFixture {};

TEST_F(RocksObjectReadsTest, MemoryTierIsUnavailableUntilTheDiskWasRead) {
  {
    const auto store = open();
    ASSERT_TRUE(store->append(std::vector<TransactionRecord>{record(1).data(1, "abc")}));
    EXPECT_TRUE(store->load_before(Oid(1), kMaxTid, Tid(1), ReadTier::memory));
    ASSERT_TRUE(store->flush());
  }
  const auto store = open();
  const auto cold = store->load_before(Oid(1), kMaxTid, Tid(1), ReadTier::memory);
  ASSERT_FALSE(cold);
  EXPECT_EQ(cold.error().code, ErrorCode::unavailable);
  EXPECT_EQ(store->load_before(Oid(1), kMaxTid, Tid(1), ReadTier::disk)->data.view(), "abc");
  EXPECT_EQ(store->load_before(Oid(1), kMaxTid, Tid(1), ReadTier::memory)->data.view(), "abc");
}

TEST_F(RocksObjectReadsTest, RottenTableIsCorruption) {
  const std::string needle = "a text that stands once in the table and does not compress";
  {
    const auto store = open();
    ASSERT_TRUE(store->append(std::vector<TransactionRecord>{record(1).data(1, needle)}));
    ASSERT_TRUE(store->flush());
  }
  bool damaged = false;
  for (const auto& file : std::filesystem::directory_iterator(options_.directory / "records")) {
    if (file.path().extension() != ".sst") continue;
    std::stringstream content;
    content << std::ifstream(file.path(), std::ios::binary).rdbuf();
    const std::size_t at = content.str().find("stands once");
    if (at == std::string::npos) continue;
    std::fstream change(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    change.seekp(static_cast<std::streamoff>(at));
    change.put('S');
    damaged = true;
  }
  ASSERT_TRUE(damaged);
  const auto loaded = open()->load_before(Oid(1), kMaxTid, Tid(1), ReadTier::disk);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::corruption);
}

// Rot that RocksDB's own checksums bless, as it came before they were made.
TEST_F(RocksObjectReadsTest, RottenValueIsCorruption) {
  ASSERT_TRUE(open()->append(std::vector<TransactionRecord>{record(1).data(1, "abc")}));
  {
    const auto raw =
        RocksDatabase::open(options_, options_.directory / "records", false, [](std::uint64_t) {
          return false;
        }).value();
    const auto head = encode_revision_head(Oid(1), Tid(1), RevisionKind::data, "abc");
    const std::string value = std::string(head.data(), head.size()) + "abd";
    const auto key = revision_key(Oid(1), Tid(1));
    ASSERT_TRUE(raw->db().Put({}, raw->revisions(), to_slice(key.view()), value).ok());
  }
  const auto store = open();
  EXPECT_EQ(store->load_before(Oid(1), kMaxTid, Tid(1), ReadTier::disk).error().code,
            ErrorCode::corruption);
  EXPECT_EQ(store->load_serial(Oid(1), Tid(1), Tid(1)).error().code, ErrorCode::corruption);
  const LogEntry entry = store->log_entry(Tid(1)).value().value();
  EXPECT_EQ(store->read_record(entry).error().code, ErrorCode::corruption);
}

// A random history of few objects, so that every kind of transition happens, several times over
// tables, memory and reopening; the memory store says what is right.
class Comparison {
 public:
  explicit Comparison(std::uint64_t seed) : random_(seed) {}

  std::vector<TransactionRecord> next_group() {
    std::vector<TransactionRecord> group;
    for (std::uint64_t i = 0; i <= below(3); ++i) {
      RecordBuilder builder = record(tid_ += 1 + below(4));
      for (std::uint64_t oid = below(4); oid < kOids; oid += 1 + below(6)) add_write(builder, oid);
      group.push_back(builder);
    }
    return group;
  }

  void expect_equal(const ObjectStore& store, const ObjectStore& model) {
    for (int i = 0; i < 400; ++i) {
      const Oid oid(below(kOids + 2));
      const Tid before = below(3) == 0 ? kMaxTid : Tid(below(tid_ + 3));
      const Tid line = below(2) == 0 ? Tid(tid_) : Tid(below(tid_ + 3));
      SCOPED_TRACE(to_hex(oid) + " before " + to_hex(before) + " at " + to_hex(line));
      expect_same(store.load_before(oid, before, line, ReadTier::disk).value(),
                  model.load_before(oid, before, line, ReadTier::disk).value());
      expect_same(store.load_serial(oid, before, line).value(),
                  model.load_serial(oid, before, line).value());
      const std::vector<Oid> oids = {oid, Oid(below(kOids)), Oid(below(kOids))};
      EXPECT_EQ(store.current_tids(oids, line).value(), model.current_tids(oids, line).value());
      const std::size_t count = below(kOids + 1);
      EXPECT_EQ(store.next_objects(oid, line, count).value(),
                model.next_objects(oid, line, count).value());
    }
    EXPECT_EQ(store.read_log(kNoTid, kMaxTid, {}).value(),
              model.read_log(kNoTid, kMaxTid, {}).value());
  }

 private:
  static constexpr std::uint64_t kOids = 12;

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  void add_write(RecordBuilder& builder, std::uint64_t oid) {
    const std::uint64_t kind = below(6);
    if (kind == 0) {
      builder.deletion(oid);
    } else if (kind == 1 && last_data_[oid] != 0) {
      builder.back(oid, last_data_[oid]);
    } else {
      builder.data(oid, "at " + std::to_string(tid_));
      last_data_[oid] = tid_;
    }
  }

  static void expect_same(const Loaded& found, const Loaded& wanted) {
    EXPECT_EQ(found.status, wanted.status);
    EXPECT_EQ(found.data, wanted.data);
    EXPECT_EQ(found.tid, wanted.tid);
    EXPECT_EQ(found.end, wanted.end);
  }

  std::mt19937_64 random_;
  std::uint64_t tid_ = 0;
  std::array<std::uint64_t, kOids> last_data_{};
};

TEST_F(RocksObjectReadsTest, AgreesWithTheMemoryStoreOnRandomHistories) {
  Comparison comparison(20'261'120);
  MemoryObjectStore model;
  for (int round = 0; round < 6; ++round) {
    const auto store = open();
    for (int i = 0; i < 25; ++i) {
      const std::vector<TransactionRecord> group = comparison.next_group();
      ASSERT_EQ(store->append(group).value(), model.append(group).value());
    }
    if (round % 2 == 0) {
      ASSERT_TRUE(store->flush());
    }
    if (round == 3) {
      ASSERT_TRUE(store->compact());
    }
    comparison.expect_equal(*store, model);
  }
}

}  // namespace
}  // namespace zeolite::storage::testing
