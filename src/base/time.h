#pragma once

#include <chrono>
#include <cstdint>

namespace zeolite {

using Duration = std::chrono::nanoseconds;

// A reading of a clock that never steps back (CLOCK_BOOTTIME in production, virtual in tests).
// Deadlines are Instants.
struct Instant {
  Duration since_start{};

  friend auto operator<=>(const Instant&, const Instant&) = default;
  friend Instant operator+(Instant a, Duration d) { return {a.since_start + d}; }
  friend Duration operator-(Instant a, Instant b) { return a.since_start - b.since_start; }
};

// Microseconds since 1970-01-01 UTC as the wall clock tells; it may step either way.
struct WallTime {
  std::int64_t unix_us = 0;
  friend auto operator<=>(const WallTime&, const WallTime&) = default;
};

// Both clocks, read together. Decision code takes a Now as an argument and never reads a clock.
struct Now {
  Instant instant;
  WallTime wall;
};

// Where Now comes from; the only place where production code reads clocks.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Now now() const = 0;
};

// The operating system's clocks: CLOCK_BOOTTIME and CLOCK_REALTIME. Thread-safe.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Now now() const override;
};

}  // namespace zeolite
