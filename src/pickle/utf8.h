#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"

namespace zeolite::pickle {

enum class Surrogates : bool {
  refused,
  allowed,  // each by itself in three bytes, as Python's "surrogatepass" has it
};

// Whether these bytes are UTF-8: shortest forms, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(ByteView bytes, Surrogates surrogates);

// Appends a code point (a surrogate too). Precondition: at most 0x10FFFF.
void append_utf8(std::string& out, char32_t code_point);

// The Latin-1 bytes of a text; nothing when it holds other characters. `utf8` must be UTF-8.
[[nodiscard]] std::optional<std::string> latin1_from_utf8(ByteView utf8);

}  // namespace zeolite::pickle
