#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "pickle/value.h"

// Arguments of instructions in the forms of protocol 0, which are lines of text, and integers.
namespace zeolite::pickle {

// Integers of more bytes, or with more digits than fit these, are refused.
inline constexpr std::size_t kIntegerBytesMax = 1024;

// An integer from two's complement, least significant byte first, of any length up to
// kIntegerBytesMax (else nothing): an int64_t where it fits, else a BigInteger.
[[nodiscard]] std::optional<Value> integer_from_bytes(ByteView bytes);

// INT and LONG: a decimal number; nothing when it is none or too large.
[[nodiscard]] std::optional<Value> integer_from_decimal(ByteView digits);

// FLOAT: as Python's repr() writes it; nothing when it is no number.
[[nodiscard]] std::optional<double> float_from_text(ByteView text);

// STRING: the bytes that a quoted Python literal stands for; nothing when it is none.
[[nodiscard]] std::optional<std::string> string_from_literal(ByteView literal);

// UNICODE: UTF-8 of text in Python's "raw-unicode-escape"; nothing when an escape is broken.
[[nodiscard]] std::optional<std::string> utf8_from_raw_escapes(ByteView text);

}  // namespace zeolite::pickle
