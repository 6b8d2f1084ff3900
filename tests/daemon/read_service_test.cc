#include "daemon/read_service.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/memory_object_store.h"
#include "support/temporary_directory.h"
#include "support/zodb_record.h"

namespace zeolite::daemon {
namespace {

constexpr auto kMemory = storage::ReadTier::memory;

TransactionRecord record(std::uint64_t tid, std::vector<std::pair<std::uint64_t, Tid>> writes,
                         RecordKind kind = RecordKind::transaction) {
  TransactionRecord result;
  result.kind = kind;
  result.epoch = Epoch(1);
  result.tid = Tid(tid);
  result.metadata.user = "user " + std::to_string(tid);
  for (const auto& [oid, previous] : writes) {
    const std::string data = "object " + std::to_string(oid) + " at " + std::to_string(tid);
    result.writes.push_back({Oid(oid), previous, RevisionKind::data, Bytes(data), kNoTid});
  }
  return result;
}

// 10: the reign; 20: objects 1 and 2; 30: object 1; 40: the server's own; 50: object 3.
// What a load is answered with.
wire::Loaded load(const storage::ObjectStore& store, const wire::Load& request, Tid line) {
  return to_wire(store.load_before(request.oid, request.before, line, kMemory).value());
}

class ReadServiceTest : public ::testing::Test {
 protected:
  ReadServiceTest() {
    const std::vector<TransactionRecord> group = {
        record(10, {}, RecordKind::epoch), record(20, {{1, kNoTid}, {2, kNoTid}}),
        record(30, {{1, Tid(20)}}), record(40, {}, RecordKind::oids), record(50, {{3, kNoTid}})};
    EXPECT_TRUE(store_.append(group));
  }
  storage::MemoryObjectStore store_;
};

TEST_F(ReadServiceTest, LoadsAsOfTheLine) {
  const auto now = load(store_, {Oid(1), kMaxTid}, Tid(50));
  EXPECT_EQ(now.status, wire::LoadedStatus::found);
  EXPECT_EQ(now.data.view(), "object 1 at 30");
  EXPECT_EQ(now.tid, Tid(30));
  EXPECT_TRUE(now.end.is_zero());
  const auto earlier = load(store_, {Oid(1), kMaxTid}, Tid(20));
  EXPECT_EQ(earlier.tid, Tid(20));
  EXPECT_TRUE(earlier.end.is_zero());  // what ends it is above the line
  const auto ended = load(store_, {Oid(1), Tid(30)}, Tid(50));
  EXPECT_EQ(ended.tid, Tid(20));
  EXPECT_EQ(ended.end, Tid(30));
}

TEST_F(ReadServiceTest, TellsUnknownFromNotYet) {
  EXPECT_EQ(load(store_, {Oid(9), kMaxTid}, Tid(50)).status, wire::LoadedStatus::unknown);
  EXPECT_EQ(load(store_, {Oid(3), Tid(50)}, Tid(50)).status, wire::LoadedStatus::not_yet);
  EXPECT_EQ(load(store_, {Oid(3), kMaxTid}, Tid(40)).status, wire::LoadedStatus::unknown);
}

TEST_F(ReadServiceTest, LoadsOneRevision) {
  EXPECT_EQ(read_load_serial(store_, {Oid(1), Tid(20)}, Tid(50))->data.view(), "object 1 at 20");
  EXPECT_EQ(read_load_serial(store_, {Oid(1), Tid(25)}, Tid(50))->status,
            wire::LoadedStatus::unknown);
}

TEST_F(ReadServiceTest, ManyLoadsStopAtTheLimitButGiveOne) {
  const wire::LoadMany request{{Oid(1), Oid(9), Oid(2)}, kMaxTid};
  const auto all = read_load_many(store_, request, Tid(50), 1 << 20, kMemory).value();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[1].status, storage::LoadStatus::unknown);
  EXPECT_EQ(read_load_many(store_, request, Tid(50), 1, kMemory)->size(), 1U);
}

TEST_F(ReadServiceTest, WalksInParts) {
  const auto first = read_walk(store_, {Oid(0), 2}, Tid(50)).value();
  EXPECT_EQ(first.items, (std::vector<wire::Walked::Item>{{Oid(1), Tid(30)}, {Oid(2), Tid(20)}}));
  EXPECT_EQ(first.next, Oid(3));
  const auto rest = read_walk(store_, {first.next, 2}, Tid(50)).value();
  EXPECT_EQ(rest.items, (std::vector<wire::Walked::Item>{{Oid(3), Tid(50)}}));
  EXPECT_TRUE(rest.next.is_zero());
}

TEST_F(ReadServiceTest, TheLogShowsTransactionsOnly) {
  const auto log = read_log(store_, {kNoTid, kMaxTid, 100}, Tid(50), 1 << 20).value();
  ASSERT_EQ(log.items.size(), 3U);
  EXPECT_EQ(log.items[0].tid, Tid(20));
  EXPECT_EQ(log.items[0].metadata.user, "user 20");
  EXPECT_EQ(log.items[0].objects.size(), 2U);
  EXPECT_EQ(log.items[2].tid, Tid(50));
  EXPECT_TRUE(log.end);
  EXPECT_EQ(log.next_after, Tid(50));
}

TEST_F(ReadServiceTest, TheLogIsReadInPartsWithoutAGap) {
  std::vector<Tid> tids;
  Tid after = kNoTid;
  for (bool end = false; !end;) {
    const auto part = read_log(store_, {after, kMaxTid, 1}, Tid(50), 1 << 20).value();
    for (const auto& item : part.items) tids.push_back(item.tid);
    EXPECT_TRUE(part.end || part.next_after > after);
    after = part.next_after;
    end = part.end;
  }
  EXPECT_EQ(tids, (std::vector<Tid>{Tid(20), Tid(30), Tid(50)}));
}

TEST_F(ReadServiceTest, TheLogEndsAtTheLine) {
  const auto log = read_log(store_, {Tid(20), kMaxTid, 100}, Tid(40), 1 << 20).value();
  ASSERT_EQ(log.items.size(), 1U);
  EXPECT_TRUE(log.end);
  EXPECT_TRUE(read_log(store_, {Tid(90), kMaxTid, 100}, Tid(40), 1 << 20)->end);
}

TEST_F(ReadServiceTest, TheLogTellsWhatWasPacked) {
  TransactionRecord pack = record(60, {}, RecordKind::pack);
  pack.pack_horizon = Tid(30);
  ASSERT_TRUE(store_.append({&pack, 1}));
  const auto log = read_log(store_, {kNoTid, kMaxTid, 100}, Tid(60), 1 << 20).value();
  std::string statuses;
  for (const auto& item : log.items) statuses += item.status;
  EXPECT_EQ(statuses, "pp ");
}

// As iterators leave it out, and exports from a directory.
TEST_F(ReadServiceTest, TheLogHasNoEmptyTransactionsThatAPackHasBeenOver) {
  TransactionRecord imported = record(60, {});
  imported.status = kStatusPacked;
  TransactionRecord pack = record(80, {}, RecordKind::pack);
  pack.pack_horizon = Tid(60);
  ASSERT_TRUE(store_.append(std::vector<TransactionRecord>{imported, record(70, {})}));
  const auto tids = [this] {
    std::vector<Tid> found;
    const auto log = read_log(store_, {Tid(30), kMaxTid, 100}, Tid(80), 1 << 20).value();
    for (const auto& item : log.items) found.push_back(item.tid);
    return found;
  };
  EXPECT_EQ(tids(), (std::vector<Tid>{Tid(50), Tid(60), Tid(70)}));
  ASSERT_TRUE(store_.append({&pack, 1}));
  EXPECT_EQ(tids(), (std::vector<Tid>{Tid(50), Tid(70)}));
}

TEST_F(ReadServiceTest, AVerifyCountsWhatIsThere) {
  const auto report = read_verify(store_, nullptr, Tid(50)).value();
  EXPECT_EQ(report.transactions, 3U);
  EXPECT_EQ(report.revisions, 4U);
  EXPECT_TRUE(report.problems.empty());
  EXPECT_FALSE(report.digest.empty());
}

TEST_F(ReadServiceTest, AVerifyTellsOfReferences) {
  TransactionRecord refers = record(60, {{4, kNoTid}});
  refers.writes[0].data = Bytes(zodb_record("text", {Oid(1), Oid(77)}));
  ASSERT_TRUE(store_.append({&refers, 1}));
  const auto report = read_verify(store_, nullptr, Tid(60)).value();
  EXPECT_TRUE(report.problems.empty());
  EXPECT_EQ(report.dangling_count, 1U);
  EXPECT_EQ(report.dangling, (std::vector<wire::VerifyReport::Reference>{{Oid(4), Oid(77)}}));
  EXPECT_EQ(report.unscanned, 3U);  // the others are texts
}

TEST(ReadService, ProblemsThatAreNotDescribedAreCounted) {
  maintenance::VerifyReport report;
  report.problem_count = 3;
  report.problems = {"a"};
  EXPECT_EQ(to_wire(report).problems, (std::vector<std::string>{"a", "and 2 more"}));
}

// Object 1 has a blob of 1000 bytes as of 70.
class ReadBlobTest : public ReadServiceTest {
 protected:
  ReadBlobTest() {
    for (int i = 0; i < 100; ++i) content_ += "0123456789";
    blobs::StagedBlob staged = blobs_->stage().value();
    EXPECT_TRUE(staged.append(content_) && staged.seal(Oid(1)));
    blob_ = staged.info();
    TransactionRecord with_blob = record(70, {{1, Tid(30)}, {2, Tid(20)}});
    with_blob.writes[0].blob = blob_;
    EXPECT_TRUE(store_.append({&with_blob, 1}));
    EXPECT_TRUE(blobs_->install(staged.release(), Oid(1), Tid(70)));
  }
  [[nodiscard]] Result<wire::BlobPart> read(const wire::LoadBlob& request, Tid line = Tid(70),
                                            std::size_t bytes_max = 1 << 20) const {
    return read_blob(store_, &*blobs_, request, line, bytes_max);
  }
  [[nodiscard]] ErrorCode error(const wire::LoadBlob& request, Tid line = Tid(70)) const {
    const auto part = read(request, line);
    EXPECT_FALSE(part);
    return part ? ErrorCode::aborted : part.error().code;
  }

  testing::TemporaryDirectory directory_;
  std::unique_ptr<blobs::BlobDirectory> blobs_ =
      blobs::BlobDirectory::open({.path = directory_ / "blobs", .reserve_bytes = 0}).value();
  std::string content_;
  BlobInfo blob_;
};

TEST_F(ReadBlobTest, GivesPartsAndWhatTheWholeIs) {
  EXPECT_EQ(read({Oid(1), Tid(70)}), (wire::BlobPart{blob_, Bytes(content_)}));
  EXPECT_EQ(read({Oid(1), Tid(70), 3, 4})->data.view(), "3456");
  EXPECT_EQ(read({Oid(1), Tid(70), 998, 4})->data.view(), "89");
  EXPECT_EQ(read({Oid(1), Tid(70), 1000, 4}), (wire::BlobPart{blob_, {}}));
  const std::size_t fits = read({Oid(1), Tid(70)}, Tid(70), 500)->data.size();
  EXPECT_TRUE(fits > 100 && fits < 500) << fits;
  EXPECT_GT(read({Oid(1), Tid(70)}, Tid(70), 0)->data.size(), 0U);
}

TEST_F(ReadBlobTest, WhatHasNoBlobIsNotFound) {
  EXPECT_EQ(error({Oid(2), Tid(70)}), ErrorCode::not_found);
  EXPECT_EQ(error({Oid(1), Tid(30)}), ErrorCode::not_found);
  EXPECT_EQ(error({Oid(1), Tid(65)}), ErrorCode::not_found);
  EXPECT_EQ(error({Oid(1), Tid(70)}, Tid(60)), ErrorCode::not_found);  // above the line
  EXPECT_EQ(error({Oid(1), Tid(70), 1001, 1}), ErrorCode::invalid_argument);
  EXPECT_EQ(read_blob(store_, nullptr, {Oid(1), Tid(70)}, Tid(70), 100).error().code,
            ErrorCode::not_found);
}

TEST_F(ReadBlobTest, AFileThatIsGoneOrDamagedIsTold) {
  std::filesystem::permissions(blobs_->path_of(Oid(1), Tid(70)), std::filesystem::perms::all);
  std::filesystem::resize_file(blobs_->path_of(Oid(1), Tid(70)), 5);
  EXPECT_EQ(error({Oid(1), Tid(70)}), ErrorCode::corruption);
  EXPECT_EQ(error({Oid(1), Tid(70), 0, 2}), ErrorCode::corruption);
  std::filesystem::remove(blobs_->path_of(Oid(1), Tid(70)));
  EXPECT_EQ(error({Oid(1), Tid(70)}), ErrorCode::not_found);
}

TEST_F(ReadServiceTest, KnowsItsHistory) {
  const ChainHash chain = store_.log_entry(Tid(30)).value()->position.chain;
  ChainHash other = chain;
  other[0] ^= 1;
  EXPECT_TRUE(is_in_history(store_, {Epoch(1), Tid(30), {}}).value());
  EXPECT_TRUE(is_in_history(store_, {Epoch(1), Tid(30), chain}).value());
  EXPECT_FALSE(is_in_history(store_, {Epoch(1), Tid(30), other}).value());
  EXPECT_FALSE(is_in_history(store_, {Epoch(1), Tid(31), {}}).value());
  EXPECT_FALSE(is_in_history(store_, {Epoch(2), Tid(30), {}}).value());
  EXPECT_FALSE(is_in_history(store_, {Epoch(2), Tid(30), chain}).value());
  EXPECT_TRUE(is_in_history(store_, {Epoch(), Tid(30), {}}).value());
}

}  // namespace
}  // namespace zeolite::daemon
