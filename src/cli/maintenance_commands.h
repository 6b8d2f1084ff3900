#pragma once

#include "cli/command_line.h"
#include "cli/exit_code.h"

namespace zeolite::cli {

// The commands that work on a data directory itself (export and verify also on a server). The first
// Ctrl-C ends them between two transactions, and what is written is whole.
ExitCode run_import(const ImportOptions& options);
ExitCode run_export(const ExportOptions& options);
ExitCode run_verify(const VerifyOptions& options);

}  // namespace zeolite::cli
