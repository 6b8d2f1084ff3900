#pragma once

#include <filesystem>

#include "base/error.h"

namespace zeolite::blobs {

// Where the blobs of the database in `data` are: its `blobs`, which may be a symbolic link. With
// `elsewhere` (empty: not given) they are to be there, and `blobs` becomes a link to it, so that
// whoever opens the database finds them without being told. Returns the path to open.
// Errors: invalid_argument (`data` has its blobs in another place already), io_error.
[[nodiscard]] Result<std::filesystem::path> locate_blobs(const std::filesystem::path& data,
                                                         const std::filesystem::path& elsewhere);

}  // namespace zeolite::blobs
