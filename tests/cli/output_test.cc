#include "cli/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "model/tid_time.h"

namespace zeolite::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Tid kTid{0x0352f5a1c3d4e5f6};

TEST(Output, PrintableEscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("Gr\xc3\xbc\xc3\x9f"
                      "e"),
            "Gr\xc3\xbc\xc3\x9f"
            "e");
  EXPECT_EQ(printable("a\nb\tc\\d"), "a\\nb\\tc\\\\d");
  EXPECT_EQ(printable("\x1b[31m\x7f"), "\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\xc2\\x9b2J");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

wire::StatusReport sample_status() {
  wire::StatusReport status;
  status.role = wire::NodeRole::primary;
  status.node = "db1";
  status.storage = "main";
  status.version = "0.1.0";
  status.epoch = Epoch(3);
  status.last_tid = kTid;
  status.visible_tid = Tid(1);
  status.clients = 2;
  return status;
}

TEST(Output, StatusJsonHasTheContractsKeys) {
  const std::string json = status_json(sample_status());
  EXPECT_THAT(json, HasSubstr(R"("role":"primary")"));
  EXPECT_THAT(json, HasSubstr(R"("epoch":3)"));
  EXPECT_THAT(json, HasSubstr(R"("last_tid":"0352f5a1c3d4e5f6")"));
  EXPECT_THAT(json, HasSubstr(R"("visible_tid":"0000000000000001")"));
  EXPECT_THAT(json, HasSubstr(R"("clients":2)"));
  EXPECT_THAT(json, HasSubstr(R"("standbys":[])"));
  EXPECT_EQ(json.find('\n'), json.size() - 1);
}

TEST(Output, StatusShowsStandbysWithTheirLag) {
  wire::StatusReport status = sample_status();
  EXPECT_THAT(status_text(status), HasSubstr("standbys     none\n"));
  status.standbys.push_back({"db2", kTid, 5, "streaming", true, 20, "10.0.0.2:8090", 700});
  status.standbys.push_back({"db3", Tid(0), 0, {}, false, 0, {}});
  const std::string text = status_text(status);
  EXPECT_THAT(text, HasSubstr("standby      db2 (10.0.0.2:8090), streaming, in sync, has "
                              "0352f5a1c3d4e5f6, 5 transactions (700 bytes) and 20 ms behind\n"));
  EXPECT_THAT(text, HasSubstr("standby      db3, has 0000000000000000, 0 transactions behind\n"));
  EXPECT_THAT(status_json(status),
              HasSubstr(R"("lag_transactions":5,"lag_ms":20,"state":"streaming","in_sync":true,)"
                        R"("address":"10.0.0.2:8090","lag_bytes":700})"));
}

TEST(Output, StatusTellsWhatHappenedToTheStandbysThatAreWaitedFor) {
  wire::StatusReport status = sample_status();
  EXPECT_THAT(status_text(status), Not(HasSubstr("delays")));
  EXPECT_THAT(status_text(status), Not(HasSubstr("commits wait")));
  status.sync_changes = 5;
  status.delayed_groups = 2;
  status.longest_delay_ms = 3012;
  status.blocked = true;
  status.shown_age_ms = 130;
  const std::string text = status_text(status);
  EXPECT_THAT(text, HasSubstr("commits wait  no standby is there to confirm them\n"));
  EXPECT_THAT(text, HasSubstr("delays       2 times commits waited for a lost standby, 3012 ms at "
                              "most\n"));
  EXPECT_THAT(text, HasSubstr("age          130 ms\n"));
  EXPECT_THAT(status_json(status),
              HasSubstr(R"("sync_changes":5,"delayed_groups":2,"longest_delay_ms":3012,)"
                        R"("blocked":true,"shown_age_ms":130})"));
}

TEST(Output, StatusSaysWhoLeadsAndWhatIsPromised) {
  wire::StatusReport status = sample_status();
  EXPECT_THAT(status_text(status), HasSubstr("durability   local\nprimary      this node\n"));
  EXPECT_THAT(status_text(status), HasSubstr("epoch        3\n"));
  status.role = wire::NodeRole::standby;
  EXPECT_THAT(status_text(status), HasSubstr("primary      not known\n"));
  status.leader = "10.0.0.1:8090";
  status.durability = "standby";
  status.promised = Epoch(4);
  EXPECT_THAT(status_text(status), HasSubstr("durability   standby\nprimary      10.0.0.1:8090\n"));
  EXPECT_THAT(status_text(status), HasSubstr("epoch        3 (promised 4)\n"));
  EXPECT_THAT(status_json(status),
              HasSubstr(R"("leader":"10.0.0.1:8090","durability":"standby","promised":4)"));
}

TEST(Output, StatusSaysWhyWritesAreRefused) {
  wire::StatusReport status = sample_status();
  status.accepts_writes = false;
  status.refuses_why = "the disk is full";
  EXPECT_THAT(status_text(status), HasSubstr("refused: the disk is full"));
  EXPECT_THAT(status_json(status), HasSubstr(R"("refuses_why":"the disk is full")"));
}

TEST(Output, LoadedJsonHasBytesInHex) {
  wire::Loaded loaded{.status = wire::LoadedStatus::found,
                      .data = Bytes::copy_of(ByteView("\x80\x00z", 3)),
                      .tid = kTid,
                      .end = {}};
  EXPECT_EQ(loaded_json(Oid(0x2a), loaded),
            R"({"oid":"000000000000002a","tid":"0352f5a1c3d4e5f6","end":null,"size":3,)"
            R"("data":"80007a"})"
            "\n");
  loaded.end = Tid(0xff);
  EXPECT_THAT(loaded_json(Oid(0x2a), loaded), HasSubstr(R"("end":"00000000000000ff")"));
}

wire::LogReply::Item sample_item() {
  wire::LogReply::Item item;
  item.tid = tid_from_time({912'694'929'000'000});  // 1998-12-03 14:22:09
  item.metadata = {"admin", "/manage\nadd\xff", "}q."};
  item.objects = {{.oid = Oid(1), .previous = {}, .back = {}},
                  {.oid = Oid(0x2a), .previous = {}, .back = {}}};
  return item;
}

TEST(Output, LogLineHasTabsBetweenItsFields) {
  const std::string line = log_text(sample_item());
  EXPECT_THAT(line, HasSubstr("\t1998-12-03 14:22:09.000000\tadmin\t/manage\\nadd\\xff\t"
                              "0000000000000001,000000000000002a\n"));
  EXPECT_TRUE(line.starts_with(to_hex(sample_item().tid)));
}

TEST(Output, LogJsonIsOneValidLine) {
  const std::string line = log_json(sample_item());
  EXPECT_THAT(line, HasSubstr(R"("description":"/manage\nadd)"
                              "\xEF\xBF\xBD\""));
  EXPECT_THAT(line, HasSubstr(R"("oids":["0000000000000001","000000000000002a"])"));
  EXPECT_THAT(line, HasSubstr(R"("extension":"7d712e")"));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(Output, VerifyHasTheContractsKeysAndItsProblems) {
  wire::VerifyReport report{.transactions = 1,
                            .revisions = 2,
                            .blobs = 0,
                            .digest = "ab",
                            .problems = {},
                            .dangling = {}};
  EXPECT_EQ(verify_json(report),
            R"({"transactions":1,"revisions":2,"blobs":0,"digest":"ab","clean":true,)"
            R"("problems":[],"dangling_count":0,"dangling":[],"unscanned":0})"
            "\n");
  EXPECT_THAT(verify_text(report), HasSubstr("digest        ab\nclean\n"));
  report.problems = {"object 2a is missing"};
  EXPECT_THAT(verify_text(report), HasSubstr("damage: object 2a is missing\nDAMAGED\n"));
  EXPECT_THAT(verify_json(report), HasSubstr(R"("clean":false)"));
}

TEST(Output, VerifyTellsOfReferencesWithoutCallingThemDamage) {
  const wire::VerifyReport report{.transactions = 1,
                                  .revisions = 2,
                                  .blobs = 0,
                                  .digest = "ab",
                                  .problems = {},
                                  .dangling_count = 3,
                                  .dangling = {{Oid(1), Oid(0x2a)}},
                                  .unscanned = 4};
  EXPECT_THAT(verify_json(report),
              HasSubstr(R"("clean":true,"problems":[],"dangling_count":3,)"
                        R"("dangling":[{"from":"0000000000000001","to":"000000000000002a"}],)"
                        R"("unscanned":4})"));
  EXPECT_THAT(
      verify_text(report),
      HasSubstr("note: 4 current records are no ZODB records, their references are unknown\n"
                "note: object 0000000000000001 refers to 000000000000002a, which does not "
                "exist\n"
                "note: and 2 more references to objects that do not exist\n"
                "clean\n"));
}

TEST(Output, ImportSaysWhatWasLeftOut) {
  maintenance::ImportReport report;
  report.transactions = 7;
  report.last_tid = kTid;
  report.undone_transactions = 2;
  report.warnings = {"the file ends in the middle of a transaction"};
  EXPECT_THAT(import_text(report, false), HasSubstr("imported 7 transactions"));
  EXPECT_THAT(import_text(report, true), HasSubstr("would import 7 transactions"));
  EXPECT_THAT(import_text(report, false), HasSubstr("2 undone transactions were left out"));
  EXPECT_THAT(import_text(report, false), HasSubstr("warning: the file ends"));
  EXPECT_THAT(import_json(report, true), HasSubstr(R"("dry_run":true,"transactions":7)"));
}

TEST(Output, ExportSaysWhatItWrote) {
  maintenance::ExportReport report{.transactions = 7,
                                   .records = 6,
                                   .data_bytes = 5,
                                   .back_pointers = 4,
                                   .file_bytes = 3,
                                   .last_tid = kTid};
  EXPECT_THAT(export_text(report), HasSubstr("exported 7 transactions, 6 records, 5 bytes"));
  EXPECT_THAT(export_text(report), HasSubstr("wrote 3 bytes\n"));
  EXPECT_THAT(export_text(report), Not(HasSubstr("packed")));
  report.packed_records = 2;
  EXPECT_THAT(export_text(report), HasSubstr("2 more records of them were packed away"));
  EXPECT_EQ(
      export_json(report),
      R"({"transactions":7,"records":6,"data_bytes":5,"back_pointers":4,"blobs":0,"blob_bytes":0,)"
      R"("blobs_left_out":0,"file_bytes":3,)"
      R"("packed_records":2,"last_tid":")" +
          to_hex(kTid) + "\"}\n");
}

BenchReport sample_bench(BenchKind kind) {
  BenchReport report;
  report.kind = kind;
  report.clients = 4;
  report.seconds = 2;
  report.commits = 10;
  report.commits_in_time = 8;
  report.loads = 20;
  report.reads_in_time = 20;
  report.unknown = 1;
  report.longest_gap = std::chrono::milliseconds(1500);
  report.commit_latency.add(Duration(50));
  return report;
}

TEST(Output, BenchJsonHasTheRatesOfItsKind) {
  const std::string commit = bench_json(sample_bench(BenchKind::commit));
  EXPECT_THAT(commit, HasSubstr(R"("commits_per_s":4,)"));
  EXPECT_THAT(commit, Not(HasSubstr("loads_per_s")));
  const std::string load = bench_json(sample_bench(BenchKind::load));
  EXPECT_THAT(load, HasSubstr(R"("loads_per_s":10,)"));
  EXPECT_THAT(load, Not(HasSubstr("commits_per_s")));
  EXPECT_THAT(bench_json(sample_bench(BenchKind::ping)), HasSubstr("pings_per_s"));
  const std::string mixed = bench_json(sample_bench(BenchKind::mixed));
  EXPECT_THAT(mixed, HasSubstr("loads_per_s"));
  EXPECT_THAT(mixed, HasSubstr("commits_per_s"));
}

TEST(Output, BenchJsonHasTheContractsKeys) {
  const std::string json = bench_json(sample_bench(BenchKind::commit));
  for (const char* key : {"p50_us", "p99_us", "acknowledged", "conflicts", "errors", "unknown",
                          "longest_gap_ms", "seconds", "clients"}) {
    EXPECT_THAT(json, HasSubstr("\"" + std::string(key) + "\":"));
  }
  EXPECT_THAT(json, HasSubstr(R"("acknowledged":30)"));
  EXPECT_THAT(json, HasSubstr(R"("longest_gap_ms":1500,)"));
}

TEST(Output, BenchTextNamesWhatWentWrong) {
  BenchReport report = sample_bench(BenchKind::commit);
  EXPECT_THAT(bench_text(report), HasSubstr("4.0 commits/s"));
  EXPECT_THAT(bench_text(report), HasSubstr("1 unknown"));
  report.last_error = "timeout: too slow";
  EXPECT_THAT(bench_text(report), HasSubstr("last error: timeout: too slow"));
}

TEST(Output, VersionIsANumber) {
  EXPECT_THAT(version_text(), ::testing::MatchesRegex("zeolite [0-9.]+\n"));
  EXPECT_THAT(version_json(), HasSubstr(R"({"version":")"));
}

}  // namespace
}  // namespace zeolite::cli
