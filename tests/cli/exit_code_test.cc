#include "cli/exit_code.h"

#include <gtest/gtest.h>

namespace zeolite::cli {
namespace {

TEST(ExitCode, NumbersAreTheContract) {
  EXPECT_EQ(static_cast<int>(ExitCode::done), 0);
  EXPECT_EQ(static_cast<int>(ExitCode::failed), 1);
  EXPECT_EQ(static_cast<int>(ExitCode::usage), 2);
  EXPECT_EQ(static_cast<int>(ExitCode::unreachable), 3);
  EXPECT_EQ(static_cast<int>(ExitCode::refused), 4);
  EXPECT_EQ(static_cast<int>(ExitCode::damage), 5);
  EXPECT_EQ(static_cast<int>(ExitCode::timed_out), 6);
}

TEST(ExitCode, ErrorsHaveTheCodeThatTellsWhatToDo) {
  EXPECT_EQ(exit_code_of(ErrorCode::unavailable), ExitCode::unreachable);
  EXPECT_EQ(exit_code_of(ErrorCode::shutting_down), ExitCode::unreachable);
  EXPECT_EQ(exit_code_of(ErrorCode::busy), ExitCode::refused);
  EXPECT_EQ(exit_code_of(ErrorCode::too_new), ExitCode::refused);
  EXPECT_EQ(exit_code_of(ErrorCode::corruption), ExitCode::damage);
  EXPECT_EQ(exit_code_of(ErrorCode::timeout), ExitCode::timed_out);
  EXPECT_EQ(exit_code_of(ErrorCode::not_found), ExitCode::failed);
  EXPECT_EQ(exit_code_of(ErrorCode::io_error), ExitCode::failed);
}

TEST(ExitCode, FailureIsOneLineWithTheCommand) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(report_failure("load", {ErrorCode::not_found, "object 2a does not exist"}),
            ExitCode::failed);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "zeolite load: object 2a does not exist\n");
}

}  // namespace
}  // namespace zeolite::cli
