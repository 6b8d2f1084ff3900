#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support/child_process.h"
#include "support/server_process.h"
#include "support/temporary_directory.h"

// The program under test, and short ways to run it.
namespace zeolite::testing {

inline ServerProcess::Options serve_options(const TemporaryDirectory& directory) {
  ServerProcess::Options options;
  options.program = ZEOLITE_PROGRAM;
  options.data = directory / "data";
  return options;
}

// Runs `zeolite ARGUMENTS...` to its end.
inline ProgramResult zeolite(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), ZEOLITE_PROGRAM);
  return run_program(arguments);
}

inline ProgramResult verify(const std::filesystem::path& data) {
  return zeolite({"verify", "--data", data.string(), "--json"});
}

}  // namespace zeolite::testing
