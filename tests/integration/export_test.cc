#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "blobs/blob_names.h"
#include "filestorage/data_fs_builder.h"
#include "integration/commit_load.h"
#include "integration/program.h"

namespace zeolite::testing {
namespace {

namespace json = boost::json;

constexpr int kExitAtCrashPoint = 137;

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Apart, as clocks give them: a server's own records take the tid after the last one.
Tid numbered_tid(std::uint64_t number) { return Tid(0x032b'ff9c'0000'0000 + 1000 * number); }

// Some MB, as FileStorage writes it: packed long ago, in part, with an empty transaction there;
// undo of undo and of creations. `transactions` cuts it.
std::string database(std::uint64_t transactions = 400) {
  filestorage::DataFsBuilder file(filestorage::kMagicPython3);
  std::uint64_t previous = 0;
  std::uint64_t last = 0;
  for (std::uint64_t i = 1; i <= transactions; ++i) {
    const char status = i < 5 ? kStatusPacked : kStatusNormal;
    file.begin(numbered_tid(i), status, "user", "number " + std::to_string(i));
    if (i == 4) {
      file.end();
      continue;
    }
    const bool undo = i > 2 && i % 3 == 0;
    const std::uint64_t changed =
        undo ? file.back(Oid(1), previous) : file.data(Oid(1), std::to_string(i));
    previous = std::exchange(last, changed);
    for (std::uint64_t j = 2; j < 2 + i % 20; ++j) {
      file.data(Oid(i * 20 + j), std::string(1000, static_cast<char>('a' + j)));
    }
    if (i % 50 == 0) file.gone(Oid(i * 20));
    file.end();
  }
  return file.bytes();
}

class Export : public ::testing::Test {
 protected:
  ProgramResult import(const std::string& bytes, const Environment& environment = {}) {
    std::ofstream(source_, std::ios::binary) << bytes;
    return run_program({ZEOLITE_PROGRAM, "import", "filestorage:" + source_.string(), "--data",
                        data_, "--incremental", "--json"},
                       environment);
  }
  ProgramResult export_to(const std::string& name, const std::string& option,
                          const std::string& from) const {
    return zeolite(
        {"export", "filestorage:" + (directory_ / name).string(), option, from, "--json"});
  }

  TemporaryDirectory directory_;
  const std::filesystem::path source_ = directory_ / "Data.fs";
  const std::string data_ = (directory_ / "data").string();
};

TEST_F(Export, IsTheImportedFileFromTheDirectoryAndFromTheServer) {
  const std::string bytes = database();
  ASSERT_EQ(import(bytes).exit_code, 0);
  const ProgramResult offline = export_to("offline.fs", "--data", data_);
  ASSERT_EQ(offline.exit_code, 0) << offline.error;
  EXPECT_TRUE(content_of(directory_ / "offline.fs") == bytes);
  EXPECT_EQ(json::parse(offline.out).at("transactions").to_number<int>(), 400);

  ServerProcess server(serve_options(directory_));
  ASSERT_TRUE(server.start()) << server.standard_error();
  const ProgramResult online = export_to("online.fs", "--at", server.address());
  ASSERT_EQ(online.exit_code, 0) << online.error;
  EXPECT_TRUE(content_of(directory_ / "online.fs") == bytes);
  EXPECT_EQ(online.out, offline.out);
}

TEST_F(Export, OfABusyServerIsADatabaseOfOneMoment) {
  ServerProcess server(serve_options(directory_));
  ASSERT_TRUE(server.start()) << server.standard_error();
  CommitLoad load(4, 500);
  load.start(server.port());
  ASSERT_TRUE(load.wait_acknowledged(200));
  const ProgramResult exported = export_to("busy.fs", "--at", server.address());
  load.stop();
  load.join();
  ASSERT_EQ(exported.exit_code, 0) << exported.error;
  EXPECT_GE(json::parse(exported.out).at("transactions").to_number<int>(), 200);
  const ProgramResult read =
      zeolite({"import", "filestorage:" + (directory_ / "busy.fs").string(), "--dry-run"});
  EXPECT_EQ(read.exit_code, 0) << read.error;
}

TEST_F(Export, AnImportKilledInTheMiddleGoesOn) {
  const std::string bytes = database();
  ASSERT_EQ(import(database(100)).exit_code, 0);
  for (const std::string_view point :
       {"append.before_write", "append.after_write", "append.after_mark"}) {
    std::filesystem::remove_all(data_);
    ASSERT_EQ(import(database(100)).exit_code, 0);
    const ProgramResult killed =
        import(bytes, {"ZEOLITE_CRASH_POINT=" + std::string(point) + ":1"});
    ASSERT_EQ(killed.exit_code, kExitAtCrashPoint) << point << killed.error;
    const ProgramResult resumed = import(bytes);
    ASSERT_EQ(resumed.exit_code, 0) << point << resumed.error;
    const json::object report = json::parse(resumed.out).as_object();
    EXPECT_EQ(report.at("transactions").to_number<int>() +
                  report.at("compared_transactions").to_number<int>(),
              400);
    const std::string name = std::string(point) + ".fs";
    ASSERT_EQ(export_to(name, "--data", data_).exit_code, 0);
    EXPECT_TRUE(content_of(directory_ / name) == bytes) << point;
    EXPECT_EQ(verify(data_).exit_code, 0);
  }
}

TEST_F(Export, AnotherHistoryIsRefusedForSafety) {
  ASSERT_EQ(import(database(20)).exit_code, 0);
  std::string other = database(30);
  other[other.find("number 7")] = 'N';
  const ProgramResult refused = import(other);
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_NE(refused.error.find(to_hex(numbered_tid(7))), std::string::npos) << refused.error;
  ASSERT_EQ(export_to("kept.fs", "--data", data_).exit_code, 0);
  EXPECT_TRUE(content_of(directory_ / "kept.fs") == database(20));
}

TEST_F(Export, AServedDirectoryTakesMoreWhileNobodyCommits) {
  ASSERT_EQ(import(database(20)).exit_code, 0);
  {
    ServerProcess server(serve_options(directory_));
    ASSERT_TRUE(server.start()) << server.standard_error();
    EXPECT_EQ(import(database(30)).exit_code, 4);  // in use
    EXPECT_EQ(server.stop(), 0);
  }
  const ProgramResult more = import(database(30));
  EXPECT_EQ(more.exit_code, 0) << more.error;
  ASSERT_EQ(export_to("more.fs", "--data", data_).exit_code, 0);
  EXPECT_TRUE(content_of(directory_ / "more.fs") == database(30));
}

// Two revisions of a blob, the second in several parts.
class ExportBlobs : public Export {
 protected:
  ExportBlobs() {
    filestorage::DataFsBuilder file(filestorage::kMagicPython3);
    for (const std::uint64_t number : {1U, 2U}) {
      file.begin(numbered_tid(number));
      file.data(kBlob, "cZODB.blob\nBlob\nq\x01.N.");
      file.data(Oid(3), "no blob");
      file.end();
    }
    std::ofstream(source_, std::ios::binary) << file.bytes();
    const std::filesystem::path given = directory_ / "given";
    const std::filesystem::path object = blobs::object_directory(blobs::Layout::bushy, kBlob);
    std::filesystem::create_directories(given / object);
    std::ofstream(given / ".layout") << "bushy";
    std::ofstream(given / object / blobs::blob_file_name(numbered_tid(1))) << "small";
    std::ofstream(given / object / blobs::blob_file_name(numbered_tid(2))) << large_;
    const ProgramResult imported = zeolite(
        {"import", "filestorage:" + source_.string(), "--data", data_, "--blobs", given.string()});
    EXPECT_EQ(imported.exit_code, 0) << imported.error;
  }

  ProgramResult export_with_blobs(const std::string& at) {
    return zeolite({"export", "filestorage:" + (directory_ / "out.fs").string(), "--at", at,
                    "--blobs", (directory_ / "out").string(), "--json"});
  }
  [[nodiscard]] std::string exported_blob(std::uint64_t number) const {
    return content_of(directory_ / "out" / blobs::object_directory(blobs::Layout::bushy, kBlob) /
                      blobs::blob_file_name(numbered_tid(number)));
  }

  static constexpr Oid kBlob{0x1234};
  const std::string large_ = std::string(2'500'000, 'x') + "the end";
};

TEST_F(ExportBlobs, ComeFromARunningServer) {
  ServerProcess server(serve_options(directory_));
  ASSERT_TRUE(server.start()) << server.standard_error();
  const ProgramResult exported = export_with_blobs(server.address());
  ASSERT_EQ(exported.exit_code, 0) << exported.error;
  EXPECT_EQ(json::parse(exported.out).at("blobs").to_number<int>(), 2);
  EXPECT_EQ(json::parse(exported.out).at("blob_bytes").to_number<std::size_t>(), 5 + large_.size());
  EXPECT_TRUE(content_of(directory_ / "out.fs") == content_of(source_));
  EXPECT_EQ(exported_blob(1), "small");
  EXPECT_TRUE(exported_blob(2) == large_);
  const ProgramResult without = export_to("without.fs", "--at", server.address());
  EXPECT_EQ(json::parse(without.out).at("blobs_left_out").to_number<int>(), 2);
}

TEST_F(ExportBlobs, ThatAreDamagedOnTheServerLeaveNoDatabase) {
  ServerProcess server(serve_options(directory_));
  ASSERT_TRUE(server.start()) << server.standard_error();
  const std::filesystem::path file = std::filesystem::path(data_) / "blobs" /
                                     blobs::object_directory(blobs::Layout::bushy, kBlob) /
                                     blobs::blob_file_name(numbered_tid(2));
  std::filesystem::permissions(file, std::filesystem::perms::all);
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(2'000'000).put('y');
  EXPECT_EQ(export_with_blobs(server.address()).exit_code, 5);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out.fs"));
  EXPECT_EQ(exported_blob(2), "");
  std::filesystem::remove(file);
  const ProgramResult gone = export_with_blobs(server.address());
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_NE(gone.error.find("export again"), std::string::npos) << gone.error;
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out.fs"));
}

}  // namespace
}  // namespace zeolite::testing
