#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "net/address.h"

namespace zeolite::client_core {

// Decides which address to try next, and how long to wait before. Goes round all addresses without
// a pause, then waits: doubling from `backoff_min` to `backoff_max`, each pause between half of
// that and the whole. Starts again with the address that last worked.
//
// Besides the addresses it was given it knows those that the cluster told of. A server that says
// who is the primary sends it there next. That is no failed attempt, but a bounded detour: servers
// may be wrong about each other, and name one that is gone.
//
// Thread: one at a time. Owner: the client. Randomness is passed in: a number in [0, 1).
class PrimaryLocator {
 public:
  // `addresses`: at least one.
  PrimaryLocator(std::vector<net::HostPort> addresses, Duration backoff_min, Duration backoff_max);

  // The address to try.
  [[nodiscard]] const net::HostPort& current() const { return addresses_[current_].address; }

  // The attempt at current() failed: moves on. Returns the pause before the next attempt; zero
  // within a round.
  [[nodiscard]] Duration failed(double random);
  // The server at current() is not the primary, or not any more, and says that `leader` (host:port)
  // is. The same as failed() when it cannot be read, has failed in this round, when too many have
  // sent us elsewhere, or when 64 addresses besides the given ones are known.
  [[nodiscard]] Duration redirected(const std::string& leader, Instant now, double random);
  // A connection to current() was established.
  void established(Instant now);
  // That connection was lost: the same address comes first again, after a little jitter so that
  // all clients of a server do not return in one moment. One that did not last counts as a failed
  // attempt, or a server that accepts and hangs up would be called in a busy loop.
  [[nodiscard]] Duration lost(Instant now, double random);
  // That connection was given up because another server may do better: the next address is tried.
  [[nodiscard]] Duration left(Instant now, double random);
  // All addresses but current(), each once.
  [[nodiscard]] std::vector<net::HostPort> others() const;
  // While connected: the nodes of the cluster besides those it was made with, in place of those
  // that were told before. What is no address is left out, as are more than 64.
  void learn(const std::vector<std::string>& nodes);

  [[nodiscard]] std::size_t size() const { return addresses_.size(); }

 private:
  struct Known {
    net::HostPort address;
    bool failed = false;  // in this round
  };
  // Where `address` is in the list; added when it is not.
  std::size_t find_or_add(const net::HostPort& address);
  void begin_round();
  void begin_anew_if_lasted(Instant now);
  // Whether there was a connection to current() for long enough; only once for each.
  [[nodiscard]] bool lasted(Instant now);

  std::vector<Known> addresses_;  // first those it was made with
  std::size_t configured_;
  Duration backoff_min_;
  Duration backoff_max_;
  std::size_t current_ = 0;
  std::size_t tried_ = 0;    // in this round
  std::size_t detours_ = 0;  // in this round
  Duration pause_;           // after this round
  std::optional<Instant> established_at_;
};

}  // namespace zeolite::client_core
