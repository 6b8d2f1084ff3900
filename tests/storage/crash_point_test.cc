#include "storage/crash_point.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>

#include "storage/rocks_object_store.h"
#include "storage/store_workload.h"

namespace zeolite::storage::testing {
namespace {

constexpr int kKilled = 137;

// A running store_child. Ends with the test at the latest.
class Child {
 public:
  Child(const std::filesystem::path& directory, std::size_t groups, const std::string& crash_point,
        std::size_t wal_file_bytes = 512 * 1024) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) std::abort();
    out_ = pipe[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    std::array<std::string, 4> arguments = {STORE_CHILD, directory.string(), std::to_string(groups),
                                            std::to_string(wal_file_bytes)};
    std::array<char*, 5> argv = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                                 arguments[3].data(), nullptr};
    std::string setting = "ZEOLITE_CRASH_POINT=" + crash_point;
    std::array<char*, 2> environment = {setting.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, STORE_CHILD, &actions, nullptr, argv.data(), environment.data()),
              0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { ::close(out_); }

  // The last acknowledged tid, after reading `lines` lines or to the end.
  std::uint64_t read_acknowledged(std::size_t lines) {
    std::string line;
    char byte = 0;
    while (lines > 0 && ::read(out_, &byte, 1) == 1) {
      if (byte != '\n') {
        line.push_back(byte);
        continue;
      }
      std::from_chars(line.data(), line.data() + line.size(), acknowledged_);
      line.clear();
      --lines;
    }
    return acknowledged_;
  }
  void kill() const { ::kill(pid_, SIGKILL); }
  // Exit status; 137 also for SIGKILL.
  [[nodiscard]] int wait() const {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  std::uint64_t acknowledged_ = 0;
};

constexpr std::size_t kAll = ~std::size_t{0};

void expect_survived(const std::filesystem::path& directory, std::uint64_t acknowledged) {
  RocksStoreOptions options;
  options.directory = directory;
  options.wal_file_bytes = 0;
  options.reserve_bytes = 0;
  const auto store = RocksObjectStore::open(options);
  ASSERT_TRUE(store) << store.error().to_string();
  expect_workload(**store, acknowledged);
}

TEST(CrashPoint, KilledAtAnyPointTheStoreKeepsWhatItAcknowledged) {
  for (const std::string_view name : crash_point_names()) {
    const TemporaryDirectory directory;
    std::uint64_t acknowledged = 0;
    // The later hits come on top of what the earlier ones left behind.
    for (const unsigned hit : {1U, 2U, 7U}) {
      SCOPED_TRACE(std::string(name) + ":" + std::to_string(hit));
      Child child(directory.path() / "db", 250, std::string(name) + ":" + std::to_string(hit));
      acknowledged = std::max(acknowledged, child.read_acknowledged(kAll));
      const int status = child.wait();
      EXPECT_TRUE(status == kKilled || (status == 0 && hit > 1)) << "exit status " << status;
    }
    SCOPED_TRACE(name);
    expect_survived(directory.path() / "db", acknowledged);
  }
}

TEST(CrashPoint, KilledAtAnyTimeTheStoreKeepsWhatItAcknowledged) {
  const TemporaryDirectory directory;
  std::uint64_t acknowledged = 0;
  for (std::size_t round = 0; round < 12; ++round) {
    Child child(directory.path() / "db", 100'000, "", round % 2 == 0 ? 512 * 1024 : 0);
    acknowledged = child.read_acknowledged(1 + round * round * 4);
    child.kill();
    acknowledged = child.read_acknowledged(kAll);
    EXPECT_EQ(child.wait(), kKilled);
  }
  expect_survived(directory.path() / "db", acknowledged);
}

TEST(CrashPoint, UnknownNameStopsTheProcess) {
  const TemporaryDirectory directory;
  const Child child(directory.path() / "db", 1, "no.such.point:1");
  EXPECT_EQ(child.wait(), 128 + SIGABRT);
}

}  // namespace
}  // namespace zeolite::storage::testing
