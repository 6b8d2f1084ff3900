#include "cli/divergence_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/temporary_directory.h"

namespace zeolite::cli {
namespace {

using ::testing::HasSubstr;

ShownDivergence sample() {
  TransactionRecord epoch;
  epoch.kind = RecordKind::epoch;
  epoch.epoch = Epoch(2);
  epoch.tid = Tid(10);
  TransactionRecord transaction;
  transaction.epoch = Epoch(2);
  transaction.tid = Tid(11);
  transaction.metadata = {"anna", "a\nb", "\x80"};
  ObjectWrite undo{.oid = Oid(4), .previous = Tid(5), .data = {}, .back = Tid(3)};
  undo.kind = RevisionKind::back_pointer;
  ObjectWrite deletion{.oid = Oid(6), .previous = Tid(5), .data = {}, .back = kNoTid};
  deletion.kind = RevisionKind::deletion;
  ObjectWrite created{
      .oid = Oid(8), .previous = kNoTid, .data = Bytes(std::string("abc")), .back = kNoTid};
  created.blob = BlobInfo{.size = 99};
  transaction.writes = {undo, deletion, created};
  TransactionRecord pack;
  pack.kind = RecordKind::pack;
  pack.epoch = Epoch(2);
  pack.tid = Tid(12);
  pack.pack_horizon = Tid(9);
  return {"x/2-5-c.zdiv", {Position{Epoch(1), Tid(5), {}}, {epoch, transaction, pack}}};
}

TEST(DivergenceOutput, TellsPeopleWhatWasUndone) {
  const std::string text = divergence_text(sample());
  EXPECT_THAT(text, HasSubstr("x/2-5-c.zdiv\n1 transactions, 2 records of the server's own; the "
                              "histories part after 0000000000000005 ("));
  EXPECT_THAT(text, HasSubstr("UTC) of epoch 1\n"));
  EXPECT_THAT(text, HasSubstr("epoch 2 begins\n"));
  EXPECT_THAT(text, HasSubstr("user 'anna'  'a\\nb'\n"));
  EXPECT_THAT(text, HasSubstr("    0000000000000004  undo, back to 0000000000000003, was "
                              "0000000000000005\n"));
  EXPECT_THAT(text, HasSubstr("    0000000000000006  deleted, was 0000000000000005\n"));
  EXPECT_THAT(text,
              HasSubstr("    0000000000000008  3 bytes, a blob of 99 bytes, not kept, new\n"));
  EXPECT_THAT(text, HasSubstr("pack as of 1900-01-01"));
}

TEST(DivergenceOutput, TellsScriptsTheSame) {
  const std::string json = divergences_json({sample()});
  EXPECT_TRUE(json.starts_with(R"({"files":[{"file":"x/2-5-c.zdiv","ancestor_epoch":1,)"));
  EXPECT_THAT(json,
              HasSubstr(R"("transactions":1,"records":[{"kind":"epoch","tid":"000000000000000a")"));
  EXPECT_THAT(json, HasSubstr(R"("user":"anna","description":"a\nb","extension":"80")"));
  EXPECT_THAT(json, HasSubstr(R"({"oid":"0000000000000008","previous":"0000000000000000",)"
                              R"("kind":"data","size":3,"blob_size":99,"blob_file":null})"));
  EXPECT_THAT(json, HasSubstr(R"("kind":"undo","size":0,"blob_size":null)"));
  EXPECT_THAT(json, HasSubstr(R"("pack_horizon":"0000000000000009")"));
  EXPECT_EQ(json.find('\n'), json.size() - 1);
  EXPECT_EQ(divergences_json({}), "{\"files\":[]}\n");
}

TEST(DivergenceOutput, SaysWhereBlobsAreKept) {
  const testing::TemporaryDirectory directory;
  ShownDivergence shown = sample();
  shown.file = directory / "2-5-c.zdiv";
  const std::filesystem::path blob = daemon::blob_beside(shown.file, Oid(8), Tid(11));
  std::filesystem::create_directories(blob.parent_path());
  std::ofstream(blob) << "content";
  EXPECT_THAT(divergence_text(shown),
              HasSubstr("a blob of 99 bytes in " + blob.string() + ", new\n"));
  EXPECT_THAT(divergences_json({shown}), HasSubstr("\"blob_file\":\"" + blob.string() + "\""));
  EXPECT_THAT(blob.string(), HasSubstr("/2-5-c.blobs/0x00/")) << "beside the file";
}

ReplayReport sample_report(bool dry_run) {
  using Outcome = ReplayReport::Item::Outcome;
  ReplayReport report;
  report.dry_run = dry_run;
  report.items = {{.outcome = Outcome::replayed, .tid = Tid(1), .new_tid = Tid(17), .why = {}},
                  {.outcome = Outcome::present, .tid = Tid(2), .new_tid = Tid(16), .why = {}},
                  {.outcome = Outcome::left_out, .tid = Tid(3), .new_tid = {}, .why = "conflict"}};
  return report;
}

TEST(DivergenceOutput, TellsWhatBecameOfEachTransaction) {
  EXPECT_EQ(replay_text(sample_report(false)),
            "0000000000000001  replayed as 0000000000000011\n"
            "0000000000000002  is there already, as 0000000000000010\n"
            "0000000000000003  left out: conflict\n"
            "replayed 1 of 3 transactions, 1 were there already, 1 left out\n");
  EXPECT_THAT(replay_text(sample_report(true)), HasSubstr("0000000000000001  would be replayed\n"));
  const std::string json = replay_json(sample_report(false));
  EXPECT_TRUE(json.starts_with(
      R"({"dry_run":false,"transactions":3,"replayed":1,"present":1,"left_out":1,"items":[)"))
      << json;
  EXPECT_THAT(json, HasSubstr(R"({"tid":"0000000000000003","outcome":"left_out","new_tid":)"
                              R"("0000000000000000","why":"conflict"})"));
}

}  // namespace
}  // namespace zeolite::cli
