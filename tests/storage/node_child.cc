// A process of its own that does what a node of a cluster does besides appending, to be killed by
// tests. Usage: node_child COMMAND DIRECTORY ARGUMENT
//   promise DIRECTORY EPOCH   promises it, unless a higher one was promised
//   hear DIRECTORY EPOCH      somebody else has promised it
//   rollback DIRECTORY TID    undoes what is after it
//   install DIRECTORY 0       installs the copy of a database that is in it
// Exit status 3 with the reason on standard error when something is refused.

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "storage/checkpoint_install.h"
#include "storage/log_search.h"
#include "storage/node_file.h"
#include "storage/rocks_object_store.h"

namespace {

using zeolite::Epoch;
using zeolite::Result;
using zeolite::storage::DirectoryLock;
using zeolite::storage::NodeFile;

Result<> promise(const std::string& directory, std::uint64_t epoch) {
  ASSIGN_OR_RETURN(auto lock, DirectoryLock::take(directory, DirectoryLock::Access::create));
  ASSIGN_OR_RETURN(const auto node, NodeFile::open(lock));
  if (node->promised() > Epoch(epoch)) return {};
  return node->promise(Epoch(epoch));
}

Result<> hear(const std::string& directory, std::uint64_t epoch) {
  ASSIGN_OR_RETURN(auto lock, DirectoryLock::take(directory, DirectoryLock::Access::create));
  ASSIGN_OR_RETURN(const auto node, NodeFile::open(lock));
  return node->hear(Epoch(epoch));
}

Result<> roll_back(const std::string& directory, zeolite::Tid tid) {
  zeolite::storage::RocksStoreOptions options;
  options.directory = directory;
  options.wal_file_bytes = 0;
  options.reserve_bytes = 0;
  ASSIGN_OR_RETURN(const auto store, zeolite::storage::RocksObjectStore::open(options));
  ASSIGN_OR_RETURN(const auto to, zeolite::storage::find_position(*store, tid));
  return store->rollback(to.value_or(zeolite::Position{}));
}

Result<> install(const std::string& directory) {
  ASSIGN_OR_RETURN(auto lock, DirectoryLock::take(directory, DirectoryLock::Access::create));
  ASSIGN_OR_RETURN([[maybe_unused]] const auto outcome,
                   zeolite::storage::install_checkpoint(*lock, directory + "/blobs"));
  return {};
}

Result<> run(std::string_view command, const std::string& directory, std::string_view argument) {
  std::uint64_t number = 0;
  std::from_chars(argument.data(), argument.data() + argument.size(), number);
  if (command == "promise") return promise(directory, number);
  if (command == "hear") return hear(directory, number);
  if (command == "rollback") return roll_back(directory, zeolite::Tid(number));
  if (command == "install") return install(directory);
  return zeolite::make_error(zeolite::ErrorCode::invalid_argument, "no such command");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const Result<> done = run(argv[1], argv[2], argv[3]);
  if (done) return 0;
  std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  return 3;
}
