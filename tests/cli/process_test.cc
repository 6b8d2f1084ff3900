#include "cli/process.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

namespace zeolite::cli {
namespace {

TEST(Process, PrintWritesBytesAsTheyAre) {
  ::testing::internal::CaptureStdout();
  EXPECT_TRUE(print(std::string_view("a\0b", 3)));
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), std::string("a\0b", 3));
}

TEST(Process, OpenFilesLimitBecomesTheHardOne) {
  const std::uint64_t allowed = raise_open_files_limit();
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
  EXPECT_EQ(allowed, limit.rlim_max);
}

// Suites of this name run first, before other tests have started threads.
TEST(ProcessDeathTest, FirstSignalSetsTheFlagAndTheNextOneEnds) {
  EXPECT_EXIT(
      {
        const std::atomic<bool>& cancelled = cancel_on_signal();
        const bool before = cancelled.load();
        std::raise(SIGINT);
        if (before || !cancelled.load()) std::_Exit(1);
        std::raise(SIGINT);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace zeolite::cli
