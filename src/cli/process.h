#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/error.h"

// What a command needs of the process it runs in.
namespace zeolite::cli {

// Writes to standard output and flushes. Error io_error: the disk is full, or the reader is gone.
[[nodiscard]] Result<> print(std::string_view text);

// Allows as many open files (connections) as the system lets us have without asking, and returns
// how many that are.
std::uint64_t raise_open_files_limit();

// From now on the first SIGINT or SIGTERM sets the flag that is returned, and the next one ends
// the process at once. The flag lives as long as the process.
[[nodiscard]] const std::atomic<bool>& cancel_on_signal();

}  // namespace zeolite::cli
