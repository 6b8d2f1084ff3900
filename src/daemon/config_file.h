#pragma once

#include <filesystem>
#include <string_view>

#include "base/error.h"
#include "daemon/config.h"

namespace zeolite::daemon {

// Reads a server's configuration from TOML text; docs/configuration.md lists the keys. What the
// text does not mention keeps its default. `file` is only for messages; relative directories are
// taken relative to `base_directory`.
// Error invalid_argument: "FILE:LINE:COLUMN: what is wrong, and what is expected", for anything
// that is not TOML, an unknown key, a value of the wrong type or out of range.
[[nodiscard]] Result<ServerConfig> parse_config(std::string_view text, std::string_view file,
                                                const std::filesystem::path& base_directory);

// The same from a file; relative directories are relative to the file's. Error io_error: it cannot
// be read.
[[nodiscard]] Result<ServerConfig> read_config_file(const std::filesystem::path& path);

// Whether a storage may have this name. Names stand in lists, in the line `ready` and in logs.
[[nodiscard]] bool is_storage_name(std::string_view name);

}  // namespace zeolite::daemon
