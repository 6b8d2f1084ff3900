#pragma once

#include <string_view>

#include "cli/command_line.h"
#include "cli/exit_code.h"
#include "daemon/config.h"

namespace zeolite::cli {

// What the server is to do: the configuration file, if there is one, overruled by the options.
// Errors: what is wrong with the file; invalid_argument when it names no storage.
[[nodiscard]] Result<daemon::ServerConfig> server_config(const ServeOptions& options);

// Serves until a signal. Prints the line "ready ..." on standard error when it is listening.
ExitCode run_serve(const ServeOptions& options);

}  // namespace zeolite::cli
