#pragma once

#include <span>
#include <string_view>

namespace zeolite::storage {

// Places in the writer's path where a test can end the process as if it had been killed. The
// environment variable ZEOLITE_CRASH_POINT=name:n ends the process, with exit code 137, when it
// passes the point `name` for the n-th time (1 = first). Unset, a point costs one test of a
// constant. Thread-safe.
//
// In the same way ZEOLITE_FAIL_POINT=name:n makes the disk operation `name` fail the n-th time.

// All names, so that a test can walk them: those that every append passes, those of blobs, and
// those of what a node of a cluster does besides appending. When an append fails the process ends;
// when a blob's write does, its transaction. A pack's, which no test in C++ walks, are in the
// source.
[[nodiscard]] std::span<const std::string_view> crash_point_names();
[[nodiscard]] std::span<const std::string_view> blob_crash_point_names();
[[nodiscard]] std::span<const std::string_view> node_crash_point_names();
[[nodiscard]] std::span<const std::string_view> fail_point_names();
[[nodiscard]] std::span<const std::string_view> blob_fail_point_names();

namespace detail {
extern const bool kCrashPointArmed;
void pass_crash_point(std::string_view name);
extern const bool kFailPointArmed;
bool pass_fail_point(std::string_view name);
}  // namespace detail

inline void crash_point(std::string_view name) {
  if (detail::kCrashPointArmed) [[unlikely]] {
    detail::pass_crash_point(name);
  }
}

// Whether the operation is to fail this time.
[[nodiscard]] inline bool fail_point(std::string_view name) {
  return detail::kFailPointArmed && detail::pass_fail_point(name);
}

}  // namespace zeolite::storage
