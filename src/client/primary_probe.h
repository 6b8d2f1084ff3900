#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/ids.h"
#include "net/address.h"
#include "wire/messages.h"

namespace zeolite::client_core {

// Looks for another primary while the one that the client is connected to says nothing: asks the
// other addresses, one at a time and again and again, until one answers as the primary of a later
// reign. The connection stays meanwhile: a server that is only slow is not left, and one of the
// same reign, or of an earlier one, never takes its place.
//
// Does no I/O, reads no clock. Thread: one at a time. Owner: the client.
class PrimaryProbe {
 public:
  // `patience`: how long an address has to answer, and the pause before it is asked again.
  PrimaryProbe(std::string storage, std::string label, Duration patience);

  // Begins. `silent`: the server that says nothing; `others`: all other addresses.
  void begin(const net::HostPort& silent, std::vector<net::HostPort> others, Epoch epoch,
             const Id128& cluster, Instant now);
  // There is nothing to look for any more.
  void end();
  [[nodiscard]] bool running() const { return running_; }

  // Whom to connect to now; nothing: wait for what is under way, or until next_deadline().
  [[nodiscard]] std::optional<net::HostPort> dial(Instant now);
  // What to say there.
  [[nodiscard]] wire::Hello hello() const;
  struct Found {
    net::HostPort address;
    Epoch epoch;
  };
  // The address that was dialled answered. It is returned when it is the primary to go to; then the
  // probe has ended. One that names a primary sends the probe there next.
  [[nodiscard]] std::optional<Found> answered(const wire::Message& message, Instant now);
  // It could not be reached, or hung up.
  void failed(Instant now);
  // The time of what is under way is over: it counts as failed.
  [[nodiscard]] bool overdue(Instant now) const { return dialled_ && now >= until_; }
  // When dial() or overdue() has something to say.
  [[nodiscard]] std::optional<Instant> next_deadline() const;

 private:
  std::string storage_;
  std::string label_;
  Duration patience_;

  bool running_ = false;
  net::HostPort silent_;
  std::vector<net::HostPort> others_;
  Epoch epoch_;
  Id128 cluster_{};
  std::size_t next_ = 0;                 // in others_
  std::optional<net::HostPort> leader_;  // named by the one that answered last
  std::optional<net::HostPort> dialled_;
  bool was_named_ = false;  // the dialled one
  Instant until_;           // of what is under way, or of the pause
};

}  // namespace zeolite::client_core
