#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

// Base64 with padding (RFC 4648, section 4), in which etcd's JSON carries keys and values.
namespace zeolite::etcd {

[[nodiscard]] std::string to_base64(ByteView bytes);

// The reverse of to_base64, and of nothing else: padding is wanted, and zero where bits are left
// over. Nothing when `text` is anything else.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace zeolite::etcd
