#include "cli/maintenance_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace zeolite::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

class MaintenanceCommandsTest : public ::testing::Test {
 protected:
  MaintenanceCommandsTest() {
    std::string pattern = ::testing::TempDir() + "/zeolite_maintenance_XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    std::ofstream(source_path(), std::ios::binary) << "FS21";  // a file without transactions
  }
  ~MaintenanceCommandsTest() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::filesystem::path source_path() const { return directory_ / "Data.fs"; }
  [[nodiscard]] std::filesystem::path data_path() const { return directory_ / "data"; }

  std::filesystem::path directory_;
};

TEST_F(MaintenanceCommandsTest, ImportedDirectoryVerifies) {
  CaptureStdout();
  EXPECT_EQ(run_import({.source = source_path(), .data = data_path(), .json = true}),
            ExitCode::done);
  EXPECT_EQ(run_verify({.data = data_path(), .target = {}, .json = true}), ExitCode::done);
  const std::string printed = GetCapturedStdout();
  EXPECT_THAT(printed, HasSubstr(R"({"dry_run":false,"transactions":0)"));
  EXPECT_THAT(printed, HasSubstr(R"("clean":true)"));
}

TEST_F(MaintenanceCommandsTest, DryRunMakesNoDirectory) {
  CaptureStdout();
  EXPECT_EQ(run_import({.source = source_path(), .data = data_path(), .dry_run = true}),
            ExitCode::done);
  EXPECT_THAT(GetCapturedStdout(), HasSubstr("would import 0 transactions"));
  EXPECT_FALSE(std::filesystem::exists(data_path()));
}

TEST_F(MaintenanceCommandsTest, MissingFileMakesNoDirectory) {
  CaptureStderr();
  EXPECT_EQ(run_import({.source = directory_ / "other.fs", .data = data_path()}), ExitCode::failed);
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("other.fs"));
  EXPECT_FALSE(std::filesystem::exists(data_path()));
}

TEST_F(MaintenanceCommandsTest, ABadSourceMakesNoDirectory) {
  std::ofstream(source_path(), std::ios::binary) << "not a database";
  CaptureStderr();
  EXPECT_EQ(run_import({.source = source_path(), .data = data_path()}), ExitCode::failed);
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("not with FS21 or FS30"));
  EXPECT_FALSE(std::filesystem::exists(data_path()));
}

TEST_F(MaintenanceCommandsTest, ExportGivesTheFileBackAndKeepsWhatIsThere) {
  const std::filesystem::path exported = directory_ / "exported.fs";
  CaptureStdout();
  CaptureStderr();
  ASSERT_EQ(run_import({.source = source_path(), .data = data_path()}), ExitCode::done);
  ExportOptions options{.destination = exported, .data = data_path(), .target = {}, .json = true};
  EXPECT_EQ(run_export(options), ExitCode::done);
  EXPECT_EQ(run_export(options), ExitCode::refused);
  options.force = true;
  options.python2 = true;
  EXPECT_EQ(run_export(options), ExitCode::done);
  EXPECT_THAT(GetCapturedStdout(), HasSubstr(R"({"transactions":0,)"));
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("exported.fs is there"));
  std::string magic;
  std::getline(std::ifstream(exported), magic);
  EXPECT_EQ(magic, "FS21");
}

TEST_F(MaintenanceCommandsTest, ExportOfNothingMakesNothing) {
  CaptureStderr();
  EXPECT_EQ(run_export({.destination = directory_ / "out.fs", .data = data_path(), .target = {}}),
            ExitCode::failed);
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("there is no directory"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out.fs"));
  EXPECT_FALSE(std::filesystem::exists(data_path()));
}

TEST_F(MaintenanceCommandsTest, VerifyOfNothingFails) {
  CaptureStderr();
  EXPECT_EQ(run_verify({.data = data_path(), .target = {}}), ExitCode::failed);
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("there is no directory"));
}

}  // namespace
}  // namespace zeolite::cli
