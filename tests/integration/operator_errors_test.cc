#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "integration/commit_load.h"
#include "integration/program.h"

namespace zeolite::testing {
namespace {

// Exit codes of the command line (docs/command-line.md).
enum Exit {
  failed = 1,
  usage = 2,
  unreachable = 3,
  refused = 4,
  damage = 5,
  timed_out = 6
};

// One line on standard error, nothing else, that holds all `words`.
void expect_one_line(const ProgramResult& result, int exit_code,
                     const std::vector<std::string>& words) {
  EXPECT_EQ(result.exit_code, exit_code) << result.error;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(std::ranges::count(result.error, '\n'), 1) << result.error;
  EXPECT_TRUE(result.error.ends_with('\n'));
  EXPECT_TRUE(result.error.starts_with("zeolite")) << result.error;
  for (const std::string& word : words) {
    EXPECT_NE(result.error.find(word), std::string::npos)
        << "'" << word << "' is not in: " << result.error;
  }
}

class OperatorErrors : public ::testing::Test {
 protected:
  [[nodiscard]] std::string data() const { return (directory_ / "data").string(); }
  [[nodiscard]] ProgramResult serve(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"serve", "--native", "127.0.0.1:0"});
    return zeolite(std::move(arguments));
  }
  // A database with some commits in it.
  void make_database() const {
    ServerProcess server(serve_options(directory_));
    ASSERT_TRUE(server.start()) << server.standard_error();
    CommitLoad load(1, 100);
    load.start(server.port());
    ASSERT_TRUE(load.wait_acknowledged(20));
    load.stop();
    load.join();
    ASSERT_EQ(server.stop(), 0) << server.standard_error();
  }

  TemporaryDirectory directory_;
};

TEST_F(OperatorErrors, WrongFlagsAreUsageErrors) {
  expect_one_line(zeolite({"serve", "--date", data()}), usage, {"--date"});
  expect_one_line(zeolite({"serve"}), usage, {"--data DIR"});
  expect_one_line(zeolite({"serve", "--data"}), usage, {"--data"});
  expect_one_line(zeolite({"serve", "--data", ""}), usage, {"--data", "empty"});
  expect_one_line(zeolite({"serve", "--data", data(), "--native", ""}), usage, {"--native"});
  expect_one_line(zeolite({"status", "--timeout", "nan"}), usage, {"--timeout", "nan"});
  expect_one_line(zeolite({"status", "--timeout", "-1"}), usage, {"--timeout", "-1"});
  expect_one_line(zeolite({"srve"}), usage, {"srve"});
  expect_one_line(zeolite({"serve", "--data", data(), "--native", "here:there"}), usage,
                  {"--native", "here:there"});
  expect_one_line(zeolite({"load", "--at", "127.0.0.1:1", "xyz"}), usage, {"xyz"});
  expect_one_line(zeolite({"bench", "commits", "--at", "127.0.0.1:1"}), usage,
                  {"commits", "commit"});
  EXPECT_FALSE(std::filesystem::exists(data()));
}

TEST_F(OperatorErrors, NoCommandIsAUsageError) {
  const ProgramResult result = zeolite({});
  EXPECT_EQ(result.exit_code, usage) << result.out << result.error;
}

TEST_F(OperatorErrors, WrongConfigurationNamesThePlace) {
  const std::filesystem::path config = directory_ / "zeolite.toml";
  std::ofstream(config) << "[limits]\nframes = 3\n";
  expect_one_line(serve({"--data", data(), "--config", config.string()}), usage,
                  {config.string() + ":2:", "frames"});
  expect_one_line(serve({"--data", data(), "--config", "/nonexistent.toml"}), usage,
                  {"/nonexistent.toml"});
}

TEST_F(OperatorErrors, DirectoryThatCannotBeMadeOrWritten) {
  std::ofstream(directory_ / "file") << "not a directory";
  const std::string below = (directory_ / "file").string() + "/data";
  const std::string advice = "give a directory in which this user may create files";
  expect_one_line(serve({"--data", below}), failed, {below, advice});
  expect_one_line(serve({"--data", (directory_ / "file").string()}), failed,
                  {"file is a file; give a directory"});
  expect_one_line(serve({"--data", "/proc/zeolite"}), failed, {"/proc/zeolite", advice});
}

TEST_F(OperatorErrors, DirectoryWithoutPermission) {
  std::filesystem::create_directory(data());
  ASSERT_EQ(::chmod(data().c_str(), 0555), 0);
  std::vector<std::string> command = {ZEOLITE_PROGRAM, "serve",  "--native",
                                      "127.0.0.1:0",   "--data", data()};
  if (::geteuid() == 0) {  // who may write everywhere, and is nobody here
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
    const std::string copy = directory_ / "zeolite";  // the build may be out of nobody's reach
    std::filesystem::copy_file(ZEOLITE_PROGRAM, copy);
    command.front() = copy;
    command.insert(command.begin(),
                   {"/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"});
  }
  expect_one_line(run_program(command), failed,
                  {data(), "ermission denied", "give a directory in which this user may create"});
}

TEST_F(OperatorErrors, DirectoryOfSomethingElse) {
  std::filesystem::create_directory(data());
  std::ofstream(directory_ / "data/photo.jpg") << "x";
  expect_one_line(serve({"--data", data()}), failed,
                  {data(), "photo.jpg", "give an empty or a new directory"});
}

TEST_F(OperatorErrors, PortInUse) {
  ServerProcess server(serve_options(directory_));
  ASSERT_TRUE(server.start());
  const std::string other = (directory_ / "other").string();
  expect_one_line(zeolite({"serve", "--data", other, "--native", server.address()}), failed,
                  {server.address(), "in use", "stop it or choose another port"});
}

TEST_F(OperatorErrors, HostThatIsNotOurs) {
  expect_one_line(zeolite({"serve", "--data", data(), "--native", "192.0.2.1:0"}), failed,
                  {"192.0.2.1", "choose an address of this machine"});
}

TEST_F(OperatorErrors, SecondServerOnTheSameData) {
  ServerProcess server(serve_options(directory_));
  ASSERT_TRUE(server.start());
  expect_one_line(serve({"--data", data()}), refused,
                  {data(), "in use by process", "stop it, or give another directory"});
  expect_one_line(zeolite({"verify", "--data", data()}), refused,
                  {data(), "in use by process", "stop it, or give another directory"});
  EXPECT_EQ(server.stop(), 0);
}

TEST_F(OperatorErrors, NewerStorageFormat) {
  make_database();
  std::ifstream in(directory_ / "data/FORMAT");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  const std::size_t digit = text.find('1');
  ASSERT_NE(digit, std::string::npos);
  text.replace(digit, 1, "7");
  std::ofstream(directory_ / "data/FORMAT") << text;
  expect_one_line(serve({"--data", data()}), refused,
                  {data(), "newer version", "use the newer program, or give another directory"});
  expect_one_line(zeolite({"verify", "--data", data()}), refused,
                  {data(), "newer version", "use the newer program, or give another directory"});
}

TEST_F(OperatorErrors, DamagedFormatFile) {
  make_database();
  std::ofstream(directory_ / "data/FORMAT") << "hello";
  expect_one_line(serve({"--data", data()}), damage, {"FORMAT", "damaged", "restore"});
}

TEST_F(OperatorErrors, AcknowledgedTransactionsMissingFromTheLog) {
  make_database();
  // As when the log's files come from an older copy, or the disk dropped what it said it had.
  for (const auto& file : std::filesystem::directory_iterator(directory_ / "data/records")) {
    if (file.path().extension() == ".log") std::filesystem::resize_file(file.path(), 0);
  }
  expect_one_line(serve({"--data", data()}), damage, {data()});
}

TEST_F(OperatorErrors, MissingHighWaterMark) {
  make_database();
  std::filesystem::remove(directory_ / "data/HWM");
  expect_one_line(serve({"--data", data()}), damage, {"HWM"});
}

TEST_F(OperatorErrors, NobodyThere) {
  ServerProcess server(serve_options(directory_));
  ASSERT_TRUE(server.start());
  const std::string address = server.address();
  EXPECT_EQ(server.stop(), 0);
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"status", "--at", address},
           {"load", "--at", address, "0"},
           {"log", "--at", address},
           {"verify", "--at", address},
           {"bench", "commit", "--at", address, "--seconds", "1"}}) {
    SCOPED_TRACE(command.front());
    expect_one_line(zeolite(command), unreachable, {address});
  }
}

TEST_F(OperatorErrors, ServerThatIsFrozen) {
  ServerProcess server(serve_options(directory_));
  ASSERT_TRUE(server.start());
  server.send_signal(SIGSTOP);
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"status", "--at", server.address()},
           {"load", "--at", server.address(), "0"},
           {"bench", "commit", "--at", server.address(), "--seconds", "1"},
           {"bench", "load", "--at", server.address(), "--seconds", "1"}}) {
    SCOPED_TRACE(command[0] + " " + command[1]);
    std::vector<std::string> impatient = command;
    impatient.insert(impatient.end(), {"--timeout", "0.3"});
    expect_one_line(zeolite(impatient), timed_out, {server.address(), "did not answer in time"});
  }
  server.send_signal(SIGCONT);
  EXPECT_EQ(server.stop(), 0);
}

TEST_F(OperatorErrors, ServerThatDiesUnderABench) {
  ServerProcess server(serve_options(directory_));
  ASSERT_TRUE(server.start());
  ChildProcess bench({ZEOLITE_PROGRAM, "bench", "commit", "--at", server.address(), "--clients",
                      "4", "--seconds", "5", "--timeout", "2", "--json"});
  RawClient client = *RawClient::open(server.port(), {});
  wire::StatusReport status;
  while (status.commits < 20) {
    const auto answer = client.ask<wire::StatusReport>(wire::StatusQuery{});
    ASSERT_TRUE(answer) << answer.error().to_string();
    status = *answer;
  }
  server.kill();
  EXPECT_EQ(bench.wait(std::chrono::seconds(30)), unreachable);
  EXPECT_NE(bench.standard_error().find("did not come back"), std::string::npos)
      << bench.standard_error();
  EXPECT_NE(bench.standard_output().find("\"acknowledged\":"), std::string::npos)
      << "what was measured until then is printed";
}

TEST_F(OperatorErrors, TooFewFileDescriptorsForTheClientsOfABench) {
  const ProgramResult result = run_program(
      {"/bin/sh", "-c", "ulimit -n 100 && exec \"$0\" bench ping --at 127.0.0.1:1 --clients 200",
       ZEOLITE_PROGRAM});
  expect_one_line(result, failed, {"--clients 200", "232 open files", "100", "ulimit"});
}

TEST_F(OperatorErrors, StorageNameThatCannotStandInAList) {
  const std::filesystem::path config = directory_ / "zeolite.toml";
  std::ofstream(config) << "[[storage]]\nname = \"a,b\"\ndirectory = \"x\"\n";
  expect_one_line(serve({"--config", config.string()}), usage,
                  {config.string() + ":2:", "storage", "comma"});
}

TEST_F(OperatorErrors, NothingToVerifyOrImport) {
  expect_one_line(zeolite({"verify", "--data", data()}), failed, {data()});
  expect_one_line(zeolite({"import", "filestorage:/nowhere.fs", "--data", data()}), failed,
                  {"/nowhere.fs"});
  std::ofstream(directory_ / "text.fs") << "this is no Data.fs file at all";
  expect_one_line(
      zeolite({"import", "filestorage:" + (directory_ / "text.fs").string(), "--data", data()}),
      failed, {"text.fs"});
}

}  // namespace
}  // namespace zeolite::testing
