#pragma once

#include "pickle/value.h"

namespace zeolite::pickle {

// Of items with equal keys only the last value stays, in the place of the first, as in Python.
// False when a key cannot be one: a list, dict, set or path prefix, or a tuple that holds one.
// n log n; equal as Value has it.
[[nodiscard]] bool make_unique(Dict& dict);
[[nodiscard]] bool make_unique(Set& set);

}  // namespace zeolite::pickle
