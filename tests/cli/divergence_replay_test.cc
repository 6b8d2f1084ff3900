#include "cli/divergence_replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace zeolite::cli {
namespace {

using ::testing::HasSubstr;

constexpr Oid kOid{7};

ObjectWrite write(Oid oid, Tid previous, const std::string& data) {
  return {.oid = oid, .previous = previous, .data = Bytes(std::string(data)), .back = kNoTid};
}

TransactionRecord record(std::uint64_t tid, std::vector<ObjectWrite> writes) {
  TransactionRecord made;
  made.epoch = Epoch(2);
  made.tid = Tid(tid);
  made.writes = std::move(writes);
  return made;
}

Result<Bytes> nothing(Oid /*oid*/, Tid /*tid*/) { return make_error(ErrorCode::not_found, "no"); }

TEST(DivergenceReplay, MakesEachFromWhatTheLastBecame) {
  const std::vector<TransactionRecord> tail = {record(11, {write(kOid, Tid(5), "one")}),
                                               record(12, {write(kOid, Tid(11), "two")})};
  DivergenceReplay replay({}, tail);
  const auto first = replay.prepare(tail[0], nothing);
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((**first)[0].base, Tid(5));
  EXPECT_EQ((**first)[0].data.view(), "one");
  replay.committed(tail[0], Tid(21));
  const auto second = replay.prepare(tail[1], nothing);
  ASSERT_TRUE(second && *second);
  EXPECT_EQ((**second)[0].base, Tid(21));
}

TEST(DivergenceReplay, WhatIsBuiltUponWhatIsLeftOutIsLeftOutToo) {
  const std::vector<TransactionRecord> tail = {record(11, {write(kOid, Tid(5), "one")}),
                                               record(12, {write(kOid, Tid(11), "two")}),
                                               record(13, {write(Oid(8), Tid(5), "other")})};
  DivergenceReplay replay({}, tail);
  replay.left_out(tail[0]);
  const auto second = replay.prepare(tail[1], nothing);
  ASSERT_TRUE(second);
  ASSERT_FALSE(*second);
  EXPECT_THAT(second->error(), HasSubstr("transaction 000000000000000b"));
  const auto third = replay.prepare(tail[2], nothing);
  EXPECT_TRUE(third && *third);
}

TEST(DivergenceReplay, AnUndoBecomesTheDataItShows) {
  ObjectWrite undo = write(kOid, Tid(12), "");
  undo.kind = RevisionKind::back_pointer;
  undo.back = Tid(11);
  ObjectWrite older = undo;
  older.back = Tid(3);
  const std::vector<TransactionRecord> tail = {record(11, {write(kOid, Tid(5), "one")}),
                                               record(12, {write(kOid, Tid(11), "two")}),
                                               record(13, {undo}), record(14, {older})};
  const DivergenceReplay replay({}, tail);
  const auto back = replay.prepare(tail[2], nothing);
  ASSERT_TRUE(back && *back);
  EXPECT_EQ((**back)[0].data.view(), "one");
  EXPECT_EQ((**back)[0].kind, RevisionKind::data);
  const auto from_server = replay.prepare(tail[3], [](Oid oid, Tid tid) -> Result<Bytes> {
    EXPECT_EQ(std::pair(oid, tid), std::pair(kOid, Tid(3)));
    return Bytes(std::string("three"));
  });
  ASSERT_TRUE(from_server && *from_server);
  EXPECT_EQ((**from_server)[0].data.view(), "three");
  const auto gone = replay.prepare(tail[3], nothing);
  ASSERT_TRUE(gone);
  EXPECT_THAT(gone->error(), HasSubstr("which is gone"));
  const auto failed = replay.prepare(tail[3], [](Oid, Tid) -> Result<Bytes> {
    return make_error(ErrorCode::unavailable, "lost");
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::unavailable);
}

TEST(DivergenceReplay, BlobsAndWhatWasPackedAreLeftOut) {
  ObjectWrite with_blob = write(kOid, Tid(5), "one");
  with_blob.blob = BlobInfo{.size = 5};
  const std::vector<TransactionRecord> tail = {record(11, {with_blob}), record(12, {})};
  const DivergenceReplay replay({}, tail);
  EXPECT_THAT(replay.prepare(tail[0], nothing)->error(), HasSubstr("blob"));
  EXPECT_THAT(replay.prepare(tail[1], nothing)->error(), HasSubstr("pack"));
}

TEST(DivergenceReplay, ADeletionStaysOne) {
  ObjectWrite deletion = write(kOid, Tid(5), "");
  deletion.kind = RevisionKind::deletion;
  const std::vector<TransactionRecord> tail = {record(11, {deletion})};
  const auto prepared = DivergenceReplay({}, tail).prepare(tail[0], nothing);
  ASSERT_TRUE(prepared && *prepared);
  EXPECT_EQ((**prepared)[0].kind, RevisionKind::deletion);
}

TEST(DivergenceReplay, NamesEachTransactionAlwaysTheSameAndNoTwoAlike) {
  Position ancestor{Epoch(1), Tid(5), {}};
  ancestor.chain.fill(9);
  TransactionRecord first = record(11, {});
  TransactionRecord of_client = record(12, {});
  of_client.commit_id.session.fill(4);
  of_client.commit_id.number = 17;
  const std::vector<TransactionRecord> tail = {first, of_client};
  const DivergenceReplay replay(ancestor, tail);
  EXPECT_EQ(replay.commit_id_of(of_client), of_client.commit_id);
  const CommitId id = replay.commit_id_of(first);
  EXPECT_FALSE(id.empty());
  EXPECT_EQ(DivergenceReplay(ancestor, tail).commit_id_of(first), id);
  EXPECT_NE(replay.commit_id_of(record(13, {})), id);
  TransactionRecord other_reign = first;
  other_reign.epoch = Epoch(3);
  EXPECT_NE(replay.commit_id_of(other_reign), id);
  Position elsewhere = ancestor;
  elsewhere.chain[15] = 0;
  EXPECT_NE(DivergenceReplay(elsewhere, tail).commit_id_of(first), id);
}

TEST(DivergenceReplay, AnEmptyHistoryHasCommitIdsToo) {
  const std::vector<TransactionRecord> tail = {record(1, {})};
  EXPECT_FALSE(DivergenceReplay({}, tail).commit_id_of(tail[0]).empty());
}

TEST(ReplayFrames, CutsALargeTransactionIntoParts) {
  wire::Commit commit;
  commit.number = 3;
  for (std::uint64_t oid = 1; oid <= 5; ++oid) {
    commit.writes.push_back(
        {.oid = Oid(oid), .base = Tid(1), .data = Bytes(std::string(1000, 'x'))});
  }
  const auto whole = replay_frames(commit, 1 << 20);
  ASSERT_EQ(whole.size(), 1U);
  EXPECT_EQ(std::get<wire::Commit>(whole[0]).writes.size(), 5U);
  const auto parts = replay_frames(commit, 3000);
  ASSERT_EQ(parts.size(), 3U);
  std::vector<Oid> oids;
  for (const wire::Message& part : parts) {
    const auto* stage = std::get_if<wire::Stage>(&part);
    EXPECT_EQ(stage != nullptr ? stage->number : std::get<wire::Commit>(part).number, 3U);
    for (const auto& w : stage != nullptr ? stage->writes : std::get<wire::Commit>(part).writes) {
      oids.push_back(w.oid);
    }
  }
  EXPECT_EQ(oids, (std::vector<Oid>{Oid(1), Oid(2), Oid(3), Oid(4), Oid(5)}));
}

}  // namespace
}  // namespace zeolite::cli
