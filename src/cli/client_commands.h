#pragma once

#include "cli/command_line.h"
#include "cli/exit_code.h"

namespace zeolite::cli {

// The commands that talk to a server. Each prints its result on standard output, or one line on
// standard error, and returns the process's exit code.
ExitCode run_status(const StatusOptions& options);
ExitCode run_load(const LoadOptions& options);
ExitCode run_log(const LogOptions& options);
ExitCode run_bench_command(const BenchOptions& options);

}  // namespace zeolite::cli
