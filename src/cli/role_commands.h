#pragma once

#include "cli/command_line.h"
#include "cli/exit_code.h"

namespace zeolite::cli {

// `zeolite promote`, `switchover` and `demote`: ask a server to change its role, and print what it
// is then. Refused for safety is exit code 4.
[[nodiscard]] ExitCode run_promote(const PromoteOptions& options);
[[nodiscard]] ExitCode run_switchover(const SwitchoverOptions& options);
[[nodiscard]] ExitCode run_demote(const DemoteOptions& options);

}  // namespace zeolite::cli
