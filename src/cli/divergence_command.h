#pragma once

#include "cli/command_line.h"
#include "cli/exit_code.h"

namespace zeolite::cli {

// `zeolite divergence show` and `replay`. Exit code 1 when a transaction was left out of a replay.
[[nodiscard]] ExitCode run_divergence(const DivergenceOptions& options);

}  // namespace zeolite::cli
