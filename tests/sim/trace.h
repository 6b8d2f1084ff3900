#pragma once

#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>

#include "sim/event_queue.h"

namespace zeolite::sim {

// What happened, as a hash that two runs of one seed share, and as text when somebody reads it.
class Trace {
 public:
  Trace(const EventQueue& queue, bool shown) : queue_(queue), shown_(shown) {}

  template <typename... Parts>
  void note(const Parts&... parts) {
    std::string line;
    (append(line, parts), ...);
    fold(static_cast<std::uint64_t>(queue_.now().since_start.count()));
    for (const char letter : line) fold(static_cast<unsigned char>(letter));
    if (shown_) {
      std::cout << std::chrono::duration<double>(queue_.now().since_start).count() << " " << line
                << "\n";
    }
  }
  // An event has happened.
  void step() { fold(static_cast<std::uint64_t>(queue_.now().since_start.count())); }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }

 private:
  static void append(std::string& line, std::string_view text) { line += text; }
  static void append(std::string& line, std::integral auto number) {
    line += std::to_string(number);
  }
  void fold(std::uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001B3ULL; }  // FNV-1a

  const EventQueue& queue_;
  const bool shown_;
  std::uint64_t hash_ = 0xCBF29CE484222325ULL;
};

}  // namespace zeolite::sim
