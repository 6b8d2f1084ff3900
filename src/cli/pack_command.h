#pragma once

#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "cli/command_line.h"
#include "cli/exit_code.h"
#include "model/ids.h"

namespace zeolite::cli {

// The tid that stands for a time as people write it: "2026-11-20", "2026-11-20 14:30",
// "2026-11-20T14:30:05Z" (all UTC), or 16 hexadecimal digits of a tid. Error invalid_argument.
[[nodiscard]] Result<Tid> parse_point_in_time(std::string_view text);

// Packs a storage of a running server, or tells what that would remove.
ExitCode run_pack(const PackOptions& options);

}  // namespace zeolite::cli
