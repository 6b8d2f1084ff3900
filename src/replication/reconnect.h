#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "base/time.h"

namespace zeolite::replication {

// When a connection that failed or ended is tried again, and what of it is worth a line in the log.
//
// Pauses double up to `longest`, and each is shortened by up to a quarter, at random. They and what
// was told are forgotten when a connection has held for a while, not as soon as there is one: else
// one that ends again and again would be tried without a pause, and each time be told of.
//
// Sans-IO, deterministic. Thread: replication's. Owner: Node.
class Reconnect {
 public:
  Reconnect(Duration shortest, Duration longest, std::uint64_t seed);

  // Another is to be connected to.
  void begin_anew();
  // The pause before the next try.
  [[nodiscard]] Duration pause();
  // A try failed, or a connection ended. True: it is to be told; each reason is, once.
  [[nodiscard]] bool failed(const std::string& why);
  // The connection does what it is for.
  void works(Instant now);
  // Several times a second. A number: it has held for a while, after so many failures.
  [[nodiscard]] std::optional<std::uint64_t> held(Instant now);

 private:
  const Duration shortest_;
  const Duration longest_;
  std::uint64_t random_;
  Duration next_;
  std::uint64_t failures_ = 0;
  std::set<std::string> told_;
  std::optional<Instant> works_since_;
};

}  // namespace zeolite::replication
