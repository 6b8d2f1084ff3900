#include "storage/crash_point.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "integration/commit_load.h"
#include "integration/program.h"

namespace zeolite::testing {
namespace {

using std::chrono::seconds;

constexpr int kExitAtCrashPoint = 137;

// Which passage of the point is the last. Points of the way to a commit are passed at the start as
// well; the load passes them as often as needed.
int passage_of(std::string_view point) {
  const bool while_opening = point.starts_with("create.") || point.starts_with("open.");
  if (while_opening) return 1;
  return point.ends_with("_reuse") ? 2 : 100;
}

// A file of the write-ahead log is full soon.
constexpr const char* kSmallFiles = "[memory]\nmemtable = \"1 MiB\"\n";

class CrashPoint : public ::testing::TestWithParam<std::string_view> {};

TEST_P(CrashPoint, LosesNothingAcknowledgedAndKeepsNoHalfTransaction) {
  const std::string point(GetParam());
  const TemporaryDirectory directory;
  ServerProcess::Options options = serve_options(directory);
  options.config = kSmallFiles;
  ServerProcess server(options);
  CommitLoad load(8, 2000);
  if (!point.starts_with("create.")) {
    ASSERT_TRUE(server.start()) << server.standard_error();
    load.start(server.port());
    ASSERT_TRUE(load.wait_acknowledged(100));
    load.stop();
    load.join();
    server.kill();
  }

  server.set_environment(
      {"ZEOLITE_CRASH_POINT=" + point + ":" + std::to_string(passage_of(point))});
  if (server.start()) load.start(server.port());
  EXPECT_EQ(server.wait_exit(seconds(60)), kExitAtCrashPoint) << server.standard_error();
  if (server.running()) server.kill();
  load.join();

  server.set_environment({});
  ASSERT_TRUE(server.start()) << server.standard_error();
  load.check_restarted(server, directory / "data");
}

INSTANTIATE_TEST_SUITE_P(All, CrashPoint, ::testing::ValuesIn(storage::crash_point_names()),
                         [](const auto& point) {
                           std::string name(point.param);
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace zeolite::testing
