// A process of its own that does what a node of a cluster does besides appending, to be killed by
// tests. Usage: node_child COMMAND DIRECTORY ARGUMENT
//   promise DIRECTORY EPOCH   promises it, unless a higher one was promised
// Exit status 3 with the reason on standard error when something is refused.

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "storage/node_file.h"

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

Result<> run(std::string_view command, const std::string& directory, std::string_view argument) {
  std::uint64_t number = 0;
  std::from_chars(argument.data(), argument.data() + argument.size(), number);
  if (command == "promise") return promise(directory, number);
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
