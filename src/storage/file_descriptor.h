#pragma once

#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file_descriptor.h"

namespace zeolite::storage {

using zeolite::FileDescriptor;

// "cannot <action> <path>: <reason of errno>" as io_error.
[[nodiscard]] inline std::unexpected<Error> system_error(std::string_view action,
                                                         const std::filesystem::path& path,
                                                         int error_number) {
  return make_error(ErrorCode::io_error,
                    "cannot " + std::string(action) + " " + path.string() + ": " +
                        std::error_code(error_number, std::generic_category()).message());
}

// Writes all of `bytes` at the descriptor's place. 0, or the errno, of which the caller makes its
// error; then some of them may be written.
[[nodiscard]] int write_bytes(const FileDescriptor& file, ByteView bytes);

// The whole content of a small file; nothing when there is no such file.
[[nodiscard]] Result<std::optional<std::string>> read_small_file(const std::filesystem::path& path);

// Makes `content` the content of `path`, all or nothing, and durable: through a temporary file
// beside it, a rename, and a sync of the directory. Errors: out_of_space, and nothing is changed;
// io_error, and `path` has either content.
[[nodiscard]] Result<> replace_file(const std::filesystem::path& path, ByteView content);

// Makes the content of a file durable that was written by others.
[[nodiscard]] Result<> sync_file(const std::filesystem::path& path);

// Makes the names in `directory` durable.
[[nodiscard]] Result<> sync_directory(const std::filesystem::path& directory);

}  // namespace zeolite::storage
