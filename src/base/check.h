#pragma once

#include <string_view>

namespace zeolite {

// Prints the broken condition with its place to standard error and aborts the process.
[[noreturn]] void check_failed(std::string_view condition, std::string_view message,
                               const char* file, int line);

}  // namespace zeolite

// A broken invariant is a bug: the process stops, in every build, before it can answer falsely.
#define CHECK(condition, message) \
  (static_cast<bool>(condition)   \
       ? static_cast<void>(0)     \
       : ::zeolite::check_failed(#condition, message, __FILE__, __LINE__))
