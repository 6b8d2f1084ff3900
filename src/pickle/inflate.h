#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace zeolite::pickle {

// What a zlib stream (RFC 1950) holds; bytes after its end do not matter, as in Python.
// Errors: corruption, also when it is more than `size_max` bytes.
[[nodiscard]] Result<std::string> inflate(ByteView stream, std::size_t size_max);

}  // namespace zeolite::pickle
