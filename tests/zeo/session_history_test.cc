#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "zeo/session_fixture.h"

// Transactions that undo, restore or carry blobs.
namespace zeolite::zeo {
namespace {

using Kind = commit::CommitEffects::Reply::Kind;

constexpr std::string_view kTransactionError = "ZODB.POSException.StorageTransactionError";
constexpr std::string_view kConflictError = "ZODB.POSException.ConflictError";

TEST_F(SessionTransactionsTest, UndoIsPlannedBeforeTheVote) {
  begin();
  one_way("undoa", {bytes("AAAAAAAAAAU="), id()});
  one_way("undoa", {bytes("AAAAAAAAAAQ=\n"), id()});
  store(3, 7, "mine");
  EXPECT_EQ(prepare().undos, (std::vector<Tid>{Tid(5), Tid(4)}));
  Prepared plan;
  plan.undone.push_back(
      {.oid = Oid(1), .base = Tid(5), .kind = RevisionKind::back_pointer, .back = Tid(2)});
  plan.undone.push_back({.oid = Oid(3), .base = Tid(5)});  // it stores that itself
  plan.swept_pack = Tid(3);
  prepared(plan);
  const commit::StagedTransaction staged = submitted();
  EXPECT_EQ(staged.swept_pack, Tid(3));
  ASSERT_EQ(staged.writes.size(), 2U);
  EXPECT_EQ(staged.writes[0].data.view(), "mine");
  EXPECT_EQ(staged.writes[1].oid, Oid(1));
  EXPECT_EQ(staged.writes[1].back, Tid(2));
  voted();
  EXPECT_EQ(result(), list({oid(1), oid(3)}));  // else the client would not know
  call("tpc_finish", {id()});
  const auto finish = engine_call<commit::calls::Finish>();
  reply({.ticket = finish.reply_to, .kind = Kind::committed, .tid = Tid(99)});
  EXPECT_EQ(effects_.committed->tid, Tid(99));
}

TEST_F(SessionTransactionsTest, WhatCannotBeUndoneIsTold) {
  begin();
  one_way("undoa", {bytes("AAAAAAAAAAU="), id()});
  prepare();
  prepared(Prepared{.undo_failures = {{Oid(1), "no"}, {Oid(2), "neither"}}});
  EXPECT_EQ(error(), (Exception{"ZODB.POSException.MultipleUndoErrors",
                                dict({{"_errs", list({tuple({oid(1), text("no")}),
                                                      tuple({oid(2), text("neither")})})}})}));
  EXPECT_TRUE(over());
}

TEST_F(SessionTransactionsTest, AnUndoIdThatIsNoneIsTold) {
  begin();
  one_way("undoa", {bytes("no undo id"), id()});
  EXPECT_TRUE(silent());
  vote();
  EXPECT_EQ(error_class(), "ZODB.POSException.MultipleUndoErrors");
  EXPECT_TRUE(over());
  begin();
  EXPECT_EQ(submit_nothing(), list({}));  // the next one is not concerned
}

TEST_F(SessionTransactionsTest, AnOvertakenUndoIsPlannedAgain) {
  begin();
  one_way("undoa", {bytes("AAAAAAAAAAU="), id()});
  prepare();
  Prepared plan;
  plan.undone.push_back({.oid = Oid(1), .base = Tid(5)});
  for (int times = 0; times < 10; ++times) {
    prepared(plan);
    submitted();
    conflicted({{.oid = Oid(1), .current = Tid(8), .base = Tid(5)}});
    EXPECT_EQ(preparation().undos, std::vector<Tid>{Tid(5)});
  }
  prepared(plan);
  submitted();
  conflicted({{.oid = Oid(1), .current = Tid(8), .base = Tid(5)}});
  EXPECT_EQ(error_class(), kConflictError);
  EXPECT_TRUE(over());
}

TEST_F(SessionTransactionsTest, AFailedPreparationIsTold) {
  begin();
  one_way("undoa", {bytes("AAAAAAAAAAU="), id()});
  prepare();
  prepared(make_error(ErrorCode::io_error, "the disk"));
  EXPECT_EQ(error_class(), "ZODB.POSException.StorageError");
  EXPECT_TRUE(over());
}

TEST_F(SessionTransactionsTest, ACopiedTransactionKeepsItsTidAndStatus) {
  one_way("tpc_begin", {id(), bytes("u"), bytes("d"), none(), tid(77), text("p")});
  one_way("restorea", {oid(1), tid(77), bytes("one"), none(), id()});
  one_way("restorea", {oid(2), tid(77), bytes("two"), tid(60), id()});
  one_way("restorea", {oid(3), tid(77), none(), none(), id()});
  one_way("restorea", {oid(4), tid(77), none(), tid(40), id()});
  const Preparation wanted = prepare();
  ASSERT_EQ(wanted.restored.size(), 2U);
  EXPECT_EQ(wanted.restored[0].oid, Oid(2));
  EXPECT_EQ(wanted.restored[0].source, Tid(60));
  EXPECT_EQ(wanted.restored[0].data.value().view(), "two");
  EXPECT_EQ(wanted.restored[1].source, Tid(40));
  EXPECT_FALSE(wanted.restored[1].data);
  prepared(Prepared{.repeated = {{Oid(2), Tid(50)}, {Oid(4), kNoTid, Tid(40)}}});
  const commit::StagedTransaction staged = submitted();
  EXPECT_EQ(staged.fixed_tid, Tid(77));
  EXPECT_EQ(staged.status, 'p');
  EXPECT_TRUE(staged.metadata.extension.empty());
  ASSERT_EQ(staged.writes.size(), 4U);
  EXPECT_TRUE(staged.writes[0].unchecked);
  EXPECT_EQ(staged.writes[1].kind, RevisionKind::back_pointer);
  EXPECT_EQ(staged.writes[1].back, Tid(50));
  EXPECT_TRUE(staged.writes[1].data.empty());
  EXPECT_EQ(staged.writes[2].kind, RevisionKind::deletion);
  EXPECT_EQ(staged.writes[2].via, kNoTid);
  EXPECT_EQ(staged.writes[3].kind, RevisionKind::deletion);
  EXPECT_EQ(staged.writes[3].via, Tid(40));
}

// What was found out for one vote is not taken for the next.
TEST_F(SessionTransactionsTest, AStoreAfterAConflictReplacesARestoredRecord) {
  begin();
  one_way("restorea", {oid(2), tid(77), bytes("two"), tid(60), id()});
  store(1, 5, "mine");
  prepare();
  prepared(Prepared{.repeated = {{Oid(2), Tid(60)}}});
  submitted();
  conflicted({{.oid = Oid(1), .current = Tid(8), .base = Tid(5)}});
  store(1, 8, "resolved");
  store(2, 60, "new");
  const commit::StagedTransaction staged = submit();
  EXPECT_EQ(staged.writes[0].kind, RevisionKind::data);
  EXPECT_EQ(staged.writes[0].data.view(), "new");
}

TEST_F(SessionTransactionsTest, ABlobIsUploadedInPieces) {
  begin();
  store(1, 0, "blob");
  one_way("storeBlobStart");
  ASSERT_EQ(effects_.blobs.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<SessionEffects::BlobBegin>(effects_.blobs[0]));
  one_way("storeBlobChunk", {bytes("piece")});
  EXPECT_EQ(std::get<SessionEffects::BlobChunk>(effects_.blobs.at(0)).data.view(), "piece");
  one_way("storeBlobEnd", {oid(1), tid(0), bytes("blob"), id()});
  EXPECT_EQ(std::get<SessionEffects::BlobEnd>(effects_.blobs.at(0)).oid, Oid(1));
  EXPECT_EQ(prepare().blobs, std::vector<Oid>{Oid(1)});
  prepared(Prepared{.blobs = {{Oid(1), BlobInfo{5, {}}, "staged"}}});
  const commit::StagedTransaction staged = submitted();
  ASSERT_EQ(staged.writes.size(), 1U);
  ASSERT_TRUE(staged.writes[0].blob);
  EXPECT_EQ(staged.writes[0].blob->size, 5U);
  EXPECT_EQ(staged.writes[0].staged_blob, "staged");
}

TEST_F(SessionTransactionsTest, ABlobInTheSharedDirectory) {
  begin();
  one_way("storeBlobShared", {oid(1), tid(0), bytes("blob"), text("a.tmp"), id()});
  const auto& shared = std::get<SessionEffects::BlobShared>(effects_.blobs.at(0));
  EXPECT_EQ(shared.oid, Oid(1));
  EXPECT_EQ(shared.file_name, "a.tmp");
  EXPECT_EQ(prepare().blobs, std::vector<Oid>{Oid(1)});
}

TEST_F(SessionTransactionsTest, BlobsOutOfPlaceEndIt) {
  const auto end = std::vector<Value>{oid(1), tid(0), bytes("blob"), id()};
  using Steps = std::vector<std::pair<std::string_view, std::vector<Value>>>;
  const auto stories = std::vector<Steps>{
      {{"storeBlobChunk", {bytes("x")}}},
      {{"storeBlobEnd", end}},
      {{"storeBlobStart", {}}, {"storeBlobStart", {}}},
      {{"storeBlobStart", {}}, {"storeBlobChunk", {integer(1)}}},
      {{"storeBlobStart", {}}, {"storeBlobEnd", {oid(1), tid(0), bytes("blob"), id(2)}}},
      {{"storeBlobStart", {}}, {"storeBlobEnd", end}, {"storeBlobEnd", end}},
      {{"storeBlobShared", {oid(1), tid(0), bytes("blob"), integer(3), id()}}},
  };
  for (const Steps& story : stories) {
    SCOPED_TRACE(story.back().first);
    session_ = begun({});
    go_live();
    begin();
    for (const auto& [method, arguments] : story) one_way(method, arguments);
    EXPECT_TRUE(ended());
  }
  session_ = begun({});
  go_live();
  one_way("storeBlobStart");  // without a transaction
  EXPECT_TRUE(ended());
}

TEST_F(SessionTransactionsTest, AVoteWaitsForNoUpload) {
  begin();
  one_way("storeBlobStart");
  vote();
  EXPECT_EQ(error_class(), kTransactionError);
  EXPECT_TRUE(effects_.engine.empty());
  call("tpc_abort", {id()});
  EXPECT_TRUE(effects_.drop_blobs);
  begin(id(2));
  one_way("storeBlobEnd", {oid(1), tid(0), bytes("blob"), id(2)});  // of the one before
  EXPECT_TRUE(ended());
}

TEST_F(SessionTransactionsTest, UploadsAreMadeDurableOnce) {
  begin();
  one_way("storeBlobShared", {oid(1), tid(0), bytes("blob"), text("a.tmp"), id()});
  store(2, 5, "mine");
  prepare();
  prepared(Prepared{.blobs = {{Oid(1), BlobInfo{5, {}}, "first"}}});
  submitted();
  conflicted({{.oid = Oid(2), .current = Tid(8), .base = Tid(5)}});
  store(2, 8, "resolved");
  commit::StagedTransaction staged = submit();
  EXPECT_EQ(staged.writes[0].staged_blob, "first");
  conflicted({{.oid = Oid(2), .current = Tid(9), .base = Tid(8)}});
  // Another upload for the same object, and one for another.
  one_way("storeBlobShared", {oid(1), tid(0), bytes("blob"), text("b.tmp"), id()});
  one_way("storeBlobShared", {oid(3), tid(0), bytes("blob"), text("c.tmp"), id()});
  store(2, 9, "resolved");
  EXPECT_EQ(prepare().blobs, (std::vector<Oid>{Oid(1), Oid(3)}));
  prepared(
      Prepared{.blobs = {{Oid(1), BlobInfo{6, {}}, "second"}, {Oid(3), BlobInfo{7, {}}, "third"}}});
  staged = submitted();
  EXPECT_EQ(staged.writes[0].staged_blob, "second");
  EXPECT_EQ(staged.writes[2].staged_blob, "third");
}

TEST_F(SessionTransactionsTest, WhatIsRemovedAfterAllHasNoBlob) {
  begin();
  one_way("storeBlobShared", {oid(1), tid(0), bytes("blob"), text("a.tmp"), id()});
  store(2, 5, "mine");
  prepare();
  prepared(Prepared{.blobs = {{Oid(1), BlobInfo{5, {}}, "staged"}}});
  submitted();
  conflicted({{.oid = Oid(2), .current = Tid(8), .base = Tid(5)}});
  one_way("deleteObject", {oid(1), tid(0), id()});
  const commit::StagedTransaction staged = submit();
  EXPECT_FALSE(staged.writes[0].blob);
  EXPECT_TRUE(staged.writes[0].staged_blob.empty());
}

TEST_F(SessionTransactionsTest, TheEndOfATransactionDropsItsUploads) {
  begin();
  one_way("storeBlobStart");
  call("tpc_abort", {id()});
  EXPECT_TRUE(effects_.drop_blobs);
  begin();
  one_way("storeBlobShared", {oid(1), tid(0), bytes("blob"), text("a.tmp"), id()});
  prepare();
  prepared(make_error(ErrorCode::not_found, "no such file"));
  EXPECT_TRUE(effects_.drop_blobs);
}

}  // namespace
}  // namespace zeolite::zeo
