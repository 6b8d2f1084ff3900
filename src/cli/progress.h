#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace zeolite::cli {

// The line that shows how far something is: a bar with percentage, rate and the time left.
// Pure: the caller says how much time has passed.
struct ProgressState {
  std::uint64_t count = 0;  // in the unit; the rate is made of it
  std::uint64_t done = 0;   // of total, in whatever tells how far it is
  std::uint64_t total = 0;  // 0: not known
  Duration elapsed{};       // since the start
};
[[nodiscard]] std::string progress_line(std::string_view what, std::string_view unit,
                                        const ProgressState& state);

// Shows progress on standard error: a line that is drawn over and over when that is a terminal,
// JSON lines when asked for, and nothing otherwise.
// Thread: one at a time.
class Progress {
 public:
  enum class Style : std::uint8_t {
    none,
    terminal,
    json
  };

  // The style that fits: json if the result will be JSON and standard error is not a terminal's.
  [[nodiscard]] static Style style_for(bool json_result);

  Progress(Style style, std::string what, std::string unit);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap to call often: draws at most ten times a second (JSON: once).
  void update(std::uint64_t done, std::uint64_t total) { update_part(done, done, total); }
  // The same when the part done is measured by something else than what is counted.
  void update_part(std::uint64_t count, std::uint64_t done, std::uint64_t total);

  // Removes the line, before something else is printed.
  void clear();

 private:
  const Style style_;
  const std::string what_;
  const std::string unit_;
  const Instant started_;
  std::optional<Instant> drawn_;
};

}  // namespace zeolite::cli
