#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "filestorage/data_fs_builder.h"
#include "integration/program.h"
#include "integration/small_disk.h"
#include "support/raw_client.h"

namespace zeolite::testing {
namespace {

using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.mounted()) GTEST_SKIP() << "a tmpfs cannot be mounted here: " << disk_.why();
    ServerProcess::Options options = serve_options(directory_);
    options.data = directory_ / "disk/data";
    options.config = "[memory]\nmemtable = \"2 MiB\"\n";
    server_ = std::make_unique<ServerProcess>(options);
    ASSERT_TRUE(server_->start()) << server_->standard_error();
  }

  Result<Tid> commit(RawClient& client, std::size_t bytes) {
    wire::Commit commit;
    commit.number = ++number_;
    commit.begun = client.welcome().visible.tid;
    commit.writes = {{.oid = Oid(number_), .base = {}, .data = Bytes(std::string(bytes, 'x'))}};
    ASSIGN_OR_RETURN(const wire::Committed reply, client.ask<wire::Committed>(commit));
    return reply.tid;
  }

  TemporaryDirectory directory_;
  SmallDisk disk_{directory_ / "disk"};
  std::unique_ptr<ServerProcess> server_;
  std::uint64_t number_ = 0;
};

TEST_F(FullDisk, RefusesWritesAnswersReadsAndRecoversByItself) {
  wire::Hello hello;
  hello.session = random_session();
  RawClient client = *RawClient::open(server_->port(), hello);
  ASSERT_TRUE(commit(client, 1000));

  disk_.fill(24 << 20);  // a little above the reserve, a tenth of the disk
  const auto until = Clock::now() + seconds(30);
  Result<Tid> written = commit(client, 1000);
  while (written && Clock::now() < until) written = commit(client, 100'000);
  ASSERT_FALSE(written) << "writes go on though the disk is full";
  // Refused before the database itself meets the end of the disk.
  EXPECT_GT(disk_.free(), 4U << 20) << "what is left when it refuses";
  EXPECT_EQ(written.error().code, ErrorCode::out_of_space) << written.error().to_string();
  EXPECT_GT(written.error().detail.size(), 20U) << written.error().detail;

  const auto loaded = client.ask<wire::Loaded>(wire::Load{Oid(1)});
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(loaded->data.size(), 1000U);
  // A flush may give a little space back; then it takes a few commits more.
  auto status = client.ask<wire::StatusReport>(wire::StatusQuery{});
  while (status && status->accepts_writes && Clock::now() < until) {
    (void)commit(client, 100'000);
    status = client.ask<wire::StatusReport>(wire::StatusQuery{});
  }
  ASSERT_TRUE(status) << status.error().to_string();
  EXPECT_FALSE(status->accepts_writes);
  EXPECT_NE(status->refuses_why, "");

  disk_.release();
  const auto released = Clock::now();
  do {
    written = commit(client, 1000);
  } while (!written && written.error().code == ErrorCode::out_of_space &&
           Clock::now() < released + seconds(20));
  ASSERT_TRUE(written) << written.error().to_string();
  const auto after = client.ask<wire::StatusReport>(wire::StatusQuery{});
  ASSERT_TRUE(after);
  EXPECT_TRUE(after->accepts_writes) << after->refuses_why;

  EXPECT_EQ(server_->stop(), 0) << server_->standard_error();
  EXPECT_EQ(server_->standard_error().find("No space left"), std::string::npos)
      << server_->standard_error();
  EXPECT_EQ(verify(directory_ / "disk/data").exit_code, 0);
}

TEST_F(FullDisk, RefusesACommitThatDoesNotFitAndTakesOthers) {
  wire::Hello hello;
  hello.session = random_session();
  RawClient client = *RawClient::open(server_->port(), hello);
  ASSERT_TRUE(commit(client, 1000));
  disk_.fill(38 << 20);  // 18 MiB above the reserve, a tenth of the disk
  std::this_thread::sleep_for(std::chrono::milliseconds(150));  // it is looked at every 100 ms
  const Result<Tid> refused = commit(client, 12 << 20);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::out_of_space) << refused.error().to_string();
  const Result<Tid> other = commit(client, 1000);
  EXPECT_TRUE(other) << other.error().to_string();
  const auto status = client.ask<wire::StatusReport>(wire::StatusQuery{});
  ASSERT_TRUE(status);
  EXPECT_TRUE(status->accepts_writes) << status->refuses_why;
}

TEST_F(FullDisk, KilledServerOpensOnAFullDiskAndServesReads) {
  wire::Hello hello;
  hello.session = random_session();
  std::optional<RawClient> client = *RawClient::open(server_->port(), hello);
  ASSERT_TRUE(commit(*client, 1000));
  disk_.fill(18 << 20);
  server_->kill();
  ASSERT_TRUE(server_->start()) << server_->standard_error();
  client = *RawClient::open(server_->port(), hello);
  const auto loaded = client->ask<wire::Loaded>(wire::Load{Oid(1)});
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(loaded->data.size(), 1000U);
  const Result<Tid> written = commit(*client, 1000);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::out_of_space) << written.error().to_string();
  disk_.release();
  const auto until = Clock::now() + seconds(20);
  while (!commit(*client, 1000)) ASSERT_LT(Clock::now(), until);
  EXPECT_EQ(server_->stop(), 0);
}

// A standby does as a primary does: it waits, and goes on when there is space.
TEST(FullDiskOfAStandby, CommitsGoOnWithoutItAndItComesBackByItself) {
  const TemporaryDirectory directory;
  const SmallDisk disk(directory / "disk");
  if (!disk.mounted()) GTEST_SKIP() << "a tmpfs cannot be mounted here: " << disk.why();
  ServerProcess::Options options = serve_options(directory);
  options.arguments = {"--name", "a", "--lease", "2"};
  ServerProcess primary(options);
  ASSERT_TRUE(primary.start()) << primary.standard_error();
  options.data = directory / "disk/data";
  options.config = "[memory]\nmemtable = \"2 MiB\"\n";
  options.arguments = {"--name", "b", "--standby-of", primary.address()};
  ServerProcess standby(options);
  ASSERT_TRUE(standby.start()) << standby.standard_error();
  const auto status_of = [](const ServerProcess& server) {
    return zeolite({"status", "--at", server.address()}).out;
  };
  const auto in_sync = [&] { return status_of(primary).find("in sync") != std::string::npos; };
  const auto says = [&](const std::string& words) {
    return standby.standard_error().find(words) != std::string::npos;
  };
  const auto become = [](const auto& condition) {
    for (const auto until = Clock::now() + seconds(30); !condition();) {
      if (Clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
  };
  ASSERT_TRUE(become(in_sync)) << standby.standard_error();

  disk.fill(18 << 20);  // below the reserve
  wire::Hello hello;
  hello.session = random_session();
  RawClient client = *RawClient::open(primary.port(), hello);
  std::uint64_t number = 0;
  const auto commit = [&] {
    wire::Commit request;
    request.number = ++number;
    request.begun = client.welcome().visible.tid;
    request.writes = {{.oid = Oid(number), .base = {}, .data = Bytes(std::string(1000, 'x'))}};
    return client.ask<wire::Committed>(request).has_value();
  };
  // How full the disk is, it looks every 100 ms.
  EXPECT_TRUE(become([&] { return commit() && says("this standby appends nothing"); }));
  ASSERT_TRUE(commit()) << primary.standard_error();
  EXPECT_FALSE(in_sync()) << status_of(primary) << "yet a commit was answered that it has not";
  EXPECT_NE(status_of(standby).find("the disk is nearly full"), std::string::npos);
  EXPECT_EQ(zeolite({"promote", "--at", standby.address()}).exit_code, 4);

  disk.release();
  EXPECT_TRUE(become(in_sync)) << standby.standard_error();
  EXPECT_TRUE(says("there is space again"));
  ASSERT_TRUE(commit());
  EXPECT_EQ(standby.stop(), 0) << standby.standard_error();
  EXPECT_EQ(primary.stop(), 0);
  EXPECT_EQ(verify(directory / "disk/data").out, verify(directory / "data").out);
}

// What does not fit leaves no half of a database under its name, and can be tried again.
TEST(FullDiskCopies, ExportAndImportStopAndCanBeRepeated) {
  const TemporaryDirectory directory;
  const SmallDisk disk(directory / "disk");
  if (!disk.mounted()) GTEST_SKIP() << "a tmpfs cannot be mounted here: " << disk.why();
  filestorage::DataFsBuilder file(filestorage::kMagicPython3);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    file.commit(Tid(0x032b'ff9c'0000'0000 + i), Oid(i), std::string(1 << 20, 'x'));
  }
  std::ofstream(directory / "Data.fs", std::ios::binary) << file.bytes();
  const std::string source = "filestorage:" + (directory / "Data.fs").string();
  const std::string whole = (directory / "whole").string();
  ASSERT_EQ(zeolite({"import", source, "--data", whole}).exit_code, 0);

  disk.fill(12 << 20);
  const std::string copy = (directory / "disk/copy.fs").string();
  const ProgramResult exported = zeolite({"export", "filestorage:" + copy, "--data", whole});
  EXPECT_EQ(exported.exit_code, 1);
  EXPECT_NE(exported.error.find("No space left"), std::string::npos) << exported.error;
  EXPECT_FALSE(std::filesystem::exists(copy));
  EXPECT_FALSE(std::filesystem::exists(copy + ".part"));
  const std::string data = (directory / "disk/data").string();
  EXPECT_EQ(zeolite({"import", source, "--data", data}).exit_code, 1);

  disk.release();
  EXPECT_EQ(zeolite({"export", "filestorage:" + copy, "--data", whole}).exit_code, 0);
  EXPECT_EQ(std::filesystem::file_size(copy), file.size());
  std::filesystem::remove(copy);
  const ProgramResult resumed = zeolite({"import", source, "--data", data, "--incremental"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.error;
  EXPECT_EQ(verify(data).out, verify(whole).out);
}

}  // namespace
}  // namespace zeolite::testing
