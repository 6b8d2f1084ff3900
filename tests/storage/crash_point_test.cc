#include "storage/crash_point.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "storage/killed_child.h"
#include "storage/rocks_object_store.h"
#include "storage/store_workload.h"

namespace zeolite::storage::testing {
namespace {

// A running store_child; tells the last acknowledged tid.
KilledChild child_on(const std::filesystem::path& directory, std::size_t groups,
                     const std::string& crash_point, std::size_t wal_file_bytes = 512 * 1024) {
  return {{STORE_CHILD, directory.string(), std::to_string(groups), std::to_string(wal_file_bytes)},
          crash_point};
}

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
      KilledChild child =
          child_on(directory.path() / "db", 250, std::string(name) + ":" + std::to_string(hit));
      acknowledged = std::max(acknowledged, child.read_last(kAll));
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
    KilledChild child =
        child_on(directory.path() / "db", 100'000, "", round % 2 == 0 ? 512 * 1024 : 0);
    acknowledged = child.read_last(1 + round * round * 4);
    child.kill();
    acknowledged = child.read_last(kAll);
    EXPECT_EQ(child.wait(), kKilled);
  }
  expect_survived(directory.path() / "db", acknowledged);
}

// What an import does.
TEST(CrashPoint, KilledAtAnyTimeAStoreThatIsFilledKeepsWhatWasSynced) {
  const TemporaryDirectory directory;
  std::uint64_t synced = 0;
  for (std::size_t round = 0; round < 8; ++round) {
    KilledChild child({STORE_CHILD, (directory.path() / "db").string(), "100000", "0", "fill"}, "");
    child.read_last(1 + round * 2);
    child.kill();
    synced = std::max(synced, child.read_last(kAll));
    EXPECT_EQ(child.wait(), kKilled);
    expect_survived(directory.path() / "db", synced);
  }
}

TEST(CrashPoint, UnknownNameStopsTheProcess) {
  const TemporaryDirectory directory;
  const KilledChild child = child_on(directory.path() / "db", 1, "no.such.point:1");
  EXPECT_EQ(child.wait(), 128 + SIGABRT);
}

}  // namespace
}  // namespace zeolite::storage::testing
