#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "integration/commit_load.h"
#include "integration/program.h"
#include "storage/crash_point.h"

namespace zeolite::testing {
namespace {

using std::chrono::seconds;

class DiskFailure : public ::testing::TestWithParam<std::string_view> {
 protected:
  // What the server says when it ends, by the point.
  static std::string reason(std::string_view point, const std::filesystem::path& data) {
    const std::string mark = (data / "HWM").string() + ": Input/output error";
    if (point == "mark.write") return "cannot write " + mark;
    if (point == "mark.sync") return "cannot sync " + mark;
    return "it is not known whether";
  }
};

// The disk refuses one write or one sync, once; nobody can say what it has.
TEST_P(DiskFailure, EndsTheServerWithTheOutcomeUnknownAndTheRestartKnowsIt) {
  const TemporaryDirectory directory;
  ServerProcess server(serve_options(directory));
  // The mark is synced ten times a second at most.
  const std::string passage = GetParam() == "mark.sync" ? ":5" : ":100";
  server.set_environment({"ZEOLITE_FAIL_POINT=" + std::string(GetParam()) + passage});
  ASSERT_TRUE(server.start()) << server.standard_error();
  CommitLoad load(8, 500);
  load.start(server.port());
  EXPECT_EQ(server.wait_exit(seconds(60)), 1) << server.standard_error();
  load.join();
  EXPECT_GT(load.acknowledged(), 0U);
  EXPECT_NE(server.standard_error().find(reason(GetParam(), directory / "data")), std::string::npos)
      << server.standard_error();

  server.set_environment({});
  ASSERT_TRUE(server.start()) << server.standard_error();
  // Whatever is there of the last commits is there whole, and their outcome says the same, twice.
  load.check_restarted(server, directory / "data");
}

INSTANTIATE_TEST_SUITE_P(All, DiskFailure, ::testing::ValuesIn(storage::fail_point_names()),
                         [](const auto& point) {
                           std::string name(point.param);
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace zeolite::testing
