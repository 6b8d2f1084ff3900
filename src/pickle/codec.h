#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "pickle/value.h"

// Pickles of plain values (pickle/value.h). Format: CPython's Lib/pickletools.py.
namespace zeolite::pickle {

// Bounds on what a pickle may unfold to.
struct DecodeLimits {
  std::size_t depth = 100;  // of containers within containers
  // Made, all together. What a memo refers to is copied and counts with all its content each time,
  // every 16 bytes of a string as one value.
  std::size_t values = 4'000'000;
};

// What Python 2's str becomes: bytes, or text when all of it is ASCII, as ZODB reads its pickles.
enum class Python2Strings : std::uint8_t {
  bytes,
  text_if_ascii
};

// Decodes one pickle of any protocol (0 to 5) that fills `pickle` up to its STOP. Byte strings
// share its owner. Globals are refused but for those of pickle/value.h: builtins (and __builtin__)
// set, frozenset, dict, list, tuple, bytes, bytearray; copy_reg/copyreg _reconstructor is not;
// zodbpickle.binary; ZopeUndo.Prefix.Prefix; _codecs.encode of latin-1.
// Bytearrays are bytes here, frozensets are sets. Of equal keys the last wins.
// Integers of more than 1 KiB and values that hold themselves are refused.
// Errors: invalid_argument, with the offset and what was wrong. Never runs anything.
[[nodiscard]] Result<Value> decode(const Bytes& pickle, const DecodeLimits& limits = {},
                                   Python2Strings strings = Python2Strings::bytes);

// Appends the pickle of `value` as zodbpickle's protocol 3 without memo writes it ("fast").
void encode(const Value& value, std::string& out);

}  // namespace zeolite::pickle
