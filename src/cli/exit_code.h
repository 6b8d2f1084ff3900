#pragma once

#include "base/error.h"

namespace zeolite::cli {

// What the process answers its caller; a contract with scripts, docs/command-line.md.
enum class ExitCode : int {
  done = 0,
  failed = 1,
  usage = 2,        // the command line or the configuration is wrong; nothing was tried
  unreachable = 3,  // no server answered at any of the addresses
  refused = 4,      // not done because it could do harm: data in use, or of a newer version
  damage = 5,       // the data is damaged
  timed_out = 6,    // a server was reached and did not answer in time
};

// The exit code of a command that ended with this error.
[[nodiscard]] ExitCode exit_code_of(ErrorCode code);

// Prints "zeolite COMMAND: detail" as one line on standard error and returns its exit code.
ExitCode report_failure(std::string_view command, const Error& error);

}  // namespace zeolite::cli
