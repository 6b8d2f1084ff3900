// A process of its own that appends the workload to a store, to be killed by tests.
// Usage: store_child DIRECTORY GROUPS WAL_FILE_BYTES [fill]
// Writes the last tid to standard output after each acknowledgement, a line each; with `fill` after
// each sync of a store that is filled. Exit status 3 with the reason on standard error when the
// store refuses.

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "storage/rocks_object_store.h"
#include "storage/store_workload.h"

namespace {

using zeolite::storage::RocksObjectStore;
using zeolite::storage::RocksStoreOptions;

constexpr std::size_t kGroupsOfSync = 20;

std::size_t parse_number(std::string_view text) {
  std::size_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

int fail(const zeolite::Error& error) {
  std::fprintf(stderr, "%s\n", error.to_string().c_str());
  return 3;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) return 2;
  RocksStoreOptions options;
  options.directory = argv[1];
  options.wal_file_bytes = parse_number(argv[3]);
  // Small, so that a short run flushes, compacts and changes log files.
  options.memtable_bytes = 256 * 1024;
  options.reserve_bytes = 0;
  options.bulk_load = argc == 5;
  const auto store = RocksObjectStore::open(options);
  if (!store) return fail(store.error());
  std::uint64_t last = (*store)->last_position().tid.value();
  const std::size_t groups = parse_number(argv[2]);
  for (std::size_t i = 0; i < groups; ++i) {
    const auto position = (*store)->append(zeolite::storage::testing::workload_group(last));
    if (!position) return fail(position.error());
    last = position->tid.value();
    if (options.bulk_load) {
      if (i % kGroupsOfSync != 0) continue;
      if (const auto synced = (*store)->sync(); !synced) return fail(synced.error());
    }
    const std::string line = std::to_string(last) + "\n";
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) return 4;
  }
  return 0;
}
