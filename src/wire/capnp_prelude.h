#pragma once

// Included before any Cap'n Proto header. Under C++20 and later, clang finds kj's comparison of
// (const char*, StringPtr) ambiguous with its own reversal; a better match settles it.
#include <kj/string.h>

#if defined(__clang__)
namespace kj {
inline bool operator==(const char* a, StringPtr b) { return b.operator==(StringPtr(a)); }
inline bool operator!=(const char* a, StringPtr b) { return !b.operator==(StringPtr(a)); }
}  // namespace kj
#endif
