#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "filestorage/data_fs_builder.h"
#include "filestorage/file_storage_reader.h"
#include "integration/program.h"
#include "support/raw_client.h"

namespace zeolite::testing {
namespace {

namespace json = boost::json;

// Real files are not part of the project.
std::filesystem::path shared_file(std::string_view name) {
  const char* const folder = std::getenv("ZEOLITE_SHARED_DATA");
  if (folder != nullptr) return std::filesystem::path(folder) / name;
  return std::filesystem::path(ZEOLITE_SOURCE_DIR) / ".." / "shared" / "data" / name;
}

constexpr std::string_view kGenerated = "generated.fs";

// A small file with every kind of transaction and record, for where there is no real one.
std::string generated_file() {
  constexpr Oid kRoot(0), kCreated(1), kLarge(0x1'0000'0000), kTwice(3);
  const auto tid = [](std::uint64_t number) { return Tid(0x032b'ff9c'0000'0000 + number); };
  filestorage::DataFsBuilder file(filestorage::kMagicPython3);
  file.begin(tid(1), kStatusPacked, "admin", "packed", std::string("}q\0.", 4));
  const std::uint64_t root = file.data(kRoot, "root");
  file.data(kLarge, std::string(3'000'000, 'l'));
  file.end();
  file.begin(tid(2), kStatusNormal, "", "change and create");
  const std::uint64_t changed = file.data(kRoot, "root, changed");
  file.data(kCreated, std::string("\0\xff", 2));
  file.end();
  file.begin(tid(3), kStatusNormal, "", "undo: the creation too");
  const std::uint64_t undone = file.back(kRoot, root);
  file.gone(kCreated);
  file.end();
  file.begin(tid(4), kStatusNormal, "", "empty");
  file.end();
  file.begin(tid(5), filestorage::kStatusUndone, "", "left out");
  const std::uint64_t left_out = file.data(kTwice, "of a transaction that is left out");
  file.end();
  file.begin(tid(6), kStatusNormal, "", "back over several steps");
  file.back(kRoot, changed);
  file.back(kRoot, undone);
  file.back(kTwice, left_out);
  file.end();
  file.commit(tid(7), kCreated, "created again");
  return file.bytes();
}

class Import : public ::testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override {
    if (GetParam() == kGenerated) std::ofstream(file_, std::ios::binary) << generated_file();
    if (!std::filesystem::exists(file_)) {
      GTEST_SKIP() << file_.string() << " is not there; set ZEOLITE_SHARED_DATA to its folder";
    }
    const ProgramResult imported =
        zeolite({"import", "filestorage:" + file_.string(), "--data", data(), "--json"});
    ASSERT_EQ(imported.exit_code, 0) << imported.error;
    report_ = json::parse(imported.out).as_object();
    server_ = std::make_unique<ServerProcess>(serve_options(directory_));
  }

  [[nodiscard]] std::string data() const { return (directory_ / "data").string(); }

  TemporaryDirectory directory_;
  const std::filesystem::path file_ =
      GetParam() == kGenerated ? directory_ / std::string(kGenerated) : shared_file(GetParam());
  json::object report_;
  std::unique_ptr<ServerProcess> server_;
};

void expect_revision(RawClient& client, const ObjectWrite& write, Tid tid, const Bytes& data) {
  SCOPED_TRACE("oid " + to_hex(write.oid) + " at " + to_hex(tid));
  const auto at_tid = client.ask<wire::Loaded>(wire::LoadSerial{write.oid, tid});
  const auto before = client.ask<wire::Loaded>(wire::Load{write.oid, tid.next()});
  ASSERT_TRUE(at_tid) << at_tid.error().to_string();
  ASSERT_TRUE(before) << before.error().to_string();
  if (write.kind == RevisionKind::deletion) {
    EXPECT_EQ(at_tid->status, wire::LoadedStatus::deleted);
    EXPECT_EQ(before->status, wire::LoadedStatus::deleted);
    return;
  }
  for (const auto& loaded : {*at_tid, *before}) {
    EXPECT_EQ(loaded.status, wire::LoadedStatus::found);
    EXPECT_EQ(loaded.tid, tid);
    EXPECT_EQ(loaded.data, data);
  }
}

TEST_P(Import, EveryRecordAtEveryTidComesBackByteForByte) {
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  wire::Hello hello;
  hello.session = random_session();
  RawClient client = *RawClient::open(server_->port(), hello);
  auto reader = filestorage::FileStorageReader::open(file_);
  ASSERT_TRUE(reader) << reader.error().to_string();
  std::map<std::pair<Oid, Tid>, Bytes> all;
  std::map<Oid, Tid> newest;
  Tid after;
  std::uint64_t transactions = 0;
  while (true) {
    const auto record = reader->next();
    ASSERT_TRUE(record) << record.error().to_string();
    if (!*record) break;
    ++transactions;
    const TransactionRecord& transaction = **record;
    const auto log = client.ask<wire::LogReply>(wire::ReadLog{.after = after, .count = 1});
    ASSERT_TRUE(log) << log.error().to_string();
    ASSERT_EQ(log->items.size(), 1U);
    EXPECT_EQ(log->items[0].tid, transaction.tid);
    EXPECT_EQ(log->items[0].metadata, transaction.metadata);
    EXPECT_EQ(log->items[0].status, transaction.status);
    EXPECT_EQ(log->items[0].objects.size(), transaction.writes.size());
    after = transaction.tid;
    for (const ObjectWrite& write : transaction.writes) {
      Bytes data = write.data;
      if (write.kind == RevisionKind::back_pointer) data = all.at({write.oid, write.back});
      expect_revision(client, write, transaction.tid, data);
      all.emplace(std::pair(write.oid, transaction.tid), data);
      newest[write.oid] = transaction.tid;
    }
    ASSERT_FALSE(HasFailure());
  }
  const auto rest = client.ask<wire::LogReply>(wire::ReadLog{.after = after});
  ASSERT_TRUE(rest);
  EXPECT_TRUE(rest->items.empty() && rest->end);
  EXPECT_EQ(report_.at("transactions").to_number<std::uint64_t>(), transactions);
  EXPECT_EQ(report_.at("records").to_number<std::uint64_t>(), all.size());
  for (const auto& [oid, tid] : newest) {
    const auto current = client.ask<wire::Loaded>(wire::Load{oid});
    ASSERT_TRUE(current);
    EXPECT_EQ(current->tid, tid);
    EXPECT_TRUE(current->end.is_zero());
  }
}

TEST_P(Import, VerifyIsCleanAndTheSameWithAndWithoutTheServer) {
  const ProgramResult offline = verify(data());
  ASSERT_EQ(offline.exit_code, 0) << offline.error;
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  const ProgramResult online = zeolite({"verify", "--at", server_->address(), "--json"});
  ASSERT_EQ(online.exit_code, 0) << online.error;
  EXPECT_EQ(server_->stop(), 0);
  const ProgramResult afterwards = verify(data());
  EXPECT_EQ(offline.out, online.out);
  EXPECT_EQ(offline.out, afterwards.out);
  const json::object report = json::parse(offline.out).as_object();
  EXPECT_EQ(report.at("transactions").to_number<std::uint64_t>(),
            report_.at("transactions").to_number<std::uint64_t>());
}

TEST_P(Import, LogListsTheWholeFile) {
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  const ProgramResult log = zeolite({"log", "--at", server_->address(), "--json"});
  ASSERT_EQ(log.exit_code, 0) << log.error;
  std::istringstream lines(log.out);
  std::string line, last;
  std::uint64_t count = 0;
  for (; std::getline(lines, line); ++count) {
    const json::object entry = json::parse(line).as_object();
    const std::string tid(entry.at("tid").as_string());
    EXPECT_GT(tid, last);
    last = tid;
  }
  EXPECT_EQ(count, report_.at("transactions").to_number<std::uint64_t>());
}

// How `log` shows the first and the last transaction of the files whose dates are known.
struct Dates {
  std::string_view file, first, last;
};
constexpr std::array<Dates, 2> kDates{{{kGenerated, "032bff9c00000001\t1999-05-03 22:52:00.000",
                                        "032bff9c00000007\t1999-05-03 22:52:00"},
                                       {"zope-1998.fs", "03292acfb11228b3\t1998-12-30 02:23:41.50",
                                        "0339e9ad72854311\t2001-01-17 05:01:26.84"}}};

TEST_P(Import, LogShowsTheDatesOfTheFile) {
  const auto* const dates = std::ranges::find(kDates, GetParam(), &Dates::file);
  if (dates == kDates.end()) return;
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  const ProgramResult log = zeolite({"log", "--at", server_->address()});
  ASSERT_EQ(log.exit_code, 0) << log.error;
  EXPECT_TRUE(log.out.starts_with(dates->first)) << log.out;
  const std::size_t last_line = log.out.rfind('\n', log.out.size() - 2) + 1;
  EXPECT_TRUE(log.out.substr(last_line).starts_with(dates->last)) << log.out;
}

INSTANTIATE_TEST_SUITE_P(Files, Import,
                         ::testing::Values(kGenerated, "zope-1998.fs", "zodb-test-checker.fs"),
                         [](const auto& file) {
                           std::string name;
                           for (const char c : std::string(file.param)) {
                             if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
                           }
                           return name;
                         });

}  // namespace
}  // namespace zeolite::testing
