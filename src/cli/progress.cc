#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace zeolite::cli {

namespace {

constexpr std::uint64_t kBarWidth = 24;

std::string amount(double value) {
  constexpr std::array<const char*, 5> kPrefixes{"", "k", "M", "G", "T"};
  std::size_t prefix = 0;
  while (value >= 999.5 && prefix + 1 < kPrefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  return fmt::format("{:.{}f} {}", value, prefix > 0 && value < 99.95 ? 1 : 0, kPrefixes[prefix]);
}

std::string clock_text(double seconds) {
  const auto s = static_cast<std::uint64_t>(std::max(seconds, 0.0));
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace

std::string progress_line(std::string_view what, std::string_view unit,
                          const ProgressState& state) {
  const double seconds = std::chrono::duration<double>(state.elapsed).count();
  const double count = static_cast<double>(state.count);
  const std::string speed = fmt::format("{}{}/s", amount(seconds > 0 ? count / seconds : 0), unit);
  if (state.total == 0) return fmt::format("{}  {}{}  {}", what, amount(count), unit, speed);
  const double part =
      std::min(static_cast<double>(state.done) / static_cast<double>(state.total), 1.0);
  const auto full = static_cast<std::size_t>(part * static_cast<double>(kBarWidth));
  const std::string left = part > 0 ? clock_text(seconds / part - seconds) + " left" : "";
  return fmt::format("{} [{}{}] {:3}%  {}  {}", what, std::string(full, '#'),
                     std::string(kBarWidth - full, '.'), static_cast<int>(part * 100), speed, left);
}

Progress::Style Progress::style_for(bool json_result) {
  if (isatty(STDERR_FILENO) == 1) return Style::terminal;
  return json_result ? Style::json : Style::none;
}

Progress::Progress(Style style, std::string what, std::string unit)
    : style_(style),
      what_(std::move(what)),
      unit_(std::move(unit)),
      started_(SystemClock().now().instant) {}

void Progress::clear() {
  if (style_ == Style::terminal && drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_.reset();
}

void Progress::update_part(std::uint64_t count, std::uint64_t done, std::uint64_t total) {
  if (style_ == Style::none) return;
  const Instant now = SystemClock().now().instant;
  const Duration pause =
      style_ == Style::json ? std::chrono::seconds(1) : std::chrono::milliseconds(100);
  if (now - drawn_.value_or(started_) < pause) return;
  drawn_ = now;
  if (style_ == Style::json) {
    fmt::print(stderr, "{{\"progress\":\"{}\",\"count\":{},\"done\":{},\"total\":{}}}\n", what_,
               count, done, total);
    return;
  }
  fmt::print(stderr, "\r{}\x1b[K",
             progress_line(what_, unit_, {count, done, total, now - started_}));
  std::fflush(stderr);
}

}  // namespace zeolite::cli
