// A process of its own that commits the workload, to be killed by tests.
// Usage: blob_child DIRECTORY TRANSACTIONS
// Writes each tid to standard output when it is committed, a line each. Exit status 3 with the
// reason on standard error when something is refused.

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "blobs/blob_workload.h"
#include "blobs/recovery.h"
#include "storage/rocks_object_store.h"

namespace {

using namespace zeolite;

Result<> run(const std::filesystem::path& directory, std::uint64_t count) {
  storage::RocksStoreOptions options;
  options.directory = directory / "db";
  options.reserve_bytes = 0;
  ASSIGN_OR_RETURN(const auto store, storage::RocksObjectStore::open(options));
  ASSIGN_OR_RETURN(const auto blobs,
                   blobs::BlobDirectory::open({.path = directory / "blobs", .reserve_bytes = 0}));
  RETURN_IF_ERROR(blobs::recover(*blobs, *store));
  std::uint64_t last = store->last_position().tid.value();
  for (std::uint64_t i = 0; i < count; ++i) {
    RETURN_IF_ERROR(blobs::testing::commit_workload(*blobs, *store, ++last));
    const std::string line = std::to_string(last) + "\n";
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) {
      return make_error(ErrorCode::io_error, "nobody listens");
    }
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string_view text = argv[2];
  std::uint64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  const Result<> result = run(argv[1], count);
  if (result) return 0;
  std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
  return 3;
}
